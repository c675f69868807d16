/*
 * probe: looks at each wall of a cell from inside and says which are missing. Prints "every wall stands"
 * and exits 0, or "missing: NAME" a line each and exits 1. Its arguments are a file of
 * the host that must not be seen and the key of a shared memory segment there; a third one says that
 * a process of the cell has started it, and not its init.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

static const char *canary;
static key_t shared_key;
static bool started_inside;
static char text[65536];

/* The whole of a small file; "" where it cannot be read. */
static const char *slurp(const char *path)
{
	const int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t len = 0;

	for (ssize_t n = 1; fd >= 0 && n > 0 && len < sizeof(text) - 1; len += (size_t)n) {
		n = read(fd, text + len, sizeof(text) - 1 - len);
		if (n < 0)
			break;
	}
	text[len] = '\0';
	if (fd >= 0)
		(void)close(fd);
	return text;
}

static bool status_has(const char *line)
{
	return strstr(slurp("/proc/self/status"), line) != NULL;
}

static bool refused(long result, int expected)
{
	return result < 0 && errno == expected;
}

/* ---- one function a wall: true when it stands ---- */

static bool stands_ids(void)
{
	return status_has("\nUid:\t1001\t1001\t1001\t1001\n") &&
	       status_has("\nGid:\t1001\t1001\t1001\t1001\n");
}

static bool stands_capabilities(void)
{
	return status_has("\nCapInh:\t0000000000000000\n") &&
	       status_has("\nCapPrm:\t0000000000000000\n") &&
	       status_has("\nCapEff:\t0000000000000000\n") &&
	       status_has("\nCapBnd:\t0000000000000000\n") &&
	       status_has("\nCapAmb:\t0000000000000000\n");
}

static bool stands_privileges(void)
{
	return status_has("\nNoNewPrivs:\t1\n");
}

static bool stands_seccomp(void)
{
	return status_has("\nSeccomp:\t2\n") && refused(syscall(1000), ENOSYS) &&
	       refused(socket(AF_VSOCK, SOCK_STREAM, 0), EAFNOSUPPORT);
}

static bool stands_userns(void)
{
	return refused(unshare(CLONE_NEWUSER), EPERM) || refused(unshare(CLONE_NEWUSER), ENOSPC);
}

static bool stands_pidns(void)
{
	return getpid() < 100 && (started_inside ? getppid() < 100 : getppid() == 1);
}

static bool stands_init(void)
{
	const int fd = open("/proc/1/environ", O_RDONLY | O_CLOEXEC);

	if (fd >= 0)
		(void)close(fd);
	return fd < 0;
}

static bool stands_netns(void)
{
	const char *devices = slurp("/proc/self/net/dev");
	unsigned colons = 0;

	for (const char *p = devices; (p = strchr(p, ':')) != NULL; p++)
		colons++;
	return colons == 1 && strstr(devices, "lo:");
}

static bool stands_ipcns(void)
{
	return refused(shmget(shared_key, 0, 0), ENOENT);
}

static bool stands_utsns(void)
{
	struct utsname name;

	return uname(&name) == 0 && strncmp(name.nodename, "exec", 4) == 0;
}

static bool stands_cgroupns(void)
{
	(void)slurp("/proc/self/cgroup");
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
		const char *path = strrchr(line, ':');

		if (!path || strcmp(path, ":/") != 0)
			return false;
	}
	return true;
}

/* The clocks begin at one day. */
static bool stands_timens(void)
{
	struct timespec t;

	return clock_gettime(CLOCK_BOOTTIME, &t) == 0 && t.tv_sec >= 86400 && t.tv_sec < 87000;
}

static bool stands_root(void)
{
	return access(canary, F_OK) < 0 && access("/sys/kernel", F_OK) < 0 &&
	       access("/proc/sys", F_OK) < 0 && access("/proc/meminfo", F_OK) < 0;
}

/* Every mount is nosuid; every one outside of /dev is nodev; the root is an overlay. */
static bool stands_mounts(void)
{
	bool root = false;

	(void)slurp("/proc/self/mountinfo");
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
		char at[512], options[512];

		if (sscanf(line, "%*s %*s %*s %*s %511s %511s", at, options) != 2)
			return false;
		root |= strcmp(at, "/") == 0 && strstr(line, " - overlay ");
		if (!strstr(options, "nosuid") ||
		    (!strstr(options, "nodev") && strncmp(at, "/dev", 4) != 0))
			return false;
	}
	return root;
}

static bool stands_devices(void)
{
	DIR *dir = opendir("/dev");
	unsigned nodes = 0;

	for (struct dirent *e; dir && (e = readdir(dir));) {
		struct stat st;

		if (fstatat(dirfd(dir), e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0)
			nodes += S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode);
	}
	if (dir)
		(void)closedir(dir);
	return dir && nodes == 5;
}

static bool stands_descriptors(void)
{
	for (int fd = 3; fd < 1024; fd++)
		if (fcntl(fd, F_GETFD) >= 0)
			return false;
	return true;
}

static bool stands_session(void)
{
	return getsid(0) == (started_inside ? getppid() : getpid());
}

static bool stands_rlimits(void)
{
	struct rlimit core = {1, 1}, files = {0};

	return getrlimit(RLIMIT_CORE, &core) == 0 && core.rlim_max == 0 &&
	       getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_max == 777;
}

static const struct {
	const char *name;
	bool (*stands)(void);
} walls[] = {
	{"ids", stands_ids},
	{"capabilities", stands_capabilities},
	{"no_new_privs", stands_privileges},
	{"seccomp", stands_seccomp},
	{"no nested user namespace", stands_userns},
	{"pid namespace", stands_pidns},
	{"an init that cannot be read", stands_init},
	{"network namespace", stands_netns},
	{"ipc namespace", stands_ipcns},
	{"uts namespace", stands_utsns},
	{"cgroup namespace", stands_cgroupns},
	{"time namespace", stands_timens},
	{"root", stands_root},
	{"mounts", stands_mounts},
	{"devices", stands_devices},
	{"descriptors", stands_descriptors},
	{"session", stands_session},
	{"rlimits", stands_rlimits},
};

int main(int argc, char **argv)
{
	unsigned missing = 0;

	if (argc < 3 || argc > 4)
		return 2;
	started_inside = argc == 4;
	canary = argv[1];
	shared_key = (key_t)strtol(argv[2], NULL, 10);
	for (size_t i = 0; i < sizeof(walls) / sizeof(walls[0]); i++)
		if (!walls[i].stands()) {
			(void)printf("missing: %s\n", walls[i].name);
			missing++;
		}
	if (!missing)
		(void)puts("every wall stands");
	return missing ? 1 : 0;
}
