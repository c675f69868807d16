/*
 * The store on disk: open it, stage in it, publish into it.
 *
 * Staging folders are made and locked under a shared lock of staging/ itself;
 * the sweeper takes that lock exclusively, so that it never meets a folder
 * between its birth and its lock.
 */
#include "image/store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "stepcell/fd.h"
#include "stepcell/limits.h"
#include "stepcell/path.h"
#include "stepcell/util.h"

/* ---- staging ---- */

static int lock_folder(int dir, int how, struct err *err)
{
	int r;

	do
		r = flock(dir, how);
	while (r < 0 && errno == EINTR);
	return r < 0 ? err_sys(err, "cannot lock the store's staging folder") : 0;
}

/* Descriptors of flock() are shared by dup and fork: a gate is opened anew. */
static int open_gate(struct store *store, struct err *err)
{
	int gate = openat(store->dir, "staging", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return gate < 0 ? err_sys(err, "cannot open the store's staging folder") : gate;
}

static int make_folder(struct staging *s, struct err *err)
{
	uint64_t id;

	if (getrandom(&id, sizeof(id), 0) != (ssize_t)sizeof(id))
		return err_sys(err, "cannot get random bytes");
	(void)snprintf(s->name, sizeof(s->name), "%016llx", (unsigned long long)id);
	if (mkdirat(s->store->staging, s->name, 0700) < 0)
		return err_sys(err, "cannot make a staging folder in '%s'", s->store->path);
	s->dir = openat(s->store->staging, s->name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->dir < 0)
		return err_sys(err, "cannot open staging folder '%s'", s->name);
	return lock_folder(s->dir, LOCK_EX, err);
}

int staging_open(struct store *store, struct staging *out, struct err *err)
{
	auto_fd int gate = open_gate(store, err);

	*out = (struct staging){.store = store, .dir = -1};
	if (gate < 0 || lock_folder(gate, LOCK_SH, err) < 0)
		return -1;
	if (make_folder(out, err) < 0) {
		staging_close(out);
		return -1;
	}
	(void)snprintf(out->path, sizeof(out->path), "%.*s/staging/%s", PATH_MAX - 80, store->path,
		       out->name);
	return 0;
}

void staging_close(struct staging *staging)
{
	struct err ignored;

	if (!staging->store)
		return;
	if (staging->name[0])
		(void)remove_tree(staging->store->staging, staging->name, &ignored);
	fd_close(&staging->dir);
	staging->store = NULL;
}

int staging_publish(int from, const char *entry, int to, const char *name, struct err *err)
{
	/* A name must never be on disk before what it names. */
	if (syncfs(from) < 0)
		return err_sys(err, "cannot flush the store");
	if (renameat2(from, entry, to, name, RENAME_NOREPLACE) < 0 && errno != EEXIST)
		return err_sys(err, "cannot publish '%s' in the store", name);
	if (fsync(to) < 0)
		return err_sys(err, "cannot flush the store");
	return 0;
}

static void sweep_one(struct store *store, const char *name)
{
	auto_fd int dir =
		openat(store->staging, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	struct err ignored;

	if (dir >= 0 && flock(dir, LOCK_EX | LOCK_NB) == 0)
		(void)remove_tree(store->staging, name, &ignored);
}

/* Remove what killed builds left. Someone at work is no reason to wait or to fail. */
static void store_sweep(struct store *store)
{
	struct err ignored;
	int gate = open_gate(store, &ignored);
	DIR *entries;

	if (gate < 0)
		return;
	if (flock(gate, LOCK_EX | LOCK_NB) < 0 || !(entries = fdopendir(gate))) {
		fd_close(&gate);
		return;
	}
	for (struct dirent *e; (e = readdir(entries));)
		if (e->d_name[0] != '.')
			sweep_one(store, e->d_name);
	closedir(entries);
}

/* ---- the store ---- */

static int open_folder(struct store *store, const char *name, int *out, struct err *err)
{
	if (mkdir_beneath(store->dir, name, 0700, err) < 0)
		return -1;
	*out = openat(store->dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return *out < 0 ? err_sys(err, "cannot open '%s/%s'", store->path, name) : 0;
}

static int open_folders(struct store *store, struct err *err)
{
	const struct {
		const char *name;
		int *fd;
	} folders[] = {
		{"blobs/sha256", &store->blobs},
		{"trees", &store->trees},
		{"images", &store->images},
		{"sources", &store->sources},
		{"used", &store->used},
		{"turns", &store->turns},
		{"quarantine", &store->quarantine},
		{"host", &store->host},
		{"actions", &store->actions},
		{"action-trees", &store->action_trees},
		{"staging", &store->staging},
	};

	for (size_t i = 0; i < COUNT(folders); i++)
		if (open_folder(store, folders[i].name, folders[i].fd, err) < 0)
			return -1;
	dir_spread(store->staging);
	return 0;
}

int publish_gate(struct store *store, int how, struct err *err)
{
	auto_fd int gate = openat(store->images, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (gate < 0 || flock(gate, how) < 0)
		return err_sys(err, "cannot lock the store's images");
	return take_fd(&gate);
}

int store_open(const char *home, struct store **out, struct err *err)
{
	char path[PATH_MAX];
	struct store *store;

	if (path_join(path, sizeof(path), home, "store", err) < 0 || mkdir_all(path, 0700, err) < 0)
		return err_wrap(err, "opening the image store");
	store = calloc(1, sizeof(*store));
	if (!store)
		return err_sys(err, "cannot open the image store");
	*store = (struct store){.dir = -1,
				.blobs = -1,
				.trees = -1,
				.images = -1,
				.sources = -1,
				.used = -1,
				.turns = -1,
				.quarantine = -1,
				.host = -1,
				.actions = -1,
				.action_trees = -1,
				.staging = -1};
	store->dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (store->dir < 0 || !realpath(path, store->path)) {
		(void)err_sys(err, "cannot open the image store '%s'", path);
		store_close(&store);
		return -1;
	}
	if (open_folders(store, err) < 0) {
		store_close(&store);
		return err_wrap(err, "opening the image store");
	}
	store_sweep(store);
	*out = store;
	return 0;
}

void store_close(struct store **store)
{
	struct store *s = *store;

	if (!s)
		return;
	fd_close(&s->dir);
	fd_close(&s->blobs);
	fd_close(&s->trees);
	fd_close(&s->images);
	fd_close(&s->sources);
	fd_close(&s->used);
	fd_close(&s->turns);
	fd_close(&s->quarantine);
	fd_close(&s->host);
	fd_close(&s->actions);
	fd_close(&s->action_trees);
	fd_close(&s->staging);
	free(s);
	*store = NULL;
}
