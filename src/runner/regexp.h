/*
 * regexp: the regular expressions of problem matchers, which strangers write.
 *
 * The language is JavaScript's as GitHub's runner reads it: classes and escapes
 * are ASCII's, $ is the end of the text alone, [] matches nothing and [^]
 * anything. It is checked and written anew (regexp_js.c) before PCRE2 sees it,
 * so that nothing of PCRE2's own (verbs, recursion, conditions, callouts)
 * can be asked for. A match has a maximum of steps, memory and processor time;
 * no code is generated.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "stepcell/err.h"
#include "stepcell/strbuf.h"

struct regexp;

/* -1 with ERR_USAGE, and where in the text, when it is none. */
int regexp_new(const char *text, struct regexp **out, struct err *err);
void regexp_free(struct regexp **re); /* NULL is fine */

/* How many groups there are, the whole match (0) among them. */
size_t regexp_groups(const struct regexp *re);

struct regexp_span {
	const char *text; /* in the line; NULL: the group took no part */
	size_t len;
};

/*
 * 1 with the first `count` groups in `spans` when the line matches somewhere, 0
 * when it does not, -1 when it took too long to say. A line is valid UTF-8.
 */
int regexp_match(const struct regexp *re, const char *line, size_t len, struct regexp_span *spans,
		 size_t count, struct err *err);

/* regexp_js.c: JavaScript's language in PCRE2's. */
int regexp_translate(const char *text, struct strbuf *out, struct err *err);
