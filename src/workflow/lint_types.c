/* What can be known of values before there are any. */
#include <stdlib.h>
#include <string.h>

#include "workflow/lint.h"

#define UNKNOWN NODE_KIND_COUNT

static bool is(const char *part, const char *name)
{
	return strcasecmp(part, name) == 0;
}

/* ---- kinds of paths ---- */

static enum node_kind input_kind(struct lint *l, const char *name)
{
	const struct node *declared = l->inputs ? lint_get(l, l->inputs, name) : NULL;
	const char *type = node_text(node_get(declared, "type"));

	if (!declared && l->dispatch_inputs && l->with_dispatch) {
		declared = lint_get(l, l->dispatch_inputs, name);
		type = node_text(node_get(declared, "type"));
	}
	if (!declared)
		return UNKNOWN;
	if (type && strcmp(type, "boolean") == 0)
		return NODE_BOOL;
	return type && strcmp(type, "number") == 0 ? NODE_NUMBER : NODE_STRING;
}

/* The kind that all values of a vector have, when they are all written out. */
static enum node_kind vector_kind(struct lint *l, const char *name)
{
	const struct node *matrix = l->job ? node_get(l->job->strategy, "matrix") : NULL;
	const struct node *vector = matrix ? lint_get(l, matrix, name) : NULL;

	if (!vector || vector->kind != NODE_LIST || !vector->count || node_get(matrix, "include"))
		return UNKNOWN;
	for (size_t i = 0; i < vector->count; i++) {
		const struct node *item = vector->items[i];

		if (item->kind != vector->items[0]->kind ||
		    (item->kind == NODE_STRING && template_has_expr(item->text)))
			return UNKNOWN;
	}
	return vector->items[0]->kind;
}

/* steps.X.outputs, needs.X.outputs and their like */
static enum node_kind outcome_kind(const struct lint_path *p)
{
	if (p->count == 2)
		return NODE_MAP;
	if (is(p->parts[2], "outputs"))
		return p->count == 3 ? NODE_MAP : p->count == 4 ? NODE_STRING : UNKNOWN;
	return p->count == 3 ? NODE_STRING : UNKNOWN;
}

static enum node_kind path_kind(struct lint *l, const struct lint_path *p)
{
	if (p->count == 1)
		return NODE_MAP;
	for (size_t i = 1; i < p->count; i++)
		if (is(p->parts[i], "*"))
			return i + 1 == p->count ? NODE_LIST : UNKNOWN;
	if (is(p->parts[0], "steps") || is(p->parts[0], "needs") || is(p->parts[0], "jobs"))
		return outcome_kind(p);
	if (is(p->parts[0], "github") && is(p->parts[1], "event"))
		return p->count == 2 || (p->count == 3 && is(p->parts[2], "inputs")) ? NODE_MAP
										     : UNKNOWN;
	if (p->count > 2)
		return UNKNOWN;
	if (is(p->parts[0], "inputs"))
		return input_kind(l, p->parts[1]);
	if (is(p->parts[0], "matrix"))
		return vector_kind(l, p->parts[1]);
	return UNKNOWN;
}

/* ---- kinds of expressions ---- */

static enum node_kind call_kind(const struct expr_node *n)
{
	static const struct {
		const char *name;
		enum node_kind kind;
	} kinds[] = {
		{"contains", NODE_BOOL},    {"startsWith", NODE_BOOL}, {"endsWith", NODE_BOOL},
		{"format", NODE_STRING},    {"join", NODE_STRING},     {"toJSON", NODE_STRING},
		{"hashFiles", NODE_STRING},
	};

	if (n->function->flags & FUNCTION_STATUS)
		return NODE_BOOL;
	for (size_t i = 0; i < COUNT(kinds); i++)
		if (strcmp(kinds[i].name, n->function->name) == 0)
			return kinds[i].kind;
	return UNKNOWN;
}

static enum node_kind chain_kind(struct lint *l, const struct expr_node *n)
{
	enum node_kind kind = lint_kind(l, n->kids[0]);

	for (size_t i = 1; i < n->count; i++)
		if (lint_kind(l, n->kids[i]) != kind)
			return UNKNOWN;
	return kind;
}

enum node_kind lint_kind(struct lint *l, const struct expr_node *n)
{
	struct lint_path path;

	switch (n->op) {
	case OP_LITERAL:
		return n->literal->kind;
	case OP_NAME:
	case OP_INDEX:
		return lint_path_of(n, &path) ? path_kind(l, &path) : UNKNOWN;
	case OP_STAR:
		return NODE_LIST;
	case OP_CALL:
		return call_kind(n);
	case OP_AND:
	case OP_OR:
		return chain_kind(l, n);
	default:
		return NODE_BOOL;
	}
}

enum node_kind lint_kind_of_text(struct lint *l, const struct node *n)
{
	size_t next = 0;
	struct template_part part;
	struct expr_err e;
	const struct expr *expr;

	(void)template_next(n->text, strlen(n->text), &next, &part);
	expr = expr_parse(l->checker.arena, n->text + part.start, part.len, &e);
	return expr ? lint_kind(l, expr->root) : UNKNOWN;
}

/* ---- operators ---- */

static bool is_tree(enum node_kind kind)
{
	return kind == NODE_LIST || kind == NODE_MAP;
}

const char *lint_operator(struct lint *l, const struct expr_node *n)
{
	enum node_kind a, b;

	if (n->op < OP_EQ || n->op > OP_GE)
		return NULL;
	a = lint_kind(l, n->kids[0]);
	b = lint_kind(l, n->kids[1]);
	if (a == UNKNOWN || b == UNKNOWN)
		return NULL;
	if (n->op == OP_EQ || n->op == OP_NE)
		return is_tree(a) || is_tree(b) ? arena_printf(l->checker.arena,
							       "comparing %s with %s is always "
							       "false: lists and maps equal "
							       "only themselves",
							       node_kind_text(a), node_kind_text(b))
						: NULL;
	if ((a == NODE_NUMBER || a == NODE_STRING) && (b == NODE_NUMBER || b == NODE_STRING))
		return NULL;
	return arena_printf(l->checker.arena, "%s and %s have no order", node_kind_text(a),
			    node_kind_text(b));
}

/* ---- constants ---- */

static bool is_constant(const struct expr_node *n)
{
	if (n->op == OP_NAME || (n->op == OP_CALL && (n->function->flags & FUNCTION_SCOPED)))
		return false;
	for (size_t i = 0; i < n->count; i++)
		if (!is_constant(n->kids[i]))
			return false;
	return true;
}

/* format('{0}{1}', x): what is wrong with a constant format does not depend on x. */
static bool is_constant_format(const struct expr_node *n)
{
	return strcmp(n->function->name, "format") == 0 && n->kids[0]->op == OP_LITERAL;
}

static const struct node *evaluate(struct lint *l, const struct expr_node *n, struct expr_err *e)
{
	struct expr_scope scope = {.contexts = node_map(l->checker.arena), .memory = MIB};
	struct expr whole = {.root = n};

	return expr_eval(l->checker.arena, &whole, &scope, e);
}

const struct node *lint_value_of(struct lint *l, const struct expr_node *n)
{
	struct expr_err e;

	return is_constant(n) ? evaluate(l, n, &e) : NULL;
}

static const struct expr_node *with_empty_arguments(struct lint *l, const struct expr_node *n)
{
	struct expr_node *copy = arena_alloc(l->checker.arena, sizeof(*copy));
	struct expr_node *empty = arena_alloc(l->checker.arena, sizeof(*empty));

	*copy = *n;
	*empty = (struct expr_node){.op = OP_LITERAL, .literal = node_null()};
	copy->kids = arena_array(l->checker.arena, n->count, sizeof(*copy->kids));
	for (size_t i = 0; i < n->count; i++)
		copy->kids[i] = i ? empty : n->kids[0];
	return copy;
}

const char *lint_constant(struct lint *l, const struct expr_node *n)
{
	struct expr_err e = {0};
	const struct node *in, *out;

	if (n->op == OP_CALL && is_constant_format(n))
		return evaluate(l, with_empty_arguments(l, n), &e)
			       ? NULL
			       : arena_strdup(l->checker.arena, e.text);
	if (n->op == OP_CALL && is_constant(n))
		return evaluate(l, n, &e) ? NULL : arena_strdup(l->checker.arena, e.text);
	if (n->op != OP_INDEX || !is_constant(n))
		return NULL;
	in = evaluate(l, n->kids[0], &e);
	out = in ? evaluate(l, n, &e) : NULL;
	return in && out && is_tree(in->kind) && out->kind == NODE_NULL
		       ? "there is nothing at this index"
		       : NULL;
}
