/*
 * A condition with three answers. What names only known contexts is evaluated;
 * && || and ! of the rest follow from their parts where one part decides.
 */
#include "workflow/plan_if.h"

#include <string.h>

#include "stepcell/json.h"
#include "workflow/plan_parts.h"

struct deciding {
	struct arena *arena;
	const struct job *job;
	const struct node *contexts; /* with `needs`, of which nothing is known */
	enum ancestry ancestry;
	const struct expr_node *part; /* of && and ||: the one that decided; or NULL */
	struct expr_err *err;
	bool failed;
};

bool plan_is_foreign_need(const struct job *job, const struct expr_node *n)
{
	const struct expr_node *of = n->op == OP_INDEX ? n->kids[0] : NULL;

	if (!of || of->op != OP_NAME || strcasecmp(of->name, "needs") != 0 ||
	    n->kids[1]->op != OP_LITERAL || !node_text(n->kids[1]->literal))
		return false;
	for (size_t i = 0; i < job->need_count; i++)
		if (strcasecmp(job->needs[i], n->kids[1]->literal->text) == 0)
			return false;
	return true;
}

static bool is_known(const struct deciding *d, const struct expr_node *n)
{
	if (plan_is_foreign_need(d->job, n))
		return true;
	if (n->op == OP_NAME && strcasecmp(n->name, "needs") == 0)
		return !d->job->need_count;
	if (n->op == OP_NAME)
		return node_get_nocase(d->contexts, n->name) != NULL;
	if (n->op == OP_CALL && (n->function->flags & FUNCTION_SCOPED))
		return false;
	for (size_t i = 0; i < n->count; i++)
		if (!is_known(d, n->kids[i]))
			return false;
	return true;
}

static enum tri evaluate(struct deciding *d, const struct expr_node *n)
{
	struct expr_scope scope = {.contexts = d->contexts};
	struct expr part = {.root = n};
	const struct node *value = expr_eval(d->arena, &part, &scope, d->err);

	if (!value) {
		d->failed = true;
		return TRI_UNKNOWN;
	}
	return expr_truthy(value) ? TRI_YES : TRI_NO;
}

/* Jobs that run are taken to pass: the plan says what happens when all goes well. */
static enum tri decide_status(const struct deciding *d, const struct expr_node *n)
{
	const char *name = n->function->name;

	if (strcmp(name, "always") == 0)
		return TRI_YES;
	if (strcmp(name, "success") == 0) {
		if (d->ancestry >= ANCESTRY_SKIPPED && !n->count)
			return TRI_NO;
		return d->ancestry == ANCESTRY_DEPENDS || n->count ? TRI_UNKNOWN : TRI_YES;
	}
	if (strcmp(name, "failure") != 0)
		return TRI_UNKNOWN;
	return d->ancestry == ANCESTRY_NONE || d->ancestry == ANCESTRY_IDLE ? TRI_NO : TRI_UNKNOWN;
}

static enum tri decide(struct deciding *d, const struct expr_node *n);

static enum tri decide_chain(struct deciding *d, const struct expr_node *n)
{
	enum tri deciding = n->op == OP_AND ? TRI_NO : TRI_YES;
	enum tri all = n->op == OP_AND ? TRI_YES : TRI_NO;

	for (size_t i = 0; i < n->count; i++) {
		enum tri t;

		d->part = NULL;
		t = decide(d, n->kids[i]);
		if (t == deciding) {
			d->part = d->part ? d->part : n->kids[i];
			return t;
		}
		if (t == TRI_UNKNOWN)
			all = TRI_UNKNOWN;
	}
	d->part = NULL;
	return all;
}

static enum tri decide(struct deciding *d, const struct expr_node *n)
{
	enum tri inner;

	if (n->op == OP_AND || n->op == OP_OR)
		return decide_chain(d, n);
	if (is_known(d, n))
		return evaluate(d, n);
	switch (n->op) {
	case OP_NOT:
		inner = decide(d, n->kids[0]);
		return inner == TRI_UNKNOWN ? inner : inner == TRI_YES ? TRI_NO : TRI_YES;
	case OP_CALL:
		return n->function->flags & FUNCTION_STATUS ? decide_status(d, n) : TRI_UNKNOWN;
	default:
		return TRI_UNKNOWN;
	}
}

/* ---- words ---- */

bool plan_path_text(const struct expr_node *n, struct strbuf *out)
{
	if (n->op == OP_NAME) {
		strbuf_adds(out, n->name);
		return true;
	}
	if (n->op != OP_INDEX || n->kids[1]->op != OP_LITERAL ||
	    n->kids[1]->literal->kind != NODE_STRING)
		return false;
	if (!plan_path_text(n->kids[0], out))
		return false;
	strbuf_addf(out, ".%s", n->kids[1]->literal->text);
	return true;
}

static void add_value(struct deciding *d, const struct expr_node *n, const char *path,
		      struct strbuf *out)
{
	struct expr_scope scope = {.contexts = d->contexts};
	struct expr part = {.root = n};
	struct expr_err ignored;
	const struct node *v = expr_eval(d->arena, &part, &scope, &ignored);

	if (!v || strstr(out->text, path))
		return;
	strbuf_addf(out, "%s%s is ", out->len ? ", " : "", path);
	if (v->kind == NODE_STRING)
		strbuf_addf(out, "'%.100s'", v->text);
	else if (v->kind == NODE_NULL)
		strbuf_adds(out, "not set");
	else
		strbuf_adds(out, value_is_primitive(v) ? expr_text(d->arena, v)
						       : node_kind_text(v->kind));
}

/* needs.NAME of what the job does not need, or what is below: why there is nothing. */
static bool add_foreign(const struct deciding *d, const struct expr_node *n, struct strbuf *out)
{
	while (n->op == OP_INDEX && n->kids[0]->op == OP_INDEX)
		n = n->kids[0];
	if (!plan_is_foreign_need(d->job, n))
		return false;
	strbuf_addf(out, "%sit does not need '%.100s'", out->len ? ", " : "",
		    n->kids[1]->literal->text);
	return true;
}

static void add_values(struct deciding *d, const struct expr_node *n, struct strbuf *out)
{
	auto_strbuf struct strbuf path = STRBUF(200);

	if (add_foreign(d, n, out))
		return;
	if ((n->op == OP_NAME || n->op == OP_INDEX) && plan_path_text(n, &path)) {
		if (is_known(d, n))
			add_value(d, n, path.text, out);
		return;
	}
	for (size_t i = 0; i < n->count; i++)
		add_values(d, n->kids[i], out);
}

static const char *words_for(struct deciding *d, const struct expr *expr, const char *text,
			     enum tri tri)
{
	static const char *const answers[] = {
		[TRI_NO] = "is false", [TRI_YES] = "is true", [TRI_UNKNOWN] = "is not known yet"};
	auto_strbuf struct strbuf values = STRBUF(300);
	size_t start = strspn(text, " \t\r\n"), len = strlen(text + start);

	while (len && strchr(" \t\r\n", text[start + len - 1]))
		len--;
	if (expr)
		add_values(d, d->part ? d->part : expr->root, &values);
	if (expr && expr->has_status && tri == TRI_NO && d->ancestry == ANCESTRY_IDLE)
		strbuf_addf(&values, "%snothing that it needs runs", values.len ? ", " : "");
	return arena_printf(d->arena, "if: %.*s %s%s%s%s", (int)(len > 300 ? 300 : len),
			    text + start, answers[tri], values.len ? " (" : "", values.text,
			    values.len ? ")" : "");
}

/* ---- the whole ---- */

/* A lone ${{ }} is its expression; text around it makes a string, true unless all of it is empty. */
static const struct expr *parse_condition(struct arena *a, const char *text, bool *mixed,
					  struct expr_err *e)
{
	size_t len = strlen(text), next = 0;
	struct template_part part;

	*mixed = false;
	if (!template_has_expr(text))
		return expr_parse(a, text, len, e);
	if (template_next(text, len, &next, &part) == 1 && part.is_expr && next == len)
		return expr_parse(a, text + part.start, part.len, e);
	*mixed = true;
	return NULL;
}

/* What is not there of needs is null; what is there is asked about before it is looked up. */
static const struct node *with_needs(struct arena *a, const struct node *contexts)
{
	struct node *out = node_map(a);

	for (size_t i = 0; i < contexts->count; i++)
		node_set(a, out, contexts->pairs[i].key->text, contexts->pairs[i].value);
	node_set(a, out, "needs", node_map(a));
	return out;
}

bool plan_condition(struct arena *a, const struct job *job, const struct node *contexts,
		    enum ancestry ancestry, struct verdict *out, struct expr_err *e)
{
	struct deciding d = {.arena = a,
			     .job = job,
			     .contexts = with_needs(a, contexts),
			     .ancestry = ancestry,
			     .err = e};
	const char *text = job->condition;
	bool mixed;
	const struct expr *expr;

	*e = (struct expr_err){.fault = EXPR_OK};
	expr = parse_condition(a, text, &mixed, e);
	if (!expr && !mixed)
		return false;
	*out = (struct verdict){.tri = mixed ? TRI_YES : decide(&d, expr->root)};
	out->has_status = mixed ? template_has_status(a, text, e) : expr->has_status;
	out->words = words_for(&d, expr, text, out->tri);
	return !d.failed;
}
