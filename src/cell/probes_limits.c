/* Probes of filters, capabilities and limits. */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cell/caps.h"
#include "cell/cgroup_parts.h"
#include "cell/landlock.h"
#include "cell/probes.h"
#include "cell/seccomp.h"
#include "stepcell/limits.h"
#include "stepcell/util.h"

void probe_capabilities(const char *state, struct cell_probe *row)
{
	struct err err = {0};

	(void)state;
	if (!probe_enter(0, row))
		return;
	errno = 0;
	if (caps_drop_all(&err) < 0 || caps_assert_none(&err) < 0 || no_new_privs_set(&err) < 0)
		probe_down(row, err.text, "");
}

/* What an older kernel's Landlock leaves open. */
static const struct {
	int abi;
	const char *lacks, *kernel;
} landlock_lacks[] = {
	{2, "renames between directories", "a kernel of 5.19 or newer"},
	{3, "truncation", "a kernel of 6.2 or newer"},
	{5, "ioctl on devices", "a kernel of 6.10 or newer"},
	{6, "abstract sockets and signals", "a kernel of 6.12 or newer"},
};

void probe_landlock(const char *state, struct cell_probe *row)
{
	const int abi = landlock_abi();
	struct err err = {0};
	char why[128];

	(void)state;
	errno = 0;
	if (abi == 0) {
		probe_down(row, "this kernel has none, or it is switched off",
			   "a kernel of 5.13 or newer with landlock in its lsm= list");
		return;
	}
	if (no_new_privs_set(&err) < 0 || landlock_restrict(NULL, 0, &err) < 0) {
		probe_down(row, err.text, "");
		return;
	}
	(void)snprintf(row->why, sizeof(row->why), "ABI %d", abi);
	for (size_t i = 0; i < COUNT(landlock_lacks); i++)
		if (abi < landlock_lacks[i].abi) {
			(void)snprintf(why, sizeof(why), "ABI %d does not cover %s", abi,
				       landlock_lacks[i].lacks);
			probe_partial(row, why, landlock_lacks[i].kernel);
			return;
		}
}

void probe_seccomp(const char *state, struct cell_probe *row)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getpgrp, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	const struct seccomp_filter filter = {code, COUNT(code)};
	struct err err = {0};

	(void)state;
	errno = 0;
	if (no_new_privs_set(&err) < 0 || seccomp_filter_install(&filter, &err) < 0)
		probe_down(row, err.text, "a kernel with CONFIG_SECCOMP_FILTER");
	else if (syscall(SYS_getpgrp) != -1 || errno != EPERM)
		probe_down(row, "a filter does not refuse", "");
}

/* ---- cgroups ---- */

static const char *mend_cgroup(void)
{
	if (access("/sys/fs/cgroup/cgroup.controllers", F_OK) == 0)
		return "start stepcell below 'systemd-run --user --scope -p Delegate=yes'";
	return "as root: in each hierarchy of /sys/fs/cgroup make a directory, chown -R it to the "
	       "user, and start the user's shell in it (echo $$ > DIRECTORY/cgroup.procs)";
}

static const struct {
	enum cgroup_part part;
	unsigned v2;
	struct cell_limits limits;
	const char *without;
} cgroup_limits[] = {
	{CG_MEMORY,
	 V2_MEMORY,
	 {.memory = GIB},
	 "no cgroup to write to: memory is counted every now and then"},
	{CG_PIDS,
	 V2_PIDS,
	 {.pids = 64},
	 "no cgroup to write to: processes are limited by RLIMIT_NPROC"},
	{CG_CPU,
	 V2_CPU,
	 {.cpus_milli = 1000},
	 "no cgroup to write to: processor time is not limited"},
};

static void say_where(struct cell_probe *row, const struct cgroup *cg, enum cgroup_part part)
{
	const bool v1 = cg->dir[part] >= 0;
	const char *path = cg->path[v1 ? part : CG_V2];

	(void)snprintf(row->why, sizeof(row->why), "%s, in %.*s", v1 ? "v1" : "v2",
		       (int)(strrchr(path, '/') - path), path);
}

static void probe_cgroup(const char *state, struct cell_probe *row, size_t i)
{
	struct cgroup *cg = NULL;
	struct err err = {0};
	const int r = cgroup_open(state, "doctor", &cgroup_limits[i].limits, &cg, &err);
	const char *mend = mend_cgroup();

	errno = 0; /* what went wrong is in words already */
	if (r < 0)
		probe_down(row, err.text, "");
	else if (cgroup_covers(cg, &cgroup_limits[i].limits))
		say_where(row, cg, cgroup_limits[i].part);
	else
		probe_down(row, cgroup_limits[i].without, mend);
	cgroup_close(&cg);
}

void probe_cgroup_memory(const char *state, struct cell_probe *row)
{
	probe_cgroup(state, row, 0);
}

void probe_cgroup_pids(const char *state, struct cell_probe *row)
{
	probe_cgroup(state, row, 1);
}

void probe_cgroup_cpu(const char *state, struct cell_probe *row)
{
	probe_cgroup(state, row, 2);
}

void probe_cgroup_birth(const char *state, struct cell_probe *row)
{
	const struct cell_limits none = {0};
	struct cgroup *cg = NULL;
	struct err err;

	if (cgroup_open(state, "doctor", &none, &cg, &err) < 0 || cgroup_clone_fd(cg) < 0)
		probe_partial(row, "no v2 cgroup to be born in: a start takes longer",
			      mend_cgroup());
	cgroup_close(&cg);
}

/* ---- what stands in for the pids controller ---- */

#define FORKS 6

/* How many of FORKS children could be started. */
static int count_forks(void)
{
	int made = 0;

	for (int i = 0; i < FORKS; i++) {
		const pid_t pid = fork();

		if (pid == 0) {
			(void)pause();
			_exit(0);
		}
		made += pid > 0;
	}
	return made;
}

void probe_pids_rlimit(const char *state, struct cell_probe *row)
{
	const struct rlimit limit = {4, 4};
	const int other = 65534;

	(void)state;
	/* the limit does not hold for root, and no step is root */
	if (geteuid() == 0 && (setresgid((gid_t)other, (gid_t)other, (gid_t)other) < 0 ||
			       setresuid((uid_t)other, (uid_t)other, (uid_t)other) < 0)) {
		probe_down(row, "cannot become another user", "");
		return;
	}
	/* changing ids took our own /proc files away from us */
	(void)prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
	if (!probe_enter(CLONE_NEWPID, row))
		return;
	errno = 0;

	const pid_t init = fork();
	int status = 0;

	/* when it ends, so do all that it made */
	if (init == 0) {
		struct err err;

		if (caps_drop_all(&err) < 0 || setrlimit(RLIMIT_NPROC, &limit) < 0)
			_exit(99);
		_exit(count_forks());
	}
	if (init < 0 || waitpid(init, &status, 0) != init || !WIFEXITED(status) ||
	    WEXITSTATUS(status) == 99)
		probe_down(row, "the attempt failed", "");
	else if (WEXITSTATUS(status) != 2)
		probe_down(row, "RLIMIT_NPROC does not count a user namespace by itself",
			   "a kernel of 5.14 or newer");
}
