/*
 * The cell's first process.
 *
 * It has no capability, and does four things: reap; pass on the signals that
 * come from stepcell, and from nobody inside; when the main process ends kill
 * and count what it left; say how it ended, through a pipe that nobody else in
 * the cell holds. Then it exits, and the kernel kills whatever could still be
 * there: the namespace dies with it.
 *
 * With an audit it also answers for the filter (audit.c).
 *
 * Where no cgroup counts for us it also looks how much memory all of them use
 * together, and whether forks are being refused: the more often the less of
 * either limit is left, from five to a hundred times a second.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "fds.h"
#include "inside.h"
#include "stepcell/clock.h"
#include "stepcell/fd.h"
#include "stepcell/util.h"

/* How often to look, where no cgroup does. */
#define LOOK_MIN_MS       10
#define LOOK_MAX_MS       200
#define LOOK_SHARE        20 /* of the time, that looking may take: one part in so many */
#define LOOK_BYTES_PER_MS (4ULL << 20)
#define LOOK_FORKS_PER_MS 10
#define LOOK_NEARLY       2 /* places left: tried by forking */

static void say(int status, enum init_word word, int wait_status, uint64_t value)
{
	const struct init_report report = {
		.word = word, .wait_status = wait_status, .value = value};

	(void)write_full(status, &report, sizeof(report));
}

/* Reap all that is dead already; true when the main process was among them. */
static bool reap(pid_t main_pid, int *main_status)
{
	bool ended = false;
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid != main_pid)
			continue;
		*main_status = status;
		ended = true;
	}
	return ended;
}

/* Orphans come to us as their parents die, so every one of them is counted. */
static unsigned kill_survivors(void)
{
	unsigned count = 0;
	int status;

	for (;;) {
		(void)kill(-1, SIGKILL);
		if (waitpid(-1, &status, 0) < 0) {
			if (errno == EINTR)
				continue;
			return count;
		}
		/* a zombie that its parent had not waited for did not survive anything */
		if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
			count++;
	}
}

/* ---- looking, where no cgroup does ---- */

/* The limit counts the cell alone (rlimits.h), and us among them: so try. */
static bool fork_is_refused(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	if (pid > 0)
		(void)waitpid(pid, NULL, 0);
	return pid < 0 && errno == EAGAIN;
}

/*
 * Was the cell full when its main process ended? That has just left one place,
 * and a look of ours may have taken another for a moment, at which a fork of
 * the step's was refused.
 */
static bool was_full(void)
{
	pid_t stand_ins[2];
	size_t count = 0;
	bool refused = false;

	while (count < COUNT(stand_ins) && !refused) {
		const pid_t pid = fork();

		if (pid == 0)
			for (;;)
				(void)pause();
		refused = pid < 0;
		if (!refused)
			stand_ins[count++] = pid;
	}
	refused = refused ? errno == EAGAIN : fork_is_refused();
	while (count) {
		(void)kill(stand_ins[--count], SIGKILL);
		(void)waitpid(stand_ins[count], NULL, 0);
	}
	return refused;
}

struct seen {
	uint64_t pages, tasks;
};

/* A directory has a link from each of those in it, and two of its own. */
static uint64_t task_count(int proc, const char *pid)
{
	char path[300];
	struct stat st;

	(void)snprintf(path, sizeof(path), "%s/task", pid);
	return fstatat(proc, path, &st, 0) == 0 && st.st_nlink > 2 ? st.st_nlink - 2 : 0;
}

/* What a process shares with others is not counted, or it would be for each of them. */
static uint64_t private_pages(int proc, const char *pid)
{
	unsigned long size, resident, shared;
	char path[300], text[128];
	ssize_t n;

	(void)snprintf(path, sizeof(path), "%s/statm", pid);

	auto_fd int fd = openat(proc, path, O_RDONLY | O_CLOEXEC);

	n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (n <= 0)
		return 0;
	text[n] = '\0';
	if (sscanf(text, "%lu %lu %lu", &size, &resident, &shared) != 3)
		return 0;
	return resident > shared ? resident - shared : 0;
}

static struct seen look_at_all(int proc)
{
	int copy = openat(proc, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *list = copy < 0 ? NULL : fdopendir(copy);
	struct seen seen = {0};

	if (!list) {
		fd_close(&copy);
		return seen;
	}
	for (const struct dirent *entry; (entry = readdir(list));) {
		if (entry->d_name[0] < '1' || entry->d_name[0] > '9')
			continue;
		seen.pages += private_pages(proc, entry->d_name);
		seen.tasks += task_count(proc, entry->d_name);
	}
	closedir(list);
	return seen;
}

/* Half the time in which the rest of a limit could be used up, at so much a millisecond. */
static uint64_t half_time(uint64_t limit, uint64_t used, uint64_t rate)
{
	return !limit ? LOOK_MAX_MS : used >= limit ? 0 : (limit - used) / 2 / rate;
}

static uint64_t clamp(uint64_t ms, uint64_t min, uint64_t max)
{
	return ms < min ? min : ms > max ? max : ms;
}

/* When to look again, in milliseconds. */
static uint64_t look(const struct setup *s)
{
	const struct cell_limits *limits = &s->spec->limits;
	const uint64_t begun = now_us();
	const struct seen seen = look_at_all(s->proc);
	const uint64_t bytes = seen.pages * (uint64_t)sysconf(_SC_PAGESIZE);
	const uint64_t memory = half_time(limits->memory, bytes, LOOK_BYTES_PER_MS);
	const uint64_t pids = limits_with_init(limits).pids;
	const uint64_t forks = half_time(pids, seen.tasks, LOOK_FORKS_PER_MS);

	/* one may have been refused while it was full, and it is not any more */
	if (pids && seen.tasks + LOOK_NEARLY >= pids && (seen.tasks >= pids || fork_is_refused()))
		say(s->status, INIT_FORKS_REFUSED, 0, 0);
	/* what is within the limit need not wake anybody up */
	if (limits->memory && bytes > limits->memory)
		say(s->status, INIT_MEMORY, 0, bytes);
	return clamp(memory < forks ? memory : forks,
		     clamp((now_us() - begun) * LOOK_SHARE / 1000, LOOK_MIN_MS, LOOK_MAX_MS),
		     LOOK_MAX_MS);
}

/* ---- the life of an init ---- */

/* No signal is delivered, all are taken; and nothing is needed any more but a few calls. */
static int settle(const struct setup *s, sigset_t *all, struct err *err)
{
	int keep[] = {s->status, s->proc, -1, -1};

	(void)sigfillset(all);
	if (sigprocmask(SIG_BLOCK, all, NULL) < 0)
		return err_sys(err, "cannot hold back signals");
	if (s->audit) {
		if (audit_listen(s->audit, all, err) < 0)
			return -1;
		keep[2] = s->audit->listener;
		keep[3] = s->audit->signals;
	}
	if (fds_close_others(keep, COUNT(keep), err) < 0)
		return -1;
	return s->init_filter ? seccomp_filter_install(s->init_filter, err) : 0;
}

/* `due` is when to look; signals that come all the time do not put it off. */
static void take_signal(const struct setup *s, const sigset_t *all, pid_t main_pid, uint64_t *due)
{
	const uint64_t now = s->watch ? now_us() : 0;
	const uint64_t wait = *due > now ? *due - now : 0;
	const struct timespec period = {.tv_nsec = (long)wait * 1000}, at_once = {0};
	siginfo_t info;
	int got;

	if (s->audit)
		audit_serve(s->audit, s->proc, s->watch ? (int)(wait / 1000) + 1 : -1);
	got = sigtimedwait(all, &info, s->audit ? &at_once : s->watch ? &period : NULL);
	if (s->watch && now_us() >= *due)
		*due = now_us() + look(s) * 1000;
	/* si_pid is 0 for whoever is outside this pid namespace: stepcell */
	if (got > 0 && got != SIGCHLD && info.si_pid == 0 && info.si_code == SI_USER)
		(void)kill(main_pid, got);
}

_Noreturn void init_run(const struct setup *s, pid_t main_pid)
{
	struct err err = {0};
	unsigned survivors;
	uint64_t due = 0;
	int status = 0;
	sigset_t all;

	/* without a word: stepcell hears that init died, and the cell is dead */
	if (settle(s, &all, &err) < 0)
		_exit(125);
	while (!reap(main_pid, &status))
		take_signal(s, &all, main_pid, &due);
	if (s->watch && s->spec->limits.pids && was_full())
		say(s->status, INIT_FORKS_REFUSED, 0, 0);
	survivors = kill_survivors();
	if (s->audit && s->spec->network == CELL_NET_NONE)
		s->audit->table->no_route = audit_routes(s->proc);
	say(s->status, INIT_ENDED, status, survivors);
	_exit(0);
}
