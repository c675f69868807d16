/* newmount: the mount calls that work on descriptors, with their errors explained. */
#pragma once

#include <stdint.h>

#include "stepcell/err.h"

struct fs_option {
	const char *key, *value; /* value NULL: a flag */
};

/* A file system's context; -1 with the reason. */
int fs_open(const char *type, struct err *err);
int fs_set(int context, const char *key, const char *value, struct err *err);

/* Create it and mount it, detached, with MOUNT_ATTR_* bits. The kernel's own words are in `err`. */
int fs_mount(int context, uint64_t attr, struct err *err);

/* Nobody writes to it any more: not through any mount of it, and whoever may not set it up. */
int fs_freeze(int context, struct err *err);

/* The first three in one, for what needs no more. */
int fs_make(const char *type, const struct fs_option *options, uint64_t attr, struct err *err);

/* A detached copy of what is mounted at `path` (below `dir`), all that lies below it included. */
int tree_clone(int dir, const char *path, struct err *err);

/* Set MOUNT_ATTR_* bits on a whole tree. */
int tree_restrict(int tree, uint64_t attr, struct err *err);

/* Show the owners of a tree as the user namespace maps them. */
int tree_idmap(int tree, int userns, struct err *err);
