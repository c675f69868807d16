/* unpack: an archive's bytes to a tree. Parses what strangers made: runs in a worker. Private. */
#pragma once

#include <stdint.h>

#include "stepcell/err.h"

/* What a worker tells: no pointers, it crosses a pipe. */
struct unpack_result {
	uint64_t bytes, entries, skipped;
};

/* Unpack from `fd` into root/ of `dir`, and write manifest and owners beside it. */
int unpack(int fd, int dir, struct unpack_result *out, struct err *err);
