/*
 * The memory in the queues of sockets, by asking the kernel for each of them
 * (sock_diag(7)): what is in a queue belongs to no process.
 */
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "count.h"
#include "stepcell/fd.h"
#include "stepcell/util.h"

struct inet_question {
	struct nlmsghdr head;
	struct inet_diag_req_v2 body;
};

struct unix_question {
	struct nlmsghdr head;
	struct unix_diag_req body;
};

#define HEAD(question)                                                                             \
	{                                                                                          \
		.nlmsg_len = sizeof(question), .nlmsg_type = SOCK_DIAG_BY_FAMILY,                  \
		.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP                                          \
	}

/* What waits to be read, and what waits to be sent. */
static uint64_t queued(const uint32_t *meminfo, size_t size)
{
	if (size < (SK_MEMINFO_WMEM_QUEUED + 1) * sizeof(*meminfo))
		return 0;
	return (uint64_t)meminfo[SK_MEMINFO_RMEM_ALLOC] + meminfo[SK_MEMINFO_WMEM_ALLOC];
}

static uint64_t message_bytes(const struct nlmsghdr *m, size_t body, unsigned short wanted)
{
	const char *at = (const char *)NLMSG_DATA(m) + NLMSG_ALIGN(body);
	const char *end = (const char *)m + m->nlmsg_len;
	uint64_t bytes = 0;

	while (end - at >= (ptrdiff_t)sizeof(struct nlattr)) {
		struct nlattr attr;
		uint32_t meminfo[SK_MEMINFO_VARS] = {0};

		memcpy(&attr, at, sizeof(attr));
		if (attr.nla_len < NLA_HDRLEN || attr.nla_len > end - at)
			break;
		if (attr.nla_type == wanted) {
			const size_t size = attr.nla_len - NLA_HDRLEN;

			memcpy(meminfo, at + NLA_HDRLEN,
			       size < sizeof(meminfo) ? size : sizeof(meminfo));
			bytes += queued(meminfo, size);
		}
		at += NLA_ALIGN(attr.nla_len);
	}
	return bytes;
}

/* Ask, and add up all answers to the last. */
static uint64_t ask(int netlink, const void *question, size_t size, size_t body,
		    unsigned short wanted)
{
	_Alignas(struct nlmsghdr) char text[32768];
	uint64_t bytes = 0;

	if (send(netlink, question, size, 0) < 0)
		return 0;
	for (;;) {
		const ssize_t n = recv(netlink, text, sizeof(text), 0);
		const struct nlmsghdr *m = (const struct nlmsghdr *)text;
		size_t left = n > 0 ? (size_t)n : 0;

		if (!NLMSG_OK(m, left))
			return bytes;
		for (; NLMSG_OK(m, left); m = NLMSG_NEXT(m, left)) {
			if (m->nlmsg_type == NLMSG_DONE || m->nlmsg_type == NLMSG_ERROR)
				return bytes;
			if (m->nlmsg_len >= NLMSG_LENGTH(body))
				bytes += message_bytes(m, body, wanted);
		}
	}
}

static uint64_t ask_unix(int netlink)
{
	const struct unix_question q = {
		HEAD(q),
		{.sdiag_family = AF_UNIX, .udiag_states = ~0U, .udiag_show = UDIAG_SHOW_MEMINFO}};

	return ask(netlink, &q, sizeof(q), sizeof(struct unix_diag_msg), UNIX_DIAG_MEMINFO);
}

static uint64_t ask_inet(int netlink, uint8_t family, uint8_t protocol)
{
	const struct inet_question q = {HEAD(q),
					{.sdiag_family = family,
					 .sdiag_protocol = protocol,
					 .idiag_ext = 1 << (INET_DIAG_SKMEMINFO - 1),
					 .idiag_states = ~0U}};

	return ask(netlink, &q, sizeof(q), sizeof(struct inet_diag_msg), INET_DIAG_SKMEMINFO);
}

uint64_t count_sockets(void)
{
	static const uint8_t families[] = {AF_INET, AF_INET6};
	static const uint8_t protocols[] = {IPPROTO_TCP, IPPROTO_UDP};
	const struct timeval patience = {.tv_sec = 5};
	auto_fd int netlink = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
	uint64_t bytes;

	if (netlink < 0)
		return 0;
	(void)setsockopt(netlink, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	bytes = ask_unix(netlink);
	for (size_t f = 0; f < COUNT(families); f++)
		for (size_t p = 0; p < COUNT(protocols); p++)
			bytes += ask_inet(netlink, families[f], protocols[p]);
	return bytes;
}
