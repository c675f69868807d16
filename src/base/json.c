#include <jansson.h>
#include <math.h>
#include <string.h>

#include "stepcell/json.h"
#include "stepcell/limits.h"

struct reader {
	struct arena *arena;
	const char *name;
	size_t depth;
};

static struct node *convert(struct reader *r, const json_t *json, const struct node *in);

static bool convert_list(struct reader *r, const json_t *json, struct node *list)
{
	for (size_t i = 0; i < json_array_size(json); i++) {
		struct node *item = convert(r, json_array_get(json, i), list);

		if (!item)
			return false;
		node_add(r->arena, list, item);
	}
	return true;
}

static bool convert_map(struct reader *r, const json_t *json, struct node *map)
{
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)json, key, value)
	{
		struct node *node = convert(r, value, map);

		if (!node)
			return false;
		node_append(r->arena, map, node_string(r->arena, key), node);
	}
	return true;
}

/* The next of the list or map `in`; NULL when it is nested too deep. */
static struct node *convert(struct reader *r, const json_t *json, const struct node *in)
{
	static const enum node_kind kinds[] = {
		[JSON_OBJECT] = NODE_MAP,    [JSON_ARRAY] = NODE_LIST,
		[JSON_STRING] = NODE_STRING, [JSON_INTEGER] = NODE_NUMBER,
		[JSON_REAL] = NODE_NUMBER,   [JSON_TRUE] = NODE_BOOL,
		[JSON_FALSE] = NODE_BOOL,    [JSON_NULL] = NODE_NULL,
	};
	struct node *n = arena_alloc(r->arena, sizeof(*n));
	bool ok = true;

	n->kind = kinds[json_typeof(json)];
	n->at = (struct place){.file = r->name, .in = in, .col = in ? (unsigned)in->count : 0};
	if (++r->depth > LIMIT_JSON_DEPTH)
		return NULL;
	if (n->kind == NODE_STRING)
		n->text =
			arena_strndup(r->arena, json_string_value(json), json_string_length(json));
	else if (n->kind == NODE_NUMBER)
		n->number = json_number_value(json);
	else if (n->kind == NODE_BOOL)
		n->truth = json_is_true(json);
	else if (n->kind == NODE_LIST)
		ok = convert_list(r, json, n);
	else if (n->kind == NODE_MAP)
		ok = convert_map(r, json, n);
	r->depth--;
	return ok ? n : NULL;
}

static const struct node *parse(struct arena *a, const char *name, const char *text, size_t len,
				size_t flags, struct err *err)
{
	struct reader r = {.arena = a, .name = arena_strdup(a, name)};
	json_error_t e;
	json_t *json = json_loadb(text, len, JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL | flags, &e);
	const struct node *root;

	if (!json) {
		(void)err_fail(err, ERR_USAGE, "%s:%d:%d: %s", name, e.line, e.column, e.text);
		return NULL;
	}
	root = convert(&r, json, NULL);
	json_decref(json);
	if (!root)
		(void)err_fail(err, ERR_USAGE, "%s: nested deeper than %d levels", name,
			       LIMIT_JSON_DEPTH);
	return root;
}

const struct node *json_parse(struct arena *a, const char *name, const char *text, size_t len,
			      struct err *err)
{
	return parse(a, name, text, len, 0, err);
}

const struct node *json_parse_unique(struct arena *a, const char *name, const char *text,
				     size_t len, struct err *err)
{
	return parse(a, name, text, len, JSON_REJECT_DUPLICATES, err);
}

void json_write_text(struct strbuf *out, const char *text)
{
	static const char shorts[] = "btnvfr"; /* from \b on; \v has none */

	strbuf_addc(out, '"');
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if (c == '"' || c == '\\')
			strbuf_addf(out, "\\%c", c);
		else if (c >= '\b' && c <= '\r' && c != '\v')
			strbuf_addf(out, "\\%c", shorts[c - '\b']);
		else if (c < 0x20)
			strbuf_addf(out, "\\u%04x", c);
		else
			strbuf_addc(out, (char)c);
	}
	strbuf_addc(out, '"');
}

#define ONE_LINE (-1)

static void break_line(struct strbuf *out, int level)
{
	if (level == ONE_LINE)
		return;
	strbuf_addc(out, '\n');
	for (int i = 0; i < level; i++)
		strbuf_adds(out, "  ");
}

static void write_node(struct strbuf *out, const struct node *n, int level);

static void write_collection(struct strbuf *out, const struct node *n, int level)
{
	bool map = n->kind == NODE_MAP;
	int inner = level == ONE_LINE ? ONE_LINE : level + 1;

	strbuf_addc(out, map ? '{' : '[');
	for (size_t i = 0; i < n->count && !out->full; i++) {
		if (i)
			strbuf_addc(out, ',');
		break_line(out, inner);
		if (map) {
			json_write_text(out, n->pairs[i].key->text);
			strbuf_adds(out, level == ONE_LINE ? ":" : ": ");
		}
		write_node(out, map ? n->pairs[i].value : n->items[i], inner);
	}
	if (n->count)
		break_line(out, level);
	strbuf_addc(out, map ? '}' : ']');
}

static void write_node(struct strbuf *out, const struct node *n, int level)
{
	switch (n->kind) {
	case NODE_BOOL:
		strbuf_adds(out, n->truth ? "true" : "false");
		break;
	case NODE_NUMBER:
		if (isfinite(n->number))
			number_write(out, n->number);
		else
			strbuf_adds(out, "null");
		break;
	case NODE_STRING:
		json_write_text(out, n->text);
		break;
	case NODE_LIST:
	case NODE_MAP:
		write_collection(out, n, level);
		break;
	default:
		strbuf_adds(out, "null");
	}
}

void json_write(struct strbuf *out, const struct node *node)
{
	write_node(out, node, ONE_LINE);
}

void json_write_pretty(struct strbuf *out, const struct node *node)
{
	write_node(out, node, 0);
}
