/*
 * A file of a running cell, read with the rights of its step: by a process of
 * our own that joins the cell's mounts, becomes the step's user and has then
 * nothing that the step has not. It is in none of the cell's other namespaces:
 * nothing inside can see it.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "birth.h"
#include "caps.h"
#include "fds.h"
#include "stepcell/fd.h"
#include "stepcell/path.h"
#include "stepcell/util.h"
#include "supervise.h"

#define MAX_SECONDS 3

/* ---- the process that reads ---- */

/* Root's gives up its capabilities with its user id. */
static int become_owner(const struct cell *cell, struct err *err)
{
	if (setgroups(0, NULL) < 0 || setresgid(cell->gid, cell->gid, cell->gid) < 0 ||
	    setresuid(cell->uid, cell->uid, cell->uid) < 0)
		return err_sys(err, "cannot become the step's user");
	return caps_may_administrate() ? err_fail(err, ERR_SYSTEM, "capabilities were kept") : 0;
}

/* An ordinary user's comes into the cell's user namespace with every capability of it. */
static int join(const struct cell *cell, struct err *err)
{
	const bool as_user = cell->ns.user >= 0;

	if (as_user && setns(cell->ns.user, CLONE_NEWUSER) < 0)
		return err_sys(err, "cannot join the cell's user namespace");
	if (setns(cell->ns.mount, CLONE_NEWNS) < 0)
		return err_sys(err, "cannot join the cell's mounts");
	if ((as_user ? caps_drop_all(err) : become_owner(cell, err)) < 0)
		return -1;
	return no_new_privs_set(err);
}

/* As long as it says to be: what /proc makes up is empty then. */
static int read_file(const char *path, size_t max, struct strbuf *out, struct err *err)
{
	auto_fd int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	auto_fd int fd = -1;
	struct stat st;

	if (root < 0)
		return err_sys(err, "cannot open the cell's root");
	fd = open_in_root(root, path, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0, err);
	if (fd < 0)
		return -1;
	if (fstat(fd, &st) < 0)
		return err_sys(err, "cannot look at '%s'", path);
	if (!S_ISREG(st.st_mode))
		return err_fail(err, ERR_USAGE, "'%s' is no regular file", path);
	if ((uint64_t)st.st_size > max)
		return err_fail(err, ERR_USAGE, "'%s' is larger than %zu bytes", path, max);
	*out = STRBUF((size_t)st.st_size);
	for (char chunk[16 * 1024];;) {
		ssize_t n = read(fd, chunk, sizeof(chunk));

		if (n < 0)
			return err_sys(err, "cannot read '%s'", path);
		strbuf_add(out, chunk, (size_t)n);
		if (n == 0 || out->full)
			return 0;
	}
}

static _Noreturn void peek(const struct cell *cell, const char *path, size_t max, int out)
{
	int keep[] = {out, cell->ns.user, cell->ns.mount};
	struct strbuf text = STRBUF(0);
	struct err err = {0};

	(void)alarm(MAX_SECONDS);
	if (fds_close_others(keep, COUNT(keep), &err) == 0 && join(cell, &err) == 0)
		(void)read_file(path, max, &text, &err);
	if (write_full(out, &err, sizeof(err)) == 0)
		(void)write_full(out, text.text, text.len);
	_exit(0);
}

/* ---- the caller's side ---- */

static int hear(int from, void *buf, size_t size, size_t *len, struct err *err)
{
	struct err said;

	if (read_full(from, &said, sizeof(said)) < 0)
		return err_fail(err, ERR_SYSTEM, "reading took more than %d seconds", MAX_SECONDS);
	said.text[sizeof(said.text) - 1] = '\0';
	if (said.kind != ERR_NONE) {
		*err = said;
		return -1;
	}
	for (*len = 0; *len < size;) {
		ssize_t n = read(from, (char *)buf + *len, size - *len);

		if (n < 0 && errno != EINTR)
			return err_sys(err, "cannot hear what was read");
		if (n == 0)
			break;
		*len += n > 0 ? (size_t)n : 0;
	}
	return 0;
}

static void reap(int *pidfd)
{
	while (waitid(P_PIDFD, (id_t)*pidfd, &(siginfo_t){0}, WEXITED | __WALL) < 0 &&
	       errno == EINTR)
		;
	fd_close(pidfd);
}

int cell_read(const struct cell *cell, const char *path, void *buf, size_t size, size_t *len,
	      struct err *err)
{
	int ends[2], pidfd = -1, r;
	bool outside;
	pid_t pid;

	if (cell->ns.mount < 0)
		return err_fail(err, ERR_USAGE, "cell '%s' has ended", cell->name);
	if (pipe_open(ends, err) < 0)
		return -1;
	pid = birth(0, -1, &pidfd, &outside, err);
	if (pid == 0)
		peek(cell, path, size, ends[1]);
	fd_close(&ends[1]);
	r = pid < 0 ? -1 : hear(ends[0], buf, size, len, err);
	fd_close(&ends[0]);
	if (pid > 0)
		reap(&pidfd);
	return r;
}
