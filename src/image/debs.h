/* debs: Debian's packages on top of a root that has a dpkg, for recipes of kind `layer`. Private. */
#pragma once

#include "image/build.h"
#include "stepcell/cell.h"

/*
 * Put the recipe's packages, and what they need, on top of the base. apt fetches
 * them in a cell of the host's programs with the caller's network and the base's
 * list of packages, and takes those alone that the signed index of the base's
 * suite has a hash of; the base's own dpkg installs them in a cell without a
 * network. `owner` and `state` are of both cells. `*out` is the layer that came of
 * it, below `staging`. What they say goes to `log`.
 */
int debs_install(const struct staging *staging, struct arena *a, const struct recipe *recipe,
		 const struct image *base, struct cell_owner *owner, const char *state, int log,
		 const char **out, struct err *err);
