/* pack: an image to one archive, which import.c reads back. Private. */
#pragma once

#include "image/manifest.h"
#include "image/store.h"

/*
 * The archive, a tar through zstd:
 *
 *	image.json             the manifest, byte for byte
 *	trees/HEX/owners       of each layer
 *	trees/HEX/root/...
 *
 * Lists are left out: whoever imports makes his own, and their hashes must be
 * the names of the trees.
 */
#define PACK_MANIFEST "image.json"

int pack(struct store *store, const struct manifest *m, const struct strbuf *text, int fd,
	 struct err *err);
