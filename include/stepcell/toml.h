/* toml: the texts of a TOML document, one after another. Not its numbers, dates and lists. */
#pragma once

#include <stddef.h>

#include "stepcell/arena.h"
#include "stepcell/err.h"

#define TOML_KEYS_MAX 16

/*
 * Called for each table, with `value` NULL, and for each key whose value is a
 * string, with all keys that lead to it. Both live in the arena.
 */
typedef void toml_fn(void *arg, const char *const *keys, size_t count, const char *value);

/* -1 with ERR_USAGE and the line where the document is none; what came before was told by then. */
int toml_walk(struct arena *a, const char *text, size_t len, toml_fn *fn, void *arg,
	      struct err *err);
