/* fds: which descriptors a child keeps, and under which numbers. */
#pragma once

#include <stddef.h>
#include <sys/resource.h>

#include "stepcell/err.h"

/* Close everything but `keep` (negative entries are skipped; it gets sorted). */
int fds_close_others(int *keep, size_t count, struct err *err);

/*
 * Move `from[i]` to the number i, for all i, without close-on-exec, and close
 * every other descriptor but those of `also` (negative ones are skipped), which
 * get the numbers behind and are closed by exec.
 */
int fds_place(const int *from, size_t count, int *const *also, size_t also_count, struct err *err);

/* One descriptor through a socket. fd_receive() returns it, close-on-exec; `flags` as of recvmsg(). */
int fd_send(int socket, int fd, struct err *err);
int fd_receive(int socket, int flags, struct err *err);

/*
 * Descriptors on their way are counted by user, against how many the sender may
 * have open; a step of the same user may keep as many there as it may have. So
 * what stepcell sends is sent with its hard limit, which no step has
 * (rlimits.c). Returns the limits to put back.
 */
struct rlimit fds_limit_raise(void);
void fds_limit_restore(const struct rlimit *before);
