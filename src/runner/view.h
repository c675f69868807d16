/* view: the job's mounts as they stand, seen by a worker that can write nothing. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "stepcell/err.h"
#include "stepcell/strbuf.h"

struct cell;
struct job_run;
struct run;

/* Since when a job asks, and how long it has in all. */
struct view_time {
	uint64_t at_ms, all_ms;
};

typedef int view_fn(void *arg, int out, struct err *err);
/* `fn` runs in the workspace and writes its answer to `out`; at most the strbuf's maximum. */
int view_ask(struct job_run *job, view_fn *fn, void *arg, struct strbuf *answer, struct err *err);
/*
 * All that a cell writes to `fd`, until its end: polled, so that the limits of
 * the cell hold and a signal is not kept waiting.
 */
int view_listen(struct run *run, struct cell *cell, int fd, struct strbuf *out, struct err *err);
/* What a program says that runs in the job's root as it is; -1 also when it fails. */
struct view_program {
	const char *const *argv;
	const char *const *env; /* NULL: empty */
	const char *workdir;    /* NULL: the workspace */
};
int view_run(struct job_run *job, const struct view_program *program, struct strbuf *answer,
	     struct err *err);
/* A regular file of the workspace. */
int view_read(struct job_run *job, const char *path, struct strbuf *text, struct err *err);
