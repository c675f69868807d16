/* err: an error that carries its context, and crosses a pipe whole. */
#pragma once

#include <stddef.h>

/* What went wrong, in the terms of an exit code. */
enum err_kind {
	ERR_NONE,
	ERR_USAGE,       /* wrong usage, an invalid or unreadable input: exit 2 */
	ERR_POLICY,      /* refused by policy: exit 3 */
	ERR_SYSTEM,      /* the host or a remote failed, an image is missing: exit 4 */
	ERR_INTERRUPTED, /* SIGINT or SIGTERM: exit 130 */
	ERR_KIND_COUNT
};

/*
 * No pointers: a struct err can be written to a pipe by a child and read by
 * its parent. It is smaller than PIPE_BUF, so such a write is atomic.
 */
struct err {
	enum err_kind kind;
	int sys; /* errno where a system call failed, else 0 */
	char text[2040];
};

#pragma GCC visibility push(default) /* what libstepcell shows of itself */

/* Set `err`; messages are lower case, the problem first, no full stop. Returns -1. */
int err_fail(struct err *err, enum err_kind kind, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* As err_fail(ERR_SYSTEM), with errno's text behind the message. Returns -1. */
int err_sys(struct err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Put "fmt: " before the message that is there; done at every module boundary. Returns -1. */
int err_wrap(struct err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

void err_clear(struct err *err);

/* The exit code that DESIGN gives an error of this kind. */
int err_exit_code(const struct err *err);

#pragma GCC visibility pop

#ifdef __clang_analyzer__ /* it sees one file at a time, and so not that these return -1 */
#define err_fail(...) (err_fail(__VA_ARGS__), -1)
#define err_sys(...)  (err_sys(__VA_ARGS__), -1)
#define err_wrap(...) (err_wrap(__VA_ARGS__), -1)
#endif
