/*
 * matcher: finds any of many strings in one pass (Aho and Corasick, 1975).
 *
 * Its cost is linear in the text whatever the strings are: they and the text
 * may both come from a hostile step.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct matcher;

/* The strings of `a` and `b` (either may be NULL; both are consumed) and `more` in one matcher. */
struct matcher *matcher_join(struct matcher *a, struct matcher *b, const char *const *more,
			     size_t more_count);
void matcher_free(struct matcher **m);

size_t matcher_bytes(const struct matcher *m); /* of all its strings */
bool matcher_has(const struct matcher *m, const char *string);

/* Where a scan stands. Zeros are the start. */
struct matcher_at {
	uint32_t state;
};

/* One byte on: the length of the longest string that ends with it, or 0. */
size_t matcher_step(const struct matcher *m, struct matcher_at *at, unsigned char byte);

/* How many of the last bytes could be the beginning of a string. */
size_t matcher_pending(const struct matcher *m, const struct matcher_at *at);
