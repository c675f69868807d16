/* writer: the entries of an archive as files below one directory. Private. */
#pragma once

#include <stdbool.h>

#include "image/attributes.h"
#include "image/inodes.h"
#include "stepcell/err.h"

#define WRITER_DEPTH 256 /* directories in each other; the deepest in a Debian tree is 14 */

/* Holes of all sparse files: they cost an archive nothing, and whoever hashes them a second a GiB. */
#define WRITER_HOLES (UINT64_C(1) << 30)

enum entry_kind { ENTRY_FILE, ENTRY_FOLDER, ENTRY_LINK, ENTRY_HARDLINK, ENTRY_OTHER };

struct entry {
	enum entry_kind kind;
	const char *path;
	const char *target; /* of both kinds of links */
	uint64_t size;
	mode_t mode;
	uint32_t uid, gid;
	struct timespec mtime;
	const struct attribute *attributes; /* all that the archive has of it */
	size_t attribute_count;
};

/* Blocks of a file in ascending order: 1 with a block, 0 at the end, -1 with `err` set. */
typedef int block_fn(void *arg, const void **bytes, size_t *len, uint64_t *offset, struct err *err);

struct written;

struct writer {
	int root;
	struct inodes inodes;
	uint64_t bytes, entries, holes;
	uint64_t max_bytes, max_entries; /* as writer_init() sets them: an image's */
	bool plain;                      /* modes as git keeps them: 644 and 755 */
	uint64_t skipped;                /* devices, FIFOs, sockets */
	mode_t umask; /* of who unpacks: what it takes from a mode is given back */
	int parent;   /* the folder of the last entry, and its path */
	char *parent_path;
	bool layers;             /* names may be whiteouts */
	struct written *written; /* of the layer that is applied; NULL: nothing lies below it */
};

void writer_init(struct writer *w, int root);
void writer_release(struct writer *w);

/* Make one entry, replacing what is there as layers do. */
int writer_add(struct writer *w, const struct entry *entry, block_fn *blocks, void *arg,
	       struct err *err);

/* What is kept of a mode: no set-id bits, and the owner may read (and enter) everything. */
mode_t writer_mode(enum entry_kind kind, mode_t mode);
