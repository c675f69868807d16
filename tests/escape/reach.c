/* Attacks on stepcell itself through what it leaves in reach: its program, its descriptors, its init. */
#include "attack.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static void nap(unsigned ms)
{
	const struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};

	(void)nanosleep(&t, NULL);
}

/* A child that runs `argv`; the controls' victim. */
static pid_t spawn(char **argv)
{
	const pid_t pid = fork();

	if (pid == 0) {
		(void)execv(argv[0], argv);
		_exit(127);
	}
	return pid;
}

/* ---- the program of another process ---- */

struct loot {
	int fds[32];
	unsigned count;
};

static bool is_mine(int fd)
{
	struct stat mine, theirs;

	return stat("/proc/self/exe", &mine) == 0 && fstat(fd, &theirs) == 0 &&
	       mine.st_dev == theirs.st_dev && mine.st_ino == theirs.st_ino;
}

/* Open the program of each process: for writing, or to be tried again when nobody runs it. */
static bool take_programs(struct loot *loot)
{
	struct dirent *entry;
	char path[300];
	DIR *proc = opendir("/proc");
	bool written = false;

	while (proc && !written && (entry = readdir(proc))) {
		if (atoi(entry->d_name) < 1 || atoi(entry->d_name) == getpid())
			continue;
		(void)snprintf(path, sizeof(path), "/proc/%s/exe", entry->d_name);

		int fd = open(path, O_WRONLY | O_CLOEXEC);

		written = fd >= 0;
		if (fd >= 0)
			(void)close(fd);
		fd = loot->count < COUNT(loot->fds) ? open(path, O_RDONLY | O_CLOEXEC) : -1;
		if (fd >= 0 && !is_mine(fd))
			loot->fds[loot->count++] = fd;
		else if (fd >= 0)
			(void)close(fd);
	}
	if (proc)
		(void)closedir(proc);
	return written;
}

static bool reopens(int fd)
{
	char path[64];

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd >= 0)
		(void)close(fd);
	return fd >= 0;
}

/* The control gives a command whose program is its own: it runs for a moment, then it can be written. */
int attack_programs(int argc, char **argv)
{
	struct loot loot = {.count = 0};
	const double until = now() + 1.5;
	const pid_t victim = argc > 1 ? spawn(argv + 1) : 0;

	while (now() < until) {
		if (take_programs(&loot))
			return open_way("a program can be written while it runs");
		for (unsigned i = 0; i < loot.count; i++)
			if (reopens(loot.fds[i]))
				return open_way("a program can be written after it has ended");
		if (victim > 0)
			(void)waitpid(victim, NULL, WNOHANG);
		nap(5);
	}
	return held("%u programs of others opened, none for writing", loot.count);
}

/* Give the others time to end, then ask for the program that descriptor 9 leads to. */
int attack_reopen(int argc, char **argv)
{
	const double until = now() + 1;

	(void)argc, (void)argv;
	while (now() < until) {
		if (reopens(9))
			return open_way("the program that started this one can be written");
		nap(5);
	}
	return held("what started this cannot be written");
}

int attack_nap(int argc, char **argv)
{
	nap(argc > 1 ? (unsigned)atoi(argv[1]) : 300);
	return 0;
}

int attack_exec(int argc, char **argv)
{
	if (argc > 1)
		(void)execv(argv[1], argv + 1);
	return held("%s", error_name(errno));
}

/* ---- descriptors that were left open ---- */

int attack_descriptors(int argc, char **argv)
{
	char path[64], cwd[4096];

	(void)argc, (void)argv;
	for (int fd = 3; fd < 1024; fd++) {
		(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		if (chdir(path) == 0)
			return open_way("descriptor %d is a directory to go to, %s", fd,
					getcwd(cwd, sizeof(cwd)) ? cwd : "with no name");
		if (fcntl(fd, F_GETFD) >= 0)
			return open_way("descriptor %d is open", fd);
	}
	if (syscall(SYS_getcwd, cwd, sizeof(cwd)) < 0 || cwd[0] != '/')
		return open_way("the working directory is outside of the root");
	return held("0, 1 and 2, and a directory below the root");
}

/* ---- a process that is just entering ---- */

static const char *grab(pid_t pid)
{
	static const char *const files[] = {"mem", "fd/0", "fd/3", "fd/5", "cwd/.", "root/."};
	char path[64];
	const int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);

	for (int fd = 0; pidfd >= 0 && fd < 10; fd++)
		if (syscall(SYS_pidfd_getfd, pidfd, fd, 0) >= 0)
			return "a descriptor";
	if (pidfd >= 0)
		(void)close(pidfd);
	for (size_t i = 0; i < COUNT(files); i++) {
		(void)snprintf(path, sizeof(path), "/proc/%d/%s", pid, files[i]);
		if (open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK) >= 0)
			return files[i];
	}
	return ptrace(PTRACE_SEIZE, pid, 0, 0) == 0 ? "ptrace" : NULL;
}

/* Every process that shows itself within some seconds, or those given. */
int attack_newcomers(int argc, char **argv)
{
	const double until = now() + (argc > 1 ? 0 : 2);
	const char *how;
	unsigned seen = 0;

	for (int i = 1; i < argc; i++)
		if ((how = grab(atoi(argv[i]))))
			return open_way("process %s gives %s", argv[i], how);
	while (now() < until) {
		for (pid_t pid = 1; pid < 300; pid++) {
			if (pid == getpid())
				continue;
			seen += kill(pid, 0) == 0;
			if ((how = grab(pid)))
				return open_way("process %d gives %s", pid, how);
		}
		nap(2);
	}
	return held("no newcomer gives anything");
}

/* ---- another verdict ---- */

static bool is_init_of_a_cell(void)
{
	char text[32] = "";
	const int fd = open("/proc/1/cmdline", O_RDONLY | O_CLOEXEC);

	if (fd >= 0 && read(fd, text, sizeof(text) - 1) < 0)
		text[0] = '\0';
	if (fd >= 0)
		(void)close(fd);
	return strcmp(text, "stepcell-init") == 0;
}

/*
 * Say that all is well by every way there is, kill who would say otherwise (a
 * cell's init, or in the control the process given), and fail with 7.
 */
int attack_forge(int argc, char **argv)
{
	static const char lie[] = "{\"event\":\"step\",\"verdict\":\"passed\",\"exit\":0}\n";
	const bool proven = argc > 1 || is_init_of_a_cell();
	const pid_t keeper = argc > 1 ? (pid_t)atoi(argv[1]) : 1;

	for (int fd = 1; fd < (argc > 1 ? 3 : 1024); fd++)
		if (write(fd, lie, sizeof(lie) - 1) > 0 && fd > 2)
			return open_way("descriptor %d takes a verdict", fd);
	(void)kill(-1, 0);
	if (!proven)
		return cannot("pid 1 is not known to be a cell's init");
	if (kill(keeper, SIGKILL) == 0 && keeper > 1)
		return open_way("whoever says how it ended was killed");
	nap(100);
	(void)held("init lives");
	return 7;
}

/* ---- what the environment tells ---- */

static bool file_holds(const char *path, const char *text)
{
	static char bytes[1 << 18];
	const size_t len = strlen(text);
	const int fd = open(path, O_RDONLY | O_CLOEXEC);
	const ssize_t n = fd < 0 ? 0 : read(fd, bytes, sizeof(bytes));

	if (fd >= 0)
		(void)close(fd);
	return n > 0 && memmem(bytes, (size_t)n, text, len);
}

static bool is_among(const char *variable, char **names)
{
	const size_t len = strcspn(variable, "=");

	for (; *names; names++)
		if (strlen(*names) == len && memcmp(*names, variable, len) == 0)
			return true;
	return false;
}

/* argv[1]: the canary's value, backwards, for it stands in our own command line. The rest: what may be there. */
int attack_environment(int argc, char **argv)
{
	static const char *const files[] = {"environ", "cmdline", "auxv", "comm", "status"};
	const char *exe = (const char *)(uintptr_t)getauxval(AT_EXECFN);
	char path[64], canary[64] = "";
	size_t len;

	if (argc < 2 || (len = strlen(argv[1])) >= sizeof(canary))
		return cannot("which canary?");
	for (size_t i = 0; i < len; i++)
		canary[i] = argv[1][len - 1 - i];
	for (char **e = environ; *e; e++)
		if (strstr(*e, canary))
			return open_way("the canary is in the environment");
	for (pid_t pid = 1; pid < 300; pid++)
		for (size_t i = 0; i < COUNT(files); i++) {
			(void)snprintf(path, sizeof(path), "/proc/%d/%s", pid, files[i]);
			if (file_holds(path, canary))
				return open_way("the canary is in %s", path);
		}
	if (exe && strstr(exe, "/escape"))
		return open_way("a path of the host: %s", exe);
	for (char **e = environ; *e; e++)
		if (!is_among(*e, argv + 2))
			return open_way("%.*s is in the environment", (int)strcspn(*e, "="), *e);
	return held("what the list names, and no canary");
}

/* The length of an init's command line is that of its name: nothing of the operator's. */
int attack_title(int argc, char **argv)
{
	char text[4096];
	const int fd = open(argc > 1 ? argv[1] : "/proc/1/cmdline", O_RDONLY | O_CLOEXEC);
	const ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text));

	if (n < 0)
		return held("%s", error_name(errno));
	if ((size_t)n > sizeof("stepcell-init"))
		return open_way("%zd bytes of a command line", n);
	return held("%zd bytes", n);
}

/* ---- processors that share a core ---- */

int attack_core(int argc, char **argv)
{
	unsigned long cookie = 0;

	(void)argc, (void)argv;
	if (prctl(PR_SCHED_CORE, PR_SCHED_CORE_GET, 0, 0, &cookie) < 0)
		return errno == ENODEV
			       ? cannot("no two threads of this machine share a core")
			       : cannot("the kernel schedules no cores (CONFIG_SCHED_CORE)");
	return cookie ? held("a cookie of its own") : open_way("shares cores with everybody");
}
