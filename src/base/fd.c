#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "stepcell/fd.h"

void fd_close(int *fd)
{
	int keep = errno;

	if (*fd >= 0)
		(void)close(*fd);
	*fd = -1;
	errno = keep;
}

void free_ptr(void *ptr)
{
	free(*(void **)ptr);
}

int read_full(int fd, void *buf, size_t len)
{
	char *p = buf;

	while (len) {
		ssize_t n = read(fd, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			errno = n == 0 ? ENODATA : errno;
			return -1;
		}
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

int write_full(int fd, const void *buf, size_t len)
{
	const char *p = buf;

	while (len) {
		ssize_t n = write(fd, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

int read_capped(int fd, struct strbuf *out, struct err *err)
{
	char chunk[64 * 1024];

	for (;;) {
		ssize_t n = read(fd, chunk, sizeof(chunk));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(err, "cannot read");
		if (n == 0)
			return 0;
		strbuf_add(out, chunk, (size_t)n);
		if (out->full)
			return err_fail(err, ERR_USAGE, "larger than %zu bytes", out->max);
	}
}

int file_read(int dir, const char *path, struct strbuf *out, struct err *err)
{
	auto_fd int fd =
		openat(dir, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(err, "cannot open '%s'", path);
	if (!S_ISREG(st.st_mode))
		return err_fail(err, ERR_USAGE, "'%s' is not a regular file", path);
	if (read_capped(fd, out, err) < 0)
		return err_wrap(err, "'%s'", path);
	return 0;
}

struct file_bytes {
	const void *bytes;
	size_t len;
	unsigned mode;
};

/* Of the folder that the path's last name is in: the name is on disk when that is. */
static int flush_folder(int dir, const char *path)
{
	const char *slash = strrchr(path, '/');
	auto_free char *folder = slash ? strndup(path, (size_t)(slash + 1 - path)) : strdup(".");
	auto_fd int fd = folder ? openat(dir, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

	return fd < 0 ? -1 : fsync(fd);
}

/*
 * A random name, and a file that nobody else has: a process id says nothing
 * where the other writer may be in another pid namespace.
 */
static int make_temporary(int dir, const char *path, unsigned mode, char *out, size_t size,
			  struct err *err)
{
	uint64_t id;
	int n, fd;

	if (getrandom(&id, sizeof(id), 0) != (ssize_t)sizeof(id))
		return err_sys(err, "cannot get random bytes");
	n = snprintf(out, size, "%s.%016llx.tmp", path, (unsigned long long)id);
	if (n < 0 || (size_t)n >= size)
		return err_fail(err, ERR_USAGE, "path too long: '%s'", path);
	fd = openat(dir, out, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
	return fd < 0 ? err_sys(err, "cannot create '%s'", out) : fd;
}

static int replace(int dir, const char *path, const struct file_bytes *b, bool flush,
		   struct err *err)
{
	char temporary[4096];
	auto_fd int fd = make_temporary(dir, path, b->mode, temporary, sizeof(temporary), err);

	if (fd < 0)
		return -1;
	if (write_full(fd, b->bytes, b->len) < 0 || (flush && fsync(fd) < 0) ||
	    renameat(dir, temporary, dir, path) < 0) {
		(void)err_sys(err, "cannot write '%s'", path);
		(void)unlinkat(dir, temporary, 0);
		return -1;
	}
	return flush && flush_folder(dir, path) < 0
		       ? err_sys(err, "cannot flush the folder of '%s'", path)
		       : 0;
}

int file_write(int dir, const char *path, const void *bytes, size_t len, unsigned mode,
	       struct err *err)
{
	return replace(dir, path, &(struct file_bytes){bytes, len, mode}, true, err);
}

int file_put(int dir, const char *path, const void *bytes, size_t len, unsigned mode,
	     struct err *err)
{
	return replace(dir, path, &(struct file_bytes){bytes, len, mode}, false, err);
}

static int fd_flag(int fd, int get, int set, int flag, bool on, struct err *err)
{
	int flags = fcntl(fd, get);

	if (flags < 0 || fcntl(fd, set, on ? flags | flag : flags & ~flag) < 0)
		return err_sys(err, "cannot set the flags of a descriptor");
	return 0;
}

int fd_nonblock(int fd, struct err *err)
{
	return fd_flag(fd, F_GETFL, F_SETFL, O_NONBLOCK, true, err);
}

int fd_cloexec(int fd, bool on, struct err *err)
{
	return fd_flag(fd, F_GETFD, F_SETFD, FD_CLOEXEC, on, err);
}

int pipe_open(int ends[2], struct err *err)
{
	return pipe2(ends, O_CLOEXEC) < 0 ? err_sys(err, "cannot create a pipe") : 0;
}
