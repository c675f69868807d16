/* diag: findings about a text, each with its place and rule. Collected, not thrown: a reader goes
 * on and reports all. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "stepcell/err.h"
#include "stepcell/node.h"

enum diag_level { DIAG_ERROR, DIAG_WARNING };

struct diag {
	enum diag_level level;
	struct place at;
	const char *rule; /* "syntax", "expression", "job-needs", ... */
	const char *text;
};

struct diags {
	struct arena *arena; /* owns the texts */
	struct diag *list;
	size_t count;
	size_t errors; /* how many were errors, those beyond the maximum included */
	size_t max;    /* 0: LIMIT_DIAGS */
};

void diag_error(struct diags *d, struct place at, const char *rule, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
void diag_warn(struct diags *d, struct place at, const char *rule, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* By place, in the diags' arena; what was found first at one place comes first. */
const struct diag **diags_sorted(const struct diags *d);

/* "PATH:LINE:COL: error: TEXT [RULE]", bytes that a terminal would act on escaped; sorted by place.
 */
void diags_print(const struct diags *d, FILE *out);

/* "PATH:LINE:COL: TEXT" of the first error as ERR_USAGE. Returns -1. */
int diags_fail(const struct diags *d, struct err *err);
