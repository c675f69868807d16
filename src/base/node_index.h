/* node_index: where a key is in a map that is too large to look through. */
#pragma once

#include <stdint.h>

#include "stepcell/node.h"

/* A map with fewer pairs has no index: looking at each first letter is quicker. */
#define INDEX_FROM 16

/*
 * Two tables of open addressing, at most half full: keys as they are, and keys
 * without their case, of which the first alone is kept. So keys that differ in
 * nothing but case are no way to make a chain.
 */
struct node_index {
	struct index_table {
		uint32_t *slots; /* the place of a pair and one; 0: free */
		size_t size;     /* a power of two */
		size_t used;
	} exact, nocase;
	uint64_t point, mask; /* of the hash: nobody outside can know them */
};

/* After a pair was put behind the others: what is found by it. Nothing in a small map. */
void node_index_add(struct arena *a, struct node *map);

/* The first pair with this key, or NULL; the map has an index. */
const struct node_pair *node_index_find(const struct node *map, const char *key, bool nocase);
