/* codec: one way of compression, from a descriptor to blocks. Only in a worker. Private. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "stepcell/err.h"

enum compression { COMPRESSION_ANY, COMPRESSION_NONE, COMPRESSION_GZIP, COMPRESSION_ZSTD };

struct codec;

/* `wake`: a descriptor that becomes readable when nobody wants the bytes any more. */
int codec_open(int fd, int wake, enum compression compression, struct codec **out, struct err *err);

/* Fill `to` as far as there are bytes: fewer than `size` are the last. -1 with `err` set. */
int codec_fill(struct codec *c, void *to, size_t size, size_t *len, struct err *err);

uint64_t codec_taken(const struct codec *c); /* bytes that were read */
void codec_close(struct codec **c);
