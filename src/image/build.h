/* build: what the kinds of recipes have in common. Private. */
#pragma once

#include "image/recipe.h"
#include "image/store.h"
#include "stepcell/cell.h"
#include "stepcell/image.h"
#include "stepcell/texts.h"

/* A program that writes a tar to its standard output. */
struct build_command {
	const char **argv, **env; /* NULL-ended */
	bool pretend;             /* under ownership.h's filter */
};

/* Wait for a cell's end; -1, with what it was for, when it did not pass. */
int build_wait(struct cell *cell, const char *what, struct err *err);
/* Run a cell to its end. */
int build_run(const struct cell_spec *spec, const char *what, struct err *err);

/* The layers of `m` below others, top first. */
struct cell_layer *build_layers(struct arena *a, const struct image_mount *m,
				const char *const *above, size_t count);

/* Everything a build makes has this time at the latest. */
#define BUILD_EPOCH "1700000000"

/*
 * Where the packages of the recipe's suite come from: paths of the host's own
 * lists, or an address; none where nobody knows.
 */
int debian_sources(struct arena *a, const struct recipe *r, struct texts *out, struct err *err);

/* What apt is told of the caller's environment: how to reach others. */
void debian_proxies(struct arena *a, struct texts *env);

/* mmdebstrap; `staging` is where it may put its work. */
int debian_command(struct arena *a, const struct recipe *r, const struct staging *staging,
		   struct build_command *out, struct err *err);

/* The installation that a prefix recipe means: an absolute path. */
int prefix_find(struct arena *a, const struct recipe *r, const char *given, const char **out,
		struct err *err);
int prefix_command(struct arena *a, const struct recipe *r, const char *source,
		   struct build_command *out, struct err *err);
