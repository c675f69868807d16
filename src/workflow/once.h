/*
 * once: what has been looked at in one place. Aliases put a node in many, and most
 * differ in nothing that matters.
 */
#pragma once

#include <stdbool.h>

#include "stepcell/arena.h"

struct once_key {
	const void *node;
	const void *job, *step; /* whose values it sees, where that matters */
	size_t where;           /* what else does */
};

struct once {
	struct once_key *slots; /* of open addressing, at most half of them full */
	size_t size, used;
};

/* Is this the first time? */
bool once_first(struct arena *a, struct once *once, struct once_key key);
