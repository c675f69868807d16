/* store: where images lie. Private to the image module. */
#pragma once

#include <limits.h>
#include <stdbool.h>

#include "stepcell/arena.h"
#include "stepcell/digest.h"
#include "stepcell/err.h"
#include "stepcell/image.h"

/*
 * What is published is never changed again, and nothing is published but by
 * one rename of something whole:
 *
 *	blobs/sha256/HEX   image manifests; the name is the hash
 *	trees/HEX/root     the files of one layer
 *	trees/HEX/manifest its canonical list, of which HEX is the hash
 *	trees/HEX/owners   what the squash to one owner took away
 *	trees/HEX/stamps   sizes and times as they were when it was published
 *	images/NAME        which manifest a name means (names.h)
 *	sources/HEX        which documents of registries the image HEX was made from
 *	used/HEX           an empty file: its time is when an image was used last
 *	turns/HEX          who makes something that others may want at the same time
 *	quarantine/HEX.N   trees that were found changed
 *	host/HEX/          skeletons of the host image
 *	actions/HEX        which tree the name of an action means; HEX hashes the name
 *	action-trees/HEX/  as trees/, of actions
 *	downloads/         what pulls have brought (downloads.h)
 *	staging/           work in progress; each folder is locked by its maker
 *
 * An image in use has a shared lock on its manifest's blob. Who publishes an
 * image holds the gate shared from his first rename to his last; who collects
 * or sets something aside holds it alone, and so never meets half of an image.
 */
struct store {
	char path[PATH_MAX];
	int dir;
	int blobs, trees, images, sources, used, turns, quarantine, host, actions, action_trees,
		staging;
};

/* A folder to work in, gone with whatever is still in it when it is closed. */
struct staging {
	struct store *store;
	char name[64];
	char path[PATH_MAX];
	int dir;
};

int staging_open(struct store *store, struct staging *out, struct err *err);
void staging_close(struct staging *staging);
#define auto_staging __attribute__((cleanup(staging_close)))

/*
 * Flush `entry` of `from`, a folder in the staging folder, and rename it to
 * `name` in `to`. A name that is there already has the same content: success.
 */
int staging_publish(int from, const char *entry, int to, const char *name, struct err *err);

/* A descriptor that holds the gate (LOCK_SH or LOCK_EX); closing it lets go. */
int publish_gate(struct store *store, int how, struct err *err);

/*
 * Write the file `name` of the folder `to`, replacing what is there: whole or
 * not at all, and on disk when this returns.
 */
int store_write(struct store *store, int to, const char *name, const void *bytes, size_t len,
		struct err *err);

int blob_put(struct store *store, const void *bytes, size_t len, struct digest *out,
	     struct err *err);

/*
 * The verified bytes of a blob; `lock` gets its descriptor with a shared lock,
 * unless NULL. One that is not there, or not any more, is ENOENT in `err->sys`.
 */
int blob_get(struct store *store, const struct digest *name, struct strbuf *out, int *lock,
	     struct err *err);
