/*
 * disk: how much a cell has written, and when to look.
 *
 * No quota serves both root and an ordinary user on every file system, so what
 * a cell has taken is counted (count.h): once a second at most, and in no more
 * than a twentieth of the time. Between the counts the file system is asked how
 * much of it is free, which costs a microsecond: when what has gone could be
 * the rest of what the cell may take, it is counted at once. RLIMIT_FSIZE stops
 * a single file; this stops many.
 *
 * What cannot be counted shows in that number alone. It is held against a cell
 * only when that has places where files can hide, and uses them.
 */
#pragma once

#include "count.h"

struct disk_free {
	uint64_t bytes, inodes;
};

struct disk {
	struct count_order order;
	struct counter counter;
	struct disk_free start, last; /* of the file system: at the start, at the last count */
	struct count_use use;         /* as last counted */
	unsigned hiding;              /* counts in a row that found hidden places */
	uint64_t next, took;          /* when to count whatever happens; how long it took */
	uint64_t seen;                /* when the last count began, or the cell */
};

#define DISK_NONE ((struct disk){.order.ns = COUNT_NO_NS, .counter = COUNTER_NONE})

/* Remember the uppers of a spec; nothing to do when it limits neither bytes nor inodes. */
int disk_begin(struct disk *d, const struct cell_spec *spec, struct err *err);
bool disk_is_limited(const struct disk *d);

/* Start a count if one is due: `d->counter.result` becomes readable. */
int disk_count(struct disk *d, uint64_t now, struct err *err);

/* How long until disk_count() is to be called again, in milliseconds. */
uint64_t disk_patience(const struct disk *d);

/* Take a count's result; true when it is over the limit. */
bool disk_is_over(struct disk *d, uint64_t now);

/* One more, now, when everybody is dead; true when it is over the limit. */
bool disk_last_count(struct disk *d);

/*
 * At the end: is a last count worth its time? When as much can have been written since the last
 * one as is left of the limit, or when so much of the file system has gone.
 */
bool disk_is_suspicious(const struct disk *d, uint64_t now);

void disk_end(struct disk *d);
