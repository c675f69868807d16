#include "image/child.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "image/ownership.h"
#include "stepcell/fd.h"

/* Between fork and exec: on return the exec did not happen. */
static void become(const struct child_spec *spec, int out, pid_t parent)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null < 0 || dup2(spec->in > 0 ? spec->in : null, STDIN_FILENO) < 0 ||
	    dup2(out, STDOUT_FILENO) < 0 ||
	    dup2(spec->log >= 0 ? spec->log : null, STDERR_FILENO) < 0)
		return;
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent)
		return;
	if ((spec->pretend && ownership_pretend() < 0) ||
	    close_range(3, ~0U, CLOSE_RANGE_CLOEXEC) < 0)
		return;
	(void)execvpe(spec->argv[0], (char *const *)spec->argv, (char *const *)spec->env);
}

int child_start(const struct child_spec *spec, struct child *out, struct err *err)
{
	int ends[2], words[2];
	pid_t parent = getpid();

	if (pipe_open(ends, err) < 0)
		return -1;
	auto_fd int from = ends[0];
	auto_fd int to = ends[1];

	if (pipe_open(words, err) < 0)
		return -1;
	auto_fd int heard = words[0];
	auto_fd int said = words[1];
	int cause = 0;
	pid_t pid = fork();

	if (pid < 0)
		return err_sys(err, "cannot start '%s'", spec->argv[0]);
	if (pid == 0) {
		become(spec, to, parent);
		cause = errno;
		(void)write_full(said, &cause, sizeof(cause));
		_exit(127);
	}
	fd_close(&said);
	/* The pipe closes on exec: end of file means that it happened. */
	if (read_full(heard, &cause, sizeof(cause)) == 0) {
		(void)waitpid(pid, NULL, 0);
		errno = cause;
		return err_sys(err, "cannot run '%s'", spec->argv[0]);
	}
	*out = (struct child){.pid = pid, .out = take_fd(&from), .name = spec->argv[0]};
	return 0;
}

static int reap(struct child *child)
{
	int status = 0;
	pid_t r;

	do
		r = waitpid(child->pid, &status, 0);
	while (r < 0 && errno == EINTR);
	child->pid = 0;
	return status;
}

int child_end(struct child *child, struct err *err)
{
	int status;

	fd_close(&child->out);
	status = reap(child);
	if (WIFSIGNALED(status))
		return err_fail(err, ERR_SYSTEM, "'%s' was killed by signal %d", child->name,
				WTERMSIG(status));
	if (WEXITSTATUS(status) != 0)
		return err_fail(err, ERR_SYSTEM, "'%s' failed with exit code %d", child->name,
				WEXITSTATUS(status));
	return 0;
}

void child_kill(struct child *child)
{
	if (child->pid <= 0)
		return;
	(void)kill(child->pid, SIGKILL);
	fd_close(&child->out);
	(void)reap(child);
}

int child_run(const char *const *argv, const char *const *env, struct strbuf *output,
	      struct err *err)
{
	auto_child struct child child = {0};

	const struct child_spec spec = {.argv = argv, .env = env, .log = -1};

	if (child_start(&spec, &child, err) < 0)
		return -1;
	if (read_capped(child.out, output, err) < 0)
		return err_wrap(err, "reading what '%s' says", argv[0]);
	return child_end(&child, err);
}
