/* stream: the bytes of a tar, out of whatever it is compressed with. Only in a worker. Private. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "image/codec.h"
#include "stepcell/digest.h"
#include "stepcell/err.h"

/*
 * A thread reads, decompresses and hashes, some blocks ahead of who asks for
 * them: what is done with the bytes keeps another core busy.
 */
struct stream;

/*
 * COMPRESSION_ANY takes what the first bytes say; else they must say the same.
 * `hash`: the SHA-256 of all that comes out is wanted at the end. The descriptor
 * stays the caller's.
 */
int stream_open(int fd, enum compression compression, bool hash, struct stream **out,
		struct err *err);

/* 1 with some bytes, valid until the next call; 0 at the end; -1. */
int stream_read(struct stream *s, const void **bytes, size_t *len, struct err *err);

/* How many bytes went in until now: what comes out is held against it. */
uint64_t stream_taken(struct stream *s);

/* Read what is left. `out` gets the hash; NULL where none was wanted. */
int stream_finish(struct stream *s, struct digest *out, struct err *err);

void stream_close(struct stream **s);
#define auto_stream __attribute__((cleanup(stream_close)))
