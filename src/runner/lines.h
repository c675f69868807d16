/*
 * lines: what a step writes, as lines.
 *
 * A line ends at LF, CR LF or a lone CR, so that a progress bar is a line each
 * time it is drawn. What reaches `fn` is valid UTF-8 without NUL. A line of
 * more than LIMIT_LOG_LINE bytes comes in pieces.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "stepcell/strbuf.h"

struct line {
	const char *text; /* terminated; gone when `fn` returns */
	size_t len;
	bool continues; /* the next piece is more of this line */
	bool continued; /* this piece is more of the line before */
};

typedef void line_fn(void *arg, const struct line *line);

struct lines {
	line_fn *fn;
	void *arg;
	uint64_t limit;           /* of bytes in all, and some for each line; 0: none */
	uint64_t taken;           /* so far */
	struct strbuf raw, clean; /* the line so far as it came; a piece of it made safe */
	bool after_cr, continued;
};

void lines_init(struct lines *l, uint64_t limit, line_fn *fn, void *arg);

/* False when the limit is reached: what lies behind it was dropped. */
bool lines_feed(struct lines *l, const char *bytes, size_t len);

/* The last line, when no newline ended it. */
void lines_end(struct lines *l);

void lines_release(struct lines *l);
