/* scan: the canonical list of a tree, of which its digest is the hash. Private. */
#pragma once

#include <stdbool.h>

#include "image/inodes.h"
#include "stepcell/err.h"
#include "stepcell/strbuf.h"

#define SCAN_MANIFEST (UINT64_C(1) << 30)

/*
 * A line an entry, folders before what is in them, names in byte order:
 *
 *	d 755 usr/bin
 *	f 644 1234 SHA256 usr/bin/x
 *	l usr/bin/y TARGET
 *
 * Behind a path stand the extended attributes that are kept, " NAME=VALUE" by
 * name. Space, backslash and everything outside printable ASCII are written as
 * \ooo, and so is a '=' in the name of an attribute.
 * No times, no owners, nothing of the host: whoever makes a tree of the same
 * files gets the same text.
 */
struct scan {
	const struct inodes *inodes; /* hashes and times that are known; NULL: read every file */
	struct strbuf *manifest;
	struct strbuf *owners; /* "MODE UID GID PATH" where it was not plain root's; may be NULL */
	struct strbuf *stamps; /* of the entries (stamps.h) */
	/*
	 * Of a tree that may have been changed: what cannot be read, and what no
	 * tree can have (a device, another owner, an attribute that means something
	 * to overlayfs), is listed as "? PATH" instead of being an error.
	 */
	bool doubtful;
	uid_t owner; /* with it */
	uint64_t bytes, entries;
};

/* Also sets the folders' times to what `inodes` has. */
int scan_tree(struct scan *scan, int root, struct err *err);

/* What scan_write() leaves beside the tree. */
enum scan_what { SCAN_LIST, SCAN_LIST_AND_OWNERS };

/* scan_tree() into the files manifest, stamps (and owners) of `dir`; adds to `bytes` and `entries`. */
int scan_write(int dir, int root, const struct inodes *inodes, enum scan_what what, uint64_t *bytes,
	       uint64_t *entries, struct err *err);

/* A path as it stands in the list. */
void scan_escape(struct strbuf *out, const char *text);

/* Back into `out`; -1 with errno where it has no room (ENAMETOOLONG) or `text` is none (EINVAL). */
int scan_unescape(const char *text, char *out, size_t size);
