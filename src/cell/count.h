/*
 * count: a process of our own that looks what a cell has taken.
 *
 * It is born for one look and ends with it: a walk may take a second, and
 * stepcell has other things to do. An ordinary user's joins the cell's user
 * namespace, which is his: there he may look behind every door.
 *
 * Three things are counted: what lies in the uppers; regular files without a
 * name that the cell's processes hold open or mapped; and, where no cgroup
 * counts it, memory.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "stepcell/cell.h"

/* The namespaces to look from, or -1: not needed, or not to be had. */
struct count_ns {
	int user, mount, net, ipc;
	int above; /* the user namespace of a network that the cell shares, where that is not ours */
};
#define COUNT_NO_NS ((struct count_ns){-1, -1, -1, -1, -1})

/*
 * Of a process that waits to become a cell: later it is closed to an ordinary
 * user. `all` also takes what counting memory needs.
 */
int count_ns_open(pid_t pid, bool as_user, bool all, struct count_ns *out, struct err *err);
void count_ns_close(struct count_ns *ns);

/* A file that is not the cell's though its processes hold it: the caller's own. */
struct count_file {
	dev_t dev;
	ino_t ino;
};

struct count_order {
	char **uppers;
	size_t upper_count;
	struct count_file *given;
	size_t given_count;
	uint64_t max_bytes, max_inodes; /* enough is known above these; 0: none */
	struct count_ns ns;             /* the cell's, and open for longer than any count */
	bool memory;                    /* count memory, and no files */
	bool urgent;                    /* not in the spare time of others */
};

struct count_use {
	uint64_t bytes, inodes;
	uint64_t too_deep; /* a tree could not be followed to its end */
	/*
	 * Places that can hold files and cannot be looked into: descriptors on
	 * their way through sockets, mappings of files that nobody has open.
	 */
	uint64_t hidden;
	uint64_t late;   /* what processes hold was more than there was time to look at */
	uint64_t memory; /* bytes */
};

/* Is that more than was allowed? */
bool count_is_over(const struct count_order *order, const struct count_use *use);

/* One that is under way; `result` becomes readable. Else both are -1. */
struct counter {
	int result, pidfd;
	uint64_t begun;
};
#define COUNTER_NONE ((struct counter){-1, -1, 0})

int counter_start(struct counter *c, const struct count_order *order, uint64_t now,
		  struct err *err);

/* Wait for what it has to say; false when it came to no end. */
bool counter_take(struct counter *c, struct count_use *out);

void counter_stop(struct counter *c);

/* ---- the parts, in the counter itself ---- */

void count_uppers(const struct count_order *order, const int *dirs, struct count_use *use);
void count_held(const struct count_order *order, struct count_use *use);

/* Bytes in the queues of this network namespace's sockets. */
uint64_t count_sockets(void);
/* The module of the kernel without which count_sockets() misses some; NULL: it misses none. */
const char *count_sockets_lacks(void);
