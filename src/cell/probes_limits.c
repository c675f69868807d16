/* Probes of filters, capabilities and limits. */
#include <errno.h>
#include <limits.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pwd.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cell/birth.h"
#include "cell/caps.h"
#include "cell/cgroup_parts.h"
#include "cell/count.h"
#include "cell/landlock.h"
#include "cell/probes.h"
#include "cell/seccomp.h"
#include "stepcell/fd.h"
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

/* Who is asked for more: systemd where it is in charge, else root. */
static void mend_cgroup(char *out, size_t size)
{
	const struct passwd *user = getpwuid(geteuid());
	const char *runtime = getenv("XDG_RUNTIME_DIR");
	char manager[PATH_MAX];

	(void)snprintf(manager, sizeof(manager), "%s/systemd/private", runtime ? runtime : "");
	if (geteuid() == 0 && access("/run/systemd/system", F_OK) == 0)
		(void)snprintf(out, size, "systemd-run --scope -p Delegate=yes stepcell ...");
	else if (geteuid() == 0)
		(void)snprintf(out, size, "start stepcell in a cgroup that holds nobody else");
	else if (access(manager, F_OK) == 0)
		(void)snprintf(out, size,
			       "systemd-run --user --scope -p Delegate=yes stepcell ...; if that "
			       "does not do, as root: stepcell doctor --delegate %s --apply",
			       user ? user->pw_name : "USER");
	else
		(void)snprintf(out, size, "as root: stepcell doctor --delegate %s --apply",
			       user ? user->pw_name : "USER");
}

/* Why nothing can be made below `dir`, NULL where the controller is not mounted. */
static void blame_place(struct cell_probe *row, const char *dir, const char *without)
{
	char mend[sizeof(row->mend)], why[sizeof(row->why)];

	mend_cgroup(mend, sizeof(mend));
	errno = 0; /* the reason is in words */
	if (!dir) {
		(void)snprintf(why, sizeof(why), "none is mounted here: %s", without);
		probe_down(row, why,
			   "mount -t cgroup2 none /sys/fs/cgroup; in a container: give it a "
			   "writable cgroup");
		return;
	}
	if (access(dir, W_OK) == 0)
		(void)snprintf(why, sizeof(why),
			       "%.150s does not hand it down, or holds others: %s", dir, without);
	else if (errno == EROFS) {
		(void)snprintf(why, sizeof(why), "%.150s is read-only: %s", dir, without);
		(void)snprintf(mend, sizeof(mend), "in a container: give it a writable cgroup");
	} else
		(void)snprintf(why, sizeof(why), "%.150s is not ours: %s", dir, without);
	errno = 0;
	probe_down(row, why, mend);
}

static void blame_cgroup(struct cell_probe *row, enum cgroup_part part, const char *without)
{
	auto_arena struct arena *a = arena_new();
	struct cgroup_places places = {0};
	struct err ignored;

	(void)cgroup_places_find(a, &places, &ignored);
	blame_place(row, places.dir[part] ? places.dir[part] : places.dir[CG_V2], without);
}

static const struct {
	enum cgroup_part part;
	unsigned v2;
	struct cell_limits limits;
	const char *without;
} cgroup_limits[] = {
	{CG_MEMORY, V2_MEMORY, {.memory = GIB}, NULL},
	{CG_PIDS, V2_PIDS, {.pids = 64}, "processes are limited by RLIMIT_NPROC"},
	{CG_CPU, V2_CPU, {.cpus_milli = 1000}, "processor time is not limited"},
	{CG_V2, V2_IO, {.io = GIB}, "reading and writing is as fast as the disk"},
};

/* What stands in for a limit; memory is counted, as far as the kernel tells. */
static const char *stand_in(size_t i, char *out, size_t size)
{
	const char *lacks = cgroup_limits[i].without ? NULL : count_sockets_lacks();

	if (cgroup_limits[i].without)
		return cgroup_limits[i].without;
	(void)snprintf(out, size, "memory is counted every now and then%s%s%s",
		       lacks ? ", but for what waits in sockets (no " : "", lacks ? lacks : "",
		       lacks ? ": modprobe it)" : "");
	return out;
}

static void say_where(struct cell_probe *row, const struct cgroup *cg, enum cgroup_part part)
{
	const bool v1 = part != CG_V2 && cg->dir[part] >= 0;
	const char *path = cg->path[v1 ? part : CG_V2];

	(void)snprintf(row->why, sizeof(row->why), "%s, in %.*s", v1 ? "v1" : "v2",
		       (int)(strrchr(path, '/') - path), path);
}

static void probe_cgroup(const char *state, struct cell_probe *row, size_t i)
{
	struct cgroup *cg = NULL;
	struct err err = {0};
	char text[128];
	const int r = cgroup_open(state, "doctor", &cgroup_limits[i].limits, &cg, &err);

	errno = 0; /* what went wrong is in words already */
	if (r < 0)
		probe_down(row, err.text, "");
	else if (cgroup_covers(cg, &cgroup_limits[i].limits))
		say_where(row, cg, cgroup_limits[i].part);
	else
		blame_cgroup(row, cgroup_limits[i].part, stand_in(i, text, sizeof(text)));
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

/* Has one process been born where a cell would be? */
static bool is_born_inside(const struct cgroup *cg)
{
	struct err ignored = {0};
	bool outside = true;
	int fd = -1;
	const pid_t pid = birth(0, cgroup_clone_fd(cg), &fd, &outside, &ignored);
	auto_fd int pidfd = fd;

	if (pid == 0)
		_exit(0);
	if (pid > 0)
		(void)waitid(P_PIDFD, (id_t)pidfd, &(siginfo_t){0}, WEXITED | __WALL);
	return pid > 0 && !outside;
}

void probe_cgroup_io(const char *state, struct cell_probe *row)
{
	if (access("/sys/fs/cgroup/blkio", F_OK) == 0) {
		errno = 0; /* the reason is in words */
		probe_down(row,
			   "the controller is one of v1 here, and reaches nobody who writes "
			   "through the page cache",
			   "boot with cgroup_no_v1=blkio");
		return;
	}
	probe_cgroup(state, row, 3);
}

void probe_cgroup_birth(const char *state, struct cell_probe *row)
{
	const struct cell_limits none = {0};
	struct cgroup *cg = NULL;
	struct err err;

	if (cgroup_open(state, "doctor", &none, &cg, &err) < 0 || cgroup_clone_fd(cg) < 0) {
		blame_cgroup(row, CG_V2, "a start takes longer");
		row->state = CELL_PARTIAL;
	} else if (!is_born_inside(cg)) {
		errno = 0; /* the reason is in words */
		probe_partial(row,
			      "clone3 is refused here, or knows no cgroup: a start takes longer",
			      "Linux 5.7 or newer, and in a container a seccomp profile that "
			      "knows clone3");
	}
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
