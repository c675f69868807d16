/* Conditions that do not depend on anything, and what never runs for that. */
#include <string.h>

#include "workflow/lint.h"
#include "workflow/plan_if.h"

/* ---- conditions ---- */

static bool is_event_name(const struct expr_node *n)
{
	struct lint_path path;

	return lint_path_of(n, &path) && path.count == 2 &&
	       strcasecmp(path.parts[0], "github") == 0 &&
	       strcasecmp(path.parts[1], "event_name") == 0;
}

/* github.event_name == 'push' where nothing of that name starts the workflow. A called one has its caller's. */
static enum tri decide_event(const struct lint *l, const struct expr_node *n)
{
	const struct node *on = l->workflow ? l->workflow->on : NULL;
	const struct expr_node *a = n->kids[0], *b = n->kids[1];
	const struct expr_node *literal = is_event_name(a) ? b : is_event_name(b) ? a : NULL;
	bool there;

	if (!on || faults_has(l->faults, on) || !literal || literal->op != OP_LITERAL ||
	    !node_text(literal->literal) || node_get(on, "workflow_call"))
		return TRI_UNKNOWN;
	there = node_get_nocase(on, literal->literal->text);
	if (n->op == OP_EQ)
		return there ? TRI_UNKNOWN : TRI_NO;
	return there && on->count == 1 ? TRI_NO : TRI_UNKNOWN;
}

static enum tri decide(struct lint *l, const struct expr_node *n);

static enum tri decide_chain(struct lint *l, const struct expr_node *n)
{
	enum tri deciding = n->op == OP_AND ? TRI_NO : TRI_YES;
	enum tri all = n->op == OP_AND ? TRI_YES : TRI_NO;

	for (size_t i = 0; i < n->count; i++) {
		enum tri t = decide(l, n->kids[i]);

		if (t == deciding)
			return t;
		if (t == TRI_UNKNOWN)
			all = t;
	}
	return all;
}

static enum tri decide(struct lint *l, const struct expr_node *n)
{
	const struct node *value = lint_value_of(l, n);
	enum tri inner;

	if (value)
		return expr_truthy(value) ? TRI_YES : TRI_NO;
	switch (n->op) {
	case OP_AND:
	case OP_OR:
		return decide_chain(l, n);
	case OP_NOT:
		inner = decide(l, n->kids[0]);
		return inner == TRI_UNKNOWN ? inner : inner == TRI_YES ? TRI_NO : TRI_YES;
	case OP_EQ:
	case OP_NE:
		return decide_event(l, n);
	default:
		return TRI_UNKNOWN;
	}
}

struct condition {
	enum tri tri;
	bool has_status;
};

static struct condition condition_of(struct lint *l, const struct node *n)
{
	auto_arena struct arena *scratch = arena_new();
	struct arena *own = l->checker.arena;
	struct condition c = {.tri = TRI_UNKNOWN};
	struct template_part part = {0};
	const struct expr *expr;
	struct expr_err e;
	size_t next = 0;

	if (!n || n->kind == NODE_BOOL) {
		c.tri = n ? n->truth ? TRI_YES : TRI_NO : TRI_UNKNOWN;
		return c;
	}
	if (n->kind != NODE_STRING || !n->text[0])
		return c;
	part.len = strlen(n->text);
	if (template_has_expr(n->text)) {
		if (!is_lone_expr(n)) /* has been said */
			return c;
		(void)template_next(n->text, strlen(n->text), &next, &part);
	}
	l->checker.arena = scratch;
	expr = expr_parse(scratch, n->text + part.start, part.len, &e);
	if (expr) {
		c.tri = decide(l, expr->root);
		c.has_status = expr->has_status;
	}
	l->checker.arena = own;
	return c;
}

static void judge(struct lint *l, const struct node *n, struct condition c, const char *what)
{
	if (c.tri == TRI_NO)
		diag_warn(l->checker.diags, n->at, "unreachable",
			  "this is always false: the %s never runs", what);
	else if (c.tri == TRI_YES && !c.has_status)
		diag_warn(l->checker.diags, n->at, "constant-condition",
			  "this is always true: the %s would run without it too", what);
}

void lint_step_reach(struct lint *l, const struct node *condition)
{
	judge(l, condition, condition_of(l, condition), "step");
}

/* ---- jobs ---- */

/* The first need that never runs; NULL: none, or the job's condition asks about its needs itself. */
static const char *lost_need(const struct lint *l, const struct job *job, size_t index,
			     const bool *never, struct condition c)
{
	for (size_t k = 0; !c.has_status && k < job->need_count; k++) {
		size_t need = l->graph->needs[index][k];

		if (need != SIZE_MAX && never[need])
			return job->needs[k];
	}
	return NULL;
}

void lint_reach(struct lint *l)
{
	bool *never = arena_array(l->checker.arena, l->workflow->job_count + 1, sizeof(*never));

	for (size_t i = 0; i < l->graph->ordered; i++) {
		size_t index = l->graph->order[i];
		const struct job *job = &l->workflow->jobs[index];
		const struct node *n = node_get(job->as_written, "if");
		struct condition c = condition_of(l, n);
		const char *need = lost_need(l, job, index, never, c);

		if (n)
			judge(l, n, c, "job");
		never[index] = c.tri == TRI_NO || need;
		if (need && c.tri != TRI_NO)
			diag_warn(l->checker.diags, job->at, "unreachable",
				  "job '%s' never runs: it needs '%s', which never runs", job->id,
				  need);
	}
}
