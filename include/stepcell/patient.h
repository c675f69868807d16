/* patient: writing to whoever may take their time to read, without waiting for them. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/*
 * A descriptor of our own (CLOEXEC) for what `fd` writes to: a terminal or a
 * pipe is opened anew and never blocks. On `fd` itself O_NONBLOCK would hold for
 * everybody who has it, the operator's shell for one. Of anything else, and of
 * what cannot be opened anew, it is a copy. -1 with errno.
 */
int fd_patient(int fd);

/* What can be written at once (to a socket too, whatever its flags): write(2)'s answer, EAGAIN for none. */
ssize_t write_now(int fd, const void *buf, size_t len);

/* Does that errno of writing mean that nobody reads there any more? Then nothing is lost. */
bool write_is_unread(int error);
