#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "runner/run.h"
#include "runner/service.h"
#include "stepcell/fd.h"

struct inside {
	const struct service_inside *s;
	int orders, answers, signals;
	pid_t server, check; /* check: 0 when none runs */
	uint64_t check_end_ms;
	int status; /* of the server, once it has ended */
};

/* ---- starting ---- */

/* Places that an image names and does not have are made, as Docker does. */
static void make_folders(const char *path)
{
	char partial[PATH_MAX];

	for (size_t len = 1; len < sizeof(partial) && path[len - 1]; len++) {
		if (path[len] && path[len] != '/')
			continue;
		memcpy(partial, path, len);
		partial[len] = '\0';
		(void)mkdir(partial, 0755);
	}
}

/* What the shell says when it is it that fails. */
#define NOT_RUN   126
#define NOT_FOUND 127

static _Noreturn void become(const struct inside *in, const char *const *argv, bool quiet)
{
	sigset_t none;
	int null;

	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	(void)setsid();
	(void)close_range(3, ~0U, 0);
	null = quiet ? open("/dev/null", O_WRONLY | O_CLOEXEC) : -1;
	if (null >= 0 && (dup2(null, 1) < 0 || dup2(null, 2) < 0))
		_exit(NOT_RUN);
	environ = (char **)in->s->env; /* where execvp() looks for PATH */
	if (chdir(in->s->workdir) < 0)
		(void)dprintf(2, "cannot enter '%s': %s\n", in->s->workdir, strerror(errno));
	else
		(void)execvp(argv[0], (char *const *)argv);
	if (errno)
		(void)dprintf(2, "cannot run '%s': %s\n", argv[0], strerror(errno));
	_exit(errno == ENOENT ? NOT_FOUND : NOT_RUN);
}

static pid_t start(const struct inside *in, const char *const *argv, bool quiet)
{
	pid_t pid = fork();

	if (pid == 0)
		become(in, argv, quiet);
	return pid;
}

/* ---- health ---- */

static void answer(struct inside *in, bool well)
{
	const char word = well ? SERVICE_WELL : SERVICE_ILL;

	in->check = 0;
	(void)write_full(in->answers, &word, 1);
}

static void take_order(struct inside *in)
{
	char order;
	ssize_t n = read(in->orders, &order, 1);

	if (n == 0)
		in->orders = -1; /* stepcell has no more questions */
	if (n != 1 || in->check || !in->s->health)
		return;
	in->check = start(in, in->s->health, order == SERVICE_ASK);
	in->check_end_ms = now_ms() + in->s->health_timeout_ms;
	if (in->check < 0)
		answer(in, false);
}

static void see_to_check(struct inside *in)
{
	if (in->check && now_ms() >= in->check_end_ms)
		(void)kill(-in->check, SIGKILL);
}

/* ---- ends ---- */

/* True when the server has ended. */
static bool reap(struct inside *in)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid == in->check)
			answer(in, WIFEXITED(status) && WEXITSTATUS(status) == 0);
		if (pid != in->server)
			continue;
		in->status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
		return true;
	}
	return false;
}

static bool take_signals(struct inside *in)
{
	struct signalfd_siginfo info;
	bool ended = false;

	while (read(in->signals, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		if (info.ssi_signo == SIGCHLD)
			ended |= reap(in);
		else
			(void)kill(in->server, (int)info.ssi_signo);
	}
	return ended;
}

static void follow(struct inside *in)
{
	for (bool ended = false; !ended;) {
		struct pollfd fds[] = {{.fd = in->signals, .events = POLLIN},
				       {.fd = in->orders, .events = POLLIN}};

		if (poll(fds, 2, in->check ? 100 : -1) < 0 && errno != EINTR)
			return;
		if (fds[1].revents)
			take_order(in);
		see_to_check(in);
		ended = take_signals(in);
	}
}

int service_inside(void *arg, const int *fds, size_t count)
{
	struct inside in = {.s = arg, .orders = fds[0], .answers = fds[1], .status = NOT_RUN};
	sigset_t all;

	(void)count;
	(void)sigfillset(&all);
	(void)sigprocmask(SIG_SETMASK, &all, NULL);
	in.signals = signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
	if (in.signals < 0)
		return NOT_RUN;
	make_folders(in.s->workdir);
	in.server = start(&in, in.s->argv, false);
	if (in.server > 0)
		follow(&in);
	return in.status;
}
