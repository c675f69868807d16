/* compose: what an image's manifest says about a new layer. Private. */
#pragma once

#include "image/manifest.h"
#include "image/recipe.h"
#include "image/tree.h"

/* Fill `out` (but for its name): the staged tree on top of `base`, when there are layers in that. */
int compose(struct arena *a, const struct staging *staging, const struct tree *tree,
	    const struct recipe *recipe, const struct manifest *base, struct manifest *out,
	    struct err *err);

/* The base's variables, and the recipe's over them. */
struct node *compose_env(struct arena *a, const struct manifest *base, const struct node *own);

void manifest_add_toolchain(struct arena *a, struct manifest *m, struct manifest_toolchain t);

/* "3.11" of a program's name "python3.11", and NULL of "python3.11-config" and all others. */
const char *python_minor(const char *name);

/* The Pythons of /usr and /usr/local whose versions are not among those that `m` has. */
int find_pythons(struct arena *a, int root, struct manifest *m, struct err *err);

/* The Pythons in a root, added to those that `m` has; `layers` as in the manifest. */
int find_toolchains(struct arena *a, int root, uint64_t layers, struct manifest *m,
		    struct err *err);

/*
 * Publish the staged tree and an image of it alone. `m` has the name and what is
 * known otherwise: its layer, its toolchains and what every environment has are
 * filled in. `again`: the words of `stepcell image` that bring it once more, or NULL.
 */
int image_of_tree(struct arena *a, struct staging *staging, const struct tree *tree,
		  struct manifest *m, const char *again, bool replace, struct digest *out,
		  struct err *err);
