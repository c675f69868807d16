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

decode_fn decode_digest; /* struct digest */

const char *time_text(struct arena *a, time_t when); /* RFC 3339 */
