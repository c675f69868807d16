/* plan_show: how `plan` prints, beside its table. */
#pragma once

#include "stepcell/workflow.h"

/* Is the job among those that the options chose? */
typedef bool plan_shown_fn(const void *arg, const struct planned_job *j);

const char *plan_runs_word(enum runs runs); /* "yes", "no", "depends" */

/* A text of the workflow as a terminal may see it. */
const char *plan_visible(struct arena *a, const char *text);

void plan_print_graph(const struct plan *p, plan_shown_fn *shown, const void *arg);
