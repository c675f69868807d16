/*
 * decode: a map of nodes into a struct, by a table.
 *
 *	static const struct field step_fields[] = {
 *		{ "run",  decode_text, offsetof(struct step, run), FIELD_REQUIRED },
 *		{ "name", decode_text, offsetof(struct step, name) },
 *	};
 *
 * Unknown, missing and repeated keys and wrong types become diags with their
 * place. Everything decoded lives in the arena or points into the nodes.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "stepcell/diag.h"
#include "stepcell/node.h"
#include "stepcell/texts.h"

struct decode {
	struct arena *arena;
	struct diags *diags;
	const char *rule; /* of the diags that are made; NULL: "syntax" */
	bool foreign;     /* another's format, which may grow: unknown keys are passed over */
};

struct field;

/* Decodes `value` into `out`; false when a diag was added. */
typedef bool decode_fn(struct decode *d, const struct field *field, const struct node *value,
		       void *out);

enum field_flags { FIELD_REQUIRED = 1, FIELD_NULL_OK = 2 /* a null leaves the default */ };

struct field {
	const char *key;
	decode_fn *decode;
	size_t offset;
	unsigned flags;
	const void *arg; /* for the decoder: a table of names, a nested table */
};

/* True when all went well. `what` names the map in messages: "a step", "the policy". */
bool decode_map(struct decode *d, const struct field *fields, size_t count, const char *what,
		const struct node *map, void *out);

decode_fn decode_text;     /* const char *: a string; a plain number or boolean as it was written */
decode_fn decode_flag;     /* bool */
decode_fn decode_count;    /* uint64_t: a whole number, 0 or more */
decode_fn decode_size;     /* uint64_t bytes: 64MiB, 2GiB, 4096 */
decode_fn decode_duration; /* uint64_t milliseconds: 30m, 2s, 250ms, 6h */
decode_fn decode_node;     /* const struct node *: as it is */
decode_fn decode_list;     /* const struct node *: must be a list */
decode_fn decode_texts;    /* struct texts: a string, or a list of strings */
decode_fn decode_enum;     /* int: arg is a NULL-ended table of names; the index */

/* The message for a value of the wrong type: "expected a string, found a list". Always false. */
bool decode_wrong(struct decode *d, const struct node *value, const char *expected);
