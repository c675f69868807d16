/* artifact: a directory to a deterministic tarball, and back. Runs inside workers: takes
 * descriptors, never paths of the host. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "stepcell/arena.h"
#include "stepcell/digest.h"
#include "stepcell/err.h"

/* What upload-artifact asks for. */
struct artifact_spec {
	const char *const *patterns; /* @actions/glob, relative to the root; ! takes away */
	size_t pattern_count;
	const char
		*workspace; /* the root's path inside the cell, for absolute patterns; NULL: none */
	bool hidden;        /* take files whose name starts with a dot */
	uint64_t mtime;     /* of every entry: SOURCE_DATE_EPOCH */
	bool faithful;      /* names from the root on, files' own times, links wherever they lead */
	uint64_t max_bytes, max_entries; /* 0: no limit */
	int level;                       /* of zstd; 0: default */
};

struct artifact_summary {
	uint64_t files, bytes; /* packed */
	uint64_t skipped;      /* sockets, devices, links that lead out */
	struct digest tar;     /* of the uncompressed tar */
	struct digest blob;    /* of the tar.zst */
};

/*
 * Pack what the patterns match below the directory `root` into `out` as
 * tar.zst: sorted, uid and gid 0, modes 0755 or 0644, mtimes set, links kept
 * as text, nothing outside `root` ever opened. The archive's root is the
 * least common folder of the patterns, as upload-artifact does it.
 * No match is success with files == 0.
 */
int artifact_pack(int root, const struct artifact_spec *spec, int out,
		  struct artifact_summary *summary, struct err *err);

/*
 * Unpack a tarball into the directory `root`, never outside, never through a
 * link. What artifact_pack() would not have made (a name twice, a device, a
 * link that leads out) is an error, and what was unpacked by then stays.
 */
struct artifact_unpack_limits {
	uint64_t max_bytes, max_entries; /* 0: no limit */
	bool any_link; /* of what was packed faithfully: links may lead out, and are never passed */
};
int artifact_unpack(int in, int root, const struct artifact_unpack_limits *limits,
		    struct artifact_summary *summary, struct err *err);

/*
 * Before packing or unpacking inside a root that somebody else made, and outside
 * of it: what the C library looks up in files once is looked up in ours. Its
 * table of character sets names libraries to load.
 */
void artifact_settle(void);

/* Is this a name that GitHub would take? -1 with the character that it would not. */
int artifact_check_name(const char *name, struct err *err);

/* ---- @actions/glob, also for hashFiles ---- */

struct glob;
/* Patterns relative to the root, or absolute below `workspace` (its path inside the cell). */
struct glob *glob_parse(struct arena *a, const char *workspace, const char *const *patterns,
			size_t count, struct err *err);

/* Called for each match in glob order; `rel` is relative to the root. Non-zero stops and is
 * returned. */
typedef int glob_fn(void *arg, const char *rel, bool is_dir);
int glob_walk(const struct glob *g, int root, bool hidden, glob_fn *fn, void *arg, struct err *err);

/* sha256 over the files' raw sha256, as hashFiles() gives it; "" when nothing matches. */
int glob_hash(const struct glob *g, int root, char out[DIGEST_HEX + 1], struct err *err);
