/*
 * disk: how much a cell has written.
 *
 * No quota serves both root and an ordinary user on every file system, so the
 * uppers are counted: by a process of our own, once a second at most, and never
 * more than a twentieth of the time. RLIMIT_FSIZE stops a single file; this
 * stops many.
 */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "stepcell/cell.h"

struct disk {
	char **uppers;
	size_t count;
	uint64_t max_bytes, max_inodes; /* 0: no limit */
	int userns; /* the cell's, where an ordinary user must be somebody to see all; else -1 */
	uint64_t free_at_start;
	int result, pidfd; /* of a count that is under way, else -1 */
	uint64_t begun, next;
};

struct disk_use {
	uint64_t bytes, inodes;
	uint64_t too_deep; /* could not be followed to its end */
};

/* Remember the uppers of a spec; nothing to do when it limits neither bytes nor inodes. */
int disk_begin(struct disk *d, const struct cell_spec *spec, struct err *err);
bool disk_is_limited(const struct disk *d);

/* Start a count if one is due: `d->result` becomes readable. */
int disk_count(struct disk *d, uint64_t now, struct err *err);

/* Take a count's result; true when it is over the limit. */
bool disk_is_over(struct disk *d, uint64_t now);

/* At the end: has so much of the file system gone that a last count is worth its time? */
bool disk_is_suspicious(const struct disk *d);

void disk_end(struct disk *d);
