/* compose: what an image's manifest says about a new layer. Private. */
#pragma once

#include "image/manifest.h"
#include "image/recipe.h"
#include "image/tree.h"

/* Fill `out` (but for its name): the staged tree on top of `base`, when there are layers in that. */
int compose(struct arena *a, const struct staging *staging, const struct tree *tree,
	    const struct recipe *recipe, const struct manifest *base, struct manifest *out,
	    struct err *err);

/* The Pythons in a root, added to those that `m` has; `layers` as in the manifest. */
int find_toolchains(struct arena *a, int root, uint64_t layers, struct manifest *m,
		    struct err *err);
