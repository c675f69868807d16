/*
 * workflow: the text of a workflow to a checked model, and the model with an
 * event to a plan. Pure: nothing is read but what the caller hands in.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "stepcell/diag.h"
#include "stepcell/node.h"

/* ---- expressions ---- */

struct expr;

enum expr_fault { EXPR_OK, EXPR_LEXING, EXPR_PARSING, EXPR_EVALUATION };
const char *expr_fault_name(enum expr_fault fault); /* "lexing", "parsing", "evaluation" */

struct expr_err {
	enum expr_fault fault;
	unsigned position; /* byte of the expression, from 1 */
	char text[512];
};

/* Parse an expression without its ${{ }}. NULL with the reason in `e`. */
const struct expr *expr_parse(struct arena *a, const char *text, size_t len, struct expr_err *e);

/*
 * What an expression can see. `contexts` is a map of github, env, needs, ...;
 * a name that it lacks is an "unrecognized named-value" when evaluated.
 * The functions that need more than values ask through the pointers, which
 * may be NULL (then the function is unrecognized).
 */
struct expr_scope {
	const struct node *contexts;
	/* success(), failure(), always(), cancelled(), with their arguments; `name` in lower case
	 */
	bool (*status)(void *arg, const char *name, const struct node *const *args, size_t count);
	/* hashFiles(): hex or "" into `out`, or -1 with `why` filled */
	int (*hash_files)(void *arg, const char *const *patterns, size_t count, char out[65],
			  char *why, size_t why_size);
	void *arg;
	/* of the values that are made, counted as GitHub does (two bytes a character); 0:
	 * LIMIT_EXPR_RESULT */
	size_t memory;
};

/* The value, or NULL with the reason in `e`. */
const struct node *expr_eval(struct arena *a, const struct expr *expr, const struct expr_scope *s,
			     struct expr_err *e);

/* Does the expression call success, failure, always or cancelled? If not, success() && is implied.
 */
bool expr_has_status(const struct expr *expr);

/* A value as a condition, and as text ("" for null, Object, Array). */
bool expr_truthy(const struct node *value);
const char *expr_text(struct arena *a, const struct node *value);

/*
 * A string with ${{ }} parts, evaluated: a lone ${{ }} keeps its type, else
 * the parts are joined as text.
 */
const struct node *template_eval(struct arena *a, const char *text, const struct expr_scope *s,
				 struct expr_err *e);

/*
 * Does it name contexts of this map alone, and no function that asks how things
 * stand (success(), hashFiles())? Then its value is the same whenever it is
 * evaluated. What cannot be parsed is not known.
 */
bool template_is_known(struct arena *a, const char *text, const struct node *contexts);

/*
 * Every string of a tree, likewise (env maps, matrices, with). Keys too;
 * ${{ insert }} as a key puts a map's pairs in its place.
 */
const struct node *template_eval_tree(struct arena *a, const struct node *tree,
				      const struct expr_scope *s, struct expr_err *e);

/* An `if:` as GitHub reads it: ${{ }} may be left out, success() && is implied. `text` NULL is
 * success(). */
int condition_eval(struct arena *a, const char *text, const struct expr_scope *s, bool *out,
		   struct expr_err *e);

/* ---- the model ---- */

struct step {
	struct place at;
	const char *id;        /* NULL when none was given */
	const char *name;      /* a template; NULL: made from run or uses */
	const char *condition; /* if:, NULL when absent */
	const char *run;       /* a template; exactly one of run and uses is set */
	const char *uses;
	const char *shell;                    /* a template; NULL: default */
	const char *workdir;                  /* a template */
	const struct node *env;               /* a map, or a string template, or NULL */
	const struct node *with;              /* a map, or NULL */
	const struct node *continue_on_error; /* boolean or template; NULL: false */
	const struct node *timeout_minutes;   /* number or template; NULL: none */
	const struct node *as_written; /* the whole map; neither run nor uses: a wait, wait-all,
	                                         cancel or parallel step */
};

struct steps {
	struct step *list;
	size_t count;
};

struct run_defaults {
	const char *shell, *workdir; /* templates, or NULL */
};

struct job {
	struct place at;
	const char *id;
	const char *name;      /* a template; NULL: the id */
	const char *condition; /* if: */
	const char **needs;
	size_t need_count;
	const struct node *runs_on;
	const struct node *strategy; /* as written: matrix, fail-fast, max-parallel */
	const struct node *env, *outputs, *environment, *concurrency, *permissions;
	const struct node *container, *services;
	const struct node *continue_on_error, *timeout_minutes;
	struct run_defaults defaults;
	struct steps steps;
	const char *uses; /* a reusable workflow, then steps is empty */
	const struct node *with, *secrets;
	const struct node *as_written; /* the whole map, with what has no member here */
};

struct workflow {
	const char *path;
	const char *name;      /* NULL: the path */
	const char *run_name;  /* a template */
	const struct node *on; /* normalised: a map from event to its filters (a map or null) */
	const struct node *env, *permissions, *concurrency;
	struct run_defaults defaults;
	struct job *jobs; /* in the order of the text */
	size_t job_count;
	const struct node *as_written;
	const struct faults *faults; /* of one that workflow_load_faulty() gave; else NULL */
};

/*
 * Check and decode. NULL when `diags` got an error. Positions of expressions
 * are checked too: which contexts each key may use, functions and their arity.
 */
struct workflow *workflow_load(struct arena *a, const char *path, const char *text, size_t len,
			       struct diags *diags);

/*
 * The same, for workflow_lint() and workflow_check_calls() alone: a workflow
 * with errors is given as well, and they pass over what is wrong in it. NULL
 * when the text is no document, or not the map that a workflow is.
 */
struct workflow *workflow_load_faulty(struct arena *a, const char *path, const char *text,
				      size_t len, struct diags *diags);

/*
 * The workflow that a job's `uses:` names, or NULL when it is not at hand: then
 * nothing more is said about the call. A finder that knows it to be wrong adds
 * its own diag, at `at`.
 */
typedef const struct workflow *workflow_find_fn(void *arg, const char *uses, struct place at);

/* What a workflow without `permissions` may do. */
enum default_permissions { PERMISSIONS_WRITE, PERMISSIONS_LIMITED_READ };

/* The calls of a loaded workflow, and theirs: inputs, secrets, permissions, nesting. */
void workflow_check_calls(struct arena *a, const struct workflow *w, enum default_permissions def,
			  workflow_find_fn *find, void *arg, struct diags *diags);

/* The steps, inputs and outputs of an action.yml. */
enum action_kind { ACTION_COMPOSITE, ACTION_NODE, ACTION_DOCKER };
struct action {
	enum action_kind kind;
	const char *name, *description;
	const struct node *inputs;   /* map: NAME -> {default, required, description} */
	const struct node *outputs;  /* map: NAME -> {value, description} */
	struct steps steps;          /* composite */
	const struct node *runs;     /* as written, for the other kinds */
	bool faulty;                 /* it has errors: action_load_faulty() gave it */
	const struct faults *faults; /* what they are; else NULL */
};
struct action *action_load(struct arena *a, const char *path, const char *text, size_t len,
			   struct diags *diags);

/* As workflow_load_faulty(), for action_lint() alone. */
struct action *action_load_faulty(struct arena *a, const char *path, const char *text, size_t len,
				  struct diags *diags);

/* ---- lint ---- */

/* The action that `uses:` names, or NULL when it is not at hand. */
typedef const struct action *action_find_fn(void *arg, const char *uses);

/* What lint may know beside the text. Zeros: nothing, then what is named elsewhere is taken to be right. */
struct lint_world {
	action_find_fn *action;
	workflow_find_fn *workflow;
	void *action_arg, *workflow_arg;
	const struct node *labels; /* a list: of runners that the operator has */
};

/*
 * A second look at what was loaded from `text`: mistakes that GitHub lets pass
 * although they cannot work or let strangers in (errors), and what had better
 * not be done (warnings).
 */
void workflow_lint(struct arena *a, const struct workflow *w, const char *text, size_t len,
		   const struct lint_world *world, struct diags *diags);

/* The same of an action.yml: its steps when it is composite, else what it runs with. */
void action_lint(struct arena *a, const struct action *action, const char *text, size_t len,
		 const struct lint_world *world, struct diags *diags);

/* What a finding's rule stands for; the ids are those of struct diag. */
struct lint_rule {
	const char *id;
	enum diag_level level; /* the gravest that a finding of it has */
	bool security;         /* what it finds lets somebody in, or something out */
	const char *means, *mend;
};
const struct lint_rule *lint_rules(size_t *count);
const struct lint_rule *lint_rule_find(const char *id); /* NULL: there is none */

/*
 * The comments of a text that silence findings on their line, or on the next
 * one when they stand alone: "# stepcell: ignore[RULE, RULE] REASON".
 */
struct lint_comments;
struct lint_comments *lint_comments(struct arena *a, const char *file, const char *text,
				    size_t len);

/* The reason that silences a finding ("" where none is given); NULL: nothing does. */
const char *lint_silences(struct lint_comments *c, unsigned line, const char *rule);

/* What is wrong with the comments themselves, once all findings have been asked about. */
void lint_comments_check(const struct lint_comments *c, struct diags *diags);

/* ---- the plan ---- */

struct event {
	const char *name;   /* "push" */
	const char *action; /* activity type: "opened", "published"; NULL: none */
	const char *ref;    /* "refs/heads/main" */
	const char
		*base_ref; /* of a pull request: the branch it goes to, "main"; NULL or "" else */
	const char *const *paths; /* changed paths; NULL: not known, then path filters match */
	size_t path_count;
	const struct node *payload; /* github.event: of a workflow_run, which workflow ran on what
				       branch; what it lacks is not filtered. NULL: nothing is known */
};

/*
 * The payload of an event that nobody gave one for (github.event): small, and
 * of GitHub's shape where workflows look. `base_ref` is the branch a pull
 * request goes to ("main"), NULL otherwise.
 */
const struct node *event_payload(struct arena *a, const char *name, const char *ref,
				 const char *base_ref);

/* The activity type that such a payload has, or NULL: "opened", "published". */
const char *event_default_action(const char *name);

/*
 * The inputs context of a workflow_dispatch or workflow_call: what was given
 * (a map of texts), typed as `on:` says, with defaults. NULL with diags when
 * one is unknown, missing or of the wrong type. An empty map for other events.
 */
const struct node *event_inputs(struct arena *a, const struct workflow *w, const char *event,
				const struct node *given, struct diags *diags);

/* Does `on:` start a run for this event? `why` (of the arena) says what decided. */
bool trigger_matches(struct arena *a, const struct workflow *w, const struct event *e,
		     const char **why);

/* GitHub's filter patterns: last match wins, ! takes away. */
bool filter_match(const char *const *patterns, size_t count, const char *text);

enum runs { RUNS_YES, RUNS_NO, RUNS_DEPENDS };

/* One job of the plan: a matrix job gives one for each combination. */
struct planned_job {
	const struct job *job;
	const char *id;   /* unique: the job's id, with ".2", ".3" behind for matrix siblings */
	const char *name; /* shown: "test (3.10, ubuntu-latest)" */
	const struct node *matrix; /* a map, or NULL */
	size_t index, total;       /* within its matrix */
	uint64_t max_parallel;     /* 0: no limit */
	bool fail_fast;
	bool matrix_depends; /* the matrix needs outputs: expand with plan_expand() when its needs
				are done */
	const struct planned_job *caller; /* of a called workflow's job: the one that calls it */
	enum runs runs;
	const char *why;            /* the condition that decided, in words */
	const struct node *unknown; /* a list of what its keys name and nobody knows before other
				       jobs have run: "needs.a.outputs.b" */
};

struct plan {
	const struct workflow *workflow;
	struct planned_job *jobs; /* in an order in which every need comes first */
	size_t count;
};

/*
 * `contexts` holds github, inputs and vars. Jobs that cannot be decided before
 * others have run are RUNS_DEPENDS. `only` (NULL: all) names the jobs wanted;
 * what they need comes along.
 */
int plan_make(struct arena *a, const struct workflow *w, const struct node *contexts,
	      const char *const *only, size_t only_count, struct plan *out, struct diags *diags);

/*
 * Does the combination agree with KEY:VALUE texts? Values of one key are
 * alternatives, each key must agree; a key that it lacks does not count.
 */
bool planned_agrees(const struct planned_job *j, const char *const *wanted, size_t count);

/* The id of the j-th job that it needs: within a called workflow "CALLER.JOB". */
const char *planned_need(struct arena *a, const struct planned_job *p, size_t j);

/* The matrix of a job whose needs are done; a list of planned jobs. */
int plan_expand(struct arena *a, const struct job *job, const struct node *contexts,
		struct planned_job **out, size_t *count, struct diags *diags);

/*
 * The inputs context of the workflow that `job` calls: its `with`, evaluated in
 * `scope`, typed as `called` declares, with defaults. NULL with diags when one
 * is missing, unknown or of the wrong type.
 */
const struct node *called_inputs(struct arena *a, const struct job *job,
				 const struct workflow *called, const struct expr_scope *scope,
				 struct diags *diags);

/*
 * The jobs of the workflow that `caller` calls, as plan_make() plans them, with
 * ids "CALLER.JOB" and names "CALLER / JOB". `contexts` holds github and vars,
 * and inputs when they are known.
 */
int plan_called(struct arena *a, const struct planned_job *caller, const struct workflow *called,
		const struct node *contexts, struct plan *out, struct diags *diags);

/*
 * Put behind each job that calls a workflow the jobs of that workflow, and
 * theirs, as far as they are known before anything has run. `contexts` are
 * those of plan_make(). Calls that workflow_check_calls() refuses must have been
 * refused; a job that would run and whose workflow `find` has not is an error.
 */
int plan_calls(struct arena *a, struct plan *plan, const struct node *contexts,
	       workflow_find_fn *find, void *arg, struct diags *diags);
