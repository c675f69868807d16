/*
 * doctor: tries each wall, and says what to do about those that do not stand.
 *
 * A probe does what a cell does, in a process of its own: it may unshare,
 * mount and limit itself as it likes, and what it changed ends with it. It
 * fills in its row and writes it to a pipe; one that dies or hangs is down.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cell/probes.h"
#include "stepcell/fd.h"
#include "stepcell/util.h"

#define PROBE_MS 10000

static const struct {
	const char *name;
	probe_fn *probe;
	bool root_only;
} probes[] = {
	{"userns", probe_userns, false},
	{"mountns", probe_mountns, false},
	{"pidns", probe_pidns, false},
	{"netns", probe_netns, false},
	{"ipcns", probe_ipcns, false},
	{"utsns", probe_utsns, false},
	{"cgroupns", probe_cgroupns, false},
	{"timens", probe_timens, false},
	{"overlay", probe_overlay, false},
	{"idmap", probe_idmap, true},
	{"proc", probe_proc, false},
	{"devpts", probe_devpts, false},
	{"capabilities", probe_capabilities, false},
	{"landlock", probe_landlock, false},
	{"seccomp", probe_seccomp, false},
	{"cgroup-memory", probe_cgroup_memory, false},
	{"cgroup-pids", probe_cgroup_pids, false},
	{"cgroup-cpu", probe_cgroup_cpu, false},
	{"cgroup-birth", probe_cgroup_birth, false},
	{"pids-rlimit", probe_pids_rlimit, false},
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

static void run_probe(probe_fn *probe, const char *state, struct cell_probe *row)
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

size_t cell_doctor(const char *state, struct cell_probe *rows, size_t max)
{
	size_t count = 0;

	for (size_t i = 0; i < COUNT(probes) && count < max; i++) {
		if (probes[i].root_only && geteuid() != 0)
			continue;
		rows[count] = (struct cell_probe){.name = probes[i].name, .state = CELL_UP};
		run_probe(probes[i].probe, state, &rows[count++]);
	}
	return count;
}
