/* lookup: /etc/resolv.conf and its like, for who has the caller's network. */
#include "lookup.h"

#include <stdlib.h>
#include <unistd.h>

#include "stepcell/util.h"

static const char *const names[] = {"/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf",
				    "/etc/gai.conf"};
static_assert(COUNT(names) == LOOKUP_FILES, "LOOKUP_FILES counts them");

void lookup_find(struct lookup *out, size_t files)
{
	out->count = 0;
	for (size_t i = 0; i < files; i++) {
		char *path = out->paths[out->count];

		if (realpath(names[i], path) && access(path, R_OK) == 0)
			out->binds[out->count++] = (struct cell_bind){.from = path, .at = names[i]};
	}
}
