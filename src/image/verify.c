/*
 * Verifying: a list of every file is made once more, by a worker, and compared
 * with the list that the tree's name is the hash of. A tree that was changed is
 * set aside, never deleted: somebody may want to know what happened to it.
 */
#include "image/verify.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "image/compare.h"
#include "image/manifest.h"
#include "image/names.h"
#include "image/scan.h"
#include "image/used.h"
#include "image/worker.h"
#include "stepcell/clock.h"
#include "stepcell/fd.h"
#include "stepcell/limits.h"
#include "stepcell/path.h"

#define FINDINGS     "findings"
#define MAX_FINDINGS 100
#define MAX_ASIDE    10000 /* of one tree: somebody changes it again and again */

/* ---- in the worker ---- */

static int put(int dir, const char *name, const struct strbuf *text, struct err *err)
{
	auto_fd int fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (fd < 0 || write_full(fd, text->text, text->len) < 0)
		return err_sys(err, "cannot write the %s", name);
	return 0;
}

/* An empty file of findings means: it is what its name says. */
static int find_differences(int tree, int dir, const struct digest *name, struct strbuf *list,
			    struct err *err)
{
	auto_strbuf struct strbuf was = STRBUF(SCAN_MANIFEST), found = STRBUF(64 * MIB);
	const struct digest is = digest_of(list->text, list->len);
	struct digest listed;
	struct err unread;

	if (file_read(tree, "manifest", &was, &unread) < 0)
		strbuf_clear(&was);
	listed = digest_of(was.text, was.len);
	if (!digest_equal(&listed, name))
		strbuf_adds(&found, "changed its list\n");
	else if (!digest_equal(&is, name))
		(void)compare_lists(was.text, list->text, MAX_FINDINGS, &found);
	return put(dir, FINDINGS, &found, err);
}

static int read_tree(void *arg, const int *from, int dir, struct unpack_result *out,
		     struct err *err)
{
	auto_strbuf struct strbuf list = STRBUF(SCAN_MANIFEST), stamps = STRBUF(SCAN_MANIFEST);
	struct scan scan = {
		.manifest = &list, .stamps = &stamps, .doubtful = true, .owner = geteuid()};
	const struct digest *name = arg;
	const int tree = *from;
	struct err absent;
	auto_fd int root = open_nolinks(tree, "root", O_RDONLY | O_DIRECTORY, 0, &absent);

	if (root >= 0 && scan_tree(&scan, root, err) < 0)
		return -1;
	out->bytes = scan.bytes;
	out->entries = scan.entries;
	if (stamps_write(dir, tree, name, &stamps, err) < 0)
		return -1;
	return find_differences(tree, dir, name, &list, err);
}

/* ---- what is found ---- */

/* Where trees lie: those of images, and those of actions. */
struct shelf {
	int dir;
	const char *folder;
};

static struct shelf of_images(const struct store *store)
{
	return (struct shelf){store->trees, "trees"};
}

static struct shelf of_actions(const struct store *store)
{
	return (struct shelf){store->action_trees, "action-trees"};
}

static void set_findings(struct arena *a, const struct strbuf *text, struct image_finding *out)
{
	for (const char *p = text->text; *p; p++) {
		size_t len = strcspn(p, "\n");

		out->changes = arena_grow(a, out->changes, out->change_count, sizeof(char *));
		out->changes[out->change_count++] = arena_strndup(a, p, len);
		p += len;
	}
}

static bool is_still(const struct shelf *at, int tree, const char *name)
{
	struct stat mine, there;

	return fstat(tree, &mine) == 0 &&
	       fstatat(at->dir, name, &there, AT_SYMLINK_NOFOLLOW) == 0 &&
	       mine.st_ino == there.st_ino && mine.st_dev == there.st_dev;
}

/*
 * Under the gate: nobody publishes an image that counts on it meanwhile. Who
 * comes second may find a good one in its place already, which stays.
 */
static int set_aside(struct store *store, const struct shelf *at, struct arena *a, int dir,
		     struct image_finding *out, struct err *err)
{
	auto_fd int gate = publish_gate(store, LOCK_EX, err);
	const char *name = NULL;
	int r = -1;

	if (gate < 0)
		return -1;
	if (!is_still(at, dir, out->tree.hex))
		return 0;
	errno = EEXIST;
	for (unsigned i = 0; r < 0 && errno == EEXIST && i < MAX_ASIDE; i++) {
		name = arena_printf(a, "%s.%u", out->tree.hex, i);
		r = renameat2(at->dir, out->tree.hex, store->quarantine, name, RENAME_NOREPLACE);
	}
	if (r < 0)
		return err_sys(err, "cannot set tree %s aside", out->tree.hex);
	if (fsync(store->quarantine) < 0 || fsync(at->dir) < 0)
		return err_sys(err, "cannot flush the store");
	out->aside = arena_printf(a, "%s/quarantine/%s", store->path, name);
	return 0;
}

/* A store that cannot be written to is as good without new stamps: it is only slower. */
static int conclude(struct store *store, const struct shelf *at, struct arena *a,
		    const struct staging *staging, int dir, struct image_finding *out,
		    struct err *err)
{
	auto_strbuf struct strbuf found = STRBUF(64 * MIB), what = STRBUF(20 * LIMIT_PATH);

	if (file_read(staging->dir, FINDINGS, &found, err) < 0)
		return -1;
	set_findings(a, &found, out);
	if (out->change_count)
		return set_aside(store, at, a, dir, out, err);
	if (!stamps_hold(dir, &out->tree, STAMPS_ALL, &what))
		(void)renameat(staging->dir, STAMPS_FILE, dir, STAMPS_FILE);
	return 0;
}

static int verify_at(struct store *store, const struct shelf *at, struct arena *a,
		     const struct digest *tree, struct image_finding *out, struct err *err)
{
	auto_staging struct staging staging = {.dir = -1};
	auto_fd int dir = openat(at->dir, tree->hex, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	const struct unpack_work work = {
		.name = "verify",
		.fn = read_tree,
		.arg = (void *)tree,
		.folder = arena_printf(a, "%s/%s/%s", store->path, at->folder, tree->hex)};
	struct unpack_result result;
	uint64_t from;

	*out = (struct image_finding){.tree = *tree};
	if (dir < 0)
		return err_sys(err, "tree %s is not in the store", tree->hex);
	from = now_us();
	if (staging_open(store, &staging, err) < 0 ||
	    worker_unpack(&work, staging.path, &result, err) < 0)
		return err_wrap(err, "verifying tree %.12s", tree->hex);
	out->bytes = result.bytes;
	out->entries = result.entries;
	out->seconds = (double)(now_us() - from) / 1e6;
	return conclude(store, at, a, &staging, dir, out, err);
}

int tree_verify(struct store *store, struct arena *a, const struct digest *tree,
		struct image_finding *out, struct err *err)
{
	const struct shelf at = of_images(store);

	return verify_at(store, &at, a, tree, out, err);
}

/* ---- at the start of a run ---- */

static int changed(const struct image_finding *found, struct err *err)
{
	return err_fail(err, ERR_SYSTEM, "its files were changed in the store: %.500s%s%s%s",
			found->changes[0], found->change_count > 1 ? " and more" : "",
			found->aside ? "; they are set aside as " : "",
			found->aside ? found->aside : "");
}

static int check_at(struct store *store, const struct shelf *at, const struct digest *tree,
		    unsigned pieces, struct err *err)
{
	auto_fd int dir = openat(at->dir, tree->hex, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	auto_strbuf struct strbuf what = STRBUF(20 * LIMIT_PATH);
	struct image_finding found;

	if (dir < 0)
		return err_sys(err, "tree %s is not in the store", tree->hex);
	if (stamps_hold(dir, tree, pieces, &what))
		return 0;

	auto_arena struct arena *a = arena_new();

	if (verify_at(store, at, a, tree, &found, err) < 0)
		return -1;
	return found.change_count ? changed(&found, err) : 0;
}

int tree_check(struct store *store, const struct digest *tree, unsigned pieces, struct err *err)
{
	const struct shelf at = of_images(store);

	return check_at(store, &at, tree, pieces, err);
}

int action_tree_check(struct store *store, const struct digest *tree, struct err *err)
{
	const struct shelf at = of_actions(store);

	return check_at(store, &at, tree, STAMPS_ALL, err);
}

bool image_whole(struct store *store, const struct image *image)
{
	struct err found;

	for (size_t i = 0; i < image->tree_count; i++)
		if (tree_check(store, &image->trees[i].digest, STAMPS_ALL, &found) < 0)
			return false;
	return true;
}

void tree_heal(struct store *store, const struct digest *tree)
{
	struct err found;

	if (faccessat(store->trees, tree->hex, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		(void)tree_check(store, tree, STAMPS_ALL, &found);
}

/* The words of `stepcell image` that made what some name means; "" where no name means it. */
static void find_remedy(struct store *store, const struct digest *image, struct strbuf *out)
{
	auto_arena struct arena *a = arena_new();
	struct image_record *records = NULL;
	struct err ignored;
	size_t count = 0;

	if (image_names(store, a, &records, &count, &ignored) < 0)
		return;
	for (size_t i = 0; i < count; i++) {
		const struct image_name *name = &records[i].meaning;

		if (records[i].broken || !digest_equal(&name->manifest, image))
			continue;
		strbuf_adds(out, name->origin[0] ? name->origin : "import");
		return;
	}
}

void add_remedy(struct store *store, const struct digest *image, struct err *err)
{
	auto_strbuf struct strbuf remedy = STRBUF(sizeof(((struct image_name *)0)->origin));
	const struct err was = *err;

	find_remedy(store, image, &remedy);
	if (!remedy.len)
		return;
	(void)err_fail(err, was.kind, "%.900s; `stepcell image %s` brings it back", was.text,
		       remedy.text);
	err->sys = was.sys;
}

int image_use(struct store *store, const struct digest *image, const struct image_tree *trees,
	      size_t count, struct err *err)
{
	/* many layers share one sample: what a start may cost is no matter of their number */
	const unsigned pieces =
		count > 0 && count < STAMPS_SAMPLE ? STAMPS_SAMPLE / (unsigned)count : 1;

	for (size_t i = 0; i < count; i++) {
		if (tree_check(store, &trees[i].digest, pieces, err) == 0)
			continue;
		add_remedy(store, image, err);
		return -1;
	}
	if (count)
		image_touch(store, image);
	return 0;
}

int image_verify(struct store *store, struct arena *a, const struct image *image,
		 struct image_finding **out, size_t *count, struct err *err)
{
	struct image_finding *list = arena_array(a, image->tree_count, sizeof(*list));

	for (size_t i = 0; i < image->tree_count; i++)
		if (tree_verify(store, a, &image->trees[i].digest, &list[i], err) < 0)
			return err_wrap(err, "image '%s'", image->name);
	*out = list;
	*count = image->tree_count;
	return 0;
}
