/* runner: run a workflow. The one module that knows all others. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "stepcell/cell.h"
#include "stepcell/err.h"
#include "stepcell/node.h"
#include "stepcell/record.h"
#include "stepcell/texts.h"
#include "stepcell/workflow.h"

/* What the command line selects; NULL and zeros are the defaults. */
struct run_options {
	const char *dir; /* the checkout; "." */
	const char *
		workflow; /* a file or a folder of them, relative to the caller; DIR/.github/workflows */
	const char *event;      /* "push" */
	const char *event_file; /* the payload, JSON */
	const char *ref;        /* the checkout's branch */
	const char *at;         /* a commit to take instead of the tree as it stands */
	const char *policy;     /* a name in policies/, or a file */
	const char *secret_file;
	const char *image;        /* for every job, whatever its runs-on says */
	const char *actions_lock; /* which actions are the right ones; "actions.lock" of DIR */
	const char *images_lock;  /* which images; "images.lock" of DIR */
	const char *out;          /* artifacts are copied here as JOB/NAME.tar.zst */
	struct texts jobs, inputs, vars, env, matrix;
	struct texts files; /* REF=PATH: the workflow that is called as REF */
	uint64_t parallel;  /* 0: as many as there are processors */
	bool offline;       /* nothing is fetched (nothing ever is without a grant) */
	bool json;          /* the journal on standard output, as it happens */
	bool quiet;
	bool audit; /* count what the filter refuses, as far as the policy allows it */
};

/* Where a checkout has its workflows. */
#define RUNNER_WORKFLOWS ".github/workflows"

/*
 * The workflow files that `dir` and `workflow` of the options select, by name:
 * the file `workflow`, or the regular *.yml and *.yaml of that folder, or of
 * RUNNER_WORKFLOWS inside of `dir`. That there is none is an ERR_USAGE.
 */
int runner_workflow_files(struct arena *a, const char *dir, const char *workflow,
			  struct texts *paths, struct err *err);

/*
 * One of them, read and checked; `shown` is its name in messages. NULL: it
 * cannot be read, or has mistakes, which are printed: an ERR_USAGE.
 */
struct workflow *runner_workflow_load(struct arena *a, const char *path, const char *shown,
				      struct err *err);

/* Where called workflows are looked for, and those that have been found. */
struct called {
	struct arena *arena;
	struct diags *diags; /* what is wrong with one is told here, once */
	int dir;             /* what ./ is: the checkout */
	struct texts files;  /* REF=PATH */
	struct called_entry *list;
	size_t count;
};

/* `arg` is a struct called. ./PATH inside a remote workflow is OWNER/REPO/PATH@REF of that one. */
workflow_find_fn runner_called;

/*
 * For a view that has to wait for its reader: the runner says what is to be
 * called every few milliseconds, so that the limits of the cells hold. NULL
 * where nothing runs.
 */
struct run_keeper {
	void (*keep)(void *arg);
	void *arg;
};

/* Who looks on: every event of the journal, and a tick about four times a second. */
struct run_view {
	journal_view *event;
	void (*tick)(void *arg); /* or NULL */
	void *arg;
	struct run_keeper *keeper; /* or NULL */
};

/*
 * Run every workflow that the event starts, one after another. Returns the
 * exit code (0, 1, 130), or -1 with `err` when a run could not begin.
 */
int runner_run(const struct run_options *options, const struct run_view *view, struct err *err);

/*
 * The tree of a commit of a local git repository, bare or with a working tree:
 * written by git in a cell, for git trusts what it reads. `take` gets the
 * folder, which is gone when this returns, and the commit.
 */
typedef int git_take_fn(void *arg, const char *tree, const char *commit, struct err *err);
int runner_git_tree(const char *dir, const char *rev, git_take_fn *take, void *arg,
		    struct err *err);

/*
 * The checkout and event that options select, without running: the contexts
 * github, inputs and vars in a map, for plan, and a list of the paths that the
 * event changed (empty: not known). The arena owns all.
 */
int runner_contexts(struct arena *a, const struct run_options *options, const char *workflow_path,
		    const struct node **out, struct err *err);

/*
 * Add to a list what a cell's filter refused: {call arguments? answer program
 * count}; {call: "network", answer, count} for networks that it has not, and
 * {call: "others", count} for what did not fit. A program's name is made visible,
 * for its bytes are a stranger's.
 */
void runner_refused(struct arena *a, const struct cell_audit *audit, struct node *list);

/*
 * Where the policy lets a step reach named hosts: the proxy that does it, for the
 * owner's cells with CELL_NET_SHARED. Where not, `*out` stays as it is.
 */
struct policy;
struct proxy;
int runner_proxy(const struct policy *p, const char *state, struct cell_owner *owner,
		 unsigned require, struct proxy **out, struct err *err);

/* And what a proxy refused since the last time: {call: "connect", arguments? answer count}. */
void runner_reached(struct arena *a, struct proxy *proxy, struct node *refused);
