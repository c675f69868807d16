/* glob: patterns as @actions/glob reads them, one path at a time. Private. */
#pragma once

#include "stepcell/artifact.h"

/* What a path is to a glob. */
enum glob_kind { GLOB_NONE = 0, GLOB_DIR = 1, GLOB_FILE = 2, GLOB_ALL = GLOB_DIR | GLOB_FILE };

struct glob_pattern {
	bool negate;
	bool implicit; /* what lies below a path that was written: the path and a globstar */
	bool dir_only; /* written with a slash at its end */
	const char **segments;
	size_t count;
};

struct glob {
	struct glob_pattern *patterns; /* in order, each followed by its implicit one */
	size_t count;
	const char *
		*searches; /* where to begin: the leading literal folders, none inside another */
	size_t search_count;
};

/* `path` is relative to the root, "" being the root itself. */
enum glob_kind glob_match(const struct glob *g, const char *path);

/* Might something below `path` match? */
bool glob_leads_on(const struct glob *g, const char *path);

/* One name against one segment of a pattern; linear in both. */
bool segment_match(const char *segment, const char *name);

/* The name that a segment stands for when nothing in it is a wildcard, else NULL. */
const char *segment_literal(struct arena *a, const char *segment);

/*
 * The folder that names inside an artifact are relative to, as upload-artifact
 * chooses it: `only` is the one file that matched, or NULL.
 */
const char *glob_base(struct arena *a, const struct glob *g, const char *only);
