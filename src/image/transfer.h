/* transfer: an exported image on its way into a store. Private. */
#pragma once

#include "image/inodes.h"
#include "image/store.h"
#include "image/worker.h"
#include "stepcell/image.h"

/* In the worker: list the trees of what was unpacked to `root`; its own lists are somebody's claims. */
int export_list(int root, const struct inodes *inodes, struct unpack_result *out, struct err *err);

/*
 * Outside: publish the trees that hash to their names, then the image, under a name that `options`
 * may say; `listed` is what the trees hold.
 */
int export_publish(struct store *store, int dir, const struct unpack_result *listed,
		   const struct import_options *options, const char *again, struct digest *out,
		   struct err *err);
