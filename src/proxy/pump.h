/* pump: bytes between two sockets, two directions with one buffer each. Private. */
#pragma once

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PUMP_BUFFER (64 * 1024)
#define PUMP_ALL    UINT64_MAX

struct way {
	int from, to;
	size_t start, end; /* what is in it */
	uint64_t left;     /* that may still be taken */
	bool held;         /* taken, and not passed on yet */
	bool ended;        /* there is no more to take */
	bool shut;         /* and `to` knows */
	char bytes[PUMP_BUFFER];
};

struct pump {
	struct way up, down; /* from the client to the server, and back */
};

/* `more` bytes at most go up. The buffers' pages are not touched. */
void pump_init(struct pump *p, int client, int server, uint64_t more);

/* For poll(): the client's, then the server's. */
void pump_wants(const struct pump *p, struct pollfd fds[2]);

/* Move what there is, without waiting; false when one of them takes no more. */
bool pump_move(struct pump *p, const struct pollfd fds[2]);

/* A client that has gone away must not keep a server busy, though nothing is wanted of it. */
bool pump_is_left(const struct pump *p, const struct pollfd fds[2]);

/* Where a body ends the connection goes on; only the end of all is passed on. */
void pump_pass_end(struct way *w);
