/* oci: the documents of the OCI image specification, and their Docker twins. Private. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "image/codec.h"
#include "image/sources.h"
#include "image/tree.h"
#include "stepcell/arena.h"
#include "stepcell/digest.h"
#include "stepcell/err.h"
#include "stepcell/image.h"
#include "stepcell/node.h"

#define OCI_INDEX_TYPE       "application/vnd.oci.image.index.v1+json"
#define OCI_MANIFEST_TYPE    "application/vnd.oci.image.manifest.v1+json"
#define OCI_CONFIG_TYPE      "application/vnd.oci.image.config.v1+json"
#define DOCKER_LIST_TYPE     "application/vnd.docker.distribution.manifest.list.v2+json"
#define DOCKER_MANIFEST_TYPE "application/vnd.docker.distribution.manifest.v2+json"
#define DOCKER_CONFIG_TYPE   "application/vnd.docker.container.image.v1+json"

struct oci_descriptor {
	const char *media_type;
	struct digest digest; /* sha256 alone; anything else is refused */
	uint64_t size;
	const char *os, *architecture,
		*variant; /* of an index's entry; NULL where it says nothing */
	const char *ref;  /* what a layout's index calls it, or NULL */
};

enum oci_kind { OCI_INDEX, OCI_MANIFEST };

struct oci_document {
	enum oci_kind kind;
	const char *media_type;
	struct oci_descriptor config;   /* of a manifest */
	struct oci_descriptor *entries; /* of an index: manifests; of a manifest: layers, lowest
					   first */
	size_t count;
};

/*
 * `media_type` is what the transport or the descriptor said, without parameters;
 * NULL: nothing was said. A document that says otherwise of itself is refused,
 * and so is one that could be read as both kinds (CVE-2021-41190).
 */
int oci_decode(struct arena *a, const char *media_type, const char *text, size_t len,
	       struct oci_document *out, struct err *err);

/* The entry for a platform, "linux/arm64/v8"; NULL: this machine's. ERR_SYSTEM lists what there is. */
int oci_pick(const struct oci_document *index, const char *platform,
	     const struct oci_descriptor **out, struct err *err);

/* What an image says about itself. */
struct oci_config {
	const char *os, *architecture, *variant;
	struct digest *diff_ids; /* of the layers' tars, lowest first */
	size_t diff_count;
	const struct node *run; /* checked: Entrypoint, Cmd, Env, ...; as manifest.h keeps it */
	const struct node *env; /* its Env as a map */
};
int oci_decode_config(struct arena *a, const char *text, size_t len, struct oci_config *out,
		      struct err *err);

/* Does the image run on a platform (NULL: this machine's)? ERR_SYSTEM says what it runs on. */
int oci_check_platform(const struct oci_config *config, const char *platform, struct err *err);

/* How the media type of a layer says that it is compressed; other types are no layers. */
int oci_compression(const char *media_type, enum compression *out, struct err *err);

struct oci_options {
	const char *name;     /* in the store */
	const char *origin;   /* what it was pulled or imported as, for the record */
	const char *again;    /* the words of `stepcell image` that bring it once more; NULL */
	const char *platform; /* NULL: this machine's */
	bool replace;         /* the name may mean another image until now */
	FILE *progress;       /* gets lines of talk; NULL: none */
};

/*
 * An image of the store from documents and layers that lie in `blobs` (a
 * directory descriptor), each by its hex digest. Each is verified (size, then
 * digest, then of a layer what it unpacks to) before it is believed. Layers are
 * flattened to one tree, in a worker.
 */
int oci_assemble(struct store *store, int blobs, const struct oci_descriptor *top,
		 const struct oci_options *options, struct digest *out, struct err *err);

/* An image whose documents have been read: its layers lie open. */
struct oci_source {
	struct oci_config config;
	struct digest digest;      /* of the manifest; where there is none, of the config */
	struct documents from;     /* down to the manifest; none where there is none */
	struct tree_layer *layers; /* lowest first, as many as the config has hashes */
	size_t count;
};
void oci_source_release(struct oci_source *source); /* closes the layers */

/* The last of oci_assemble(): what the layers unpack to is checked, and becomes an image. */
int oci_make(struct store *store, struct arena *a, const struct oci_source *source,
	     const struct oci_options *options, struct digest *out, struct err *err);
