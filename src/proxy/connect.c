/*
 * connect: a name is looked up here, once; each address is judged, and what is
 * connected to is one of those that were. So a name that leads somewhere else
 * the next time it is asked for (rebinding) gains nothing.
 */
#include "proxy/connect.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "stepcell/fd.h"

#define CONNECT_MS    10000 /* for each address */
#define ADDRESSES_MAX 8

static bool wait_connected(int fd)
{
	struct pollfd wait = {.fd = fd, .events = POLLOUT};
	int error = 0, n;

	do
		n = poll(&wait, 1, CONNECT_MS);
	while (n < 0 && errno == EINTR);
	if (n == 0)
		errno = ETIMEDOUT;
	if (n <= 0 || getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &(socklen_t){sizeof(error)}) < 0)
		return false;
	errno = error;
	return error == 0;
}

static int try_address(const struct addrinfo *address)
{
	auto_fd int fd =
		socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP);

	if (fd < 0)
		return -1;
	if (connect(fd, address->ai_addr, address->ai_addrlen) < 0 &&
	    (errno != EINPROGRESS || !wait_connected(fd)))
		return -1;
	return take_fd(&fd);
}

static void address_text(const struct addrinfo *address, char *out, size_t size)
{
	if (getnameinfo(address->ai_addr, address->ai_addrlen, out, (socklen_t)size, NULL, 0,
			NI_NUMERICHOST) != 0)
		(void)snprintf(out, size, "?");
}

static int try_all(const struct proxy_rules *rules, const struct endpoint *to,
		   const struct addrinfo *list, struct refusal *why)
{
	const bool any = endpoint_is_address(to);
	char text[INET6_ADDRSTRLEN + 16] = "";
	unsigned tried = 0;

	for (; list && tried < ADDRESSES_MAX; list = list->ai_next) {
		if (!any && !rules_allow_address(rules, list->ai_addr)) {
			address_text(list, text, sizeof(text));
			continue;
		}
		int fd = try_address(list);

		if (fd >= 0)
			return fd;
		tried++;
	}
	if (tried)
		(void)refuse(why, 502, "cannot connect: %s", strerror(errno));
	else
		(void)refuse(why, 403, "it leads to %s, which is no public address", text);
	return -1;
}

int connect_to(const struct proxy_rules *rules, const struct endpoint *to, struct refusal *why)
{
	const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
	struct addrinfo *list = NULL;
	char port[8];
	int r, fd;

	(void)snprintf(port, sizeof(port), "%u", to->port);
	r = getaddrinfo(to->host, port, &hints, &list);
	if (r != 0) {
		(void)refuse(why, 502, "cannot look it up: %s", gai_strerror(r));
		return -1;
	}
	fd = try_all(rules, to, list, why);
	freeaddrinfo(list);
	return fd;
}
