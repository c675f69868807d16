/*
 * node: one tree for YAML, JSON and the values of expressions.
 *
 * Nodes live in an arena and are shared freely: nothing changes a node once it
 * has been handed on. A YAML node knows its file, line and column; a JSON node
 * what it is in, and from that its pointer (RFC 6901). A key of a large map is
 * found by an index, whoever chose the keys.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "stepcell/arena.h"
#include "stepcell/strbuf.h"

enum node_kind {
	NODE_NULL,
	NODE_BOOL,
	NODE_NUMBER,
	NODE_STRING,
	NODE_LIST,
	NODE_MAP,
	NODE_KIND_COUNT
};

/* Where a value was read. `file` is NULL for a value that was computed. */
struct place {
	const char *file;
	const struct node *in; /* JSON only: the list or map that has it; NULL: the root */
	unsigned line, col;    /* from 1; 0 where unknown. Of JSON: 0, and which of `in` it is */
};

struct node_pair;
struct node_index;

struct node {
	enum node_kind kind;
	bool truth; /* NODE_BOOL */
	bool plain; /* a YAML scalar without quotes */
	struct place at;
	const char *text; /* NODE_STRING; of a YAML scalar of any kind: as it was written (3.10) */
	union {
		double number;            /* NODE_NUMBER */
		struct node_index *index; /* NODE_MAP of many pairs, else NULL */
	};
	size_t count; /* of items or pairs */
	union {
		const struct node **items; /* NODE_LIST */
		struct node_pair *pairs;   /* NODE_MAP, in the order of the text */
	};
};

struct node_pair {
	const struct node *key; /* a NODE_STRING, or a YAML scalar of another kind with its text */
	const struct node *value;
};

/* "a null", "a boolean", "a number", "a string", "a list", "a map" */
const char *node_kind_text(enum node_kind kind);

/* The value of a key, or NULL. `map` may be NULL or of another kind. */
const struct node *node_get(const struct node *map, const char *key);
const struct node *node_get_nocase(const struct node *map, const char *key); /* ASCII case */

/* The text of a string (or of any YAML scalar but null), else NULL. */
const char *node_text(const struct node *node);

/* Made values. Strings are copied into the arena. */
const struct node *node_null(void);
const struct node *node_bool(bool truth);
const struct node *node_number(struct arena *a, double number);
const struct node *node_string(struct arena *a, const char *text);
struct node *node_list(struct arena *a);
struct node *node_map(struct arena *a);
void node_add(struct arena *a, struct node *list, const struct node *value);

/* Put behind the others a pair whose key the map is known not to have. */
void node_append(struct arena *a, struct node *map, const struct node *key,
		 const struct node *value);

/* Set or replace, at the cost of one look; the map must have been made by node_map() and not been shared yet. */
void node_set(struct arena *a, struct node *map, const char *key, const struct node *value);
void node_set_text(struct arena *a, struct node *map, const char *key, const char *value);

/* Where in its JSON document a value is, as a pointer; nothing for the root. */
void node_write_pointer(struct strbuf *out, const struct place *at);
