/* fd: descriptors that close themselves, and reads and writes that are whole or fail. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "stepcell/err.h"
#include "stepcell/strbuf.h"

void fd_close(int *fd); /* closes and sets to -1; -1 is fine; keeps errno */
#define auto_fd __attribute__((cleanup(fd_close)))

/* Hand a descriptor over: the variable is -1 afterwards. */
static inline int take_fd(int *fd)
{
	int taken = *fd;

	*fd = -1;
	return taken;
}

/* Exactly `len` bytes, through EINTR. Returns 0, or -1 with errno (EPIPE-free: end of file is
 * ENODATA). */
int read_full(int fd, void *buf, size_t len);
int write_full(int fd, const void *buf, size_t len);

/* Everything up to end of file is added to `out`; more than its maximum is an error (ERR_USAGE). */
int read_capped(int fd, struct strbuf *out, struct err *err);

/* A whole regular file relative to `dir` (AT_FDCWD allowed), at most out->max bytes; does not
 * follow a last link. */
int file_read(int dir, const char *path, struct strbuf *out, struct err *err);

/*
 * Write a file whole or not at all, and on disk, its name too, when this returns:
 * a temporary of a random name beside it, fsync, rename, fsync of the folder.
 */
int file_write(int dir, const char *path, const void *bytes, size_t len, unsigned mode,
	       struct err *err);

/* The same of what nobody looks for after a crash, or what is flushed with all that is beside it. */
int file_put(int dir, const char *path, const void *bytes, size_t len, unsigned mode,
	     struct err *err);

int fd_nonblock(int fd, struct err *err);
int fd_cloexec(int fd, bool on, struct err *err);

/* O_CLOEXEC pipe: ends[0] reads, ends[1] writes. */
int pipe_open(int ends[2], struct err *err);

/* Free on scope exit, for what a library allocated. */
void free_ptr(void *ptr);
#define auto_free __attribute__((cleanup(free_ptr)))
