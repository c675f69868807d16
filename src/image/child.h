/* child: a program of the host whose output is read here. Private. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "stepcell/err.h"
#include "stepcell/strbuf.h"

struct child_spec {
	const char *const *argv, *const *env; /* NULL-ended; argv[0] is looked up in PATH */
	int log;                              /* its standard error; -1: nowhere */
	bool pretend;                         /* under ownership.h's filter */
	int in;                               /* its standard input; 0 or less: nothing */
};

struct child {
	pid_t pid;
	int out; /* its standard output */
	const char *name;
};

/* Start it with nothing but its environment: none of our descriptors. It dies with this process. */
int child_start(const struct child_spec *spec, struct child *out, struct err *err);

/* Close its output and wait; anything but exit code 0 is an error. */
int child_end(struct child *child, struct err *err);

/* Kill it and wait. Fine when it was not started or has ended. */
void child_kill(struct child *child);
#define auto_child __attribute__((cleanup(child_kill)))

/* Start, read all of its output, end. */
int child_run(const char *const *argv, const char *const *env, struct strbuf *output,
	      struct err *err);
