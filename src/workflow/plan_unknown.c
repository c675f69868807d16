/* What of a job nobody knows before other jobs have run. */
#include <string.h>

#include "workflow/plan_parts.h"

struct search {
	struct arena *arena;
	const struct planned_job *job;
	const struct node *contexts;
	struct node *found;
};

static bool is_known(const struct search *s, const char *context)
{
	if (strcasecmp(context, "matrix") == 0)
		return !s->job->matrix_depends;
	return strcasecmp(context, "strategy") == 0 || node_get_nocase(s->contexts, context);
}

static void add_once(struct search *s, const char *path)
{
	for (size_t i = 0; i < s->found->count; i++)
		if (strcmp(s->found->items[i]->text, path) == 0)
			return;
	node_add(s->arena, s->found, node_string(s->arena, path));
}

/* needs.NAME, or what is below it, of a job that is not needed: nothing will ever be known. */
static bool names_no_need(const struct job *job, const struct expr_node *n)
{
	while (n->op == OP_INDEX && n->kids[0]->op == OP_INDEX)
		n = n->kids[0];
	return plan_is_foreign_need(job, n);
}

/* The longest path at each place: needs.a.outputs.b, not needs. */
static void search_expr(struct search *s, const struct expr_node *n)
{
	auto_strbuf struct strbuf path = STRBUF(300);

	if (names_no_need(s->job->job, n))
		return;
	if ((n->op == OP_NAME || n->op == OP_INDEX) && plan_path_text(n, &path)) {
		const char *context = arena_strndup(s->arena, path.text, strcspn(path.text, "."));

		if (!is_known(s, context))
			add_once(s, path.text);
		return;
	}
	for (size_t i = 0; i < n->count; i++)
		search_expr(s, n->kids[i]);
}

static void search_part(struct search *s, const char *text, size_t len)
{
	struct expr_err ignored;
	const struct expr *expr = expr_parse(s->arena, text, len, &ignored);

	if (expr)
		search_expr(s, expr->root);
}

static void search_tree(struct search *s, const struct node *n, bool bare)
{
	struct template_part part;
	size_t next = 0, len;

	for (size_t i = 0; i < n->count; i++)
		search_tree(s, n->kind == NODE_LIST ? n->items[i] : n->pairs[i].value, false);
	if (n->kind != NODE_STRING)
		return;
	len = strlen(n->text);
	if (bare && !template_has_expr(n->text))
		search_part(s, n->text, len);
	while (template_next(n->text, len, &next, &part) > 0)
		if (part.is_expr)
			search_part(s, n->text + part.start, part.len);
}

const struct node *plan_unknown(struct arena *a, const struct planned_job *j,
				const struct node *contexts)
{
	static const char *const keys[] = {"if",      "strategy",    "name",       "with",
					   "runs-on", "environment", "concurrency"};
	struct search s = {a, j, contexts, node_list(a)};

	for (size_t i = 0; j->runs != RUNS_NO && i < COUNT(keys); i++) {
		const struct node *n = node_get(j->job->as_written, keys[i]);

		if (n)
			search_tree(&s, n, i == 0);
	}
	return s.found;
}
