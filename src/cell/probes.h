/* probes: one attempt a wall, for doctor.c; each runs in a process of its own. */
#pragma once

#include "stepcell/cell.h"

/* `row` comes in as up; a probe that finds otherwise says so. `state` may be written to. */
typedef void probe_fn(const char *state, struct cell_probe *row);

probe_fn probe_userns, probe_mountns, probe_pidns, probe_netns, probe_ipcns, probe_utsns,
	probe_cgroupns, probe_timens;
probe_fn probe_overlay, probe_idmap, probe_proc, probe_devpts;
probe_fn probe_capabilities, probe_landlock, probe_seccomp;
probe_fn probe_cgroup_memory, probe_cgroup_pids, probe_cgroup_cpu, probe_cgroup_io,
	probe_cgroup_birth, probe_pids_rlimit;

/* Try it in a process of its own. */
void probe_run(probe_fn *probe, const char *state, struct cell_probe *row);

/* With the meaning of errno behind `why`, unless that is 0. */
void probe_down(struct cell_probe *row, const char *why, const char *mend);
void probe_partial(struct cell_probe *row, const char *why, const char *mend);

/* Enter a user namespace of our own, as CELL_UID, and those of `flags`; else the row is down. */
bool probe_enter(int flags, struct cell_probe *row);
