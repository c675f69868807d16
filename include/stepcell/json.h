/* json: JSON text to nodes (jansson), and nodes to text. */
#pragma once

#include "stepcell/diag.h"
#include "stepcell/node.h"

/* NULL with the reason in `err` ("FILE:LINE:COL: ..."). Any value is allowed at the top; `name` is
 * for messages. */
const struct node *json_parse(struct arena *a, const char *name, const char *text, size_t len,
			      struct err *err);

/* As json_parse(); a key that a map has twice is an error, for readers differ in which one counts. */
const struct node *json_parse_unique(struct arena *a, const char *name, const char *text,
				     size_t len, struct err *err);

/* On one line, no spaces. Numbers as JavaScript prints them; NaN and infinities as null. */
void json_write(struct strbuf *out, const struct node *node);

/* Over several lines, two spaces a level, as GitHub's toJSON() prints. */
void json_write_pretty(struct strbuf *out, const struct node *node);

/* One quoted string. */
void json_write_text(struct strbuf *out, const char *text);

/* The shortest decimal form of a number that reads back the same: 1, 0.1, 1e+21 as JavaScript. */
void number_write(struct strbuf *out, double number);
