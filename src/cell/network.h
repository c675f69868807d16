/*
 * network: one network namespace for all cells of an owner (CELL_NET_SHARED).
 *
 * It has a loopback and nothing else. No cell has a capability over it: it
 * belongs to a user namespace that none of them is in, the host's where root
 * calls, else one between the caller's and the cells'. It lives as long as
 * its owner or a cell in it, and nobody has to take it away.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "stepcell/err.h"

struct network {
	int user, net; /* user: -1 where it is the host's */
};
#define NETWORK_NONE ((struct network){-1, -1})

/* `as_user`: with a user namespace that maps the caller's ids to themselves. */
int network_make(bool as_user, struct network *out, struct err *err);
void network_close(struct network *n);

/* A TCP socket that listens at an address of its loopback, IPv4's or "::1" (that alone). */
int network_listen(const struct network *n, const char *address, uint16_t port, int *out,
		   struct err *err);

/* As birth(), and the child is in the network, its user namespace below the network's. */
pid_t network_birth(const struct network *n, uint64_t flags, int cgroup, int *pidfd, bool *outside,
		    struct err *err);
