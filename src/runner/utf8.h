/* utf8: what a step says as text that is safe to keep: valid UTF-8 without NUL. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "stepcell/strbuf.h"

/* The bytes of the valid character that `text` begins with; 0 when it begins with none. */
size_t utf8_char(const char *text, size_t len);

/* Is `text` a valid character that was cut short? */
bool utf8_is_cut(const char *text, size_t len);

/*
 * Add `text` to `out` until `out` would pass `max` bytes; NULs and bytes that
 * are no UTF-8 become U+FFFD. Unless `final`, a character that is cut at the
 * end waits. Returns the bytes of `text` that were used.
 */
size_t utf8_clean(const char *text, size_t len, size_t max, bool final, struct strbuf *out);
