/* action_python: what the files of setup-python share. Private. */
#pragma once

#include "runner/actions.h"
#include "runner/run.h"

/* One step's setup-python: what its cells and its post part share. */
struct python_setup {
	struct texts pythons;    /* the folders of the Pythons that were set up, in order */
	const char *version;     /* of the last one, as outputs and keys have it */
	const char *manager;     /* whose cache it is; NULL: none is kept */
	struct caching *caching; /* likewise */
	struct texts projects;   /* folders of poetry's projects */
	bool commands;           /* the cell of its commands has been started */
};
struct python_setup *python_setup_of(const struct step_run *step);

/* A variable as the step's own programs would see it; NULL: not set. */
const char *step_env_text(const struct step_run *step, const char *name);

/* action_python_cache.c: the input `cache`, when it is given: the parts of a builtin. */
int python_cache_start(struct step_run *step, struct python_setup *setup, struct err *err);
int python_cache_finish(struct step_run *step, struct err *err);
int python_cache_post(struct step_run *step, struct err *err);

/* action_python_poetry.c: the folders that poetry keeps environments in, of projects with these files. */
int python_poetry_folders(struct step_run *step, struct python_setup *setup,
			  const struct texts *patterns, struct texts *out, struct err *err);

/* action_python_commands.c: what pip and poetry have to do, in a cell with the job's network */
/* pip-version is one, or ERR_USAGE. */
int python_commands_check(const struct step_run *step, struct err *err);
/* 1 when they run now, 0 when there is nothing to do, -1. */
int python_commands_start(struct step_run *step, struct python_setup *setup, struct err *err);
