#include "stepcell/patient.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

int fd_patient(int fd)
{
	char path[32];
	struct stat st;
	int own = -1;

	if (fstat(fd, &st) < 0)
		return -1;
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (S_ISFIFO(st.st_mode) || isatty(fd))
		own = open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	return own >= 0 ? own : fcntl(fd, F_DUPFD_CLOEXEC, 3);
}

bool write_is_unread(int error)
{
	return error == EPIPE || error == EIO; /* a terminal that has hung up */
}

ssize_t write_now(int fd, const void *buf, size_t len)
{
	const ssize_t n = send(fd, buf, len, MSG_DONTWAIT);

	/* no socket, or around us somebody refuses the call; of a socket write() says the same again */
	return n < 0 && errno != EAGAIN && errno != EINTR ? write(fd, buf, len) : n;
}
