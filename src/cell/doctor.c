/*
 * doctor: tries each wall, and says what to do about those that do not stand.
 *
 * A probe does what a cell does, in a process of its own: it may unshare,
 * mount and limit itself as it likes, and what it changed ends with it. It
 * fills in its row and writes it to a pipe; one that dies or hangs is down.
 * Those of cgroups alone run here: a cgroup may have room for one process.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cell/cgroup_parts.h"
#include "cell/owner.h"
#include "cell/probes.h"
#include "complete.h"
#include "stepcell/fd.h"
#include "stepcell/util.h"

#define PROBE_MS 10000

enum probe_flags {
	PROBE_ROOT = 1, /* only root has a use for it */
	PROBE_HERE = 2, /* in this process: being two would change the answer */
};

static const struct {
	const char *name;
	probe_fn *probe;
	unsigned flags;
} probes[] = {
	{"userns", probe_userns, 0},
	{"mountns", probe_mountns, 0},
	{"pidns", probe_pidns, 0},
	{"netns", probe_netns, 0},
	{"ipcns", probe_ipcns, 0},
	{"utsns", probe_utsns, 0},
	{"cgroupns", probe_cgroupns, 0},
	{"timens", probe_timens, 0},
	{"overlay", probe_overlay, 0},
	{"idmap", probe_idmap, PROBE_ROOT},
	{"proc", probe_proc, 0},
	{"devpts", probe_devpts, 0},
	{"capabilities", probe_capabilities, 0},
	{"landlock", probe_landlock, 0},
	{"seccomp", probe_seccomp, 0},
	{"cgroup-memory", probe_cgroup_memory, PROBE_HERE},
	{"cgroup-pids", probe_cgroup_pids, PROBE_HERE},
	{"cgroup-cpu", probe_cgroup_cpu, PROBE_HERE},
	{"cgroup-io", probe_cgroup_io, PROBE_HERE},
	{"cgroup-birth", probe_cgroup_birth, PROBE_HERE},
	{"pids-rlimit", probe_pids_rlimit, 0},
};

void probe_down(struct cell_probe *row, const char *why, const char *mend)
{
	const char *error = errno ? strerrordesc_np(errno) : NULL;

	row->state = CELL_DOWN;
	(void)snprintf(row->why, sizeof(row->why), "%s%s%s", why, error ? ": " : "",
		       error ? error : "");
	(void)snprintf(row->mend, sizeof(row->mend), "%s", mend);
}

void probe_partial(struct cell_probe *row, const char *why, const char *mend)
{
	errno = 0;
	probe_down(row, why, mend);
	row->state = CELL_PARTIAL;
}

/* A row from the child, or false when it did not come in time. */
static bool receive(int pipe, struct cell_probe *row)
{
	struct pollfd p = {.fd = pipe, .events = POLLIN};
	struct cell_probe got;

	if (poll(&p, 1, PROBE_MS) != 1 || read_full(pipe, &got, sizeof(got)) < 0)
		return false;
	got.name = row->name;
	*row = got;
	return true;
}

void probe_run(probe_fn *probe, const char *state, struct cell_probe *row)
{
	int ends[2];
	struct err err;
	pid_t pid;

	errno = 0;
	if (pipe_open(ends, &err) < 0 || (pid = fork()) < 0) {
		probe_down(row, "cannot try it", "");
		return;
	}
	if (pid == 0) {
		probe(state, row);
		_exit(write_full(ends[1], row, sizeof(*row)) < 0);
	}
	(void)close(ends[1]);
	if (!receive(ends[0], row)) {
		errno = 0;
		probe_down(row, "the attempt died or hung", "look into the kernel's log (dmesg)");
	}
	(void)close(ends[0]);
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, NULL, 0);
}

/* What stands on user namespaces is down for the same reason: that is said once. */
static void refer(const struct cell_probe *userns, struct cell_probe *row)
{
	if (row == userns || userns->state == CELL_UP || strcmp(row->why, userns->why) != 0)
		return;
	(void)snprintf(row->why, sizeof(row->why), "it stands on user namespaces");
	(void)snprintf(row->mend, sizeof(row->mend), "what mends userns");
}

size_t cell_doctor(const char *state, struct cell_probe *rows, size_t max)
{
	size_t count = 0;
	char home[4096];
	struct err ignored;

	state = state_or_home(state, home, sizeof(home), &ignored);
	for (size_t i = 0; state && i < COUNT(probes) && count < max; i++) {
		if ((probes[i].flags & PROBE_ROOT) && !cell_caller_is_root())
			continue;
		rows[count] = (struct cell_probe){.name = probes[i].name, .state = CELL_UP};
		if (probes[i].flags & PROBE_HERE)
			probes[i].probe(state, &rows[count]);
		else
			probe_run(probes[i].probe, state, &rows[count]);
		refer(&rows[0], &rows[count++]);
	}
	cgroup_v2_leave();
	return count;
}
