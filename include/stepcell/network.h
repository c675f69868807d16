/* network: hosts with a port, and networks of addresses, as policies and URLs write them. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#define HOST_MAX 253 /* RFC 1035, 2.3.4, without the dot at the end */

struct endpoint {
	char host[HOST_MAX + 1]; /* in lower case */
	uint16_t port;
};

/*
 * "host:port" or, with a port other than 0 to fall back to, "host". Of a host's
 * characters only letters, digits, '-' and '.' are known: no IPv6, no user.
 */
bool endpoint_parse(const char *text, size_t len, uint16_t port, struct endpoint *out);

/* Both kinds of address in sixteen bytes, IPv4 as ::ffff:a.b.c.d (RFC 4291, 2.5.5.2). */
struct network {
	uint8_t address[16];
	unsigned bits;
};

/* "10.0.0.0/8", "fd00::/8": an address, and no bit of it set behind the first BITS. */
bool network_parse(const char *text, struct network *out);

/* The network of one address; false when it is neither IPv4 nor IPv6. */
bool network_of(const struct sockaddr *address, struct network *out);

/* Does `outer` hold all of `inner`? */
bool network_has(const struct network *outer, const struct network *inner);
