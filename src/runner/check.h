/* check: the last look before anything starts, and what its files share. Private. */
#pragma once

#include "runner/run.h"

/* check.c: the last look before anything starts; ERR_POLICY, ERR_USAGE or ERR_SYSTEM */
int check_run(struct run *run, struct err *err);
/* What is known of a planned job before the run: github, inputs, vars, matrix. */
struct node *contexts_of(const struct run *run, const struct planned_job *p);
/* check_python.c: every Python that the plan names is there; else ERR_SYSTEM names all that are not. */
int check_pythons(struct run *run, struct err *err);
/* Where something was written, as GitHub names the file. */
const char *file_of(const struct run *run, const struct place *at);
/* Is the job that this one is planned from planned before, for another combination or call? */
bool planned_before(const struct plan *plan, size_t at);
/* The policy grants the job's environment, or -1 with ERR_POLICY. */
int environment_check(const struct run *run, const struct job *job, const struct node *contexts,
		      struct err *err);
