/* ontop: files and commands on top of another image, as a tar of the whole. Private. */
#pragma once

#include "image/build.h"
#include "image/manifest.h"

/* A cell that writes the tar. */
struct ontop {
	struct cell_owner *owner;
	struct cell *cell;
	int out; /* what it writes */
};

/*
 * Put the recipe's files on top of the base, run its commands there in a cell,
 * without a network unless `network`, and begin to write what came of it. What
 * they say goes to `log`.
 */
int ontop_start(const struct staging *staging, struct arena *a, const struct recipe *recipe,
		const struct image *base, bool network, int log, struct ontop *out,
		struct err *err);

/* Wait for the end of the tar; -1 when it is not whole. */
int ontop_end(struct ontop *o, struct err *err);

/* Whatever is left of it. Fine when nothing was started. */
void ontop_release(struct ontop *o);
#define auto_ontop __attribute__((cleanup(ontop_release)))
