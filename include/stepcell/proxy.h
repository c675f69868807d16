/*
 * proxy: the one way out of a job that may reach named hosts and nothing else.
 *
 * It speaks HTTP/1.1 to the job: CONNECT for TLS and whatever else goes through
 * a tunnel, and plain requests with an absolute URL (RFC 9112, 3.2). It runs in
 * a cell of its own with the caller's network; what it reads comes from the job,
 * and its memory begins as a copy of its caller's, so it is as strict as HTTP allows.
 *
 * A name is looked up once, when its rule has allowed it, and what is connected
 * to is the address that was judged: no second answer can lead elsewhere. A
 * tunnel that begins with TLS must name the host that was asked for.
 *
 * What leads from one network of a job to another, forward_start(), is beside it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "stepcell/err.h"

/* What may be reached. The caller's texts; they must last as long as the proxy. */
struct proxy_rules {
	/*
	 * HOST:PORT, compared as written, without case. A name leads to public
	 * addresses alone; an IPv4 address is reached whatever it is.
	 */
	const char *const *allow;
	size_t allow_count;
	/* Networks (10.0.0.0/8, fd00::/8) that a name may lead to although they are not public. */
	const char *const *internal;
	size_t internal_count;
};

struct cell_owner;
struct proxy_spec {
	const char *name;         /* of its cell: [a-z0-9-] */
	const char *state;        /* the state home */
	struct cell_owner *owner; /* the job's: its cells with CELL_NET_SHARED reach the proxy */
	unsigned require;         /* cell_wall bits */
	struct proxy_rules rules;
};

#define PROXY_PORT 3128 /* at 127.0.0.1 of the job's network */

/* The variables that lead programs to it, NAME=VALUE; ends in NULL. */
extern const char *const proxy_env[];

struct proxy;
int proxy_open(const struct proxy_spec *spec, struct proxy **out, struct err *err);

/* Every connection through it ends. NULL is fine. */
void proxy_close(struct proxy **proxy);

/*
 * Take down what it has decided meanwhile. It waits for that before it serves, so
 * this is due as long as its job runs: when the descriptor is readable, which is -1
 * once the proxy has ended, or a few times a second.
 */
int proxy_fd(const struct proxy *proxy);
void proxy_hear(struct proxy *proxy);

/*
 * What it decided, by kind, in the order of their first time. Where there are more
 * kinds than rows, those that were allowed are told first.
 */
struct proxy_decision {
	char endpoint[264]; /* "packages.example.com:443"; "" when the request named none */
	char why[160];      /* it was refused; "" when it was allowed */
	uint64_t count;
};
#define PROXY_DECISIONS 64
struct proxy_decisions {
	struct proxy_decision rows[PROXY_DECISIONS];
	size_t count;
	uint64_t others; /* decisions of kinds for which there was no row left */
};
/* Since the last time. */
void proxy_take(struct proxy *proxy, struct proxy_decisions *out);

/* ---- from one loopback to another ---- */

/*
 * Who connects to `listener`, wherever that listens, is connected to a port of
 * 127.0.0.1 in the network that the cells of `owner` share, and to nothing else.
 */
struct forward {
	int listener; /* the caller's, who may close it once the cell has started */
	uint16_t port;
};
struct forward_spec {
	const char *name;
	const char *state;
	struct cell_owner *owner;
	unsigned require;
	const struct forward *list;
	size_t count; /* FORWARDS_MAX at most */
};
#define FORWARDS_MAX 1024

/*
 * A cell in that network does it, until it is released: one process, which takes
 * FORWARD_CLIENTS connections at a time; more wait. A connection ends when both its
 * ends have; one to a port where nobody listens is reset.
 */
#define FORWARD_CLIENTS 256
struct cell;
int forward_start(const struct forward_spec *spec, struct cell **out, struct err *err);
