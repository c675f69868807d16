/* worker: one call site for cell_worker(). Private. */
#pragma once

#include <stdint.h>

#include "stepcell/cell.h"
#include "stepcell/err.h"

/* What a worker tells: no pointers, it crosses a pipe. */
struct unpack_result {
	uint64_t bytes, entries, skipped;
	int found; /* what it was, for a caller who asked */
};

/* Runs in the worker: unpack `from`, archives or a folder to copy, below `dir`. */
typedef int unpack_fn(void *arg, const int *from, int dir, struct unpack_result *out,
		      struct err *err);

struct unpack_work {
	const char *name;
	unpack_fn *fn;
	void *arg;          /* the caller's memory, copied by fork */
	const char *folder; /* of the host, seen read-only; NULL: the archives */
	const int *archives;
	size_t archive_count;
};

/* Run `fn`, with `path` as the only directory that it can write. */
int worker_unpack(const struct unpack_work *unpack, const char *path, struct unpack_result *out,
		  struct err *err);
