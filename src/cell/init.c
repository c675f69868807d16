/*
 * The cell's first process.
 *
 * It has no capability, holds no memory of the step, and does four things:
 * reap; pass on the signals that come from stepcell, and from nobody inside;
 * when the main process ends kill and count what it left; say how it ended,
 * through a pipe that nobody else in the cell holds. Then it exits, and the
 * kernel kills whatever could still be there: the namespace dies with it.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "fds.h"
#include "inside.h"
#include "stepcell/fd.h"

static void say(int status, enum init_word word, int wait_status, unsigned survivors)
{
	const struct init_report report = {
		.word = word, .wait_status = wait_status, .survivors = survivors};

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

/* Without a cgroup nobody counts refused forks; but our limit is the cell's, so try one. */
static bool fork_is_refused(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	return pid < 0 && errno == EAGAIN;
}

static void close_all_but(int status)
{
	struct err ignored = {0};
	int keep[] = {status};

	(void)fds_close_others(keep, 1, &ignored);
}

_Noreturn void init_run(const struct setup *s, pid_t main_pid)
{
	const struct timespec period = {.tv_nsec = 200 * 1000 * 1000};
	const int out = s->status;
	int status = 0;
	sigset_t all;

	close_all_but(out);
	(void)sigfillset(&all);
	(void)sigprocmask(SIG_BLOCK, &all, NULL);
	while (!reap(main_pid, &status)) {
		siginfo_t info;
		int got = sigtimedwait(&all, &info, s->count_forks ? &period : NULL);

		if (got < 0 && errno == EAGAIN && fork_is_refused())
			say(out, INIT_FORKS_REFUSED, 0, 0);
		/* si_pid is 0 for whoever is outside this pid namespace: stepcell */
		else if (got > 0 && got != SIGCHLD && info.si_pid == 0 && info.si_code == SI_USER)
			(void)kill(main_pid, got);
	}
	say(out, INIT_ENDED, status, kill_survivors());
	_exit(0);
}
