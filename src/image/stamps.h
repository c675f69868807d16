/* stamps: sizes and times of a tree as they were when it was published. Private. */
#pragma once

#include <stdbool.h>
#include <sys/stat.h>

#include "stepcell/digest.h"
#include "stepcell/err.h"
#include "stepcell/strbuf.h"

/*
 * A line an entry, under a first line with the tree's name:
 *
 *	INODE SIZE MTIME CTIME PATH
 *
 * with paths from the tree's own folder on, as its list writes them: the list,
 * the owners and the root first, because they are looked at every time. Nobody
 * but root with a disk editor sets a ctime: what has its stamp was not written
 * to, and what has not may still be what it was (a store that was copied).
 */
#define STAMPS_FILE "stamps"

/* `path` is written as it is: escaped already. */
void stamp_add(struct strbuf *out, const struct stat *st, const char *path);

/* The stamps of `tree` into `to`: `entries` are those of what lies in its root. */
int stamps_write(int to, int tree, const struct digest *name, const struct strbuf *entries,
		 struct err *err);

#define STAMPS_ALL    0
#define STAMPS_SAMPLE 8

/*
 * Does the tree look as it did? A sample is that many pieces of the file, some
 * forty entries each, others every time. False with what differs first in `what`.
 */
bool stamps_hold(int tree, const struct digest *name, unsigned pieces, struct strbuf *what);
