/* exec: what the files of `stepcell exec` share. */
#pragma once

#include <limits.h>
#include <stdbool.h>

#include "cli/options.h"
#include "stepcell/arena.h"
#include "stepcell/cell.h"
#include "stepcell/image.h"
#include "stepcell/policy.h"
#include "stepcell/proxy.h"

struct exec_options {
	const char *image, *policy, *checkout, *workdir;
	struct texts limits, env;
	bool audit, tty, json;
};

/* One exec, from options to spec; all of it lives in the arena. */
struct exec {
	struct arena *arena;
	struct exec_options options;
	char **command;
	char state[PATH_MAX];
	char scratch[PATH_MAX]; /* our directory of uppers, "" while there is none */
	int scratch_lock;
	struct store *store;
	struct image image;
	struct policy policy;
	struct cell_owner *owner;
	struct proxy *proxy; /* where the policy lets it reach named hosts; else NULL */
	struct cell_spec spec;
	unsigned missing;
	struct node *refused; /* with --audit: what runner_refused() says */
};

/* exec_spec.c: from options to a spec. Whatever it returns, exec_release() is to be called. */
int exec_prepare(struct exec *x, struct err *err);
void exec_release(struct exec *x);

/* exec_say.c: how it ended, for a person; and for a program, as one line of JSON. */
void exec_note_missing(const struct exec *x);
void exec_note_verdict(const struct cell_result *r);
void exec_note_refused(const struct node *refused);
void exec_print_json(const struct exec *x, const struct cell_result *r, const struct err *err);
