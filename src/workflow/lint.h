/* lint: what GitHub would take and what cannot work all the same, or should not be done. */
#pragma once

#include "workflow/check.h"
#include "workflow/graph.h"

/* Where an expression stands. */
struct lint {
	struct checker checker;
	const struct lint_world *world;
	const struct workflow *workflow; /* NULL in an action */
	const struct action *action;     /* NULL in a workflow */
	const struct graph *graph;
	const struct job *job;     /* NULL outside of jobs */
	const struct steps *steps; /* of the job or the action; NULL outside of those */
	const struct node *step;   /* the one that is looked at, as written; or NULL */
	size_t steps_before;       /* those whose outputs can be there */
	struct step_id *step_ids;  /* sorted */
	size_t step_id_count;
	const struct node *inputs; /* declared: a map of definitions, or NULL */
	size_t inputs_before;      /* how many of them can be used */
	const struct node *dispatch_inputs;
	bool with_dispatch;         /* those count too: not so within the declarations */
	struct outputs_read *reads; /* of each job; NULL in an action */
	bool reads_all;             /* something may read any output of any job */
	const char *input;          /* one of what is called, that is looked for in its scripts */
	unsigned env_depth;         /* of variables that are set to others */
	size_t work;                /* names that were compared */
	bool script;                /* the text is run */
	bool declares;              /* an empty value is all that there would be */

	const struct faults *faults; /* NULL: none */
	struct unsure *unsure;       /* of each job, or of the action; NULL: all is known */
	bool unsure_inputs;
};

struct step_id {
	const char *id;
	const struct node *step; /* as written */
	size_t index; /* of the step among the job's steps; those of a parallel step have its */
};
void lint_index_steps(struct lint *l);

/* The expressions of a tree. */
void lint_any(struct lint *l, const struct node *n);
void lint_on(struct lint *l);

/* The rules, a file each. What is NULL is passed over. */
void lint_uses(struct lint *l, const struct node *uses);
void lint_action_use(struct lint *l, const struct node *step);
void lint_known_inputs(struct lint *l, const struct node *step);
void lint_checkout(struct lint *l, const struct node *step);
void lint_commands(struct lint *l, const struct node *script);

/* Numbers where versions are meant: of an input, of the axes and rows of a matrix. */
void lint_version(struct lint *l, const char *key, const struct node *value);
void lint_matrix_versions(struct lint *l, const struct node *strategy);
void lint_permissions(struct lint *l, const struct node *permissions);
void lint_token(struct lint *l);
void lint_matrix_effect(struct lint *l, const struct node *matrix);
void lint_labels(struct lint *l, const struct node *runs_on);
void lint_credentials(struct lint *l, const struct node *container);
void lint_plain(struct lint *l, const struct node *map);
void lint_plain_text(struct lint *l, const struct node *n);
void lint_reach(struct lint *l);
void lint_step_reach(struct lint *l, const struct node *condition);

/* "github.event.title" in parts, as far as they are literal; texts of the expression. */
#define PATH_PARTS_MAX 8
#define LINT_ITEM      "[]" /* the part for an index that is a number */
struct lint_path {
	const char *parts[PATH_PARTS_MAX]; /* "*" for .* */
	size_t count;
};

/* False when `n` is no chain of properties that starts at a context. */
bool lint_path_of(const struct expr_node *n, struct lint_path *out);

/* May so many names more be compared? A hostile file has tens of thousands of references to as many. */
bool lint_afford(struct lint *l, size_t names);

/* Looks a name up, until that has cost too much for one file; then every name is there. */
const struct node *lint_get(struct lint *l, const struct node *map, const char *key);

/* Before the first rule, and once the jobs are known: what cannot be told of a text with faults. */
void lint_find_faults(struct lint *l);
bool lint_is_unsure(const struct lint *l, const struct lint_path *path);
bool lint_steps_are_unsure(const struct lint *l);
bool lint_matrix_is_unsure(const struct lint *l);

/* NULL, or why a path cannot be there. */
const char *lint_reference(struct lint *l, const struct lint_path *path);

/* The action that a `uses` names, when it is at hand; else NULL. */
const struct action *lint_find_action(const struct lint *l, const char *uses);

/* NULL, or why the action of a step does not have this output. */
const char *lint_action_output(struct lint *l, const struct node *step, const char *name);

/* Outputs of jobs: before the first expression, at each of them, and behind the last. */
void lint_expect_reads(struct lint *l);
void lint_note_read(struct lint *l, const struct expr_node *n);
void lint_unread(struct lint *l);

/* Do strangers write this? Variables of env are followed to what they were set to. */
bool lint_is_untrusted(struct lint *l, const struct lint_path *path);

/* Does a text have an expression whose value strangers write? */
bool lint_is_tainted(struct lint *l, const char *text);

/* An expression that becomes part of a script: the names in it that strangers write. */
void lint_taint(struct lint *l, const struct node *n, size_t start, const struct expr_node *x);

/* What strangers write, given to a job or step whose called workflow or action puts it into a script. */
void lint_handed_on(struct lint *l, const struct node *caller);

/* Is this input of an action run, and not only read? */
bool lint_is_script_input(const char *uses, const char *input);

/* What is known of an expression's value: NODE_KIND_COUNT when nothing is. */
enum node_kind lint_kind(struct lint *l, const struct expr_node *n);

/* Of a value that is one ${{ }}. */
enum node_kind lint_kind_of_text(struct lint *l, const struct node *n);

/* NULL, or why an operator cannot do what it looks like on these values. */
const char *lint_operator(struct lint *l, const struct expr_node *n);

/* The value of an expression that depends on nothing; else NULL. */
const struct node *lint_value_of(struct lint *l, const struct expr_node *n);

/* NULL, or why a call or index of constants fails whenever it is evaluated. */
const char *lint_constant(struct lint *l, const struct expr_node *n);
