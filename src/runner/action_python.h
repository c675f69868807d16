/* action_python: what the files of setup-python share. Private. */
#pragma once

#include "runner/run.h"

/* A variable as the step's own programs would see it; NULL: not set. */
const char *step_env_text(const struct step_run *step, const char *name);

/* `cache: pip`, when it is asked for: the parts of a builtin. */
int python_cache_start(struct step_run *step, const char *version, struct err *err);
int python_cache_finish(struct step_run *step, struct err *err);
int python_cache_post(struct step_run *step, struct err *err);
