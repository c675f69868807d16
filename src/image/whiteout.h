/* whiteout: what a layer takes away from the layers below it. Private. */
#pragma once

#include <stdbool.h>

#include "image/writer.h"
#include "stepcell/err.h"

/*
 * A layer hides what lies below it, never what it brings itself, wherever in its
 * tar the whiteout stands. So what the layer has written is noted, as names in
 * directories (by inode: links make several paths lead to one).
 */
struct written {
	struct written_name **slots; /* open addressing */
	size_t capacity, count;
};

void written_add(struct written *set, ino_t dir, const char *name);
bool written_has(const struct written *set, ino_t dir, const char *name);
void written_clear(struct written *set);

enum whiteout {
	WHITEOUT_NONE,   /* an entry like any other */
	WHITEOUT_NAME,   /* hides what `*hidden` names */
	WHITEOUT_OPAQUE, /* hides everything in its directory */
	WHITEOUT_AUX,    /* of a file system's own housekeeping: no file of the image */
};

/* What a path (without empty parts) means in a layer. Names that cannot be are an error. */
int whiteout_of(const char *path, enum whiteout *out, const char **hidden, struct err *err);

/* Remove what lower layers have of `name` in `dir`; absent is fine. */
int whiteout_apply(const struct written *set, int dir, const char *name, struct err *err);

/* Of everything in `dir`. */
int whiteout_all(const struct written *set, int dir, struct err *err);
