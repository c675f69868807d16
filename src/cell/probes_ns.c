/* Probes of namespaces, and of what can be mounted in them. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/mount.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cell/overlay.h"
#include "cell/owner.h"
#include "cell/probes.h"
#include "stepcell/fd.h"
#include "stepcell/parse.h"
#include "stepcell/path.h"
#include "stepcell/util.h"

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x80
#endif

/* ---- user namespaces ---- */

/* The settings by which distributions switch user namespaces off, and their cure. */
static const struct {
	const char *path;
	uint64_t bad;
	const char *why, *mend;
} switches[] = {
	{"/proc/sys/user/max_user_namespaces", 0, "user namespaces are limited to 0",
	 "sysctl -w user.max_user_namespaces=15000"},
	{"/proc/sys/kernel/unprivileged_userns_clone", 0, "user namespaces are kept for root",
	 "sysctl -w kernel.unprivileged_userns_clone=1"},
	{"/proc/sys/kernel/apparmor_restrict_unprivileged_userns", 1,
	 "AppArmor takes the capabilities of user namespaces away",
	 "give stepcell an AppArmor profile with 'userns,', or sysctl -w "
	 "kernel.apparmor_restrict_unprivileged_userns=0"},
};

static bool setting_is(const char *path, uint64_t bad)
{
	auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
	char text[32] = "";
	uint64_t value;

	if (fd < 0 || read(fd, text, sizeof(text) - 1) < 0)
		return false;
	text[strcspn(text, "\n")] = '\0';
	return parse_u64(text, 0, UINT64_MAX, &value) == 0 && value == bad;
}

static void blame(struct cell_probe *row, const char *doing)
{
	const int error = errno;

	for (size_t i = 0; i < COUNT(switches); i++)
		if (setting_is(switches[i].path, switches[i].bad)) {
			errno = 0;
			probe_down(row, switches[i].why, switches[i].mend);
			return;
		}
	errno = error;
	probe_down(row, doing, "use a kernel with user namespaces (CONFIG_USER_NS)");
	if (error == ENOSYS || error == EINVAL)
		return;
	/* a container's filter, its AppArmor profile, or both: the kernel does not say who it was */
	if (prctl(PR_GET_SECCOMP, 0, 0, 0, 0) > 0)
		(void)snprintf(row->why + strlen(row->why), sizeof(row->why) - strlen(row->why),
			       ", below a seccomp filter that was here before us");
	(void)snprintf(
		row->mend, sizeof(row->mend),
		"in a container: a seccomp profile that allows clone3, unshare and the mount calls "
		"(docker run --security-opt seccomp=FILE), and an AppArmor profile with 'userns,' "
		"and 'mount,'");
}

static int write_text(const char *path, const char *text)
{
	auto_fd int fd = open(path, O_WRONLY | O_CLOEXEC);

	return fd < 0 ? -1 : write_full(fd, text, strlen(text));
}

static int map_self(unsigned uid, unsigned gid)
{
	char map[64];

	(void)snprintf(map, sizeof(map), "%d %u 1", CELL_UID, uid);
	if (write_text("/proc/self/setgroups", "deny") < 0 ||
	    write_text("/proc/self/uid_map", map) < 0)
		return -1;
	(void)snprintf(map, sizeof(map), "%d %u 1", CELL_UID, gid);
	return write_text("/proc/self/gid_map", map);
}

bool probe_enter(int flags, struct cell_probe *row)
{
	const unsigned uid = geteuid(), gid = getegid();

	errno = 0;
	if (unshare(CLONE_NEWUSER) < 0) {
		blame(row, "cannot make a user namespace");
		return false;
	}
	if (map_self(uid, gid) < 0) {
		blame(row, "cannot map an id into a user namespace");
		return false;
	}
	if (unshare(flags) < 0) {
		blame(row, "cannot make the namespace");
		return false;
	}
	if ((flags & CLONE_NEWNS) && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0) {
		blame(row, "cannot mount in the namespace");
		return false;
	}
	return true;
}

void probe_userns(const char *state, struct cell_probe *row)
{
	(void)state;
	/* AppArmor lets it be made, and then takes all capabilities away */
	if (probe_enter(CLONE_NEWUTS, row) && sethostname("probe", 5) < 0)
		blame(row, "the namespace has no capabilities");
}

void probe_mountns(const char *state, struct cell_probe *row)
{
	(void)state;
	(void)probe_enter(CLONE_NEWNS, row);
}

/* Whether a child of ours exits with 0. */
static bool child_succeeds(pid_t pid)
{
	int status = -1;

	return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
}

void probe_pidns(const char *state, struct cell_probe *row)
{
	pid_t pid;

	(void)state;
	if (!probe_enter(CLONE_NEWPID, row))
		return;
	pid = fork();
	if (pid == 0)
		_exit(getpid() != 1);
	if (!child_succeeds(pid))
		probe_down(row, "a first process does not start", "");
}

void probe_netns(const char *state, struct cell_probe *row)
{
	struct ifreq lo = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};

	(void)state;
	if (!probe_enter(CLONE_NEWNET, row))
		return;

	auto_fd int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &lo) < 0)
		blame(row, "loopback cannot be switched on");
}

void probe_ipcns(const char *state, struct cell_probe *row)
{
	(void)state;
	(void)probe_enter(CLONE_NEWIPC, row);
}

void probe_utsns(const char *state, struct cell_probe *row)
{
	(void)state;
	if (probe_enter(CLONE_NEWUTS, row) && sethostname("probe", 5) < 0)
		blame(row, "the host name cannot be set");
}

void probe_cgroupns(const char *state, struct cell_probe *row)
{
	(void)state;
	(void)probe_enter(CLONE_NEWCGROUP, row);
}

#define MEND_TIME "a kernel of 5.6 or newer with CONFIG_TIME_NS"

void probe_timens(const char *state, struct cell_probe *row)
{
	(void)state;
	if (!probe_enter(0, row))
		return;
	if (unshare(CLONE_NEWTIME) < 0)
		probe_down(row, "cannot make a time namespace", MEND_TIME);
	else if (write_text("/proc/self/timens_offsets", "monotonic 1 0\n") < 0)
		probe_down(row, "cannot set its clock", MEND_TIME);
}

/* ---- mounts ---- */

#define MEND_UPPER   "put the state home (STEPCELL_HOME) on ext4, xfs or btrfs"
#define MEND_OVERLAY "a kernel of 6.1 or newer; else " MEND_UPPER

static bool make_layer(const char *state, char *dir, size_t size, struct cell_probe *row)
{
	char path[PATH_MAX];
	struct err err;

	(void)snprintf(dir, size, "%s/doctor.XXXXXX", state);
	if (mkdtemp(dir) && path_join(path, sizeof(path), dir, "lower", &err) == 0 &&
	    mkdir(path, 0700) == 0)
		return true;
	probe_down(row, "cannot write to the state home", "make it writable");
	return false;
}

static int mount_overlay(struct cell_owner *owner, const char *lower, const char *upper,
			 struct cell_probe *row, struct err *err)
{
	const struct cell_layer layer = {.path = lower};
	const struct cell_overlay overlay = {
		.at = "/", .layers = &layer, .layer_count = 1, .upper = upper};

	if (cell_upper_make(owner, upper, err) < 0)
		return -1;
	if (!owner_is_root(owner) && !probe_enter(CLONE_NEWNS, row))
		return -1;
	return overlay_mount(owner, &overlay, err);
}

/* As a cell will: inside a user namespace for an ordinary user, outside of it for root. */
static void try_overlay(const char *state, const char *dir, struct cell_probe *row)
{
	struct cell_owner *owner = NULL;
	char lower[PATH_MAX], upper[PATH_MAX];
	struct err err = {0};
	auto_fd int tree = -1;

	if (path_join(lower, sizeof(lower), dir, "lower", &err) == 0 &&
	    path_join(upper, sizeof(upper), dir, "upper", &err) == 0 &&
	    cell_owner_open(state, &owner, &err) == 0)
		tree = mount_overlay(owner, lower, upper, row, &err);
	if (tree >= 0 && mkdirat(tree, "probe", 0700) < 0)
		probe_down(row, "the overlay is not writable", MEND_UPPER);
	errno = 0; /* the reasons are in words */
	if (tree < 0 && row->state == CELL_UP)
		probe_down(row, err.text, err.sys == ENODEV ? "modprobe overlay" : MEND_OVERLAY);
	cell_owner_close(&owner);
}

void probe_overlay(const char *state, struct cell_probe *row)
{
	char dir[PATH_MAX];
	struct err err;
	pid_t pid;

	if (!make_layer(state, dir, sizeof(dir), row))
		return;
	/* the namespaces end with the child, so that the layers can be removed here */
	int ends[2];

	if (pipe_open(ends, &err) == 0 && (pid = fork()) >= 0) {
		if (pid == 0) {
			try_overlay(state, dir, row);
			_exit(write_full(ends[1], row, sizeof(*row)) < 0);
		}
		if (!child_succeeds(pid) || read_full(ends[0], row, sizeof(*row)) < 0)
			probe_down(row, "the attempt died", "");
	}
	(void)remove_tree(AT_FDCWD, dir, &err);
}

/* A process that holds a user namespace, with ids mapped by us. */
static int open_userns(pid_t *holder)
{
	char path[64];
	int ends[2];
	struct err err;
	char byte;

	if (pipe_open(ends, &err) < 0 || (*holder = fork()) < 0)
		return -1;
	if (*holder == 0) {
		if (unshare(CLONE_NEWUSER) == 0 && write(ends[1], "x", 1) == 1)
			(void)pause();
		_exit(1);
	}
	(void)close(ends[1]);
	if (read(ends[0], &byte, 1) != 1)
		return -1;
	(void)close(ends[0]);
	(void)snprintf(path, sizeof(path), "/proc/%d/uid_map", *holder);
	if (write_text(path, "0 1879048192 1") < 0)
		return -1;
	(void)snprintf(path, sizeof(path), "/proc/%d/gid_map", *holder);
	if (write_text(path, "0 1879048192 1") < 0)
		return -1;
	(void)snprintf(path, sizeof(path), "/proc/%d/ns/user", *holder);
	return open(path, O_RDONLY | O_CLOEXEC);
}

void probe_idmap(const char *state, struct cell_probe *row)
{
	pid_t holder = -1;
	auto_fd int userns = open_userns(&holder);
	auto_fd int tree =
		(int)syscall(SYS_open_tree, AT_FDCWD, state, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	struct mount_attr attr = {.attr_set = MOUNT_ATTR_IDMAP, .userns_fd = (uint64_t)userns};

	if (userns < 0 || tree < 0 ||
	    syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0)
		probe_down(row, "cannot map the owners of a tree of the state home",
			   "a kernel of 5.12 or newer, and a state home on ext4, xfs or btrfs");
	if (holder > 0)
		(void)kill(holder, SIGKILL);
}

static void mount_in_pidns(struct cell_probe *row, const char *type, const char *options,
			   const char *mend, const char *masked)
{
	pid_t pid;

	if (!probe_enter(CLONE_NEWNS | CLONE_NEWPID, row))
		return;
	pid = fork();
	if (pid == 0)
		_exit(mount(type, "/proc", type, MS_NOSUID | MS_NODEV | MS_NOEXEC, options) < 0
			      ? errno
			      : 0);

	int status = 0;

	if (waitpid(pid, &status, 0) == pid && status == 0)
		return;
	errno = WIFEXITED(status) ? WEXITSTATUS(status) : 0;
	probe_down(row, "cannot mount it", errno == EPERM ? masked : mend);
}

void probe_proc(const char *state, struct cell_probe *row)
{
	(void)state;
	mount_in_pidns(
		row, "proc", "subset=pid", "a kernel of 5.8 or newer",
		"the /proc around us is masked, as in a container: docker run --security-opt "
		"systempaths=unconfined, or in Kubernetes procMount: Unmasked");
}

void probe_devpts(const char *state, struct cell_probe *row)
{
	(void)state;
	if (!probe_enter(CLONE_NEWNS, row))
		return;
	if (mount("devpts", "/proc", "devpts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666") <
	    0)
		probe_down(row, "cannot mount private terminals",
			   "a kernel with CONFIG_UNIX98_PTYS");
}
