/* rlimits: what is limited per process, and what stands in for a missing cgroup. */
#pragma once

#include "stepcell/cell.h"

/* A sanitizer's shadow is terabytes of addresses: a limit on them would be its end. */
#ifdef __SANITIZE_ADDRESS__
#define RLIMITS_ADDRESSES 0
#else
#define RLIMITS_ADDRESSES 1
#endif

/* What counts processes and memory; if nobody does, limits of each process have to. */
enum rlimits_for {
	RLIMITS_CGROUP,
	RLIMITS_CELL,   /* RLIMIT_NPROC for `pids`; its memory is counted (memory.h) */
	RLIMITS_WORKER, /* and RLIMIT_AS for `memory`: it is one process, and our own code */
};

/*
 * Only ever lowers. Call it inside the cell's own user namespace: there NPROC
 * counts the cell alone. A cell's addresses are not limited: node, Java and
 * sanitizers reserve many times what they use.
 */
int rlimits_apply(const struct cell_limits *limits, enum rlimits_for whom, struct err *err);
