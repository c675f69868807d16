/* inventory: every image of the store with what it refers to, for who decides what may go. Private. */
#pragma once

#include <time.h>

#include "image/manifest.h"
#include "image/names.h"
#include "image/store.h"

struct kept_image {
	struct digest digest;
	struct digest *refers; /* every digest in its manifest: its trees, and blobs */
	size_t refer_count;
	struct manifest_layer *trees;
	size_t tree_count;
	struct image_record *names; /* that mean it */
	size_t name_count;
	time_t used;     /* or made, or given a name: whatever was last */
	const char *why; /* it goes; NULL: it stays */
	bool busy;       /* it would have gone, and is in use */
	int lock;
};

struct inventory {
	struct store *store;
	struct arena *arena;
	struct kept_image *images;
	size_t count;
	struct image_record *lost; /* names without a manifest that can be read */
	size_t lost_count;
};

/* The caller holds the gate alone. */
int inventory_take(struct inventory *inv, struct err *err);
void inventory_release(struct inventory *inv);

/* Is it the name of a blob or a tree, and does an image that stays refer to it? */
bool inventory_refers(const struct inventory *inv, const char *hex);

/* Of the files of all trees that stay, each once. */
uint64_t inventory_bytes(const struct inventory *inv);
