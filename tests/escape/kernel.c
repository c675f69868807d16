/* Attacks on what the kernel offers. */
#include "attack.h"

#include <fcntl.h>
#include <linux/io_uring.h>
#include <pthread.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <termios.h>
#include <unistd.h>

#include "calls.h"

/* ---- set-id programs ---- */

/* Run this very program with the set-id bit or a file capability on: is it more than its caller? */
int attack_setid(int argc, char **argv)
{
	uid_t r, e, s;
	char line[256];
	unsigned long long caps = 0;
	FILE *status = fopen("/proc/self/status", "re");

	(void)argc, (void)argv;
	while (status && fgets(line, sizeof(line), status))
		if (sscanf(line, "CapPrm: %llx", &caps) == 1)
			break;
	if (status)
		(void)fclose(status);
	(void)getresuid(&r, &e, &s);
	if (r == e && e == s && caps == 0)
		return held("uid %u, no capabilities", e);
	return open_way("uid %u, euid %u, capabilities %llx", r, e, caps);
}

/* ---- namespaces ---- */

static const struct {
	const char *name;
	unsigned long flag;
	bool clone; /* in clone(2), 0x80 is part of the signal */
} flags[] = {
	{"user", CLONE_NEWUSER, true}, {"mnt", CLONE_NEWNS, true},  {"pid", CLONE_NEWPID, true},
	{"net", CLONE_NEWNET, true},   {"ipc", CLONE_NEWIPC, true}, {"uts", CLONE_NEWUTS, true},
	{"cgroup", 0x02000000, true},  {"time", 0x80, false},
};

static int do_unshare(void *arg)
{
	return unshare((int)*(const unsigned long *)arg) < 0 ? errno : 0;
}

static int do_clone(void *arg)
{
	const long pid = syscall(SYS_clone, *(const unsigned long *)arg | SIGCHLD, 0, 0, 0, 0);

	if (pid == 0)
		_exit(0);
	return pid < 0 ? errno : 0;
}

static int do_setns(void *arg)
{
	char path[64];
	int fd;

	(void)snprintf(path, sizeof(path), "/proc/self/ns/%s", (const char *)arg);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	/* EINVAL is the kernel's own answer to re-entering the user namespace */
	return fd < 0 ? EPERM : setns(fd, 0) < 0 ? errno : 0;
}

int attack_namespaces(int argc, char **argv)
{
	(void)argc, (void)argv;
	for (size_t i = 0; i < COUNT(flags); i++) {
		const int u = in_child(do_unshare, (void *)&flags[i].flag);
		const int c = flags[i].clone ? in_child(do_clone, (void *)&flags[i].flag) : EPERM;
		const int s = flags[i].clone ? in_child(do_setns, (void *)flags[i].name) : EPERM;

		if (u != EPERM || c != EPERM || s != EPERM)
			return open_way("%s: unshare %s, clone %s, setns %s", flags[i].name,
					error_name(u), error_name(c), error_name(s));
	}
	return held("unshare, clone and setns of %zu namespaces: EPERM", COUNT(flags));
}

static void *answer(void *arg)
{
	*(int *)arg = 42;
	return NULL;
}

/* clone3 must not exist, and threads must start all the same. */
int attack_threads(int argc, char **argv)
{
	pthread_t thread;
	int value = 0;
	const long r = syscall(SYS_clone3, 1, 0);

	(void)argc, (void)argv;
	if (r != -1 || errno != ENOSYS)
		return open_way("clone3 answers %s", error_name(errno));
	if (pthread_create(&thread, NULL, answer, &value) != 0 || pthread_join(thread, NULL) != 0 ||
	    value != 42)
		return open_way("no thread starts");
	return held("clone3 ENOSYS, and threads start");
}

/* ---- mounts ---- */

int attack_mount_api(int argc, char **argv)
{
	const long fs = syscall(SYS_fsopen, "tmpfs", 0);
	const int fs_error = fs < 0 ? errno : 0;
	const long tree = syscall(SYS_open_tree, AT_FDCWD, "/", 0);
	const int tree_error = tree < 0 ? errno : 0;

	(void)argc, (void)argv;
	if (fs_error == ENOSYS && tree_error == ENOSYS)
		return held("fsopen and open_tree: ENOSYS");
	return open_way("fsopen %s, open_tree %s", error_name(fs_error), error_name(tree_error));
}

int attack_mount(int argc, char **argv)
{
	(void)argc, (void)argv;
	(void)mkdir("mnt", 0700);
	if (mount("none", "mnt", "tmpfs", 0, "size=4k") == 0) {
		(void)umount2("mnt", MNT_DETACH);
		return open_way("a tmpfs was mounted");
	}
	return errno == EPERM ? held("EPERM") : open_way("%s", error_name(errno));
}

/* The classic way out of a chroot, which needs a second chroot. */
static int escape_chroot(void *arg)
{
	const int root = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	(void)arg;
	(void)mkdir("jail", 0700);
	if (chroot("jail") < 0)
		return errno;
	if (fchdir(root) < 0 || chroot(".") < 0)
		return errno;
	return 0;
}

int attack_chroot(int argc, char **argv)
{
	const int e = in_child(escape_chroot, NULL);

	(void)argc, (void)argv;
	return e == EPERM ? held("EPERM") : open_way("chroot: %s", error_name(e));
}

static const struct {
	const char *what, *at;
	unsigned long flags;
	bool detach;
} remounts[] = {
	{"the root writable", "/", MS_REMOUNT | MS_BIND, false},
	{"/usr writable", "/usr", MS_REMOUNT | MS_BIND, false},
	{"/proc writable", "/proc", MS_REMOUNT | MS_BIND, false},
	{"/dev writable", "/dev", MS_REMOUNT | MS_BIND, false},
	{"/proc shared", "/proc", MS_SHARED, false},
	{"/proc away", "/proc", 0, true},
	{"/dev away", "/dev", 0, true},
};

int attack_remount(int argc, char **argv)
{
	unsigned open = 0;

	(void)argc, (void)argv;
	for (size_t i = 0; i < COUNT(remounts); i++) {
		errno = 0;
		const int r = remounts[i].detach
				      ? umount2(remounts[i].at, MNT_DETACH)
				      : mount(NULL, remounts[i].at, NULL, remounts[i].flags, NULL);

		if ((r == 0 || errno != EPERM) && ++open)
			(void)fprintf(stderr, "%s: %s\n", remounts[i].what, error_name(errno));
	}
	return open ? open_way("%u of %zu", open, COUNT(remounts))
		    : held("%zu changes: EPERM", COUNT(remounts));
}

static const struct {
	unsigned mode, major, minor;
} nodes[] = {
	{S_IFCHR, 1, 3}, {S_IFCHR, 1, 1}, {S_IFCHR, 10, 200}, {S_IFBLK, 8, 0}, {S_IFCHR, 0, 0},
};

int attack_mknod(int argc, char **argv)
{
	(void)argc, (void)argv;
	for (size_t i = 0; i < COUNT(nodes); i++) {
		const int r = mknod("node", nodes[i].mode | 0600,
				    makedev(nodes[i].major, nodes[i].minor));
		const int e = errno;

		if (r == 0)
			(void)unlink("node");
		if (r == 0 || e != EPERM)
			return open_way("%u:%u %s", nodes[i].major, nodes[i].minor,
					error_name(r ? e : 0));
	}
	return held("%zu devices: EPERM", COUNT(nodes));
}

/* ---- what the process has ---- */

int attack_caps(int argc, char **argv)
{
	static const char *const wanted[] = {
		"CapInh:\t0000000000000000\n",
		"CapPrm:\t0000000000000000\n",
		"CapEff:\t0000000000000000\n",
		"CapBnd:\t0000000000000000\n",
		"CapAmb:\t0000000000000000\n",
		"NoNewPrivs:\t1\n",
		"Seccomp:\t2\n",
	};
	char text[8192] = "";
	const int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);

	(void)argc, (void)argv;
	if (fd < 0 || read(fd, text, sizeof(text) - 1) < 0)
		return cannot("no /proc/self/status");
	for (size_t i = 0; i < COUNT(wanted); i++)
		if (!strstr(text, wanted[i]))
			return open_way("not %.*s", (int)strcspn(wanted[i], "\n"), wanted[i]);
	return held("five empty sets, NoNewPrivs 1, Seccomp 2");
}

/* ---- the table of calls ---- */

/* Younger than the library. */
static const struct {
	const char *name;
	int number;
} young[] = {
	{"open_tree_attr", 467},    {"statmount", 457},
	{"listmount", 458},         {"lsm_get_self_attr", 459},
	{"lsm_set_self_attr", 460}, {"lsm_list_modules", 461},
	{"cachestat", 451},         {"set_mempolicy_home_node", 450},
};

static int number_of(const char *name)
{
	const int number = seccomp_syscall_resolve_name(name);

	for (size_t i = 0; number < 0 && i < COUNT(young); i++)
		if (strcmp(young[i].name, name) == 0)
			return young[i].number;
	return number;
}

static int make_call(void *arg)
{
	const struct call *c = arg;
	const unsigned long *a = c->args;

	(void)setsid();
	return syscall(number_of(c->name), a[0], a[1], a[2], a[3], a[4], a[5]) == -1 ? errno : 0;
}

int attack_calls(int argc, char **argv)
{
	unsigned wrong = 0, tried = 0;

	(void)argc, (void)argv;
	for (size_t i = 0; i < COUNT(refused); i++) {
		int e;

		if (number_of(refused[i].name) < 0)
			continue;
		tried++;
		e = in_child(make_call, (void *)&refused[i]);
		if (e != refused[i].answer && ++wrong)
			(void)fprintf(stderr, "%s(%lx, %lx): %s, not %s\n", refused[i].name,
				      refused[i].args[0], refused[i].args[1], error_name(e),
				      error_name(refused[i].answer));
	}
	if (wrong)
		return open_way("%u of %u calls are not refused as they should", wrong, tried);
	return held("%u calls refused", tried);
}

int attack_unknown(int argc, char **argv)
{
	static const long numbers[] = {1000, 511, 600, 100000};

	(void)argc, (void)argv;
	for (size_t i = 0; i < COUNT(numbers); i++)
		if (syscall(numbers[i], 0, 0, 0, 0, 0, 0) != -1 || errno != ENOSYS)
			return open_way("%ld: %s", numbers[i], error_name(errno));
	return held("ENOSYS");
}

int attack_io_uring(int argc, char **argv)
{
	struct io_uring_params params = {0};
	const long fd = syscall(SYS_io_uring_setup, 4, &params);

	(void)argc, (void)argv;
	if (fd < 0 && errno == ENOSYS)
		return held("ENOSYS");
	return open_way("io_uring_setup: %s", error_name(fd < 0 ? errno : 0));
}

/* ---- foreign ABIs ---- */

#ifdef __x86_64__
static int call_32_bit(void *arg)
{
	int result;

	(void)arg;
	__asm__ volatile("int $0x80" : "=a"(result) : "a"(20) : "memory"); /* getpid */
	return 0;
}

/* socketcall's arguments lie behind a pointer: no filter could judge them */
static int call_socketcall(void *arg)
{
	int result;

	(void)arg;
	__asm__ volatile("int $0x80" : "=a"(result) : "a"(102), "b"(1), "c"(0) : "memory");
	return 0;
}

static int call_x32(void *arg)
{
	(void)arg;
	(void)syscall(0x40000000 | SYS_getpid);
	return 0;
}

int attack_foreign_abi(int argc, char **argv)
{
	const int a = in_child(call_32_bit, NULL), b = in_child(call_socketcall, NULL),
		  c = in_child(call_x32, NULL);

	(void)argc, (void)argv;
	if (a == 128 + SIGSYS && b == 128 + SIGSYS && c == 128 + SIGSYS)
		return held("SIGSYS");
	return open_way("int 0x80 gives %d and %d, x32 %d", a, b, c);
}
#else
int attack_foreign_abi(int argc, char **argv)
{
	(void)argc, (void)argv;
	return cannot("no such ABI on this machine");
}
#endif

/* ---- sockets ---- */

/* The families given; UNIX, INET, INET6 and NETLINK are judged elsewhere. */
int attack_families(int argc, char **argv)
{
	static const int types[] = {SOCK_STREAM, SOCK_DGRAM, SOCK_RAW, SOCK_SEQPACKET};

	for (int i = 1; i < argc; i++)
		for (size_t t = 0; t < COUNT(types); t++) {
			const int fd = socket(atoi(argv[i]), types[t] | SOCK_CLOEXEC, 0);

			if (fd >= 0 || errno != EAFNOSUPPORT)
				return open_way("family %s, type %d: %s", argv[i], types[t],
						error_name(fd < 0 ? errno : 0));
			(void)close(fd);
		}
	return held("%d families: EAFNOSUPPORT", argc - 1);
}

/* Audit, netfilter, uevents, crypto: refused. Route: getaddrinfo needs it. Raw IP: refused. */
int attack_netlink(int argc, char **argv)
{
	static const int protocols[] = {15, 12, 9, 21};

	(void)argc, (void)argv;
	for (size_t i = 0; i < COUNT(protocols); i++) {
		const int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocols[i]);

		if (fd >= 0 || errno != EAFNOSUPPORT)
			return open_way("netlink %d: %s", protocols[i],
					error_name(fd < 0 ? errno : 0));
	}
	if (socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, 0) < 0)
		return open_way("netlink route: %s", error_name(errno));
	if (socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, 6) >= 0 || errno != EPERM)
		return open_way("raw sockets: %s", error_name(errno));
	return held("only ROUTE, and no raw packets");
}

/* ---- terminals ---- */

int attack_terminal(int argc, char **argv)
{
	static const unsigned long requests[] = {TIOCSTI, TIOCLINUX, TIOCCONS};
	char byte = 0;

	(void)argc, (void)argv;
	for (int fd = 0; fd <= 2; fd++)
		for (size_t i = 0; i < COUNT(requests); i++)
			/* an address that is not mapped: nothing is typed even where it may be */
			if (ioctl(fd, requests[i], (void *)1) == 0 || errno != EPERM)
				return open_way("descriptor %d, %lx: %s", fd, requests[i],
						error_name(errno));
	(void)byte;
	return held("EPERM");
}

/* What a terminal's owner alone may change. Each is set to what it is, or to what the line has anyway. */
int attack_tty(int argc, char **argv)
{
	struct termios modes = {0};
	const int line = 0;
	unsigned terminals = 0;

	(void)argc, (void)argv;
	for (int fd = 0; fd <= 2; fd++) {
		if (tcgetattr(fd, &modes) < 0)
			continue;
		terminals++;
		if (tcsetattr(fd, TCSANOW, &modes) == 0)
			return open_way("descriptor %d: the modes can be set", fd);
		if (ioctl(fd, TIOCSETD, &line) == 0 || ioctl(fd, TIOCSCTTY, 0) == 0)
			return open_way("descriptor %d: the line or its session can be set", fd);
		if (tcsetpgrp(fd, getpgrp()) == 0)
			return open_way("descriptor %d: the foreground can be taken", fd);
	}
	if (open("/dev/tty", O_RDWR | O_CLOEXEC) >= 0)
		return open_way("/dev/tty opens");
	return held("%u of the descriptors are a terminal, and none can be set", terminals);
}

/* What of a terminal is one's own to set, and then what is nobody's: a key that the user would find typed. */
static int meddle_with(int fd)
{
	const int discipline = 0; /* the one that it has */
	const char key = 'x';
	struct termios raw;

	if (tcgetattr(fd, &raw) == 0) {
		cfmakeraw(&raw);
		(void)tcsetattr(fd, TCSANOW, &raw);
	}
	(void)ioctl(fd, TIOCSCTTY, 1);
	(void)tcsetpgrp(fd, getpgrp());
	if (ioctl(fd, TIOCSTI, &key) == 0)
		return open_way("descriptor %d: a key is typed", fd);
	if (errno != EPERM)
		return open_way("descriptor %d: %s", fd, error_name(errno));
	if (ioctl(fd, TIOCSETD, &discipline) == 0 || errno != EPERM)
		return open_way("descriptor %d: a line discipline", fd);
	return 0;
}

int attack_meddle(int argc, char **argv)
{
	const int fds[] = {0, 1, 2, open("/dev/tty", O_RDWR | O_CLOEXEC)};

	(void)argc, (void)argv;
	for (size_t i = 0; i < COUNT(fds); i++)
		if (isatty(fds[i]) == 0)
			return cannot("there is no terminal");
	(void)signal(SIGTTOU, SIG_IGN);
	for (size_t i = 0; i < COUNT(fds); i++)
		if (meddle_with(fds[i]) != 0)
			return 1;
	return held("EPERM, and the rest is the cell's own");
}
