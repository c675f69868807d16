/* downloads: the folder of the store in which pulls meet. Private. */
#pragma once

#include <limits.h>
#include <stdint.h>
#include <time.h>

#include "image/store.h"

/* downloads/HEX is whole, downloads/partial/HEX the start of something. */
struct downloads {
	char path[PATH_MAX];
	int dir; /* with a shared lock: what is in it is in use; -1: not open */
};

int downloads_open(struct store *store, struct downloads *out, struct err *err);
void downloads_close(struct downloads *downloads);
#define auto_downloads __attribute__((cleanup(downloads_close)))

/* Is there room for so many bytes? */
int downloads_check_space(const struct downloads *downloads, uint64_t bytes, struct err *err);

/*
 * Remove what is whole, and starts that nobody has touched since `before`; nothing
 * while other pulls are at work. How many bytes went, or with `dry_run` would go.
 */
uint64_t downloads_clean(struct downloads *downloads, time_t before, bool dry_run);
