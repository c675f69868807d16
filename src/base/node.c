#include <string.h>
#include <strings.h>

#include "base/node_index.h"
#include "stepcell/limits.h"
#include "stepcell/util.h"

static const char *const kind_text[] = {
	[NODE_NULL] = "a null",     [NODE_BOOL] = "a boolean", [NODE_NUMBER] = "a number",
	[NODE_STRING] = "a string", [NODE_LIST] = "a list",    [NODE_MAP] = "a map",
};
static_assert(COUNT(kind_text) == NODE_KIND_COUNT, "name every node_kind");

const char *node_kind_text(enum node_kind kind)
{
	return kind_text[kind];
}

/* Told without a call: names mostly differ in their first letter. Case is one bit of it. */
static bool may_be_same(const char *a, const char *b)
{
	return ((unsigned char)(*a ^ *b) & ~0x20U) == 0;
}

static const struct node_pair *find(const struct node *map, const char *key, bool nocase)
{
	if (!map || map->kind != NODE_MAP)
		return NULL;
	if (map->index)
		return node_index_find(map, key, nocase);
	for (size_t i = 0; i < map->count; i++) {
		const char *text = map->pairs[i].key->text;

		if (may_be_same(text, key) &&
		    (nocase ? strcasecmp(text, key) : strcmp(text, key)) == 0)
			return &map->pairs[i];
	}
	return NULL;
}

const struct node *node_get(const struct node *map, const char *key)
{
	const struct node_pair *p = find(map, key, false);

	return p ? p->value : NULL;
}

const struct node *node_get_nocase(const struct node *map, const char *key)
{
	const struct node_pair *p = find(map, key, true);

	return p ? p->value : NULL;
}

const char *node_text(const struct node *node)
{
	return node && node->kind != NODE_NULL ? node->text : NULL;
}

const struct node *node_null(void)
{
	static const struct node null = {.kind = NODE_NULL};

	return &null;
}

const struct node *node_bool(bool truth)
{
	static const struct node values[] = {
		{.kind = NODE_BOOL},
		{.kind = NODE_BOOL, .truth = true},
	};

	return &values[truth];
}

static struct node *make(struct arena *a, enum node_kind kind)
{
	struct node *n = arena_alloc(a, sizeof(*n));

	n->kind = kind;
	return n;
}

const struct node *node_number(struct arena *a, double number)
{
	struct node *n = make(a, NODE_NUMBER);

	n->number = number;
	return n;
}

const struct node *node_string(struct arena *a, const char *text)
{
	struct node *n = make(a, NODE_STRING);

	n->text = arena_strdup(a, text);
	return n;
}

struct node *node_list(struct arena *a)
{
	return make(a, NODE_LIST);
}

struct node *node_map(struct arena *a)
{
	return make(a, NODE_MAP);
}

void node_add(struct arena *a, struct node *list, const struct node *value)
{
	list->items = arena_grow(a, list->items, list->count, sizeof(const struct node *));
	list->items[list->count++] = value;
}

void node_append(struct arena *a, struct node *map, const struct node *key,
		 const struct node *value)
{
	map->pairs = arena_grow(a, map->pairs, map->count, sizeof(struct node_pair));
	map->pairs[map->count++] = (struct node_pair){key, value};
	node_index_add(a, map);
}

void node_set(struct arena *a, struct node *map, const char *key, const struct node *value)
{
	const struct node_pair *there = find(map, key, false);

	if (there)
		map->pairs[there - map->pairs].value = value;
	else
		node_append(a, map, node_string(a, key), value);
}

void node_set_text(struct arena *a, struct node *map, const char *key, const char *value)
{
	node_set(a, map, key, value ? node_string(a, value) : node_null());
}

/* "~" and "/" of a key are escaped (RFC 6901, section 3). */
static void write_step(struct strbuf *out, const struct node *in, unsigned which)
{
	strbuf_addc(out, '/');
	if (in->kind == NODE_LIST) {
		strbuf_addf(out, "%u", which);
		return;
	}
	for (const char *key = in->pairs[which].key->text; *key; key++) {
		if (*key == '~' || *key == '/')
			strbuf_addf(out, "~%c", *key == '~' ? '0' : '1');
		else
			strbuf_addc(out, *key);
	}
}

void node_write_pointer(struct strbuf *out, const struct place *at)
{
	const struct place *steps[LIMIT_JSON_DEPTH];
	size_t depth = 0;

	for (; at->in && depth < COUNT(steps); at = &at->in->at)
		steps[depth++] = at;
	while (depth--)
		write_step(out, steps[depth]->in, steps[depth]->col);
}
