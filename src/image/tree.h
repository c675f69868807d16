/* tree: an archive to a published tree of the store. Private. */
#pragma once

#include <stdint.h>

#include "image/codec.h"
#include "image/store.h"

struct tree {
	struct digest digest;
	uint64_t bytes, entries;
	uint64_t skipped; /* devices, FIFOs and sockets that were left out */
};

/* Make root/ in a tree's directory; the caller owns the descriptor. -1 where it cannot be. */
int tree_root_make(int dir, struct err *err);

/*
 * Unpack a tar (plain, gzip or zstd) from `fd` to its end into the staging
 * folder, in a worker. Nothing is published yet.
 */
int tree_unpack(struct staging *staging, int fd, struct tree *out, struct err *err);

/* One layer of an image: a tar, and the hash that it must have. */
struct tree_layer {
	int fd;
	enum compression compression;
	struct digest diff_id;
};

/*
 * As tree_unpack(), of layers one on top of another, lowest first: what one
 * hides of those below it is not there.
 */
int tree_apply(struct staging *staging, const struct tree_layer *layers, size_t count,
	       struct tree *out, struct err *err);

/* Publish what was made. */
int tree_publish(struct staging *staging, const struct tree *tree, struct err *err);
