/* lookup: the files by which the caller finds hosts by name. Private. */
#pragma once

#include <limits.h>
#include <stddef.h>

#include "stepcell/cell.h"

#define LOOKUP_FILES 4
#define LOOKUP_ROOT  2 /* the first ones: what an image has of the others suits its own libc */

/* Those that can be read, each bound from where links of that name lead. */
struct lookup {
	struct cell_bind binds[LOOKUP_FILES];
	size_t count;
	char paths[LOOKUP_FILES][PATH_MAX];
};

void lookup_find(struct lookup *out, size_t files);
