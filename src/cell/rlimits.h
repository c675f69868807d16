/* rlimits: what is limited per process, and what stands in for a missing cgroup. */
#pragma once

#include <stdbool.h>

#include "stepcell/cell.h"

/* A sanitizer's shadow is terabytes of addresses: a limit on them would be its end. */
#ifdef __SANITIZE_ADDRESS__
#define RLIMITS_ADDRESSES 0
#else
#define RLIMITS_ADDRESSES 1
#endif

/*
 * Only ever lowers. Without a cgroup: RLIMIT_NPROC for `pids`, RLIMIT_AS for
 * `memory`. Call it inside the cell's own user namespace: there NPROC counts
 * the cell alone.
 */
int rlimits_apply(const struct cell_limits *limits, bool have_cgroup, struct err *err);
