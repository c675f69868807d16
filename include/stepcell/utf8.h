/* utf8: what steps say is bytes; JSON and terminals want characters. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "stepcell/strbuf.h"

/*
 * The length of the valid character at the start of `text`, its code point in
 * `*point` (may be NULL); 0 when there is none.
 */
size_t utf8_char(const char *text, size_t len, uint32_t *point);

/* `text` with each byte that is not part of valid UTF-8 replaced by U+FFFD. */
void utf8_clean(const char *text, size_t len, struct strbuf *out);
