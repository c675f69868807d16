/* base64: RFC 4648, its standard alphabet. */
#pragma once

#include "stepcell/strbuf.h"

void base64_add(struct strbuf *out, const void *bytes, size_t len);

/* False, with nothing added, when `text` is not all base64; the padding may be left out. */
bool base64_decode(struct strbuf *out, const char *text);
