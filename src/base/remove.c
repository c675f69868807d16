/*
 * Removing a tree that a hostile build left: deeper than PATH_MAX, directories
 * without permissions, links to anywhere. No link is ever followed, no mount
 * is entered, and no directory is named by more than its own name.
 *
 * The walk descends a few levels, which is all that most trees have. What lies
 * deeper is moved up to the first level under a number, for another pass: the
 * tree's depth then costs neither stack nor descriptors.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "stepcell/fd.h"
#include "stepcell/path.h"

#define MAX_DEPTH 12 /* levels that are gone down, each with a descriptor */

struct removal {
	int top;            /* a directory that holds only what is to go */
	dev_t dev;          /* of its file system */
	unsigned long next; /* the next free number in it */
	bool moved;         /* something was handed over: another pass is due */
};

/* Give a directory its owner's bits: it is to be read, searched and moved. */
static void make_ours(int dir, const char *name)
{
	auto_fd int fd = openat(dir, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	char self[64];

	if (fd < 0)
		return;
	(void)snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
	(void)chmod(self, 0700);
}

static int open_directory(int dir, const char *name)
{
	return openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

static int open_ours(int dir, const char *name, struct stat *st)
{
	auto_fd int fd = open_directory(dir, name);

	if (fd < 0 && errno == EACCES) {
		make_ours(dir, name);
		fd = open_directory(dir, name);
	}
	if (fd < 0 || fstat(fd, st) < 0)
		return -1;
	if ((st->st_mode & S_IRWXU) != S_IRWXU)
		(void)fchmod(fd, S_IRWXU);
	return take_fd(&fd);
}

static int hand_over(struct removal *r, int dir, const char *name)
{
	char number[32];

	make_ours(dir, name);
	do
		(void)snprintf(number, sizeof(number), ".rm-%lu", r->next++);
	while (renameat2(dir, name, r->top, number, RENAME_NOREPLACE) < 0 && errno == EEXIST);
	if (faccessat(dir, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return -1;
	r->moved = true;
	return 0;
}

static bool is_dots(const char *name)
{
	return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

static int remove_directory(struct removal *r, int dir, const char *name, unsigned depth);

/* What cannot simply be unlinked. The kernel says EBUSY of a mount, whatever is mounted. */
static int remove_left(struct removal *r, int dir, const char *name, unsigned depth)
{
	if (unlinkat(dir, name, AT_REMOVEDIR) == 0)
		return 0;
	if (errno == EBUSY)
		return -1;
	return depth < MAX_DEPTH ? remove_directory(r, dir, name, depth + 1)
				 : hand_over(r, dir, name);
}

/* Remove what is in a directory `depth` levels down; takes `fd` over. */
static int empty_directory(struct removal *r, int fd, unsigned depth)
{
	DIR *dir = fdopendir(fd);
	struct dirent *e;
	int failed = 0;

	if (!dir) {
		(void)close(fd);
		return -1;
	}
	while ((e = readdir(dir))) {
		if (is_dots(e->d_name) || (e->d_type != DT_DIR && unlinkat(fd, e->d_name, 0) == 0))
			continue;
		if (remove_left(r, fd, e->d_name, depth) < 0)
			failed = errno;
	}
	(void)closedir(dir);
	errno = failed;
	return failed ? -1 : 0;
}

static int remove_directory(struct removal *r, int dir, const char *name, unsigned depth)
{
	struct stat st;
	auto_fd int fd = open_ours(dir, name, &st);

	if (fd < 0)
		return -1;
	if (st.st_dev != r->dev) {
		errno = EXDEV;
		return -1;
	}
	if (empty_directory(r, take_fd(&fd), depth) < 0)
		return -1;
	return unlinkat(dir, name, AT_REMOVEDIR);
}

int remove_tree(int dir, const char *name, struct err *err)
{
	if (unlinkat(dir, name, 0) == 0 || errno == ENOENT)
		return 0;

	struct stat st;
	auto_fd int top = open_ours(dir, name, &st);
	struct removal r = {.top = top, .moved = true};

	if (top < 0)
		return errno == ENOENT ? 0 : err_sys(err, "cannot remove '%s'", name);
	r.dev = st.st_dev;
	while (r.moved) {
		int again = openat(top, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		r.moved = false;
		if (again < 0 || (empty_directory(&r, again, 0) < 0 && !r.moved))
			return err_sys(err, "cannot empty '%s'", name);
	}
	if (unlinkat(dir, name, AT_REMOVEDIR) < 0)
		return err_sys(err, "cannot remove '%s'", name);
	return 0;
}
