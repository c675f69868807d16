/*
 * faults: what of a text was refused. A second look passes over it: what comes
 * of a mistake is no mistake of its own.
 */
#pragma once

#include "stepcell/node.h"

struct faults {
	const void **list; /* nodes, and first bytes of expressions */
	size_t count;
};

/* NULL as `f` is fine: nothing is kept. */
void faults_add(struct arena *a, struct faults *f, const void *what);

/* Before the first question. */
void faults_sort(struct faults *f);

/* Was just this refused? NULL as `f`: nothing was. */
bool faults_has(const struct faults *f, const void *what);

/* Or anything in it? `node` may be NULL. Looks at the whole tree: ask once. */
bool faults_within(const struct faults *f, const struct node *node);
