/*
 * Pruning: which images go, and then everything that no image refers to.
 *
 * It holds the gate alone, so nobody publishes meanwhile, and each image that
 * goes is locked against those who would use it. Names go first, then
 * manifests, then trees, each on disk before the next begin: killed anywhere,
 * it leaves no image of which a part is gone. Trees are moved to the staging
 * folder, and emptied when the gate is open again.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "image/downloads.h"
#include "image/folder.h"
#include "image/inventory.h"
#include "stepcell/fd.h"
#include "stepcell/limits.h"
#include "stepcell/path.h"

struct prune {
	struct store *store;
	struct arena *arena;
	const struct prune_options *options;
	struct inventory inv;
	struct staging staging;
	struct pruned *out;
};

static void note(struct prune *p, const char *kind, const char *name, const char *why,
		 uint64_t bytes)
{
	struct pruned *out = p->out;

	out->list = arena_grow(p->arena, out->list, out->count, sizeof(*out->list));
	out->list[out->count++] = (struct pruned_item){kind, name, why, bytes};
	out->bytes += bytes;
}

/* ---- which images ---- */

/* An image in use stays; one that goes is locked until its manifest is gone. */
static void let_go(struct prune *p, struct kept_image *image, const char *why)
{
	image->lock = openat(p->store->blobs, image->digest.hex, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (image->lock >= 0 && flock(image->lock, LOCK_EX | LOCK_NB) == 0) {
		image->why = why;
		return;
	}
	fd_close(&image->lock);
	p->out->in_use += !image->busy;
	image->busy = true;
}

static int by_use(const void *a, const void *b)
{
	const struct kept_image *x = a, *y = b;

	return (x->used > y->used) - (x->used < y->used);
}

static void choose_asked(struct prune *p)
{
	for (size_t i = 0; i < p->inv.count; i++)
		for (size_t n = 0; n < p->options->image_count; n++)
			if (digest_equal(&p->inv.images[i].digest, &p->options->images[n])) {
				let_go(p, &p->inv.images[i], "asked for");
				break;
			}
}

static void choose(struct prune *p)
{
	const struct prune_options *o = p->options;
	struct inventory *inv = &p->inv;

	if (inv->count)
		qsort(inv->images, inv->count, sizeof(*inv->images), by_use);
	for (size_t i = 0; i < inv->count; i++) {
		struct kept_image *image = &inv->images[i];
		const char *since = arena_printf(p->arena, "not used since %s",
						 time_text(p->arena, image->used));

		if (!image->name_count)
			let_go(p, image, "no name means it");
		else if (o->unused_s && image->used <= p->options->now - (time_t)o->unused_s)
			let_go(p, image, since);
	}
	for (size_t i = 0; o->budget && inventory_bytes(inv) > o->keep_bytes && i < inv->count; i++)
		if (!inv->images[i].why)
			let_go(p, &inv->images[i], "to keep within the budget");
}

static void note_images(struct prune *p)
{
	for (size_t i = 0; i < p->inv.lost_count; i++)
		note(p, "name", p->inv.lost[i].name, "its manifest cannot be read", 0);
	for (size_t i = 0; i < p->inv.count; i++) {
		const struct kept_image *image = &p->inv.images[i];

		if (!image->why)
			continue;
		for (size_t n = 0; n < image->name_count; n++)
			note(p, "image", image->names[n].name, image->why, 0);
		if (!image->name_count)
			note(p, "image", arena_printf(p->arena, "sha256:%s", image->digest.hex),
			     image->why, 0);
	}
}

/* ---- names and manifests ---- */

static int drop(struct prune *p, int dir, const char *name, struct err *err)
{
	if (p->options->dry_run || unlinkat(dir, name, 0) == 0 || errno == ENOENT)
		return 0;
	return err_sys(err, "cannot remove '%s'", name);
}

static int flush(struct prune *p, int dir, struct err *err)
{
	return p->options->dry_run || fsync(dir) == 0 ? 0 : err_sys(err, "cannot flush the store");
}

static int drop_names(struct prune *p, struct err *err)
{
	for (size_t i = 0; i < p->inv.lost_count; i++)
		if (drop(p, p->store->images, p->inv.lost[i].file, err) < 0)
			return -1;
	for (size_t i = 0; i < p->inv.count; i++)
		for (size_t n = 0; p->inv.images[i].why && n < p->inv.images[i].name_count; n++)
			if (drop(p, p->store->images, p->inv.images[i].names[n].file, err) < 0)
				return -1;
	return flush(p, p->store->images, err);
}

/* Held by somebody although no image refers to it: it is being used, or made. */
static bool is_held(int dir, const char *name)
{
	auto_fd int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

	return fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) < 0;
}

/* Of images that go, and whatever else no image refers to: its lock is ours or free. */
static bool goes(const struct prune *p, int dir, const char *name)
{
	for (size_t i = 0; i < p->inv.count; i++)
		if (strcmp(p->inv.images[i].digest.hex, name) == 0)
			return p->inv.images[i].why != NULL;
	return !inventory_refers(&p->inv, name) && !is_held(dir, name);
}

/* Every file of a folder that `goes`; small ones, whose space is not worth a word. */
static int drop_files(struct prune *p, int dir, struct err *err)
{
	auto_strbuf struct strbuf names = STRBUF(64 * MIB);

	if (folder_list(dir, &names, err) < 0)
		return -1;
	for_each_name(name,
		      &names) if (goes(p, dir, name) && drop(p, dir, name, err) < 0) return -1;
	return flush(p, dir, err);
}

/* What others have made is remembered for as long as it is there. */
static bool turn_goes(const struct prune *p, int fd)
{
	char text[sizeof("sha256:") + DIGEST_HEX] = "";
	struct digest made;

	if (flock(fd, LOCK_EX | LOCK_NB) < 0 || pread(fd, text, sizeof(text) - 1, 0) < 0)
		return false;
	return !digest_parse(text, &made) || !inventory_refers(&p->inv, made.hex);
}

static int drop_turns(struct prune *p, struct err *err)
{
	auto_strbuf struct strbuf names = STRBUF(64 * MIB);

	if (folder_list(p->store->turns, &names, err) < 0)
		return -1;
	for_each_name(name, &names)
	{
		auto_fd int fd = openat(p->store->turns, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

		if (fd >= 0 && turn_goes(p, fd) && drop(p, p->store->turns, name, err) < 0)
			return -1;
	}
	return 0;
}

/* ---- trees ---- */

static uint64_t space_of(int dir, const char *name);

static uint64_t space_below(int dir, const char *name)
{
	auto_strbuf struct strbuf names = STRBUF(64 * MIB);
	auto_fd int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct err unread;
	uint64_t bytes = 0;

	if (fd < 0 || folder_list(fd, &names, &unread) < 0)
		return 0;
	for_each_name(entry, &names) bytes += space_of(fd, entry);
	return bytes;
}

/* On disk; a file of several names has its part in each. */
static uint64_t space_of(int dir, const char *name)
{
	struct stat st;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	if (S_ISDIR(st.st_mode))
		return (uint64_t)st.st_blocks * 512 + space_below(dir, name);
	return (uint64_t)st.st_blocks * 512 / (st.st_nlink ? st.st_nlink : 1);
}

static int drop_tree(struct prune *p, int dir, const char *kind, const char *name, struct err *err)
{
	note(p, kind, arena_strdup(p->arena, name),
	     strcmp(kind, "tree") == 0 ? "no image refers to it" : "set aside",
	     space_of(dir, name));
	if (p->options->dry_run || renameat(dir, name, p->staging.dir, name) == 0)
		return 0;
	return err_sys(err, "cannot remove tree %s", name);
}

static int drop_trees(struct prune *p, struct err *err)
{
	auto_strbuf struct strbuf trees = STRBUF(64 * MIB), aside = STRBUF(64 * MIB);

	if (folder_list(p->store->trees, &trees, err) < 0 ||
	    folder_list(p->store->quarantine, &aside, err) < 0)
		return -1;
	for_each_name(name,
		      &trees) if (!inventory_refers(&p->inv, name) &&
				  drop_tree(p, p->store->trees, "tree", name, err) < 0) return -1;
	if (!p->options->quarantine)
		return flush(p, p->store->trees, err);
	for_each_name(name, &aside) if (drop_tree(p, p->store->quarantine, "aside", name, err) <
					0) return -1;
	return flush(p, p->store->trees, err);
}

/* ---- downloads ---- */

/* Of pulls that broke off: who runs now has the folder locked. */
static int drop_downloads(struct prune *p, struct err *err)
{
	auto_downloads struct downloads downloads = {.dir = -1};
	uint64_t bytes;

	if (downloads_open(p->store, &downloads, err) < 0)
		return -1;
	bytes = downloads_clean(&downloads, p->options->now, p->options->dry_run);
	if (bytes)
		note(p, "download", "layers", "of pulls that broke off", bytes);
	return 0;
}

/* ---- all of it ---- */

static int prune(struct prune *p, struct err *err)
{
	auto_fd int gate = publish_gate(p->store, LOCK_EX, err);

	if (gate < 0 || inventory_take(&p->inv, err) < 0)
		return -1;
	if (p->options->image_count)
		choose_asked(p);
	else
		choose(p);
	note_images(p);
	if (drop_names(p, err) < 0 || drop_files(p, p->store->blobs, err) < 0 ||
	    drop_trees(p, err) < 0 || drop_files(p, p->store->sources, err) < 0 ||
	    drop_files(p, p->store->used, err) < 0 || drop_turns(p, err) < 0 ||
	    drop_downloads(p, err) < 0)
		return -1;
	p->out->kept_bytes = inventory_bytes(&p->inv);
	return 0;
}

int image_prune(struct store *store, struct arena *a, const struct prune_options *options,
		struct pruned *out, struct err *err)
{
	struct prune p = {.store = store,
			  .arena = a,
			  .options = options,
			  .inv = {.store = store, .arena = a},
			  .staging = {.dir = -1},
			  .out = out};
	int r;

	*out = (struct pruned){0};
	if (staging_open(store, &p.staging, err) < 0)
		return -1;
	r = prune(&p, err);
	inventory_release(&p.inv);
	staging_close(&p.staging);
	return r < 0 ? err_wrap(err, "pruning the store") : 0;
}
