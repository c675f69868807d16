/* digest: SHA-256, well-formed by construction. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "stepcell/err.h"

#define DIGEST_HEX 64

struct digest {
	char hex[DIGEST_HEX + 1]; /* lower case */
};

/* "sha256:" and 64 lower-case digits: the only way to make one from text. */
bool digest_parse(const char *text, struct digest *out);

bool digest_equal(const struct digest *a, const struct digest *b);

struct digest digest_of(const void *bytes, size_t len);

/* Of everything from the descriptor's offset to its end. */
int digest_of_fd(int fd, struct digest *out, struct err *err);

struct digest_stream; /* a hash in progress */
struct digest_stream *digest_new(void);
void digest_add(struct digest_stream *d, const void *bytes, size_t len);
/* Result so far into `out`; the stream is freed and the pointer cleared. `out` may be NULL to
 * abandon. */
void digest_end(struct digest_stream **d, struct digest *out);
/* The same as 32 raw bytes. */
void digest_end_raw(struct digest_stream **d, uint8_t out[32]);
