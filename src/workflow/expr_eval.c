/* The tree of an expression to its value. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "workflow/expr.h"

struct value eval_fail(struct eval *ev, const struct expr_node *at, const char *fmt, ...)
{
	va_list args;

	*ev->err = (struct expr_err){.fault = EXPR_EVALUATION, .position = at->position};
	va_start(args, fmt);
	(void)vsnprintf(ev->err->text, sizeof(ev->err->text), fmt, args);
	va_end(args);
	return (struct value){0};
}

static struct value of(const struct node *node)
{
	return (struct value){.node = node};
}

static const struct node *item_at(const struct node *list, const struct node *which)
{
	double i = value_is_primitive(which) ? floor(value_number(which)) : NAN;

	return i >= 0 && i < (double)list->count ? list->items[(size_t)i] : NULL;
}

/* NULL where there is none. */
static const struct node *member(struct arena *a, const struct node *in, const struct node *which)
{
	if (in->kind == NODE_LIST)
		return item_at(in, which);
	if (in->kind == NODE_MAP && value_is_primitive(which))
		return node_get_nocase(in, expr_text(a, which));
	return NULL;
}

static struct value eval_index(struct eval *ev, const struct expr_node *n)
{
	struct value in = expr_eval_node(ev, n->kids[0]);
	struct value which = in.node ? expr_eval_node(ev, n->kids[1]) : in;
	const struct node *found;
	struct node *list;

	if (!in.node || !which.node)
		return of(NULL);
	if (!in.filtered) {
		found = member(ev->arena, in.node, which.node);
		return of(found ? found : node_null());
	}
	list = node_list(ev->arena);
	for (size_t i = 0; i < in.node->count; i++) {
		found = member(ev->arena, in.node->items[i], which.node);
		if (found)
			node_add(ev->arena, list, found);
	}
	return (struct value){.node = list, .filtered = true};
}

static void add_members(struct arena *a, struct node *list, const struct node *of_node)
{
	if (of_node->kind != NODE_LIST && of_node->kind != NODE_MAP)
		return;
	for (size_t i = 0; i < of_node->count; i++)
		node_add(a, list,
			 of_node->kind == NODE_LIST ? of_node->items[i] : of_node->pairs[i].value);
}

/* .* of a list or map: its items. Of what .* made: the items of each item. */
static struct value eval_star(struct eval *ev, const struct expr_node *n)
{
	struct value in = expr_eval_node(ev, n->kids[0]);
	struct node *list;

	if (!in.node)
		return in;
	list = node_list(ev->arena);
	if (!in.filtered)
		add_members(ev->arena, list, in.node);
	else
		for (size_t i = 0; i < in.node->count; i++)
			add_members(ev->arena, list, in.node->items[i]);
	return (struct value){.node = list, .filtered = true};
}

static bool compared(enum expr_op op, const struct node *a, const struct node *b)
{
	int order;

	if (op == OP_EQ || op == OP_NE)
		return value_equal(a, b) == (op == OP_EQ);
	order = value_compare(a, b);
	switch (op) {
	case OP_LT:
		return order == -1;
	case OP_LE:
		return order == -1 || order == 0;
	case OP_GT:
		return order == 1;
	default:
		return order == 1 || order == 0;
	}
}

static struct value eval_compare(struct eval *ev, const struct expr_node *n)
{
	const struct node *a = expr_eval_node(ev, n->kids[0]).node;
	const struct node *b = a ? expr_eval_node(ev, n->kids[1]).node : NULL;

	return b ? of(node_bool(compared(n->op, a, b))) : of(NULL);
}

/* The first operand that decides, else the last. */
static struct value eval_chain(struct eval *ev, const struct expr_node *n)
{
	struct value v = {0};

	for (size_t i = 0; i < n->count; i++) {
		v = expr_eval_node(ev, n->kids[i]);
		if (!v.node || expr_truthy(v.node) == (n->op == OP_OR))
			break;
	}
	return v;
}

static struct value eval_name(struct eval *ev, const struct expr_node *n)
{
	const struct node *v = node_get_nocase(ev->scope->contexts, n->name);

	return v ? of(v) : eval_fail(ev, n, "unknown context '%s'", n->name);
}

static struct value eval_not(struct eval *ev, const struct expr_node *n)
{
	struct value v = expr_eval_node(ev, n->kids[0]);

	return v.node ? of(node_bool(!expr_truthy(v.node))) : v;
}

struct value expr_eval_node(struct eval *ev, const struct expr_node *n)
{
	switch (n->op) {
	case OP_LITERAL:
		return of(n->literal);
	case OP_NAME:
		return eval_name(ev, n);
	case OP_INDEX:
		return eval_index(ev, n);
	case OP_STAR:
		return eval_star(ev, n);
	case OP_CALL:
		return n->function->call(ev, n);
	case OP_NOT:
		return eval_not(ev, n);
	case OP_AND:
	case OP_OR:
		return eval_chain(ev, n);
	default:
		return eval_compare(ev, n);
	}
}

/* What the scope lacks is a mistake in the text, whether or not evaluation would come to it. */
static bool check_uses(const struct expr *expr, const struct expr_scope *s, struct expr_err *e)
{
	for (size_t i = 0; i < expr->use_count; i++) {
		const struct expr_use *use = &expr->uses[i];
		bool known = use->call
				     ? (strcmp(use->name, "hashFiles") == 0 ? s->hash_files != NULL
									    : s->status != NULL)
				     : node_get_nocase(s->contexts, use->name) != NULL;

		if (known)
			continue;
		expr_fail(e, EXPR_PARSING, use->position,
			  use->call ? "function '%s' is not available here"
				    : "unknown context '%s'",
			  use->name);
		return false;
	}
	return true;
}

const struct node *expr_eval(struct arena *a, const struct expr *expr, const struct expr_scope *s,
			     struct expr_err *e)
{
	struct eval ev = {.arena = a,
			  .scope = s,
			  .err = e,
			  .budget = s->memory ? s->memory : LIMIT_EXPR_RESULT};

	expr_begin(e);
	if (!check_uses(expr, s, e))
		return NULL;
	return expr_eval_node(&ev, expr->root).node;
}
