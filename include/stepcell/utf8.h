/* utf8: what steps say is bytes; JSON and terminals want characters. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "stepcell/strbuf.h"

/*
 * The length of the valid character at the start of `text`, its code point in
 * `*point` (may be NULL); 0 when there is none. NUL is none.
 */
size_t utf8_char(const char *text, size_t len, uint32_t *point);

/* Is all of it characters? */
bool utf8_is_valid(const char *text);

/* Is `text` the beginning of a character whose rest may still come? */
bool utf8_is_cut(const char *text, size_t len);

/*
 * Add `text` to `out`, each byte that belongs to no character as U+FFFD, while
 * `out` stays within `max`. Unless `final`, a character cut by the end is left
 * for the next call. Returns how many bytes were used.
 */
size_t utf8_clean(const char *text, size_t len, size_t max, bool final, struct strbuf *out);
