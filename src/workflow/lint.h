/* lint: what GitHub would take and what cannot work all the same, or should not be done. */
#pragma once

#include "workflow/check.h"
#include "workflow/graph.h"

/* Where an expression stands. */
struct lint {
	struct checker checker;
	const struct workflow *workflow;
	const struct graph *graph;
	const struct job *job;    /* NULL outside of jobs */
	size_t steps_before;      /* of the job: those whose outputs can be there */
	struct step_id *step_ids; /* of the job, sorted */
	size_t step_id_count;
	const struct node *inputs; /* declared: a map of definitions, or NULL */
	size_t inputs_before;      /* how many of them can be used */
	const struct node *dispatch_inputs;
	bool with_dispatch; /* those count too: not so within the declarations */
	size_t work;        /* names that were compared */
	bool script;        /* the text is run */
};

struct step_id {
	const char *id;
	size_t index; /* of the step among the job's steps; those of a parallel step have its */
};
void lint_index_steps(struct lint *l);

/* The expressions of a tree. */
void lint_any(struct lint *l, const struct node *n);
void lint_on(struct lint *l);

/* What had better not be done. Each takes NULL. */
void lint_pinned(struct lint *l, const struct node *uses);
void lint_commands(struct lint *l, const struct node *script);
void lint_permissions(struct lint *l, const struct node *permissions);

/* "github.event.title" in parts, as far as they are literal; texts of the expression. */
#define PATH_PARTS_MAX 8
#define LINT_ITEM      "[]" /* the part for an index that is a number */
struct lint_path {
	const char *parts[PATH_PARTS_MAX]; /* "*" for .* */
	size_t count;
};

/* False when `n` is no chain of properties that starts at a context. */
bool lint_path_of(const struct expr_node *n, struct lint_path *out);

/* Looks a name up, until that has cost too much for one file; then every name is there. */
const struct node *lint_get(struct lint *l, const struct node *map, const char *key);

/* NULL, or why a path cannot be there. */
const char *lint_reference(struct lint *l, const struct lint_path *path);

/* Do strangers write this? */
bool lint_is_untrusted(const struct lint_path *path);

/* What is known of an expression's value: NODE_KIND_COUNT when nothing is. */
enum node_kind lint_kind(struct lint *l, const struct expr_node *n);

/* Of a value that is one ${{ }}. */
enum node_kind lint_kind_of_text(struct lint *l, const struct node *n);

/* NULL, or why an operator cannot do what it looks like on these values. */
const char *lint_operator(struct lint *l, const struct expr_node *n);

/* NULL, or why a call or index of constants fails whenever it is evaluated. */
const char *lint_constant(struct lint *l, const struct expr_node *n);
