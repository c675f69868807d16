/*
 * Attacks by taking time: by going on when it is over, by leaving others
 * behind, by getting ahead of everybody. Each ends by itself.
 */
#include "attack.h"

#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void spin(double seconds)
{
	for (const double end = now() + seconds; now() < end;)
		;
}

/* ---- descriptors ---- */

static int make_null(void)
{
	return open("/dev/null", O_RDONLY);
}
static int make_event(void)
{
	return eventfd(0, 0);
}
static int make_epoll(void)
{
	return epoll_create1(0);
}
static int make_timer(void)
{
	return timerfd_create(CLOCK_MONOTONIC, 0);
}
static int make_watch(void)
{
	return inotify_init1(0);
}

static int make_signal(void)
{
	sigset_t none;

	(void)sigemptyset(&none);
	return signalfd(-1, &none, 0);
}

/* Each has a signal of its user's set aside. */
static int make_alarm(void)
{
	struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
	timer_t timer;

	return timer_create(CLOCK_MONOTONIC, &event, &timer);
}

static const struct {
	const char *name;
	int (*make)(void);
} makers[] = {
	{"files", make_null},     {"eventfds", make_event},   {"epolls", make_epoll},
	{"timerfds", make_timer}, {"signalfds", make_signal}, {"inotifies", make_watch},
	{"alarms", make_alarm},
};

/* KIND WANTED */
int attack_fds(int argc, char **argv)
{
	const int wanted = argc > 2 ? atoi(argv[2]) : 0;

	for (size_t i = 0; i < COUNT(makers) && wanted; i++) {
		int made = 0;

		if (strcmp(argv[1], makers[i].name) != 0)
			continue;
		while (made < wanted && makers[i].make() >= 0)
			made++;
		return made == wanted ? open_way("%d %s", made, argv[1])
				      : held("%s after %d", error_name(errno), made);
	}
	return cannot("which kind, how many?");
}

/* Put `count` descriptors into a socket's queue. */
static int put_under_way(int socket, unsigned count)
{
	char control[CMSG_SPACE(250 * sizeof(int))] = {0};
	char byte = 'x';
	struct iovec io = {&byte, 1};
	struct msghdr message = {.msg_iov = &io,
				 .msg_iovlen = 1,
				 .msg_control = control,
				 .msg_controllen = CMSG_SPACE(count * sizeof(int))};

	*CMSG_FIRSTHDR(&message) =
		(struct cmsghdr){CMSG_LEN(count * sizeof(int)), SOL_SOCKET, SCM_RIGHTS};
	return (int)sendmsg(socket, &message, MSG_DONTWAIT);
}

/* As many as one may have open are under way, for a while. [SECONDS]; else one is sent. */
int attack_under_way(int argc, char **argv)
{
	struct rlimit limit;
	int ends[2];

	(void)getrlimit(RLIMIT_NOFILE, &limit);
	if (argc < 2)
		return socketpair(AF_UNIX, SOCK_DGRAM, 0, ends) == 0 &&
				       put_under_way(ends[0], 1) == 1
			       ? held("one descriptor was sent")
			       : open_way("%s", error_name(errno));
	limit.rlim_cur = limit.rlim_max = limit.rlim_max < 4096 ? limit.rlim_max : 4096;
	(void)setrlimit(RLIMIT_NOFILE, &limit);
	for (int pairs = 0; pairs < 100 && errno != ETOOMANYREFS; pairs++) {
		if (socketpair(AF_UNIX, SOCK_DGRAM, 0, ends) < 0)
			return cannot("no socket");
		while (put_under_way(ends[0], 250) == 1)
			;
	}
	(void)puts("ready");
	(void)fflush(stdout);
	(void)sleep((unsigned)atoi(argv[1]));
	return 0;
}

/* Terminals are the kernel's memory too. WANTED */
int attack_ptys(int argc, char **argv)
{
	const int wanted = argc > 1 ? atoi(argv[1]) : 0;
	int made = 0;

	while (made < wanted && open("/dev/ptmx", O_RDWR | O_NOCTTY) >= 0)
		made++;
	return made == wanted ? open_way("%d terminals", made)
			      : held("%s after %d", error_name(errno), made);
}

/* ---- getting ahead ---- */

#define IOPRIO_RT 1
#define DEADLINE  6

struct deadline {
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime, deadline, period;
};

static bool gets(int policy)
{
	const struct sched_param one = {.sched_priority = 1}, zero = {0};
	const bool got = sched_setscheduler(0, policy, &one) == 0;

	if (got)
		(void)sched_setscheduler(0, SCHED_OTHER, &zero);
	return got;
}

static bool gets_deadline(void)
{
	const struct deadline d = {.size = sizeof(d),
				   .policy = DEADLINE,
				   .runtime = 1000000,
				   .deadline = 100000000,
				   .period = 100000000};
	const struct sched_param zero = {0};
	const bool got = syscall(SYS_sched_setattr, 0, &d, 0) == 0;

	if (got)
		(void)sched_setscheduler(0, SCHED_OTHER, &zero);
	return got;
}

static bool gets_nice(void)
{
	return setpriority(PRIO_PROCESS, 0, -20) == 0 && setpriority(PRIO_PROCESS, 0, 0) == 0;
}

static bool gets_disk(void)
{
	return syscall(SYS_ioprio_set, 1, 0, IOPRIO_RT << 13) == 0 &&
	       syscall(SYS_ioprio_set, 1, 0, 0) == 0;
}

int attack_priorities(int argc, char **argv)
{
	(void)argc, (void)argv;
	if (gets(SCHED_FIFO) || gets(SCHED_RR))
		return open_way("real time");
	if (gets_deadline())
		return open_way("a deadline");
	if (gets_nice())
		return open_way("nice -20");
	if (gets_disk())
		return open_way("real time on the disk");
	return held("%s", error_name(errno));
}

/* SECONDS PROCESSES: burn, and say how much was got of what one processor has. */
int attack_burn(int argc, char **argv)
{
	const double seconds = argc > 2 ? atof(argv[1]) : 0;
	const int count = argc > 2 ? atoi(argv[2]) : 0;
	struct rusage usage;
	double used;

	for (int i = 0; i < count; i++)
		if (fork() == 0) {
			spin(seconds);
			_exit(0);
		}
	while (wait(NULL) > 0)
		;
	(void)getrusage(RUSAGE_CHILDREN, &usage);
	used = (double)usage.ru_utime.tv_sec + (double)usage.ru_utime.tv_usec / 1e6 +
	       (double)usage.ru_stime.tv_sec + (double)usage.ru_stime.tv_usec / 1e6;
	/* a fifth of one processor, and what noise makes of it; a host under load gives more */
	return used > seconds * 0.3 ? open_way("%.0f%% of a processor", used / seconds * 100)
				    : held("%.0f%% of a processor", used / seconds * 100);
}

/* SECONDS: small writes, each of them to the disk. */
int attack_flush(int argc, char **argv)
{
	const double end = now() + (argc > 1 ? atof(argv[1]) : 0);
	const int fd = open("storm", O_RDWR | O_CREAT | O_TRUNC, 0600);
	char block[4096] = {0};
	int count = 0;

	if (fd < 0)
		return cannot("no file to write to");
	(void)unlink("storm");
	for (; now() < end && count < 20000; count++)
		if (pwrite(fd, block, sizeof(block), (count % 256) * 4096) < 0 || fsync(fd) < 0)
			return held("%s", error_name(errno));
	return open_way("%d flushes", count);
}

/* ---- going on ---- */

/* SECONDS: nothing that can be refused ends it. One of it stops itself, one is stuck in vfork. */
int attack_stubborn(int argc, char **argv)
{
	const double end = now() + (argc > 1 ? atof(argv[1]) : 0);
	pid_t main_pid = getpid();

	for (int n = 1; n < 65; n++)
		(void)signal(n, SIG_IGN);
	(void)signal(SIGCHLD, SIG_DFL);
	if (fork() == 0) {
		(void)alarm(60);
		(void)kill(getpid(), SIGSTOP);
		_exit(0);
	}
	if (fork() == 0 && vfork() == 0)
		for (; now() < end;)
			;
	while (getpid() == main_pid && now() < end)
		(void)alarm(0);
	return getpid() == main_pid ? open_way("still there") : 0;
}

/* SECONDS: the main process ends, a daemon that holds its output speaks later. */
int attack_daemon(int argc, char **argv)
{
	const unsigned seconds = argc > 1 ? (unsigned)atoi(argv[1]) : 0;

	(void)signal(SIGHUP, SIG_IGN);
	if (fork() > 0)
		return 0;
	(void)setsid();
	if (fork() > 0)
		_exit(0);
	(void)sleep(seconds);
	return open_way("the daemon lives");
}

/* MARK SECONDS: not to die with whoever started it. */
int attack_outlive(int argc, char **argv)
{
	const unsigned seconds = argc > 2 ? (unsigned)atoi(argv[2]) : 0;

	for (int n = 1; n < 65; n++)
		(void)signal(n, SIG_IGN);
	(void)prctl(PR_SET_PDEATHSIG, 0, 0, 0, 0);
	if (fork() == 0) {
		(void)setsid();
		if (fork() == 0)
			(void)prctl(PR_SET_PDEATHSIG, 0, 0, 0, 0);
	}
	(void)puts("ready");
	(void)fflush(stdout);
	(void)sleep(seconds);
	return 0;
}

/* ---- leaving behind ---- */

static int zombies(void)
{
	DIR *proc = opendir("/proc");
	int count = 0;

	for (const struct dirent *entry; proc && (entry = readdir(proc));) {
		char path[300], text[256] = "";
		const char *tail;
		int fd;

		(void)snprintf(path, sizeof(path), "/proc/%s/stat", entry->d_name);
		fd = entry->d_name[0] >= '1' && entry->d_name[0] <= '9' ? open(path, O_RDONLY) : -1;
		if (fd >= 0 && read(fd, text, sizeof(text) - 1) > 0 &&
		    (tail = strrchr(text, ')')) && tail[1] && tail[2] == 'Z')
			count++;
		if (fd >= 0)
			(void)close(fd);
	}
	if (proc)
		(void)closedir(proc);
	return count;
}

/* A grandchild that its parent leaves to whoever is the first process here. */
static bool leave_orphan(void)
{
	const pid_t pid = fork();

	if (pid == 0) {
		(void)!fork();
		_exit(0);
	}
	return pid > 0 && waitpid(pid, NULL, 0) == pid;
}

/* COUNT */
int attack_orphans(int argc, char **argv)
{
	const int wanted = argc > 1 ? atoi(argv[1]) : 0;
	int refused = 0, left;

	for (int i = 0; i < wanted; i++)
		if (!leave_orphan() && ++refused > 1000)
			return open_way("no process more after %d", i);
	(void)usleep(300 * 1000);
	left = zombies();
	return left > 8 ? open_way("%d dead in the list", left) : held("%d dead in the list", left);
}

/* ---- signals and dumps ---- */

/* Who answers to a signal that is none? Ourselves and, in a cell, its init. */
int attack_answers(int argc, char **argv)
{
	const pid_t self = getpid();
	int answers = 0;

	(void)argc, (void)argv;
	(void)setpgid(0, 0);
	for (pid_t pid = 1; pid < 4194304; pid++)
		answers += pid != self && kill(pid, 0) == 0;
	if (answers > 1)
		return open_way("%d processes answer", answers);
	return held("%d answers", answers);
}

static int die_dumping(void *arg)
{
	const struct rlimit all = {RLIM_INFINITY, RLIM_INFINITY};

	(void)arg;
	(void)setrlimit(RLIMIT_CORE, &all);
	(void)prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
	abort();
}

int attack_dump(int argc, char **argv)
{
	int status = 0;
	const pid_t pid = fork();

	(void)argc, (void)argv;
	if (pid == 0)
		_exit(die_dumping(NULL));
	(void)waitpid(pid, &status, 0);
	return WIFSIGNALED(status) && WCOREDUMP(status) ? open_way("memory on the disk")
							: held("no dump");
}

/* ---- one user's processes ---- */

/* COUNT: hold so many for a second. Here the host holds when all can be had. */
int attack_share(int argc, char **argv)
{
	const int wanted = argc > 1 ? atoi(argv[1]) : 0;
	int made = 0;

	for (; made < wanted; made++) {
		const pid_t pid = fork();

		if (pid == 0) {
			(void)sleep(1);
			_exit(0);
		}
		if (pid < 0)
			break;
	}
	while (wait(NULL) > 0)
		;
	return made == wanted
		       ? held("all %d processes", made)
		       : open_way("%s after %d, for others have them", error_name(EAGAIN), made);
}
