/*
 * mask: secrets become *** in everything a step says.
 *
 * The last line of defence, not the first: it knows a value, the lines of a
 * value, and the usual ways to write either (base64, JSON, URI, XML, shell).
 * A value of one character is not masked, as on GitHub: it would eat the log.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "stepcell/err.h"
#include "stepcell/strbuf.h"

struct mask;

struct mask *mask_new(void);
void mask_free(struct mask **mask); /* NULL is fine */

/*
 * Mask a value from now on. -1 when all values together would pass
 * LIMIT_MASK_BYTES: then nothing of it is masked, and the step must not go on.
 */
int mask_add(struct mask *mask, const char *value, struct err *err);

/* As mask_add(); a value that is a JSON map or list has its strings masked too. */
int mask_add_secret(struct mask *mask, const char *value, struct err *err);

/* Add `text` to `out`, masked. The text is one whole line, or any other whole text. */
void mask_line(const struct mask *mask, const char *text, size_t len, struct strbuf *out);

/* ---- a line that comes in pieces: a value may be cut between two ---- */

struct mask_tail {
	struct strbuf held; /* the end of the last piece, which may begin a value */
	size_t starred;     /* how much of it belongs to a *** that is written already */
};

void mask_tail_init(struct mask_tail *tail);
void mask_tail_release(struct mask_tail *tail);

/* As mask_line; unless `last`, the end of the piece may wait for the next one. */
void mask_piece(const struct mask *mask, struct mask_tail *tail, const char *text, size_t len,
		bool last, struct strbuf *out);
