/* select: the options by which `run` and `plan` choose workflows, an event and jobs. */
#pragma once

#include "cli/options.h"
#include "stepcell/workflow.h"

struct select_options {
	const char *dir;        /* -C; NULL: "." */
	const char *workflow;   /* -W: a file or a directory; NULL: DIR/.github/workflows */
	const char *event;      /* -e; NULL: "push" */
	const char *event_file; /* the payload as JSON; NULL: made up */
	const char *ref;        /* NULL: the branch that DIR is on */
	struct texts jobs, inputs, matrix, vars, files;
};
void select_options_release(struct select_options *o);

/* The rows, for a struct that holds a struct select_options as `member`. */
#define SELECT_ROW(letter, name, value, store, outer, member, field, help)                         \
	{                                                                                          \
		letter, name, value, store, offsetof(outer, member.field), help                    \
	}
#define SELECT_ROWS(outer, member)                                                                 \
	SELECT_ROW('C', "directory", "DIR", opt_text, outer, member, dir,                          \
		   "the checkout; default: the current directory"),                                \
		SELECT_ROW('W', "workflow", "FILE|DIR", opt_text, outer, member, workflow,         \
			   "the workflow, or a directory of them; default: .github/workflows"),    \
		SELECT_ROW('e', "event", "EVENT", opt_text, outer, member, event,                  \
			   "the event that starts them; default: push"),                           \
		SELECT_ROW(0, "event-file", "JSON", opt_text, outer, member, event_file,           \
			   "the event's payload; default: a small one is made up"),                \
		SELECT_ROW(0, "ref", "REF", opt_text, outer, member, ref,                          \
			   "the ref it is about, such as refs/heads/main; default: HEAD's"),       \
		SELECT_ROW('j', "job", "JOB", opt_list, outer, member, jobs,                       \
			   "only this job and what it needs; may be repeated"),                    \
		SELECT_ROW(0, "input", "NAME=VALUE", opt_pair, outer, member, inputs,              \
			   "an input of workflow_dispatch; may be repeated"),                      \
		SELECT_ROW(0, "matrix", "KEY:VALUE", opt_list, outer, member, matrix,              \
			   "only combinations with this value; may be repeated"),                  \
		SELECT_ROW(0, "var", "NAME=VALUE", opt_pair, outer, member, vars,                  \
			   "a configuration variable (vars.NAME); may be repeated"),               \
		SELECT_ROW(0, "file", "REF=PATH", opt_pair, outer, member, files,                  \
			   "the file of a workflow that is called as REF; may be repeated")

/* The workflows that were chosen: loaded and checked. */
struct selection {
	const struct select_options *options;
	struct workflow **workflows; /* in the order of their file names */
	size_t count;
};

/* Mistakes in workflows are printed to standard error, all of them, and are an ERR_USAGE. */
int select_load(struct arena *a, const struct select_options *o, struct selection *out,
		struct err *err);

/* The ids of -j that this workflow has; an id that no workflow has was refused by select_load(). */
const char **select_jobs(struct arena *a, const struct selection *s, const struct workflow *w,
			 size_t *count);

/* Does --matrix leave this combination in? */
bool select_matrix(const struct selection *s, const struct planned_job *j);
