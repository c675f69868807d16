/* version: Python versions, and the ranges that setup-python takes. Private. */
#pragma once

#include <stdbool.h>

#include "stepcell/err.h"

/* X.Y.Z with an optional pre-release: 3.13.0, 3.14.0-beta.2 (also read from 3.14.0b2). */
struct version {
	unsigned part[3];
	char pre[32];
};

bool version_parse(const char *text, struct version *out);
int version_compare(const struct version *a, const struct version *b);

/*
 * Does a version lie in a range: "3.10", "3.x", "3.11.2", ">=3.8 <3.12",
 * "3.8 - 3.10", "~3.10.4", "^3.9", "3.8 || 3.11"? A pre-release lies in none
 * that does not name one of the same X.Y.Z. -1 with ERR_USAGE when `range` is none.
 */
int version_match(const struct version *v, const char *range, bool *out, struct err *err);

/* "3.10" of a range that begins with it, for naming the recipe that builds it; false: it names none. */
bool version_minor(const char *range, unsigned *major, unsigned *minor);
