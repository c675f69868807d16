/* lock: the texts of actions.lock and images.lock. Pure. */
#pragma once

#include "stepcell/image.h"
#include "stepcell/node.h"

/* The map of names, checked; NULL with ERR_USAGE. `name` is for messages. */
typedef const struct node *lock_parse_fn(struct arena *a, const char *name, const char *text,
					 size_t len, struct err *err);
lock_parse_fn lock_parse;

/* The action is the one that the lock means; -1 with what differs. */
int lock_agrees(struct arena *a, const struct node *lock, const struct stored_action *action,
		struct err *err);

/* The same of images.lock: names of images, and their digests. */
lock_parse_fn images_lock_parse;
int images_lock_agrees(struct arena *a, const struct node *lock, const char *image,
		       const struct digest *digest, struct err *err);
