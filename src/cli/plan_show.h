/* plan_show: how `plan` prints, beside its table. */
#pragma once

#include "stepcell/workflow.h"

/* Is the job among those that the options chose? */
typedef bool plan_shown_fn(const void *arg, const struct planned_job *j);

const char *plan_runs_word(enum runs runs); /* "yes", "no", "depends" */

void plan_print_graph(const struct plan *p, plan_shown_fn *shown, const void *arg);
