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

/* Ask, and add up all answers to the last. False: the kernel cannot tell. */
static bool ask(int netlink, const void *question, size_t size, size_t body, unsigned short wanted,
		uint64_t *bytes)
{
	_Alignas(struct nlmsghdr) char text[32768];

	if (send(netlink, question, size, 0) < 0)
		return false;
	for (;;) {
		const ssize_t n = recv(netlink, text, sizeof(text), 0);
		const struct nlmsghdr *m = (const struct nlmsghdr *)text;
		size_t left = n > 0 ? (size_t)n : 0;

		if (!NLMSG_OK(m, left))
			return false;
		for (; NLMSG_OK(m, left); m = NLMSG_NEXT(m, left)) {
			if (m->nlmsg_type == NLMSG_DONE || m->nlmsg_type == NLMSG_ERROR)
				return m->nlmsg_type == NLMSG_DONE;
			if (m->nlmsg_len >= NLMSG_LENGTH(body))
				*bytes += message_bytes(m, body, wanted);
		}
	}
}

static bool ask_unix(int netlink, uint64_t *bytes)
{
	const struct unix_question q = {
		HEAD(q),
		{.sdiag_family = AF_UNIX, .udiag_states = ~0U, .udiag_show = UDIAG_SHOW_MEMINFO}};

	return ask(netlink, &q, sizeof(q), sizeof(struct unix_diag_msg), UNIX_DIAG_MEMINFO, bytes);
}

static bool ask_inet(int netlink, uint8_t family, uint8_t protocol, uint64_t *bytes)
{
	const struct inet_question q = {HEAD(q),
					{.sdiag_family = family,
					 .sdiag_protocol = protocol,
					 .idiag_ext = 1 << (INET_DIAG_SKMEMINFO - 1),
					 .idiag_states = ~0U}};

	return ask(netlink, &q, sizeof(q), sizeof(struct inet_diag_msg), INET_DIAG_SKMEMINFO,
		   bytes);
}

/* What a step can have sockets of, and the kernel's module that tells of them: it loads itself. */
static const struct {
	const char *module;
	uint8_t family, protocol;
} kinds[] = {
	{"unix_diag", AF_UNIX, 0},           {"tcp_diag", AF_INET, IPPROTO_TCP},
	{"tcp_diag", AF_INET6, IPPROTO_TCP}, {"udp_diag", AF_INET, IPPROTO_UDP},
	{"udp_diag", AF_INET6, IPPROTO_UDP},
};

static const char *ask_all(uint64_t *bytes)
{
	const struct timeval patience = {.tv_sec = 5};
	auto_fd int netlink = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
	const char *lacks = netlink < 0 ? "NETLINK_SOCK_DIAG" : NULL;

	if (netlink < 0)
		return lacks;
	(void)setsockopt(netlink, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	for (size_t i = 0; i < COUNT(kinds); i++) {
		bool told = kinds[i].family == AF_UNIX
				    ? ask_unix(netlink, bytes)
				    : ask_inet(netlink, kinds[i].family, kinds[i].protocol, bytes);

		if (!told && !lacks)
			lacks = kinds[i].module;
	}
	return lacks;
}

uint64_t count_sockets(void)
{
	uint64_t bytes = 0;

	(void)ask_all(&bytes);
	return bytes;
}

const char *count_sockets_lacks(void)
{
	uint64_t ignored = 0;

	return ask_all(&ignored);
}
