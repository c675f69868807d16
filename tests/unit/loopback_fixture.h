/* Listeners on the loopback, a server that echoes, and clients of theirs. */
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "stepcell/fd.h"

static inline int listen_on(uint16_t *port)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(fd, 1024), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &(socklen_t){sizeof(at)}), 0);
	*port = ntohs(at.sin_port);
	return fd;
}

static inline int dial(uint16_t port)
{
	struct sockaddr_in to = {.sin_family = AF_INET,
				 .sin_port = htons(port),
				 .sin_addr = {htonl(INADDR_LOOPBACK)}};
	const struct timeval patience = {.tv_sec = 60};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)), 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	return fd;
}

/* A process that does not outlive the test. */
static inline pid_t fork_bound(void)
{
	pid_t pid = fork();

	if (pid == 0)
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	return pid;
}

static inline void end_all(const pid_t *pids, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		kill(pids[i], SIGKILL);
		waitpid(pids[i], NULL, 0);
	}
}

/*
 * Says "hello", then what it hears until its client says no more (or `end`, if
 * that is not NULL), then "bye".
 */
static inline _Noreturn void echo(int listener, const char *end)
{
	(void)signal(SIGCHLD, SIG_IGN);
	for (;;) {
		int fd = accept(listener, NULL, NULL);
		char bytes[65536];
		ssize_t n;

		if (fork_bound() != 0) {
			close(fd);
			continue;
		}
		(void)!write(fd, "hello", 5);
		while ((n = read(fd, bytes, sizeof(bytes))) > 0)
			if (write_full(fd, bytes, (size_t)n) < 0 ||
			    (end && memmem(bytes, (size_t)n, end, strlen(end))))
				break;
		(void)!write(fd, "bye", 3);
		_exit(0);
	}
}
