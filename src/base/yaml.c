/*
 * libyaml's events, one after another, become nodes. Recursion is bounded by
 * LIMIT_YAML_DEPTH. An alias is a second pointer to the anchor's node, so a
 * bomb costs no memory; its size with aliases expanded is counted all the
 * same, for whoever copies the tree.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "base/scalar.h"
#include "stepcell/fd.h"
#include "stepcell/limits.h"
#include "stepcell/yaml.h"

/* What a value counts for beside its text: as in the reader of actions/runner. */
#define NODE_COST 24

/* By their names: a hostile file has tens of thousands, and as many aliases. */
#define ANCHOR_SLOTS 1024

struct anchor {
	struct anchor *next; /* of the same slot, the newest first */
	const char *name;
	const struct node *node; /* NULL while the node is still open */
	size_t size;
};

struct reader {
	yaml_parser_t parser;
	yaml_event_t event;
	bool have_event;
	bool twins; /* a key that is there twice is no end */
	struct arena *arena;
	const char *file;
	struct diags *diags;
	struct anchor **anchors; /* ANCHOR_SLOTS lists, or NULL before the first */
	size_t events, size, depth;
};

static struct place place_of(const struct reader *r, yaml_mark_t mark)
{
	return (struct place){
		.file = r->file, .line = (unsigned)mark.line + 1, .col = (unsigned)mark.column + 1};
}

static bool fail(struct reader *r, yaml_mark_t mark, const char *text)
{
	diag_error(r->diags, place_of(r, mark), "syntax-check", "%s", text);
	return false;
}

static bool parser_error(struct reader *r)
{
	const yaml_parser_t *p = &r->parser;
	yaml_mark_t mark = p->problem_mark;

	if (p->error == YAML_READER_ERROR) { /* it knows an offset, no line */
		mark = p->mark;
		diag_error(r->diags, place_of(r, mark), "syntax-check", "invalid text: %s",
			   p->problem);
		return false;
	}
	diag_error(r->diags, place_of(r, mark), "syntax-check", "invalid YAML: %s%s%s",
		   p->problem ? p->problem : "unreadable", p->context ? ", " : "",
		   p->context ? p->context : "");
	return false;
}

static bool next(struct reader *r)
{
	if (r->have_event)
		yaml_event_delete(&r->event);
	r->have_event = false;
	if (!yaml_parser_parse(&r->parser, &r->event))
		return parser_error(r);
	r->have_event = true;
	if (++r->events > LIMIT_YAML_EVENTS)
		return fail(r, r->event.start_mark, "more than 1000000 values; split the file");
	return true;
}

/* Every node costs something, however often aliases repeat it. */
static bool count_size(struct reader *r, size_t size)
{
	r->size += size;
	if (r->size > LIMIT_YAML_RESULT)
		return fail(r, r->event.start_mark,
			    "larger than 10 MiB with its aliases expanded; use fewer aliases");
	return true;
}

static struct anchor **anchor_slot(struct reader *r, const char *name)
{
	uint32_t hash = 2166136261U;

	if (!r->anchors)
		r->anchors = arena_array(r->arena, ANCHOR_SLOTS, sizeof(struct anchor *));
	for (; *name; name++)
		hash = (hash ^ (unsigned char)*name) * 16777619U;
	return &r->anchors[hash % ANCHOR_SLOTS];
}

static struct anchor *anchor_open(struct reader *r, const yaml_char_t *name)
{
	struct anchor *a, **slot;

	if (!name)
		return NULL;
	slot = anchor_slot(r, (const char *)name);
	a = arena_alloc(r->arena, sizeof(*a));
	*a = (struct anchor){*slot, arena_strdup(r->arena, (const char *)name), NULL, r->size};
	*slot = a;
	return a;
}

static void anchor_close(struct reader *r, struct anchor *a, const struct node *node)
{
	if (!a)
		return;
	a->node = node;
	a->size = r->size - a->size;
}

static const struct node *read_alias(struct reader *r)
{
	const char *name = (const char *)r->event.data.alias.anchor;
	const struct anchor *a = *anchor_slot(r, name);

	while (a && strcmp(a->name, name) != 0)
		a = a->next;
	if (!a || !a->node) {
		diag_error(r->diags, place_of(r, r->event.start_mark), "syntax-check",
			   a ? "the anchor '%s' contains itself"
			     : "no anchor '%s' before this alias",
			   name);
		return NULL;
	}
	return count_size(r, a->size) ? a->node : NULL;
}

static struct node *new_node(struct reader *r, enum node_kind kind)
{
	struct node *n = arena_alloc(r->arena, sizeof(*n));

	n->kind = kind;
	n->at = place_of(r, r->event.start_mark);
	return n;
}

static const struct node *read_scalar(struct reader *r)
{
	const yaml_char_t *value = r->event.data.scalar.value;
	size_t len = r->event.data.scalar.length;
	const char *tag = (const char *)r->event.data.scalar.tag;
	struct anchor *a = anchor_open(r, r->event.data.scalar.anchor);
	struct node *n = new_node(r, NODE_STRING);

	if (memchr(value, 0, len)) {
		(void)fail(r, r->event.start_mark, "a NUL character in a value");
		return NULL;
	}
	n->text = arena_strndup(r->arena, (const char *)value, len);
	n->plain = r->event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
	if (tag && strcmp(tag, "!") != 0) {
		/* in quotes it is a string, and may only be called one */
		if (n->plain ? !scalar_resolve_tag(n, tag)
			     : strcmp(tag, (const char *)YAML_STR_TAG) != 0) {
			diag_error(r->diags, n->at, "syntax-check",
				   "unexpected tag '%s' on '%.80s'", tag, n->text);
			return NULL;
		}
	} else if (n->plain && !tag) {
		scalar_resolve(n);
	}
	if (!count_size(r, NODE_COST + len))
		return NULL;
	anchor_close(r, a, n);
	return n;
}

static const struct node *read_node(struct reader *r);

static bool read_items(struct reader *r, struct node *list)
{
	while (next(r)) {
		const struct node *item;

		if (r->event.type == YAML_SEQUENCE_END_EVENT)
			return true;
		item = read_node(r);
		if (!item)
			return false;
		node_add(r->arena, list, item);
	}
	return false;
}

static const struct node *read_key(struct reader *r)
{
	const struct node *key;

	if (r->event.type != YAML_SCALAR_EVENT && r->event.type != YAML_ALIAS_EVENT) {
		(void)fail(r, r->event.start_mark,
			   "a key must be a plain value, not a list or a map");
		return NULL;
	}
	key = read_node(r);
	if (!key)
		return NULL;
	if (!key->text) {
		(void)fail(r, r->event.start_mark,
			   "a key must be a plain value, not a list or a map");
		return NULL;
	}
	return key;
}

/* The first of two is kept, and the rest of the map is read. */
static bool add_pair(struct reader *r, struct node *map, const struct node *key,
		     const struct node *value)
{
	if (node_get(map, key->text)) {
		diag_error(r->diags, key->at, "syntax-check", "'%s' is already defined", key->text);
		return r->twins;
	}
	node_append(r->arena, map, key, value);
	return true;
}

static bool read_pairs(struct reader *r, struct node *map)
{
	bool ok = true;

	while (next(r)) {
		const struct node *key, *value;

		if (r->event.type == YAML_MAPPING_END_EVENT)
			return ok;
		key = read_key(r);
		value = key && next(r) ? read_node(r) : NULL;
		if (!value)
			return false;
		ok &= add_pair(r, map, key, value);
	}
	return false;
}

static const struct node *read_collection(struct reader *r, bool is_map)
{
	const yaml_char_t *tag =
		is_map ? r->event.data.mapping_start.tag : r->event.data.sequence_start.tag;
	struct node *n = new_node(r, is_map ? NODE_MAP : NODE_LIST);
	struct anchor *a = anchor_open(r, is_map ? r->event.data.mapping_start.anchor
						 : r->event.data.sequence_start.anchor);
	bool ok;

	if (tag) {
		diag_error(r->diags, n->at, "syntax-check", "unexpected tag '%s'", tag);
		return NULL;
	}
	if (++r->depth > LIMIT_YAML_DEPTH) {
		(void)fail(r, r->event.start_mark, "nested deeper than 50 levels");
		return NULL;
	}
	ok = count_size(r, NODE_COST) && (is_map ? read_pairs(r, n) : read_items(r, n));
	r->depth--;
	if (!ok)
		return NULL;
	anchor_close(r, a, n);
	return n;
}

static const struct node *read_node(struct reader *r)
{
	switch (r->event.type) {
	case YAML_SCALAR_EVENT:
		return read_scalar(r);
	case YAML_ALIAS_EVENT:
		return read_alias(r);
	case YAML_SEQUENCE_START_EVENT:
		return read_collection(r, false);
	case YAML_MAPPING_START_EVENT:
		return read_collection(r, true);
	default:
		(void)fail(r, r->event.start_mark, "expected a value");
		return NULL;
	}
}

/* stream-start, document-start, the root, document-end, stream-end: or an empty stream. */
static const struct node *read_stream(struct reader *r)
{
	const struct node *root;

	if (!next(r) || !next(r))
		return NULL;
	if (r->event.type == YAML_STREAM_END_EVENT)
		return new_node(r, NODE_NULL);
	if (!next(r))
		return NULL;
	root = read_node(r);
	if (!root || !next(r) || !next(r))
		return NULL;
	if (r->event.type != YAML_STREAM_END_EVENT) {
		(void)fail(r, r->event.start_mark, "a second document; one file holds one");
		return NULL;
	}
	return root;
}

static const struct node *parse(struct arena *a, const char *file, const char *text, size_t len,
				struct diags *diags, bool twins)
{
	struct reader r = {
		.arena = a, .file = arena_strdup(a, file), .diags = diags, .twins = twins};
	const struct node *root;

	if (!yaml_parser_initialize(&r.parser)) {
		diag_error(diags, (struct place){.file = r.file}, "syntax-check", "out of memory");
		return NULL;
	}
	/* told the encoding, libyaml takes a byte order mark for text */
	if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {
		text += 3;
		len -= 3;
	}
	yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&r.parser, (const unsigned char *)text, len);
	root = read_stream(&r);
	if (r.have_event)
		yaml_event_delete(&r.event);
	yaml_parser_delete(&r.parser);
	return root;
}

const struct node *yaml_parse(struct arena *a, const char *file, const char *text, size_t len,
			      struct diags *diags)
{
	return parse(a, file, text, len, diags, false);
}

const struct node *yaml_parse_twins(struct arena *a, const char *file, const char *text, size_t len,
				    struct diags *diags)
{
	return parse(a, file, text, len, diags, true);
}

const struct node *yaml_load(struct arena *a, const char *path, size_t max, struct diags *diags)
{
	auto_strbuf struct strbuf text = STRBUF(max);
	auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct err err = {0};

	if (fd < 0)
		(void)err_sys(&err, "cannot open");
	if (fd < 0 || read_capped(fd, &text, &err) < 0) {
		diag_error(diags, (struct place){.file = arena_strdup(a, path)}, "syntax-check",
			   "%s", err.text);
		return NULL;
	}
	return yaml_parse(a, path, text.text, text.len, diags);
}
