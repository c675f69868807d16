/*
 * yaml: YAML 1.2 text to nodes, by libyaml's events, with GitHub's rules:
 * core schema for plain scalars, anchors but no merge keys, limits on bytes,
 * depth, events and the size of the result with aliases expanded; a duplicate
 * key, a NUL or invalid UTF-8 is an error.
 */
#pragma once

#include "stepcell/diag.h"
#include "stepcell/node.h"

/*
 * Returns the one document's root (an empty text gives a null), or NULL with
 * the reason added to `diags`. `file` is what messages name; it is copied.
 */
const struct node *yaml_parse(struct arena *a, const char *file, const char *text, size_t len,
			      struct diags *diags);

/* The same, but a key that is there twice is no end: the first one counts. Look for errors in `diags`. */
const struct node *yaml_parse_twins(struct arena *a, const char *file, const char *text, size_t len,
				    struct diags *diags);

/* Reads a file of at most `max` bytes and parses it. A file that cannot be read is an error with
 * line 0. */
const struct node *yaml_load(struct arena *a, const char *path, size_t max, struct diags *diags);
