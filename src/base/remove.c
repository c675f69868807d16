/*
 * Removing a tree that a hostile build left: deeper than PATH_MAX, directories
 * without permissions, links to anywhere. No link is ever followed, no mount
 * is entered, and no directory is named by more than its own name.
 *
 * To keep the walk flat, a directory found below the first level is moved up
 * to it under a number. The tree's depth then costs neither stack nor
 * descriptors: every directory is emptied of its files and hands its own
 * directories over.
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

static int open_ours(int dir, const char *name)
{
	make_ours(dir, name);
	return openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
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

typedef int entry_fn(struct removal *r, int dir, const char *name);

/* Call `fn` for what cannot simply be unlinked; takes `fd` over. */
static int for_each_left(struct removal *r, int fd, entry_fn *fn)
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
		if (unlinkat(fd, e->d_name, AT_REMOVEDIR) < 0 && fn(r, fd, e->d_name) < 0)
			failed = errno;
	}
	(void)closedir(dir);
	errno = failed;
	return failed ? -1 : 0;
}

/* Empty and remove one directory of the first level. */
static int remove_one(struct removal *r, int dir, const char *name)
{
	auto_fd int fd = open_ours(dir, name);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -1;
	if (st.st_dev != r->dev) {
		errno = EXDEV;
		return -1;
	}
	if (for_each_left(r, take_fd(&fd), hand_over) < 0)
		return -1;
	return unlinkat(dir, name, AT_REMOVEDIR);
}

int remove_tree(int dir, const char *name, struct err *err)
{
	if (unlinkat(dir, name, 0) == 0 || errno == ENOENT)
		return 0;

	auto_fd int top = open_ours(dir, name);
	struct removal r = {.top = top, .moved = true};
	struct stat st;

	if (top < 0 || fstat(top, &st) < 0)
		return errno == ENOENT ? 0 : err_sys(err, "cannot remove '%s'", name);
	r.dev = st.st_dev;
	while (r.moved) {
		int again = openat(top, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		r.moved = false;
		if (again < 0 || (for_each_left(&r, again, remove_one) < 0 && !r.moved))
			return err_sys(err, "cannot empty '%s'", name);
	}
	if (unlinkat(dir, name, AT_REMOVEDIR) < 0)
		return err_sys(err, "cannot remove '%s'", name);
	return 0;
}
