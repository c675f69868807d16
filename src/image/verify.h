/* verify: is a tree of the store what its name says? Private. */
#pragma once

#include "image/stamps.h"
#include "image/store.h"
#include "stepcell/image.h"

/*
 * Read every file of a tree, in a worker. When it is whole it gets new stamps;
 * when it is not it is set aside, and `out` says where and what differs.
 */
int tree_verify(struct store *store, struct arena *a, const struct digest *tree,
		struct image_finding *out, struct err *err);

/*
 * Is the tree as it was published, as far as a look at `pieces` of its stamps says? Where it does not
 * look so, all of it is read. -1 when it was changed (and is set aside now).
 */
int tree_check(struct store *store, const struct digest *tree, unsigned pieces, struct err *err);

/* The same of an action's tree: every entry is looked at. */
int action_tree_check(struct store *store, const struct digest *tree, struct err *err);

/* Every entry of every layer looks as it did, or has been read. One that was changed is set aside. */
bool image_whole(struct store *store, const struct image *image);

/* Before a good tree of that name is published: one that was changed is set aside. */
void tree_heal(struct store *store, const struct digest *tree);

/* Put "; `stepcell image build NAME` brings it back" behind an error, by what names mean the image. */
void add_remedy(struct store *store, const struct digest *image, struct err *err);
