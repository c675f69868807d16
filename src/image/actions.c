/*
 * Actions in the store: trees as those of images, and names for them. A name is
 * OWNER/REPO@REF; several may mean one tree. A tree in use is locked, and what
 * adds or removes names takes turns.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "image/copy.h"
#include "image/folder.h"
#include "image/manifest.h"
#include "image/scan.h"
#include "image/store.h"
#include "image/tree.h"
#include "image/unpack.h"
#include "image/verify.h"
#include "image/worker.h"
#include "stepcell/fd.h"
#include "stepcell/json.h"
#include "stepcell/limits.h"
#include "stepcell/path.h"
#include "stepcell/util.h"

#define RECORD_BYTES (64 * KIB)

/* ---- names ---- */

/* The file of a name: a hash, for a ref may hold slashes and be of any length. */
static struct digest name_of(const char *repository, const char *ref)
{
	auto_strbuf struct strbuf text = STRBUF(RECORD_BYTES);

	for (const char *p = repository; *p; p++)
		strbuf_addc(&text, (char)tolower((unsigned char)*p));
	strbuf_addf(&text, "@%s", ref);
	return digest_of(text.text, text.len);
}

static const struct field record_fields[] = {
	{"repository", decode_text, offsetof(struct stored_action, repository), FIELD_REQUIRED,
	 NULL},
	{"ref", decode_text, offsetof(struct stored_action, ref), FIELD_REQUIRED, NULL},
	{"commit", decode_text, offsetof(struct stored_action, commit), FIELD_REQUIRED, NULL},
	{"tree", decode_digest, offsetof(struct stored_action, tree), FIELD_REQUIRED, NULL},
	{"bytes", decode_count, offsetof(struct stored_action, bytes), FIELD_REQUIRED, NULL},
	{"entries", decode_count, offsetof(struct stored_action, entries), FIELD_REQUIRED, NULL},
	{"added", decode_text, offsetof(struct stored_action, added), FIELD_REQUIRED, NULL},
};

/* 1 with what the name means, 0 when there is none. */
static int record_read(struct store *store, struct arena *a, const char *name,
		       struct stored_action *out, struct err *err)
{
	auto_strbuf struct strbuf text = STRBUF(RECORD_BYTES);
	struct diags diags = {.arena = a};
	struct decode d = {.arena = a, .diags = &diags};
	const struct node *root;

	*out = (struct stored_action){.lock = -1};
	if (faccessat(store->actions, name, F_OK, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT)
		return 0;
	if (file_read(store->actions, name, &text, err) < 0)
		return -1;
	root = json_parse(a, "stored action", text.text, text.len, err);
	if (!root)
		return -1;
	if (!decode_map(&d, record_fields, COUNT(record_fields), "a stored action", root, out))
		return diags_fail(&diags, err);
	out->root = arena_printf(a, "%s/action-trees/%s/root", store->path, out->tree.hex);
	return 1;
}

static int record_write(struct store *store, struct arena *a, const struct stored_action *action,
			struct err *err)
{
	auto_strbuf struct strbuf text = STRBUF(RECORD_BYTES);
	struct digest name = name_of(action->repository, action->ref);
	struct node *map = node_map(a);

	node_set_text(a, map, "repository", action->repository);
	node_set_text(a, map, "ref", action->ref);
	node_set_text(a, map, "commit", action->commit);
	node_set_text(a, map, "tree", arena_printf(a, "sha256:%s", action->tree.hex));
	node_set(a, map, "bytes", node_number(a, (double)action->bytes));
	node_set(a, map, "entries", node_number(a, (double)action->entries));
	node_set_text(a, map, "added", action->added);
	json_write(&text, map);
	return store_write(store, store->actions, name.hex, text.text, text.len, err);
}

/* Who adds holds it shared, who removes alone. A descriptor of its own: flock() belongs to those. */
static int open_gate(struct store *store, int how, struct err *err)
{
	auto_fd int gate = openat(store->actions, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (gate < 0 || flock(gate, how) < 0)
		return err_sys(err, "cannot lock the store's actions");
	return take_fd(&gate);
}

/* ---- adding: in the worker ---- */

static bool has_action(int root, const char *path)
{
	static const char *const names[] = {"action.yml", "action.yaml"};
	struct err ignored;
	auto_fd int dir = open_beneath(root, *path ? path : ".", O_PATH | O_DIRECTORY, 0, &ignored);

	for (size_t i = 0; dir >= 0 && i < COUNT(names); i++)
		if (faccessat(dir, names[i], F_OK, AT_SYMLINK_NOFOLLOW) == 0)
			return true;
	return false;
}

/* A tree that is nothing but one folder is that folder. */
static int lift(int dir, int *root, struct err *err)
{
	auto_strbuf struct strbuf names = STRBUF(64 * MIB);
	struct stat st;

	if (folder_list(*root, &names, err) < 0)
		return -1;
	if (!names.len || strlen(names.text) + 1 != names.len ||
	    fstatat(*root, names.text, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISDIR(st.st_mode))
		return 0;
	if (renameat(*root, names.text, dir, "lifted") < 0 ||
	    unlinkat(dir, "root", AT_REMOVEDIR) < 0 || renameat(dir, "lifted", dir, "root") < 0)
		return err_sys(err, "cannot lift '%s'", names.text);
	fd_close(root);
	*root = openat(dir, "root", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return *root < 0 ? err_sys(err, "cannot open the tree's root") : 0;
}

static int copy_or_unpack(const struct action_source *source, struct filling *f, struct err *err)
{
	if (source->folder)
		return copy_folder(*f->from, &f->writer, err);
	if (unpack(*f->from, &f->writer, err) < 0)
		return -1;
	return has_action(f->root, source->path) ? 0 : lift(f->dir, &f->root, err);
}

static int fill(const void *arg, struct filling *f, struct err *err)
{
	const struct action_source *source = arg;

	f->writer.plain = true;
	f->writer.max_bytes = LIMIT_ACTION_BYTES;
	f->writer.max_entries = LIMIT_ACTION_ENTRIES;
	if (copy_or_unpack(source, f, err) < 0)
		return -1;
	if (!has_action(f->root, source->path))
		return err_fail(err, ERR_USAGE,
				"there is no action.yml %s%s; name the folder of one: "
				"OWNER/REPO/FOLDER@REF",
				*source->path ? "in its folder " : "at its top", source->path);
	return filling_list(f, SCAN_LIST, err);
}

static int make_tree(void *arg, const int *from, int dir, struct unpack_result *out,
		     struct err *err)
{
	return tree_fill(fill, arg, from, dir, out, err);
}

/* ---- adding: outside ---- */

static int publish(struct store *store, struct arena *a, struct staging *staging,
		   struct stored_action *action, struct err *err)
{
	auto_fd int gate = open_gate(store, LOCK_SH, err);

	if (gate < 0 ||
	    staging_publish(staging->dir, "tree", store->action_trees, action->tree.hex, err) < 0)
		return -1;
	action->root = arena_printf(a, "%s/action-trees/%s/root", store->path, action->tree.hex);
	return record_write(store, a, action, err);
}

int action_store_add(struct store *store, struct arena *a, const struct action_source *source,
		     struct stored_action *out, struct err *err)
{
	auto_staging struct staging staging = {.dir = -1};
	const struct unpack_work work = {.name = "action",
					 .fn = make_tree,
					 .arg = (void *)source,
					 .folder = source->folder,
					 .archives = &source->tar,
					 .archive_count = 1};
	struct stored_action action = {
		.repository = source->repository,
		.ref = source->ref,
		.commit = source->commit,
		.added = time_text(a, time(NULL)),
		.lock = -1,
	};
	struct unpack_result result;
	struct tree tree;

	if (staging_open(store, &staging, err) < 0 ||
	    tree_stage(&staging, &work, &result, err) < 0 ||
	    tree_staged(&staging, &result, &tree, err) < 0)
		return -1;
	action.tree = tree.digest;
	action.bytes = tree.bytes;
	action.entries = tree.entries;
	if (publish(store, a, &staging, &action, err) < 0)
		return -1;
	*out = action;
	return 0;
}

/* ---- finding ---- */

int action_store_find(struct store *store, struct arena *a, const char *repository, const char *ref,
		      struct stored_action *out, struct err *err)
{
	struct digest name = name_of(repository, ref);
	struct stored_action action;
	auto_fd int tree = -1;
	struct stat st;
	int found = record_read(store, a, name.hex, &action, err);

	if (found <= 0)
		return found;
	tree = openat(store->action_trees, action.tree.hex, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (tree < 0 || flock(tree, LOCK_SH) < 0 || fstat(tree, &st) < 0)
		return err_sys(err, "the tree of '%s@%s' cannot be opened", repository, ref);
	if (st.st_nlink == 0)
		return err_fail(err, ERR_SYSTEM, "'%s@%s' was removed meanwhile", repository, ref);
	if (action_tree_check(store, &action.tree, err) < 0)
		return err_wrap(err, "action '%s@%s' (`stepcell action add` brings it back)",
				repository, ref);
	action.lock = take_fd(&tree);
	*out = action;
	return 1;
}

void action_store_release(struct stored_action *action)
{
	fd_close(&action->lock);
}

static int by_name(const void *a, const void *b)
{
	const struct stored_action *x = a, *y = b;
	int r = strcasecmp(x->repository, y->repository);

	return r ? r : strcmp(x->ref, y->ref);
}

int action_store_list(struct store *store, struct arena *a, struct stored_action **out,
		      size_t *count, struct err *err)
{
	auto_strbuf struct strbuf names = STRBUF(64 * MIB);
	struct stored_action *list = NULL;
	size_t n = 0;

	if (folder_list(store->actions, &names, err) < 0)
		return -1;
	for_each_name(name, &names)
	{
		struct stored_action one;
		struct digest ignored;

		/* a file that is being written has another kind of name */
		if (!digest_parse(arena_printf(a, "sha256:%s", name), &ignored) ||
		    record_read(store, a, name, &one, err) == 0)
			continue;
		if (!one.root)
			return -1;
		list = arena_grow(a, list, n, sizeof(*list));
		list[n++] = one;
	}
	if (n)
		qsort(list, n, sizeof(*list), by_name);
	*out = list;
	*count = n;
	return 0;
}

/* ---- removing ---- */

static int count_names(struct store *store, struct arena *a, const struct digest *tree,
		       size_t *count, struct err *err)
{
	struct stored_action *all;
	size_t n;

	*count = 0;
	if (action_store_list(store, a, &all, &n, err) < 0)
		return -1;
	for (size_t i = 0; i < n; i++)
		*count += digest_equal(&all[i].tree, tree);
	return 0;
}

/* -1 when a run uses it; a tree that is not there gives -1 as descriptor. */
static int lock_tree(struct store *store, const struct stored_action *action, int *out,
		     struct err *err)
{
	auto_fd int tree =
		openat(store->action_trees, action->tree.hex, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (tree < 0 && errno != ENOENT)
		return err_sys(err, "cannot open the tree");
	if (tree >= 0 && flock(tree, LOCK_EX | LOCK_NB) < 0)
		return err_fail(err, ERR_SYSTEM, "'%s@%s' is in use by a run", action->repository,
				action->ref);
	*out = take_fd(&tree);
	return 0;
}

/* By way of the staging folder: a tree in its place is whole. */
static int drop_tree(struct store *store, const struct stored_action *action, struct err *err)
{
	auto_staging struct staging staging = {.dir = -1};

	if (staging_open(store, &staging, err) < 0)
		return -1;
	if (renameat(store->action_trees, action->tree.hex, staging.dir, "tree") < 0)
		return err_sys(err, "cannot remove the tree");
	return 0;
}

static int remove_action(struct store *store, struct arena *a, const char *name,
			 const struct stored_action *action, struct err *err)
{
	auto_fd int tree = -1;
	size_t names;

	if (count_names(store, a, &action->tree, &names, err) < 0 ||
	    (names == 1 && lock_tree(store, action, &tree, err) < 0))
		return -1;
	if (unlinkat(store->actions, name, 0) < 0)
		return err_sys(err, "cannot remove its name");
	return tree < 0 || drop_tree(store, action, err) == 0 ? 1 : -1;
}

int action_store_remove(struct store *store, const char *repository, const char *ref,
			struct err *err)
{
	auto_arena struct arena *a = arena_new();
	auto_fd int gate = open_gate(store, LOCK_EX, err);
	struct digest name = name_of(repository, ref);
	struct stored_action action;
	int found;

	if (gate < 0)
		return -1;
	found = record_read(store, a, name.hex, &action, err);
	return found <= 0 ? found : remove_action(store, a, name.hex, &action, err);
}
