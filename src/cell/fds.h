/* fds: which descriptors a child keeps, and under which numbers. */
#pragma once

#include <stddef.h>

#include "stepcell/err.h"

/* Close everything but `keep` (negative entries are skipped; it gets sorted). */
int fds_close_others(int *keep, size_t count, struct err *err);

/*
 * Move `from[i]` to the number i, for all i, without close-on-exec, and close
 * every other descriptor but `*also`, which gets the number `count` and is
 * closed by exec.
 */
int fds_place(const int *from, size_t count, int *also, struct err *err);
