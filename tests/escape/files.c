/* Attacks on devices, settings, cgroups and other processes. Files are opened, never written. */
#include "attack.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/xattr.h>
#include <unistd.h>

/* ---- devices ---- */

static const char *const expected_devices[] = {
	"fd",  "full",   "mqueue", "null",   "ptmx",    "pts",  "random",
	"shm", "stderr", "stdin",  "stdout", "urandom", "zero", "tty",
};

static const char *const dangerous_devices[] = {
	"/dev/kmsg",        "/dev/mem",          "/dev/port",      "/dev/kvm",
	"/dev/fuse",        "/dev/loop-control", "/dev/net/tun",   "/dev/vsock",
	"/dev/vhost-net",   "/dev/vhost-vsock",  "/dev/uinput",    "/dev/vda",
	"/dev/sda",         "/dev/nvme0n1",      "/dev/hpet",      "/dev/snapshot",
	"/dev/userfaultfd", "/dev/cuse",         "/dev/ppp",       "/dev/tty0",
	"/dev/console",     "/dev/input/event0", "/dev/dri/card0",
};

static bool is_expected(const char *name)
{
	for (size_t i = 0; i < COUNT(expected_devices); i++)
		if (strcmp(name, expected_devices[i]) == 0)
			return true;
	return name[0] == '.';
}

int attack_devices(int argc, char **argv)
{
	struct dirent *entry;
	DIR *dev = opendir("/dev");

	(void)argc, (void)argv;
	while (dev && (entry = readdir(dev)))
		if (!is_expected(entry->d_name))
			return open_way("/dev holds %s", entry->d_name);
	for (size_t i = 0; i < COUNT(dangerous_devices); i++)
		if (access(dangerous_devices[i], F_OK) == 0)
			return open_way("%s is there", dangerous_devices[i]);
	return held("nothing but what a build needs");
}

/* A lock or a time on a node that others have too is a letter to them. Somebody outside holds the lock. */
int attack_shared_node(int argc, char **argv)
{
	const char *path = argc > 1 ? argv[1] : "/dev/full";
	const int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return cannot("the node cannot be opened");
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return open_way("%s is locked: %s", path, error_name(errno));
	if (futimens(fd, NULL) == 0)
		return open_way("%s has a new time", path);
	return errno == EROFS ? held("no lock but ours; times: EROFS")
			      : open_way("times: %s", error_name(errno));
}

/* ---- settings and secrets of the host ---- */

/* One of the files given can be opened: the way is open. */
static int open_each(int argc, char **argv, int flags)
{
	for (int i = 1; i < argc; i++) {
		const int fd = open(argv[i], flags | O_NONBLOCK | O_CLOEXEC);

		if (fd >= 0)
			return open_way("%s", argv[i]);
	}
	return held("none of %d files", argc - 1);
}

int attack_open_write(int argc, char **argv)
{
	return open_each(argc, argv, O_WRONLY);
}

int attack_open_read(int argc, char **argv)
{
	return open_each(argc, argv, O_RDONLY);
}

/* ---- cgroups ---- */

int attack_cgroup_mount(int argc, char **argv)
{
	static const char *const options[] = {"rdma", "pids", "memory", "none,name=escape"};

	(void)argc, (void)argv;
	(void)mkdir("mnt", 0700);
	for (size_t i = 0; i < COUNT(options); i++) {
		if (mount("none", "mnt", "cgroup", 0, options[i]) == 0) {
			(void)umount2("mnt", MNT_DETACH);
			return open_way("a v1 hierarchy with its release_agent was mounted");
		}
		if (errno != EPERM)
			continue;
	}
	if (mount("none", "mnt", "cgroup2", 0, NULL) == 0) {
		(void)umount2("mnt", MNT_DETACH);
		return open_way("the v2 hierarchy was mounted");
	}
	return errno == EPERM ? held("EPERM") : open_way("%s", error_name(errno));
}

/* A cgroup file system anywhere, or a path of the host's in /proc/self/cgroup. */
int attack_cgroup(int argc, char **argv)
{
	char line[4096];
	FILE *f = fopen("/proc/self/mountinfo", "re");

	(void)argc, (void)argv;
	while (f && fgets(line, sizeof(line), f))
		if (strstr(line, " - cgroup"))
			return open_way("a cgroup file system is mounted");
	if (f)
		(void)fclose(f);
	if (access("/sys/fs/cgroup/cgroup.procs", F_OK) == 0 ||
	    access("/sys/fs/cgroup/pids", F_OK) == 0)
		return open_way("/sys/fs/cgroup is there");
	f = fopen("/proc/self/cgroup", "re");
	while (f && fgets(line, sizeof(line), f)) {
		const char *path = strrchr(line, ':');

		if (path && strstr(path, "stepcell"))
			return open_way("the host's path is seen: %s", line);
	}
	if (f)
		(void)fclose(f);
	return held("no cgroup file system, no path of the host");
}

/* ---- other processes ---- */

/* What can be had of a process: signals (0 alone), its memory, its root, tracing. */
static const char *reach(pid_t pid)
{
	static const char *const files[] = {"mem", "environ", "root/.", "cwd/.", "fd/0", "maps"};
	char path[64];

	for (size_t i = 0; i < COUNT(files); i++) {
		(void)snprintf(path, sizeof(path), "/proc/%d/%s", pid, files[i]);
		const int fd = open(path, O_RDONLY | O_CLOEXEC);
		char byte;

		/* a file of a process may open, and then hold nothing for us */
		if (fd >= 0 && (files[i][0] != 'e' || read(fd, &byte, 1) > 0))
			return files[i];
	}
	if (ptrace(PTRACE_SEIZE, pid, 0, 0) == 0)
		return "ptrace";
	return NULL;
}

/* `argv[1]`: a process of the host that the test started. In a cell, also its init. */
int attack_processes(int argc, char **argv)
{
	const pid_t canary = argc > 1 ? (pid_t)atoi(argv[1]) : 0;
	unsigned seen = 0;
	const char *how;

	if (canary > 1 && kill(canary, 0) == 0) {
		how = reach(canary);
		return open_way("a process of the host answers, and gives its %s",
				how ? how : "number");
	}
	for (pid_t pid = 1; pid < 70000; pid++)
		if (pid != getpid() && kill(pid, 0) == 0)
			seen++;
	/* Landlock keeps even signal 0 from the init, or it alone is seen */
	if (seen > 2)
		return open_way("%u other processes can be signalled", seen);
	how = reach(1);
	if (how)
		return open_way("the init gives its %s", how);
	if (getppid() > 1 && (how = reach(getppid())))
		return open_way("the parent gives its %s", how);
	return held("%u others seen, none gives anything", seen);
}

/* ---- listeners of the host: argv[1] a TCP port, argv[2] an abstract name ---- */

static int reach_address(const struct sockaddr *address, socklen_t len)
{
	const int fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	const int e = fd < 0 || connect(fd, address, len) < 0 ? errno : 0;

	if (fd >= 0)
		(void)close(fd);
	return e;
}

int attack_connect(int argc, char **argv)
{
	struct sockaddr_in tcp = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct sockaddr_un local = {.sun_family = AF_UNIX};
	int a, b;

	if (argc < 3)
		return cannot("which port, which name?");
	tcp.sin_port = htons((uint16_t)atoi(argv[1]));
	(void)snprintf(local.sun_path + 1, sizeof(local.sun_path) - 1, "%s", argv[2]);
	a = reach_address((struct sockaddr *)&tcp, sizeof(tcp));
	b = reach_address(
		(struct sockaddr *)&local,
		(socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(argv[2])));
	if (a == 0 || b == 0)
		return open_way("TCP %s, abstract %s", error_name(a), error_name(b));
	return held("TCP %s, abstract %s", error_name(a), error_name(b));
}

/* ---- a toolchain that later jobs will use ---- */

/* What is done to a file that is not ours, for real: it lies in an image that the test made. */
static unsigned spoil(int dir, const char *name)
{
	static const char poison[] = "poison";
	unsigned done = 0;
	int fd = openat(dir, name, O_RDWR | O_CLOEXEC);

	if (fd >= 0) {
		char *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

		if (page != MAP_FAILED && ++done)
			page[0] = 'P';
		done += write(fd, poison, sizeof(poison)) > 0;
		done += ftruncate(fd, 3) == 0;
		done += fchmod(fd, 0777) == 0;
		done += fsetxattr(fd, "user.poison", poison, sizeof(poison), 0) == 0;
		done += futimens(fd, (struct timespec[2]){{.tv_sec = 1}, {.tv_sec = 1}}) == 0;
		(void)close(fd);
	}
	done += linkat(dir, name, dir, "another", 0) == 0;
	done += renameat(dir, name, dir, "moved") == 0;
	done += unlinkat(dir, "moved", 0) == 0;
	fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0777);
	done += fd >= 0 && write(fd, poison, sizeof(poison)) > 0;
	if (fd >= 0)
		(void)close(fd);
	(void)unlinkat(dir, "another", 0);
	return done;
}

/* argv[1]: a folder of files that hold "pure". "open" where they are no longer: look from outside. */
int attack_poison(int argc, char **argv)
{
	struct dirent *entry;
	unsigned done = 0, pure = 0, other = 0;
	DIR *dir = argc > 1 ? opendir(argv[1]) : NULL;
	char text[8];

	while (dir && (entry = readdir(dir)) && pure + other < 200) {
		const int fd = entry->d_name[0] == '.'
				       ? -1
				       : openat(dirfd(dir), entry->d_name, O_RDONLY | O_CLOEXEC);

		if (fd < 0)
			continue;
		if (read(fd, text, 5) == 5 && memcmp(text, "pure\n", 5) == 0)
			pure++;
		else
			other++;
		(void)close(fd);
		if (argc > 2)
			done += spoil(dirfd(dir), entry->d_name);
	}
	if (other > 0)
		return open_way("%u files are not what they were", other);
	return pure ? held("%u files are pure, %u changes in a layer of its own", pure, done)
		    : cannot("no file is there");
}
