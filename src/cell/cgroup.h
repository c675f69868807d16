/*
 * cgroup: the cell's share of memory, processes, time and disk.
 *
 * One cell has one directory in each hierarchy that the host gives: v2 where
 * it holds controllers (or holds none and still gives birth and kill), v1 for
 * the controllers that are mounted there. They hang below the caller's own
 * cgroup, named stepcell-NAME-RANDOM, and are written down below the state home
 * so that the next start removes what a killed stepcell left.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "stepcell/cell.h"

struct cgroup;

/*
 * Make a cell's cgroups and set their limits. A host that gives none is
 * success with `*out` NULL; every function below takes NULL and then does
 * nothing. A limit that a controller refuses is an error.
 */
int cgroup_open(const char *state, const char *name, const struct cell_limits *limits,
		struct cgroup **out, struct err *err);

/*
 * For CLONE_INTO_CGROUP: the v2 directory, or -1 when there is none. Whoever
 * clones without it (ENOSYS, EBUSY) calls cgroup_attach() all the same, which
 * then also moves the child in v2.
 */
int cgroup_clone_fd(const struct cgroup *cg);

/*
 * Put `pid` into every hierarchy that it was not born in; before it may fork,
 * and before it unshares its cgroup namespace. On failure kill the process.
 */
int cgroup_attach(struct cgroup *cg, pid_t pid, struct err *err);

/*
 * The cheap way in: files of the v1 hierarchies where a child that was born in
 * cgroup_clone_fd(), or without one, writes "0" before it forks. Who moves
 * himself, alone, waits for nobody; to move another stops every fork and exit
 * of the machine (measured: 1.8 ms for each hierarchy). Returns how many `fds`
 * were filled, the caller's to close, or -1.
 */
#define CGROUP_ENTRIES 5
int cgroup_entries(const struct cgroup *cg, int fds[static CGROUP_ENTRIES], struct err *err);

/* Poll for POLLIN, then ask cgroup_oom(). -1 when there is nothing to poll. */
int cgroup_poll_fd(const struct cgroup *cg);

/* Has the memory limit killed, or is it about to? Once true it stays true. */
bool cgroup_oom(struct cgroup *cg);

/* Have forks been refused since the last call? */
bool cgroup_pids_refused(struct cgroup *cg);

/* Kill everything inside, wait (bounded) until it is empty; how many were alive when asked. */
unsigned cgroup_kill(struct cgroup *cg);

/* Fill what the cgroups counted: times, peaks, bytes; the rest of `out` is left as it is. */
void cgroup_usage(struct cgroup *cg, struct cell_usage *out);

/* Set `out->means` to CELL_BY_CGROUP for each limit that a cgroup enforces; others are left. */
void cgroup_means(const struct cgroup *cg, struct cell_result *out);

/* Does a cgroup enforce each of the memory, pids, cpus and io limits that are not 0? */
bool cgroup_covers(const struct cgroup *cg, const struct cell_limits *limits);

/* Kill what is left, remove the directories (bounded retry), free. NULL is fine. */
void cgroup_close(struct cgroup **cg);

/* Remove what a killed stepcell left; the cgroups of one that lives are never touched. */
void cgroup_sweep(const char *state);
