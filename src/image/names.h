/*
 * names: what images are called here, and what each name means. Private.
 *
 * A name is plain ("python-3.11"), or a reference in its full form
 * ("postgres:15", "registry.example.com/team/db:15"). Two references are two
 * names: a policy lists references, and none may be taken for another. One with
 * a registry is given by a pull or by the operator alone, never by a file.
 */
#pragma once

#include "image/store.h"
#include "stepcell/arena.h"
#include "stepcell/digest.h"
#include "stepcell/image.h"
#include "stepcell/strbuf.h"

/* Can an image of the store be called so? A pull by a digest has it in the name. */
bool image_name_is_valid(const char *name);

/* Does the name speak of a registry, or of a digest? Then no file may claim it. */
bool image_name_is_claim(const char *name);

/* A name that somebody gives an image, in its full form: a digest is not given. ERR_USAGE. */
int image_name_parse(struct arena *a, const char *text, const char **out, struct err *err);

/* What the record of a name holds. */
struct image_name {
	struct digest manifest;
	struct digest inputs; /* of the build: equal inputs need no second build */
	bool built;           /* inputs are known */
	char origin[1024];    /* "build NAME": the words of `stepcell image` that made it; or "" */
};
int image_name_read(struct store *store, const char *name, struct image_name *out, struct err *err);
/* It was pulled into this store: only then is what its manifest says of a registry our own word. */
bool image_name_is_pulled(const struct image_name *name);
/* The operator wants its toolchains on other roots: it was built for that here, or imported so. */
bool image_name_is_toolchain(const struct image_name *name);
#define IMPORT_TOOLCHAINS "import --toolchains"

/*
 * A name that means another image already keeps its meaning: that is the error. A plain one means the
 * latest of its reference where no image is called so.
 */
int image_name_keep(struct store *store, const char *name, const struct strbuf *manifest,
		    struct err *err);

/* A record of the store; one that cannot be read (`broken`) is called as its file. */
struct image_record {
	const char *file; /* in images/ */
	const char *name;
	bool broken;
	struct image_name meaning;
};
/* All of them, by name. */
int image_names(struct store *store, struct arena *a, struct image_record **out, size_t *count,
		struct err *err);

/*
 * Store a manifest, then the name that means it; the caller holds the gate, since before its trees
 * were published. `inputs` of a build, or NULL; `origin` as image_name has it.
 */
int image_publish(struct store *store, const char *name, const struct strbuf *manifest,
		  const struct digest *inputs, const char *origin, struct digest *out,
		  struct err *err);
