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
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "image/folder.h"
#include "image/manifest.h"
#include "image/pack.h"
#include "image/scan.h"
#include "image/store.h"
#include "image/turn.h"
#include "image/unpack.h"
#include "image/verify.h"
#include "image/worker.h"
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

static int list_trees(int root, const struct inodes *inodes, struct unpack_result *out,
		      struct err *err)
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

static int unpack_image(void *arg, const int *archive, int dir, struct unpack_result *out,
			struct err *err)
{
	struct writer w;
	int r;

	(void)arg;
	writer_init(&w, dir);
	r = unpack(*archive, &w, err);
	if (r == 0)
		r = list_trees(dir, &w.inodes, out, err);
	out->skipped = w.skipped;
	writer_release(&w);
	return r;
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

/* "import FILE", to be done again if need be; what came through a pipe has no name. */
static const char *origin_of(struct arena *a, int fd)
{
	char self[64], path[PATH_MAX];
	ssize_t n;

	(void)snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
	n = readlink(self, path, sizeof(path) - 1);
	if (n <= 0 || path[0] != '/')
		return "import";
	path[n] = '\0';
	return arena_printf(a, "import %s", path);
}

struct import {
	struct store *store;
	struct arena *arena;
	const char *origin;
	bool replace;
};

static int publish_image(const struct import *im, int dir, struct digest *out, struct err *err)
{
	auto_strbuf struct strbuf text = STRBUF(MANIFEST_BYTES);
	auto_fd int trees = open_nolinks(dir, "trees", O_RDONLY | O_DIRECTORY, 0, err);
	auto_fd int gate = -1;
	struct manifest m;

	if (trees < 0 || file_read(dir, PACK_MANIFEST, &text, err) < 0 ||
	    manifest_decode(im->arena, text.text, text.len, &m, err) < 0 ||
	    (!im->replace && image_name_keep(im->store, m.name, &text, err) < 0) ||
	    check_trees(im->store, trees, &m, err) < 0)
		return -1;
	gate = publish_gate(im->store, LOCK_SH, err);
	if (gate < 0 || publish_trees(im->store, trees, &m, err) < 0)
		return -1;
	return image_publish(im->store, m.name, &text, NULL, im->origin, out, err);
}

static int import(const struct import *im, int fd, struct digest *out, struct err *err)
{
	auto_staging struct staging staging = {.dir = -1};
	const struct unpack_work work = {
		.name = "import", .fn = unpack_image, .archives = &fd, .archive_count = 1};
	struct unpack_result result;

	if (staging_open(im->store, &staging, err) < 0 ||
	    worker_unpack(&work, staging.path, &result, err) < 0)
		return -1;
	return publish_image(im, staging.dir, out, err);
}

/* Is it there, with every file as it was? Then only its name remains to be given. */
static int take_whole(const struct import *im, const struct image *image, const char *name,
		      struct err *err)
{
	auto_strbuf struct strbuf text = STRBUF(MANIFEST_BYTES);
	auto_fd int gate = -1;
	struct digest same;

	if (!image_whole(im->store, image) ||
	    blob_get(im->store, &image->digest, &text, NULL, err) < 0 ||
	    (!im->replace && image_name_keep(im->store, name, &text, err) < 0))
		return -1;
	gate = publish_gate(im->store, LOCK_SH, err);
	return gate < 0 ? -1 : image_publish(im->store, name, &text, NULL, im->origin, &same, err);
}

/* Somebody has imported this very file: what he made is taken. */
static bool take_over(const struct import *im, const struct turn *turn)
{
	struct image image = {.lock = -1};
	struct manifest m;
	struct err ignored;
	int r = -1;

	if (turn->known && image_load(im->store, im->arena, &turn->made, &m, &image, &ignored) == 0)
		r = take_whole(im, &image, m.name, &ignored);
	image_release(&image);
	return r == 0;
}

/* For a file, whose turn it is; `before` is what it was known by when it was not yet read. */
static int import_file(const struct import *im, int fd, const struct strbuf *before,
		       struct digest *out, struct err *err)
{
	auto_strbuf struct strbuf after = STRBUF(1024);
	auto_turn struct turn turn = {.fd = -1};

	if (turn_take(im->store, before->text, &turn, err) < 0)
		return -1;
	*out = turn.made;
	if (take_over(im, &turn))
		return 0;
	turn.known = false;
	if (import(im, fd, out, err) < 0)
		return -1;
	if (lseek(fd, 0, SEEK_SET) == 0 && turn_of_file(fd, &after) &&
	    strcmp(before->text, after.text) == 0)
		turn_made(&turn, out);
	return 0;
}

int image_import(struct store *store, int fd, bool replace, struct digest *out, struct err *err)
{
	auto_arena struct arena *a = arena_new();
	auto_strbuf struct strbuf before = STRBUF(1024);
	const struct import im = {store, a, origin_of(a, fd), replace};
	int r = turn_of_file(fd, &before) ? import_file(&im, fd, &before, out, err)
					  : import(&im, fd, out, err);

	return r < 0 ? err_wrap(err, "importing an image") : 0;
}
