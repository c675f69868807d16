/* Texts with ${{ }} in them, and conditions. */
#include <string.h>

#include "workflow/expr.h"

/* Where the }} of an expression begins; quoted ones do not count. */
static bool find_close(const char *text, size_t len, size_t from, size_t *at)
{
	bool quoted = false;

	for (size_t i = from; i < len; i++) {
		if (text[i] == '\'')
			quoted = !quoted;
		if (quoted || text[i] != '}' || i + 1 >= len || text[i + 1] != '}')
			continue;
		*at = i;
		return true;
	}
	return false;
}

int template_next(const char *text, size_t len, size_t *next, struct template_part *part)
{
	size_t from = *next, close;
	const char *open;

	if (from >= len)
		return 0;
	open = memmem(text + from, len - from, "${{", 3);
	if (open != text + from) {
		*part = (struct template_part){.start = from};
		part->len = open ? (size_t)(open - text) - from : len - from;
		*next = from + part->len;
		return 1;
	}
	*part = (struct template_part){.is_expr = true, .start = from};
	if (!find_close(text, len, from + 3, &close))
		return -1;
	part->start = from + 3;
	part->len = close - part->start;
	*next = close + 2;
	return 1;
}

bool template_has_expr(const char *text)
{
	return strstr(text, "${{") != NULL;
}

static const struct node *eval_part(struct arena *a, const char *text, struct template_part part,
				    const struct expr_scope *s, struct expr_err *e)
{
	const struct expr *expr = expr_parse(a, text + part.start, part.len, e);
	const struct node *value = expr ? expr_eval(a, expr, s, e) : NULL;

	if (!value)
		e->position += (unsigned)part.start;
	return value;
}

static bool part_is_known(struct arena *a, const char *text, struct template_part part,
			  const struct node *contexts)
{
	struct expr_err ignored;
	const struct expr *expr = expr_parse(a, text + part.start, part.len, &ignored);

	for (size_t i = 0; expr && i < expr->use_count; i++)
		if (expr->uses[i].call || !node_get_nocase(contexts, expr->uses[i].name))
			return false;
	return expr;
}

bool template_is_known(struct arena *a, const char *text, const struct node *contexts)
{
	const size_t len = strlen(text);
	struct template_part part;
	size_t next = 0;
	int more;

	while ((more = template_next(text, len, &next, &part)) > 0)
		if (part.is_expr && !part_is_known(a, text, part, contexts))
			return false;
	return more == 0;
}

const struct node *template_eval(struct arena *a, const char *text, const struct expr_scope *s,
				 struct expr_err *e)
{
	size_t len = strlen(text), next = 0;
	auto_strbuf struct strbuf out = STRBUF(s->memory ? s->memory : LIMIT_EXPR_RESULT);
	struct template_part part;
	int more;

	*e = (struct expr_err){.fault = EXPR_OK};
	while ((more = template_next(text, len, &next, &part)) > 0) {
		const struct node *value;

		if (!part.is_expr) {
			strbuf_add(&out, text + part.start, part.len);
			continue;
		}
		value = eval_part(a, text, part, s, e);
		if (!value || (part.start == 3 && next == len))
			return value;
		strbuf_adds(&out, expr_text(a, value));
	}
	if (more < 0) {
		expr_fail(e, EXPR_PARSING, (unsigned)part.start + 1, "${{ is not closed by }}");
		return NULL;
	}
	if (out.full) {
		expr_fail(e, EXPR_EVALUATION, 1, "the result passes the limit on memory");
		return NULL;
	}
	return node_string(a, out.text);
}

/* An item that is an expression of a list gives its items, not itself. */
static void add_items(struct arena *a, struct node *out, const struct node *list)
{
	for (size_t i = 0; i < list->count; i++)
		node_add(a, out, list->items[i]);
}

static const struct node *eval_items(struct arena *a, const struct node *list,
				     const struct expr_scope *s, struct expr_err *e)
{
	struct node *out = node_list(a);

	out->at = list->at;
	for (size_t i = 0; i < list->count; i++) {
		const struct node *item = template_eval_tree(a, list->items[i], s, e);

		if (!item)
			return NULL;
		if (item->kind == NODE_LIST && list->items[i]->kind == NODE_STRING)
			add_items(a, out, item);
		else
			node_add(a, out, item);
	}
	return out;
}

/* The key ${{ insert }}: the value's own pairs take its place. */
static bool is_insert(const char *key)
{
	const char *p = key;

	if (strncmp(p, "${{", 3) != 0)
		return false;
	p += 3;
	p += strspn(p, " ");
	if (strncmp(p, "insert", 6) != 0)
		return false;
	p += 6;
	p += strspn(p, " ");
	return strcmp(p, "}}") == 0;
}

static bool insert_pairs(struct arena *a, struct node *into, const struct node *value,
			 struct expr_err *e)
{
	if (value->kind != NODE_MAP) {
		expr_fail(e, EXPR_EVALUATION, 1, "${{ insert }} takes a map");
		return false;
	}
	for (size_t i = 0; i < value->count; i++)
		node_set(a, into, value->pairs[i].key->text, value->pairs[i].value);
	return true;
}

static bool eval_pair(struct arena *a, const struct node_pair *pair, const struct expr_scope *s,
		      struct node *out, struct expr_err *e)
{
	const struct node *value = template_eval_tree(a, pair->value, s, e);
	const char *key = pair->key->text;

	if (!value)
		return false;
	if (is_insert(key))
		return insert_pairs(a, out, value, e);
	if (template_has_expr(key)) {
		const struct node *made = template_eval(a, key, s, e);

		if (!made)
			return false;
		key = expr_text(a, made);
	}
	node_set(a, out, key, value);
	return true;
}

static const struct node *eval_pairs(struct arena *a, const struct node *map,
				     const struct expr_scope *s, struct expr_err *e)
{
	struct node *out = node_map(a);

	out->at = map->at;
	for (size_t i = 0; i < map->count; i++)
		if (!eval_pair(a, &map->pairs[i], s, out, e))
			return NULL;
	return out;
}

const struct node *template_eval_tree(struct arena *a, const struct node *tree,
				      const struct expr_scope *s, struct expr_err *e)
{
	*e = (struct expr_err){.fault = EXPR_OK};
	if (tree->kind == NODE_LIST)
		return eval_items(a, tree, s, e);
	if (tree->kind == NODE_MAP)
		return eval_pairs(a, tree, s, e);
	if (tree->kind == NODE_STRING && template_has_expr(tree->text))
		return template_eval(a, tree->text, s, e);
	return tree;
}

/* ---- conditions ---- */

bool template_has_status(struct arena *a, const char *text, struct expr_err *e)
{
	size_t len = strlen(text), next = 0;
	struct template_part part;

	while (template_next(text, len, &next, &part) > 0) {
		const struct expr *expr;

		if (!part.is_expr)
			continue;
		expr = expr_parse(a, text + part.start, part.len, e);
		if (expr && expr->has_status)
			return true;
	}
	return false;
}

static bool is_blank(const char *text)
{
	return text[strspn(text, " \t\r\n")] == '\0';
}

static bool ask_success(const struct expr_scope *s)
{
	return s->status && s->status(s->arg, "success", NULL, 0);
}

int condition_eval(struct arena *a, const char *text, const struct expr_scope *s, bool *out,
		   struct expr_err *e)
{
	const struct expr *expr = NULL;
	const struct node *value;
	bool has_status;

	*e = (struct expr_err){.fault = EXPR_OK};
	if (!text || is_blank(text)) {
		*out = ask_success(s);
		return 0;
	}
	if (template_has_expr(text)) {
		has_status = template_has_status(a, text, e);
	} else {
		expr = expr_parse(a, text, strlen(text), e);
		if (!expr)
			return -1;
		has_status = expr->has_status;
	}
	/* success() && (...): what is behind is not evaluated when it decides nothing */
	if (!has_status && !ask_success(s)) {
		*out = false;
		return 0;
	}
	value = expr ? expr_eval(a, expr, s, e) : template_eval(a, text, s, e);
	if (!value)
		return -1;
	*out = expr_truthy(value);
	return 0;
}
