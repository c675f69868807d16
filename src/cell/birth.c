#include "birth.h"

#include <errno.h>
#include <linux/sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

static pid_t try_birth(uint64_t flags, int cgroup, int *pidfd)
{
	struct clone_args args = {
		/* a handler of the caller's has no business in the child */
		.flags = flags | CLONE_PIDFD | CLONE_CLEAR_SIGHAND,
		.pidfd = (uint64_t)(uintptr_t)pidfd,
	};

	/*
	 * Enter the cgroup at birth. Moving the process afterwards costs more
	 * than the rest of the start, and leaves a moment without limits.
	 */
	if (cgroup >= 0) {
		args.flags |= CLONE_INTO_CGROUP;
		args.cgroup = (uint64_t)cgroup;
	}
	return (pid_t)syscall(SYS_clone3, &args, sizeof(args));
}

/* What CLONE_CLEAR_SIGHAND does. */
static void clear_handlers(void)
{
	for (int n = 1; n < NSIG; n++) {
		struct sigaction now;

		if (sigaction(n, NULL, &now) == 0 && now.sa_handler != SIG_IGN)
			(void)signal(n, SIG_DFL);
	}
}

/*
 * Filters of containers that were written before clone3 do not know it, and
 * answer with either error; the older call knows no cgroup. A handler must not
 * run in the child, which has them for a moment.
 */
static pid_t try_older_birth(uint64_t flags, int *pidfd)
{
	sigset_t all, before;
	pid_t pid;

	(void)sigfillset(&all);
	if (sigprocmask(SIG_SETMASK, &all, &before) < 0)
		return -1;
	pid = (pid_t)syscall(SYS_clone, (unsigned long)flags | CLONE_PIDFD, NULL, pidfd, NULL, 0UL);
	if (pid == 0)
		clear_handlers();
	(void)sigprocmask(SIG_SETMASK, &before, NULL);
	return pid;
}

/* A kernel before 5.7, a busy or a foreign cgroup. */
static bool is_about_cgroup(int error)
{
	return error == EINVAL || error == E2BIG || error == EBUSY || error == EACCES ||
	       error == EOPNOTSUPP;
}

static bool is_about_clone3(int error)
{
	return error == ENOSYS || error == EPERM;
}

pid_t birth(uint64_t flags, int cgroup, int *pidfd, bool *outside, struct err *err)
{
	pid_t pid = try_birth(flags, cgroup, pidfd);

	*outside = pid < 0 && cgroup >= 0 && is_about_cgroup(errno);
	if (*outside)
		pid = try_birth(flags, -1, pidfd);
	if (pid < 0 && is_about_clone3(errno)) {
		*outside = cgroup >= 0;
		pid = try_older_birth(flags, pidfd);
	}
	if (pid < 0)
		return err_sys(err, "cannot make the cell's namespaces");
	return pid;
}
