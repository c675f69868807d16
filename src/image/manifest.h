/* manifest: what an image is, as JSON text whose hash is the image's digest. Private. */
#pragma once

#include <time.h>

#include "stepcell/arena.h"
#include "stepcell/decode.h"
#include "stepcell/digest.h"
#include "stepcell/image.h"
#include "stepcell/node.h"
#include "stepcell/strbuf.h"

#define MANIFEST_LAYERS 16
#define MANIFEST_BYTES  (UINT64_C(2) << 20)

struct manifest_layer {
	struct digest tree;
	uint64_t bytes; /* of its regular files */
	uint64_t entries;
};

struct manifest_toolchain {
	const char *version, *path;
	uint64_t
		layers; /* how many layers, from the top, make it work on another root; 0: none do */
};

struct manifest {
	const char *name;
	struct manifest_layer *layers; /* top first */
	size_t layer_count;
	const struct node *env;
	const struct node *config; /* of an OCI image, as image.h has it; NULL */
	const char *origin;        /* what it was pulled or imported as; NULL */
	struct digest source; /* of the OCI manifest that it was made from; "" of other images */
	struct manifest_toolchain *toolchains;
	size_t toolchain_count;
};

int manifest_decode(struct arena *a, const char *text, size_t len, struct manifest *out,
		    struct err *err);
/* An image by its manifest; the manifest itself too. */
int image_load(struct store *store, struct arena *a, const struct digest *digest,
	       struct manifest *manifest, struct image *out, struct err *err);

void manifest_encode(struct arena *a, const struct manifest *manifest, struct strbuf *out);

/* What images/NAME holds. */
struct image_name {
	struct digest manifest;
	struct digest inputs; /* of the build: equal inputs need no second build */
	bool built;           /* inputs are known */
	char origin[1024];    /* "build NAME": the words of `stepcell image` that made it; or "" */
};
/* The origin as text; one that is too long is none. */
void image_name_origin(struct image_name *name, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
int image_name_read(struct store *store, const char *name, struct image_name *out, struct err *err);
/* It was pulled into this store: only then is what its manifest says of a registry our own word. */
bool image_name_is_pulled(const struct image_name *name);
int image_name_write(struct store *store, const char *name, const struct image_name *value,
		     struct err *err);

/* A name that means another image already keeps its meaning: that is the error. */
int image_name_keep(struct store *store, const char *name, const struct strbuf *manifest,
		    struct err *err);

/*
 * Store a manifest, then the name that means it; the caller holds the gate, since before its trees
 * were published. `inputs` of a build, or NULL; `origin` as image_name has it.
 */
int image_publish(struct store *store, const char *name, const struct strbuf *manifest,
		  const struct digest *inputs, const char *origin, struct digest *out,
		  struct err *err);

decode_fn decode_digest; /* struct digest */

const char *time_text(struct arena *a, time_t when); /* RFC 3339 */
