/* worker: one call site for cell_worker(). Private. */
#pragma once

#include <stdint.h>

#include "stepcell/cell.h"
#include "stepcell/err.h"

/* What a worker tells: no pointers, it crosses a pipe. */
struct unpack_result {
	uint64_t bytes, entries, skipped;
};

/* Runs in the worker: unpack `archive` below `dir`. */
typedef int unpack_fn(int archive, int dir, struct unpack_result *out, struct err *err);

/* Run `fn` over the archive, with `path` as its only directory. */
int worker_unpack(const char *name, unpack_fn *fn, const char *path, int archive,
		  struct unpack_result *out, struct err *err);
