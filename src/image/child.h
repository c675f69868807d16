/* child: a program of the host whose output is read here. Private. */
#pragma once

#include <stddef.h>
#include <sys/types.h>

#include "stepcell/err.h"
#include "stepcell/strbuf.h"

struct child {
	pid_t pid;
	int out; /* its standard output */
	const char *name;
};

/*
 * Start argv[0], looked up in PATH, with nothing but `env`; its standard error
 * goes to `log` (-1: nowhere). It dies with this process.
 */
int child_start(const char *const *argv, const char *const *env, int log, struct child *out,
		struct err *err);

/* Close its output and wait; anything but exit code 0 is an error. */
int child_end(struct child *child, struct err *err);

/* Kill it and wait. Fine when it was not started or has ended. */
void child_kill(struct child *child);
#define auto_child __attribute__((cleanup(child_kill)))

/* Start, read all of its output, end. */
int child_run(const char *const *argv, const char *const *env, struct strbuf *output,
	      struct err *err);
