/* layout: images in files, as other engines write them. Private. */
#pragma once

#include "image/store.h"
#include "stepcell/err.h"
#include "stepcell/image.h"

/*
 * An OCI image layout below the directory `dir`: index.json, and blobs by their
 * hashes. `options` may say which of several images is meant; `again` is kept
 * with the name.
 */
int layout_import(struct store *store, int dir, const struct import_options *options,
		  const char *again, struct digest *out, struct err *err);

/* What `docker save` writes: manifest.json, and the layers of each image as tars. */
int docker_import(struct store *store, int dir, const struct import_options *options,
		  const char *again, struct digest *out, struct err *err);

/*
 * The name that an image gets in the store: the one that was asked for; else
 * what it calls itself, "host/path/python:3.11" as "python-3.11", when that says
 * enough; else the name of the file that it lay in.
 */
int import_name(struct arena *a, const struct import_options *options, const char *self,
		const char **out, struct err *err);
