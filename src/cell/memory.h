/*
 * memory: how much a cell uses, where no cgroup counts it.
 *
 * Init looks five times a second, at a price of microseconds, and counts what
 * processes share with each other for each of them. When that is too much, and
 * once a second in any case, it is counted exactly (count.h), with what is in
 * no process at all: files in memory, queues of sockets and pipes.
 */
#pragma once

#include "count.h"

struct memory {
	struct count_order order;
	struct counter counter;
	uint64_t max; /* 0: not ours to count */
	uint64_t next, took;
};

#define MEMORY_NONE ((struct memory){.order.ns = COUNT_NO_NS, .counter = COUNTER_NONE})

/* Start a count if one is due, or sooner if `hint`; then `m->counter.result` becomes readable. */
int memory_count(struct memory *m, uint64_t now, bool hint, struct err *err);

/* Take a count's result; too much when that was to be disproved, and it came to no end. */
uint64_t memory_take(struct memory *m, uint64_t now);

void memory_end(struct memory *m);
