/* Attacks on the network: what can be sent, who can be found. Nothing listens but what the tests started. */
#include "attack.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* 0 when something left, or is leaving; else the errno. */
static int send_to(const struct addrinfo *to, int type, int protocol)
{
	const int fd = socket(to->ai_family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol);
	int e = fd < 0 ? errno : 0;

	if (fd < 0)
		return e;
	if (type == SOCK_STREAM)
		e = connect(fd, to->ai_addr, to->ai_addrlen) < 0 ? errno : 0;
	else
		e = sendto(fd, "\10\0\0\0\0\0\0\0", 8, 0, to->ai_addr, to->ai_addrlen) < 0 ? errno
											   : 0;
	(void)close(fd);
	return e == EINPROGRESS ? 0 : e;
}

static int lookup(const char *name, const char *port, struct addrinfo **out)
{
	const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};

	return getaddrinfo(name, port, &hints, out);
}

static const char *try_address(const struct addrinfo *to)
{
	const bool six = to->ai_family == AF_INET6;

	if (send_to(to, SOCK_STREAM, 0) == 0)
		return "TCP";
	if (send_to(to, SOCK_DGRAM, 0) == 0)
		return "UDP";
	if (send_to(to, SOCK_DGRAM, six ? IPPROTO_ICMPV6 : IPPROTO_ICMP) == 0)
		return "ICMP";
	if (send_to(to, SOCK_RAW, six ? IPPROTO_ICMPV6 : IPPROTO_ICMP) == 0)
		return "raw ICMP";
	return NULL;
}

static bool loopback_works(void)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(at);
	const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	const bool works = bind(listener, (struct sockaddr *)&at, len) == 0 &&
			   listen(listener, 1) == 0 &&
			   getsockname(listener, (struct sockaddr *)&at, &len) == 0 &&
			   connect(fd, (struct sockaddr *)&at, len) == 0;

	(void)close(listener);
	(void)close(fd);
	return works;
}

/* The addresses given, in any spelling: nothing leaves. The cell's own loopback is there all the same. */
int attack_egress(int argc, char **argv)
{
	struct addrinfo *list;
	unsigned unknown = 0;

	for (int i = 1; i < argc; i++) {
		if (lookup(argv[i], "80", &list) != 0) {
			unknown++;
			continue;
		}
		for (struct addrinfo *a = list; a; a = a->ai_next) {
			const char *how = try_address(a);

			if (how)
				return open_way("%s to %s", how, argv[i]);
		}
		freeaddrinfo(list);
	}
	if (!loopback_works())
		return open_way("held too much: there is no loopback");
	return held("%d addresses, TCP, UDP and ICMP; %u of them are no name here", argc - 1,
		    unknown);
}

/* argv[1] a port, the rest spellings of the host's address: whoever listens there does not hear. */
int attack_spellings(int argc, char **argv)
{
	struct addrinfo *list;

	for (int i = 2; i < argc; i++) {
		if (lookup(argv[i], argv[1], &list) != 0)
			continue;
		for (struct addrinfo *a = list; a; a = a->ai_next) {
			const int fd =
				socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
			struct pollfd p = {.fd = fd, .events = POLLOUT};
			int e = connect(fd, a->ai_addr, a->ai_addrlen) < 0 ? errno : 0;
			socklen_t len = sizeof(e);

			if (e == EINPROGRESS && poll(&p, 1, 300) == 1)
				(void)getsockopt(fd, SOL_SOCKET, SO_ERROR, &e, &len);
			(void)close(fd);
			if (e == 0)
				return open_way("%s answers", argv[i]);
		}
		freeaddrinfo(list);
	}
	return held("%d spellings", argc - 2);
}

/* ---- names ---- */

/* The control's resolver: it takes whatever is asked on its loopback. */
static void serve_names(void)
{
	struct sockaddr_in at = {.sin_family = AF_INET,
				 .sin_port = htons(53),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct sockaddr_in from;
	socklen_t len = sizeof(from);
	char query[512];
	const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0 || fork() != 0) {
		(void)close(fd);
		return;
	}
	(void)alarm(5);

	const ssize_t n = recvfrom(fd, query, sizeof(query), 0, (struct sockaddr *)&from, &len);

	(void)sendto(fd, query, n > 0 ? (size_t)n : 0, 0, (struct sockaddr *)&from, len);
	_exit(0);
}

static bool asks(const char *server)
{
	static const char query[] = "\1\2\1\0\0\1\0\0\0\0\0\0\6secret\7example\3com\0\0\1\0";
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(53)};
	const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct pollfd p = {.fd = fd, .events = POLLIN};
	char answer[512];
	bool answered;

	answered = inet_pton(AF_INET, server, &to.sin_addr) == 1 &&
		   connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0 &&
		   send(fd, query, sizeof(query) - 1, 0) > 0 && poll(&p, 1, 500) == 1 &&
		   recv(fd, answer, sizeof(answer), 0) > 0;
	(void)close(fd);
	return answered;
}

/* Say a secret to a resolver: those that /etc/resolv.conf names, and the usual ones. */
int attack_resolve(int argc, char **argv)
{
	static const char *const usual[] = {"127.0.0.1", "127.0.0.53", "127.0.0.54", "192.0.2.53"};
	char line[256], server[64];
	struct addrinfo *list;
	FILE *conf;

	if (argc > 1 && strcmp(argv[1], "serve") == 0)
		serve_names();
	else if (lookup("secret.example.com", "80", &list) == 0)
		return open_way("a name was found");
	conf = fopen("/etc/resolv.conf", "re");
	while (argc < 2 && conf && fgets(line, sizeof(line), conf))
		if (sscanf(line, " nameserver %63s", server) == 1)
			return open_way("there is a nameserver: %s", server);
	if (conf)
		(void)fclose(conf);
	for (size_t i = 0; i < COUNT(usual); i++)
		if (asks(usual[i]))
			return open_way("%s was told a secret", usual[i]);
	return held("no resolver, and nobody at port 53");
}

/* ---- abstract sockets: argv[1] the name of the test's ---- */

int attack_abstract(int argc, char **argv)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	char line[512];
	FILE *names = fopen("/proc/net/unix", "re");
	int fd;

	if (argc < 2)
		return cannot("which name?");
	while (names && fgets(line, sizeof(line), names))
		if (strchr(line, '@'))
			return open_way("an abstract name is seen: %s", strchr(line, '@'));
	if (names)
		(void)fclose(names);
	(void)snprintf(at.sun_path + 1, sizeof(at.sun_path) - 1, "%s", argv[1]);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (connect(fd, (struct sockaddr *)&at,
		    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(argv[1]))) == 0)
		return open_way("the host's abstract socket answers");
	return held("no name is seen, and the host's gives %s", error_name(errno));
}
