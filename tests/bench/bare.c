/*
 * The same kernel calls as a cell's start, one after another and nothing else:
 * no checks, no init, no messages, no verdict. What a cell costs on top of this
 * is what stepcell costs. For root, on a host with v1 controllers or v2.
 */
#include "bare.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/filter.h>
#include <linux/keyctl.h>
#include <linux/landlock.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "stepcell/util.h"

#define STEP 0x70000000U

static void must(long r, const char *what)
{
	if (r >= 0)
		return;
	perror(what);
	_exit(1);
}

static void put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	must(fd, path);
	must(write(fd, text, strlen(text)), path);
	(void)close(fd);
}

static int make(const char *type, const char *const *options, unsigned attr)
{
	int context = fsopen(type, FSOPEN_CLOEXEC);
	int tree;

	must(context, type);
	for (; options && options[0]; options += 2)
		must(fsconfig(context, options[1] ? FSCONFIG_SET_STRING : FSCONFIG_SET_FLAG,
			      options[0], options[1], 0),
		     options[0]);
	must(fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0), type);
	tree = fsmount(context, FSMOUNT_CLOEXEC, attr);
	must(tree, type);
	(void)close(context);
	return tree;
}

static void attach(int tree, int root, const char *at)
{
	must(move_mount(tree, "", root, at, MOVE_MOUNT_F_EMPTY_PATH), at);
}

/* ---- as root, outside ---- */

struct caps {
	uint32_t sets[6];
};

static void caps_call(long call, struct caps *caps)
{
	struct {
		uint32_t version;
		int pid;
	} head = {0x20080522, 0};

	must(syscall(call, &head, caps->sets), "capabilities");
}

static void act_as(unsigned id)
{
	struct caps caps;

	(void)setfsgid(id);
	(void)setfsuid(id);
	caps_call(SYS_capget, &caps);
	caps.sets[0] = caps.sets[1];
	caps.sets[3] = caps.sets[4];
	caps_call(SYS_capset, &caps);
}

/* As for the cell: the host's own /usr keeps its owners. */
static int overlay(int userns, const char *layer, const char *upper)
{
	struct mount_attr map = {.attr_set = MOUNT_ATTR_IDMAP, .userns_fd = (uint64_t)userns};
	int context = fsopen("overlay", FSOPEN_CLOEXEC);
	int tree = open_tree(AT_FDCWD, layer, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	char path[256];
	int mount;

	if (userns >= 0)
		must(mount_setattr(tree, "", AT_EMPTY_PATH, &map, sizeof(map)), "idmap");
	(void)fsconfig(context, FSCONFIG_SET_STRING, "redirect_dir", "on", 0);
	(void)fsconfig(context, FSCONFIG_SET_STRING, "index", "off", 0);
	(void)fsconfig(context, FSCONFIG_SET_STRING, "xino", "off", 0);
	must(fsconfig(context, FSCONFIG_SET_FD, "lowerdir+", NULL, tree), "lowerdir+");
	(void)snprintf(path, sizeof(path), "%s/data", upper);
	must(fsconfig(context, FSCONFIG_SET_STRING, "upperdir", path, 0), "upperdir");
	(void)snprintf(path, sizeof(path), "%s/work", upper);
	must(fsconfig(context, FSCONFIG_SET_STRING, "workdir", path, 0), "workdir");
	must(fsconfig(context, FSCONFIG_SET_FLAG, "volatile", NULL, 0), "volatile");
	act_as(STEP);
	must(fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0), "overlay");
	act_as(0);
	mount = fsmount(context, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
	(void)close(context);
	(void)close(tree);
	return mount;
}

static void give_ids(pid_t pid)
{
	char path[64], line[64];

	(void)snprintf(line, sizeof(line), "1001 %u 1", STEP);
	(void)snprintf(path, sizeof(path), "/proc/%d/uid_map", pid);
	put(path, line);
	(void)snprintf(path, sizeof(path), "/proc/%d/gid_map", pid);
	put(path, line);
}

static void cgroups_make(const struct bare *b)
{
	char path[512];

	for (size_t i = 0; i < b->cgroup_count; i++) {
		const struct bare_cgroup *cg = &b->cgroups[i];

		must(mkdir(cg->dir, 0755), cg->dir);
		for (size_t s = 0; s < COUNT(cg->settings) && cg->settings[s].file; s++) {
			(void)snprintf(path, sizeof(path), "%s/%s", cg->dir, cg->settings[s].file);
			put(path, cg->settings[s].value);
		}
	}
}

/* Where the child enters by itself; -1 for v2, where it is born. */
static void cgroups_open(const struct bare *b, int *entries)
{
	char path[512];

	for (size_t i = 0; i < b->cgroup_count; i++) {
		(void)snprintf(path, sizeof(path), "%s/tasks", b->cgroups[i].dir);
		entries[i] = b->cgroups[i].v2 ? -1 : open(path, O_WRONLY | O_CLOEXEC);
	}
}

static void cgroups_enter(const struct bare *b, const int *entries)
{
	for (size_t i = 0; i < b->cgroup_count; i++)
		if (entries[i] >= 0)
			must(write(entries[i], "0", 1), b->cgroups[i].dir);
}

static void cgroups_remove(const struct bare *b)
{
	for (size_t i = 0; i < b->cgroup_count; i++)
		must(rmdir(b->cgroups[i].dir), b->cgroups[i].dir);
}

static int cgroup_birth(const struct bare *b)
{
	for (size_t i = 0; i < b->cgroup_count; i++)
		if (b->cgroups[i].v2)
			return open(b->cgroups[i].dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return -1;
}

/* ---- inside ---- */

static void settings(void)
{
	struct ifreq lo = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
	struct timespec now;
	char text[128];
	int fd;

	must(unshare(CLONE_NEWCGROUP), "cgroup namespace");
	must(setgroups(0, NULL), "setgroups");
	must(setresgid(1001, 1001, 1001), "setresgid");
	must(setresuid(1001, 1001, 1001), "setresuid");
	(void)prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
	must(unshare(CLONE_NEWTIME), "time namespace");
	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	(void)snprintf(text, sizeof(text), "monotonic %ld 0\nboottime %ld 0\n",
		       86400 - (long)now.tv_sec, 86400 - (long)now.tv_sec);
	put("/proc/self/timens_offsets", text);
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	must(ioctl(fd, SIOCSIFFLAGS, &lo), "loopback");
	(void)close(fd);
	must(sethostname("bare", 4), "sethostname");
	must(setdomainname("(none)", 6), "setdomainname");
}

static void devices(int dev)
{
	static const char *const names[] = {"null", "zero", "full", "random", "urandom"};
	static const char *const pts[] = {"ptmxmode", "0666", "mode", "0620", "max", "64", NULL};
	static const char *const shm[] = {"size", "1g", "nr_inodes", "65536", "mode", "1777", NULL};
	struct mount_attr safe = {.attr_set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC};
	struct mount_attr frozen = {.attr_set = MOUNT_ATTR_RDONLY};
	char path[32];

	for (size_t i = 0; i < COUNT(names); i++) {
		int tree, fd;

		(void)snprintf(path, sizeof(path), "/dev/%s", names[i]);
		tree = open_tree(AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
		must(mount_setattr(tree, "", AT_EMPTY_PATH, &safe, sizeof(safe)), path);
		fd = openat(dev, names[i], O_RDONLY | O_CREAT | O_CLOEXEC, 0644);
		attach(tree, dev, names[i]);
		(void)close(fd);
		(void)close(tree);
	}
	(void)!symlinkat("/proc/self/fd", dev, "fd");
	(void)!symlinkat("/proc/self/fd/0", dev, "stdin");
	(void)!symlinkat("/proc/self/fd/1", dev, "stdout");
	(void)!symlinkat("/proc/self/fd/2", dev, "stderr");
	(void)!symlinkat("pts/ptmx", dev, "ptmx");
	(void)mkdirat(dev, "pts", 0755);
	(void)mkdirat(dev, "shm", 0755);
	attach(make("devpts", pts, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC), dev, "pts");
	attach(make("tmpfs", shm, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV), dev, "shm");
	must(mount_setattr(dev, "", AT_EMPTY_PATH, &frozen, sizeof(frozen)), "frozen");
}

static void mounts(int root, int usr)
{
	static const char *const proc[] = {"subset", "pid", NULL};
	static const char *const tmp[] = {"size", "64k", "nr_inodes", "32", "mode", "0755", NULL};
	int dev;

	must(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), "private");
	attach(root, AT_FDCWD, "/");
	attach(usr, root, "usr");
	attach(make("proc", proc, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC), root,
	       "proc");
	dev = make("tmpfs", tmp, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC);
	attach(dev, root, "dev");
	devices(dev);
	put("/proc/sys/user/max_user_namespaces", "0");
	put("/proc/sys/user/max_inotify_instances", "1024");
	put("/proc/sys/user/max_inotify_watches", "262144");
	must(fchdir(root), "root");
	must(syscall(SYS_pivot_root, ".", "."), "pivot_root");
	must(umount2(".", MNT_DETACH), "old root");
	must(chdir("/home/runner"), "workdir");
}

static void give_up(void)
{
	struct rlimit limit;
	struct caps none = {0};
	const int limits[] = {RLIMIT_CORE,   RLIMIT_NICE,  RLIMIT_RTPRIO,
			      RLIMIT_NOFILE, RLIMIT_FSIZE, RLIMIT_MEMLOCK,
			      RLIMIT_NPROC,  RLIMIT_AS,    RLIMIT_MSGQUEUE};

	for (size_t i = 0; i < COUNT(limits); i++) {
		(void)getrlimit((__rlimit_resource_t)limits[i], &limit);
		(void)setrlimit((__rlimit_resource_t)limits[i], &limit);
	}
	(void)syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL);
	for (int cap = 0; cap < 41; cap++)
		(void)prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);
	(void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	caps_call(SYS_capset, &none);
	must(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs");
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	(void)setsid();
	(void)close_range(3, ~0U, 0);
}

static void filters(const struct bare *b)
{
	uint64_t handled[3] = {(1 << 16) - 1, 0, 3};
	struct landlock_path_beneath_attr rule = {.allowed_access = (1 << 16) - 1};
	int ruleset = (int)syscall(SYS_landlock_create_ruleset, handled, sizeof(handled), 0);
	struct sock_fprog program = {.len = (unsigned short)b->filter_count, .filter = b->filter};

	rule.parent_fd = open("/", O_PATH | O_CLOEXEC);
	must(syscall(SYS_landlock_add_rule, ruleset, 1, &rule, 0), "landlock rule");
	must(syscall(SYS_landlock_restrict_self, ruleset, 0), "landlock");
	must(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program), "seccomp");
}

static _Noreturn void child(const struct bare *b, const int *entries, int go, int root, int usr)
{
	static const char *const argv[] = {"/usr/bin/true", NULL};
	static const char *const env[] = {"PATH=/usr/bin", NULL};
	char byte;

	cgroups_enter(b, entries);
	must(read(go, &byte, 1), "go");
	settings();
	mounts(root, usr);
	give_up();
	filters(b);
	(void)execve(argv[0], (char *const *)argv, (char *const *)env);
	_exit(1);
}

void bare_run(const struct bare *b)
{
	struct clone_args args = {
		.flags = CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS |
			 CLONE_NEWNET | CLONE_PIDFD,
		.exit_signal = SIGCHLD,
	};
	int entries[COUNT(b->cgroups)], go[2], pidfd = -1, root, usr, status;
	pid_t pid;

	cgroups_make(b);
	cgroups_open(b, entries);
	root = overlay(b->userns, b->skeleton, b->upper_root);
	usr = overlay(-1, "/usr", b->upper_usr);
	must(pipe2(go, O_CLOEXEC), "pipe");
	args.pidfd = (uint64_t)(uintptr_t)&pidfd;
	args.cgroup = (uint64_t)cgroup_birth(b);
	if ((int)args.cgroup >= 0)
		args.flags |= CLONE_INTO_CGROUP;
	pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));
	must(pid, "clone3");
	if (pid == 0)
		child(b, entries, go[0], root, usr);
	give_ids(pid);
	must(write(go[1], "g", 1), "go");
	must(waitpid(pid, &status, 0), "wait");
	if (status) {
		(void)fprintf(stderr, "bare: status %d\n", status);
		_exit(1);
	}
	(void)close(go[0]), (void)close(go[1]), (void)close(pidfd);
	(void)close(root), (void)close(usr);
	if ((int)args.cgroup >= 0)
		(void)close((int)args.cgroup);
	for (size_t i = 0; i < b->cgroup_count; i++)
		if (entries[i] >= 0)
			(void)close(entries[i]);
	cgroups_remove(b);
}
