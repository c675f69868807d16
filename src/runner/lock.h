/* lock: the texts of actions.lock and images.lock. Pure. */
#pragma once

#include "stepcell/image.h"
#include "stepcell/node.h"

/* The map of names, checked; NULL with ERR_USAGE. `name` is for messages. */
const struct node *lock_parse(struct arena *a, const char *name, const char *text, size_t len,
			      struct err *err);

/* The action is the one that the lock means; -1 with what differs. */
int lock_agrees(struct arena *a, const struct node *lock, const struct stored_action *action,
		struct err *err);

/* The same of images.lock: names of images, and their digests. */
const struct node *images_lock_parse(struct arena *a, const char *name, const char *text,
				     size_t len, struct err *err);
int images_lock_agrees(struct arena *a, const struct node *lock, const char *image,
		       const struct digest *digest, struct err *err);
