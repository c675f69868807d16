/*
 * transfer: an image from one store to another, as a file.
 *
 * Nothing of the file is believed. A worker unpacks it, lists every tree that it
 * finds, and the hash of that list must be the name of the tree; the manifest,
 * whose hash is the image's digest, names the trees. Only then is anything
 * renamed into the store: trees first, then the manifest, then the name.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "image/folder.h"
#include "image/manifest.h"
#include "image/names.h"
#include "image/pack.h"
#include "image/scan.h"
#include "image/store.h"
#include "image/transfer.h"
#include "image/verify.h"
#include "stepcell/fd.h"
#include "stepcell/limits.h"
#include "stepcell/path.h"

/* ---- export ---- */

int image_export(struct store *store, const char *ref, int fd, struct err *err)
{
	auto_arena struct arena *a = arena_new();
	auto_strbuf struct strbuf text = STRBUF(MANIFEST_BYTES);
	struct manifest m;
	struct image image;
	int r;

	if (strcmp(ref, "host") == 0)
		return err_fail(err, ERR_USAGE,
				"the image 'host' is this machine's; build another "
				"one to export it");
	if (image_find(store, a, ref, &image, err) < 0)
		return -1;
	r = blob_get(store, &image.digest, &text, NULL, err);
	if (r == 0)
		r = manifest_decode(a, text.text, text.len, &m, err);
	if (r == 0)
		r = pack(store, &m, &text, fd, err);
	image_release(&image);
	return r < 0 ? err_wrap(err, "exporting image '%s'", ref) : 0;
}

/* ---- import: in the worker ---- */

/* The file's own lists, and what else it has there, are somebody's claims. */
static int drop_claims(int dir, struct err *err)
{
	auto_strbuf struct strbuf names = STRBUF(MIB);

	if (folder_list(dir, &names, err) < 0)
		return -1;
	for_each_name(name, &names) if (strcmp(name, "root") != 0 && strcmp(name, "owners") != 0 &&
					remove_tree(dir, name, err) < 0) return -1;
	return 0;
}

static int list_tree(int trees, const char *name, const struct inodes *inodes,
		     struct unpack_result *out, struct err *err)
{
	auto_fd int dir = open_nolinks(trees, name, O_RDONLY | O_DIRECTORY, 0, err);

	if (dir < 0)
		return -1;
	auto_fd int root = open_nolinks(dir, "root", O_RDONLY | O_DIRECTORY, 0, err);

	if (root < 0)
		return -1;
	if (drop_claims(dir, err) < 0)
		return -1;
	return scan_write(dir, root, inodes, SCAN_LIST, &out->bytes, &out->entries, err);
}

int export_list(int root, const struct inodes *inodes, struct unpack_result *out, struct err *err)
{
	auto_strbuf struct strbuf names = STRBUF(64 * KIB);
	auto_fd int trees = open_nolinks(root, "trees", O_RDONLY | O_DIRECTORY, 0, err);

	if (trees < 0)
		return err_fail(err, ERR_USAGE, "this is no exported image");
	if (folder_list(trees, &names, err) < 0)
		return -1;
	for_each_name(name, &names) if (list_tree(trees, name, inodes, out, err) <
					0) return err_wrap(err, "tree '%s'", name);
	return 0;
}

/* ---- import: outside ---- */

static int check_tree(int trees, const struct digest *name, struct err *err)
{
	auto_fd int dir = open_nolinks(trees, name->hex, O_RDONLY | O_DIRECTORY, 0, err);
	struct digest found;

	if (dir < 0)
		return -1;
	auto_fd int list = open_nolinks(dir, "manifest", O_RDONLY, 0, err);

	if (list < 0 || digest_of_fd(list, &found, err) < 0)
		return -1;
	if (!digest_equal(&found, name))
		return err_fail(err, ERR_USAGE, "tree %s is damaged: its files hash to %s",
				name->hex, found.hex);
	return fchmod(dir, 0700) < 0 ? err_sys(err, "cannot set the mode of a tree") : 0;
}

/* One that is there already, but was changed, makes room for the one that has just been checked. */
static int check_trees(struct store *store, int trees, const struct manifest *m, struct err *err)
{
	for (size_t i = 0; i < m->layer_count; i++) {
		if (check_tree(trees, &m->layers[i].tree, err) < 0)
			return -1;
		tree_heal(store, &m->layers[i].tree);
	}
	return 0;
}

static int publish_trees(struct store *store, int trees, const struct manifest *m, struct err *err)
{
	for (size_t i = 0; i < m->layer_count; i++) {
		const char *hex = m->layers[i].tree.hex;

		if (staging_publish(trees, hex, store->trees, hex, err) < 0)
			return -1;
	}
	return 0;
}

/* The name that the caller says, else its own. */
static int name_it(struct arena *a, const char *name, struct manifest *m, struct strbuf *text,
		   struct err *err)
{
	const char *own = m->name;

	if (!name && image_name_is_claim(own))
		return err_fail(err, ERR_USAGE,
				"it says that it is '%s', which a file alone does not prove; if "
				"that is what it is to be, add --name",
				own);
	if (!name)
		return 0;
	if (image_name_parse(a, name, &m->name, err) < 0)
		return -1;
	if (strcmp(own, m->name) == 0)
		return 0;
	strbuf_clear(text);
	manifest_encode(a, m, text);
	return 0;
}

static bool is_among(const struct manifest_layer *layers, size_t count, const struct digest *tree)
{
	for (size_t i = 0; i < count; i++)
		if (digest_equal(&layers[i].tree, tree))
			return true;
	return false;
}

/* By what a manifest says of its size others go: who lists images, and who prunes them to a budget. */
static int check_sizes(const struct manifest *m, const struct unpack_result *listed,
		       struct err *err)
{
	uint64_t bytes = 0, entries = 0;

	for (size_t i = 0; i < m->layer_count; i++) {
		if (is_among(m->layers, i, &m->layers[i].tree))
			continue;
		bytes += m->layers[i].bytes;
		entries += m->layers[i].entries;
	}
	if (bytes == listed->bytes && entries == listed->entries)
		return 0;
	return err_fail(err, ERR_USAGE,
			"its manifest says %" PRIu64 " bytes in %" PRIu64
			" files and folders, and its trees have %" PRIu64 " in %" PRIu64,
			bytes, entries, listed->bytes, listed->entries);
}

int export_publish(struct store *store, int dir, const struct unpack_result *listed,
		   const struct import_options *options, const char *again, struct digest *out,
		   struct err *err)
{
	auto_arena struct arena *a = arena_new();
	auto_strbuf struct strbuf text = STRBUF(MANIFEST_BYTES);
	auto_fd int trees = open_nolinks(dir, "trees", O_RDONLY | O_DIRECTORY, 0, err);
	auto_fd int gate = -1;
	struct manifest m;

	if (trees < 0 || file_read(dir, PACK_MANIFEST, &text, err) < 0 ||
	    manifest_decode(a, text.text, text.len, &m, err) < 0 ||
	    name_it(a, options->name, &m, &text, err) < 0 ||
	    (!options->replace && image_name_keep(store, m.name, &text, err) < 0) ||
	    check_trees(store, trees, &m, err) < 0 || check_sizes(&m, listed, err) < 0)
		return -1;
	gate = publish_gate(store, LOCK_SH, err);
	if (gate < 0 || publish_trees(store, trees, &m, err) < 0)
		return -1;
	return image_publish(store, m.name, &text, NULL, again, out, err);
}
