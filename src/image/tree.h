/* tree: an archive to a published tree of the store. Private. */
#pragma once

#include <stdint.h>

#include "image/codec.h"
#include "image/scan.h"
#include "image/store.h"
#include "image/worker.h"
#include "image/writer.h"

struct tree {
	struct digest digest;
	uint64_t bytes, entries;
	uint64_t skipped; /* devices, FIFOs and sockets that were left out */
};

/* A tree that a worker makes: root/ of its directory, and its list beside that. */
struct filling {
	const int *from;
	int dir, root;
	struct writer writer; /* into the root */
	struct unpack_result *result;
};
typedef int fill_fn(const void *arg, struct filling *f, struct err *err);

/* In a worker, as an unpack_fn does it: make the root, and let `fill` write it, and list it. */
int tree_fill(fill_fn *fill, const void *arg, const int *from, int dir, struct unpack_result *out,
	      struct err *err);
int filling_list(struct filling *f, enum scan_what what, struct err *err);

/* Outside: have a worker make the folder tree/ of a staging folder. */
int tree_stage(struct staging *staging, const struct unpack_work *work, struct unpack_result *out,
	       struct err *err);
/* What it made, by the hash of its list. */
int tree_staged(const struct staging *staging, const struct unpack_result *result, struct tree *out,
		struct err *err);

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
