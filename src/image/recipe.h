/* recipe: rootfs/NAME.yml, decoded. Private. */
#pragma once

#include "stepcell/arena.h"
#include "stepcell/decode.h"
#include "stepcell/err.h"

enum recipe_kind { RECIPE_DEBIAN, RECIPE_PREFIX, RECIPE_LAYER, RECIPE_OCI };
enum recipe_network { RECIPE_NET_NONE, RECIPE_NET_FULL };

/* A file beside the recipe, and where it goes. */
struct recipe_file {
	const char *from, *to;
	bool executable;
};

struct recipe {
	const char *name;
	const char *folder; /* where it lies, and its scripts */
	const char *text;
	int kind;
	const struct node *env; /* a map; of a prefix: on top of the base's */

	/* debian and layer */
	struct texts packages;
	const char *mirror;   /* NULL: the host's own sources */
	const char *snapshot; /* the day of the archive: 20250520T000000Z; NULL: as it is now */

	/* debian */
	const char *like; /* another recipe, of which this is all and more packages; or NULL */
	const char *suite;
	struct texts without; /* paths that dpkg leaves out */
	struct texts scripts; /* Python, run in the new root, in order */

	/* prefix and layer */
	const char *base; /* the recipe, else the image of the store, whose tree lies below */

	/* prefix */
	const char *python;   /* "3.10" */
	struct texts sources; /* where to look on the host; ~ and globs */

	/* layer */
	struct recipe_file *files;
	size_t file_count;
	struct texts commands; /* of a shell, in order */
	int network;           /* what they ask for */

	/* oci */
	const char *ref;      /* HOST/NAME[:TAG]@sha256:DIGEST */
	const char *platform; /* "linux/arm64"; NULL: this machine's */
};

/* `ref` is the name of a recipe in DATA/rootfs, or a path when it has a '/'. */
int recipe_load(struct arena *a, const char *data, const char *ref, struct recipe *out,
		struct err *err);

/* As recipe_load(), of a text. */
int recipe_parse(struct arena *a, const char *file, const char *text, size_t len,
		 struct recipe *out, struct err *err);
