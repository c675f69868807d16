/*
 * Concurrency groups: one runs, one waits, a newer one takes the place of the
 * one that waits. A group is a folder of the state home, each place in it a
 * file that its run holds locked: of a run that was killed the kernel takes
 * the lock away, and the next to look removes the file. The file's one byte
 * says how the place stands; only who holds the folder's lock changes it.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runner/run.h"
#include "stepcell/digest.h"
#include "stepcell/fd.h"
#include "stepcell/log.h"
#include "stepcell/parse.h"
#include "stepcell/path.h"

enum stand {
	STAND_WAITS = 'w',
	STAND_RUNS = 'r',
	STAND_REPLACED = 'c', /* never ran; a newer one waits instead */
	STAND_ENDS = 'x',     /* runs, and is told to end */
};

struct group {
	int groups, dir, file; /* all of them, this one, the place in it */
	char name[33];         /* of its folder */
	uint64_t ticket;
};

struct place_in {
	uint64_t ticket;
	enum stand stand;
	int file;
};

static enum stand stand_of(int file)
{
	char c = STAND_WAITS;

	return pread(file, &c, 1, 0) == 1 ? (enum stand)c : STAND_WAITS;
}

static void set_stand(int file, enum stand stand)
{
	char c = (char)stand;

	if (pwrite(file, &c, 1, 0) != 1)
		log_warn("a concurrency group cannot be written: its order may be lost");
}

#define GONE (-2) /* the folder was removed meanwhile */

static int lock_dir(int dir, struct err *err)
{
	auto_fd int lock = openat(dir, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	struct stat st;

	if (lock < 0 && errno == ENOENT)
		return GONE;
	if (lock < 0 || flock(lock, LOCK_EX) < 0 || fstat(lock, &st) < 0)
		return err_sys(err, "cannot lock a concurrency group");
	return st.st_nlink ? take_fd(&lock) : GONE;
}

typedef void visit_fn(void *arg, const struct place_in *place);

/* Every place whose run lives; those of the dead are removed. The folder is locked. */
static int each_place(int dir, visit_fn *visit, void *arg, struct err *err)
{
	int again = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *list = again < 0 ? NULL : fdopendir(again);

	if (!list) {
		fd_close(&again);
		return err_sys(err, "cannot read a concurrency group");
	}
	for (const struct dirent *e; (e = readdir(list));) {
		struct place_in place;
		auto_fd int file = -1;

		if (parse_u64(e->d_name, 1, UINT64_MAX - 1, &place.ticket) < 0)
			continue;
		file = openat(dir, e->d_name, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
		if (file >= 0 && flock(file, LOCK_EX | LOCK_NB) == 0) {
			(void)unlinkat(dir, e->d_name, 0);
			continue;
		}
		place.file = file;
		place.stand = stand_of(file);
		visit(arg, &place);
	}
	(void)closedir(list);
	return 0;
}

/* ---- entering ---- */

struct entering {
	const struct group_wish *wish;
	uint64_t last;
};

static void make_way(void *arg, const struct place_in *place)
{
	struct entering *e = arg;

	if (place->ticket > e->last)
		e->last = place->ticket;
	if (place->stand == STAND_WAITS && !e->wish->queue)
		set_stand(place->file, STAND_REPLACED);
	if (place->stand == STAND_RUNS && e->wish->cancel)
		set_stand(place->file, STAND_ENDS);
}

/* A name that a file can have, whatever the group is called; case does not count. */
static void folder_of(const char *among, const char *name, char out[33])
{
	auto_strbuf struct strbuf key = STRBUF(4096);
	struct digest digest;

	strbuf_addf(&key, "%s\n", among);
	for (const char *p = name; *p; p++)
		strbuf_addc(&key, (char)tolower((unsigned char)*p));
	digest = digest_of(key.text, key.len);
	(void)snprintf(out, 33, "%.32s", digest.hex);
}

static int open_groups(const char *home, struct err *err)
{
	char path[PATH_MAX];
	int fd;

	if (path_join(path, sizeof(path), home, "groups", err) < 0 ||
	    mkdir_all(path, 0700, err) < 0)
		return -1;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? err_sys(err, "cannot open '%s'", path) : fd;
}

/* The group's folder, and its lock; GONE when it was removed on the way. */
static int open_locked(struct group *g, int *lock, struct err *err)
{
	*lock = -1;
	if (mkdirat(g->groups, g->name, 0700) < 0 && errno != EEXIST)
		return err_sys(err, "cannot make a concurrency group");
	g->dir = openat(g->groups, g->name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (g->dir < 0)
		return errno == ENOENT ? GONE : err_sys(err, "cannot open a concurrency group");
	*lock = lock_dir(g->dir, err);
	if (*lock == GONE)
		fd_close(&g->dir);
	return *lock < 0 ? *lock : 0;
}

static int take_place(struct group *g, const struct group_wish *wish, struct err *err)
{
	struct entering e = {.wish = wish};
	char name[32];

	if (each_place(g->dir, make_way, &e, err) < 0)
		return -1;
	g->ticket = e.last + 1;
	(void)snprintf(name, sizeof(name), "%llu", (unsigned long long)g->ticket);
	g->file = openat(g->dir, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (g->file < 0 || flock(g->file, LOCK_EX | LOCK_NB) < 0)
		return err_sys(err, "cannot enter a concurrency group");
	set_stand(g->file, STAND_WAITS);
	return 0;
}

static void group_close(struct group *g)
{
	fd_close(&g->file);
	fd_close(&g->dir);
	fd_close(&g->groups);
}

/* The last to leave a group removes its folder: then it is made anew. */
int group_enter(const char *home, const char *among, const struct group_wish *wish,
		struct group **out, struct err *err)
{
	struct group g = {.groups = open_groups(home, err), .dir = -1, .file = -1};
	auto_fd int lock = -1;
	int r = GONE;

	folder_of(among, wish->name, g.name);
	while (g.groups >= 0 && r == GONE)
		r = open_locked(&g, &lock, err);
	if (r < 0 || take_place(&g, wish, err) < 0) {
		group_close(&g);
		return -1;
	}
	*out = calloc(1, sizeof(g));
	if (!*out)
		abort();
	**out = g;
	return 0;
}

/* ---- the turn ---- */

struct turn {
	uint64_t ticket;
	bool taken;
};

static void see_turn(void *arg, const struct place_in *place)
{
	struct turn *t = arg;

	t->taken |= place->stand == STAND_RUNS || place->stand == STAND_ENDS ||
		    (place->stand == STAND_WAITS && place->ticket < t->ticket);
}

enum group_state group_poll(struct group *g)
{
	struct turn turn = {.ticket = g->ticket};
	struct err ignored;
	auto_fd int lock = -1;

	switch (stand_of(g->file)) {
	case STAND_RUNS:
		return GROUP_RUNNING;
	case STAND_REPLACED:
	case STAND_ENDS:
		return GROUP_CANCELLED;
	case STAND_WAITS:
		break;
	}
	lock = lock_dir(g->dir, &ignored); /* with a place in it the folder stays */
	if (lock < 0 || stand_of(g->file) != STAND_WAITS ||
	    each_place(g->dir, see_turn, &turn, &ignored) < 0 || turn.taken)
		return GROUP_PENDING; /* asked again soon */
	set_stand(g->file, STAND_RUNS);
	return GROUP_RUNNING;
}

/* ---- leaving ---- */

static void count_place(void *arg, const struct place_in *place)
{
	size_t *count = arg;

	(void)place;
	(*count)++;
}

/* A folder in which nobody has a place is removed; who comes then makes it anew. */
static void remove_empty(int groups, const char *name)
{
	auto_fd int dir = openat(groups, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	struct err ignored;
	auto_fd int lock = dir < 0 ? -1 : lock_dir(dir, &ignored);
	size_t count = 0;

	if (lock < 0 || each_place(dir, count_place, &count, &ignored) < 0 || count)
		return;
	(void)unlinkat(dir, "lock", 0);
	(void)unlinkat(groups, name, AT_REMOVEDIR);
}

void group_leave(struct group **g)
{
	char name[32];

	if (!*g)
		return;
	(void)snprintf(name, sizeof(name), "%llu", (unsigned long long)(*g)->ticket);
	(void)unlinkat((*g)->dir, name, 0);
	remove_empty((*g)->groups, (*g)->name);
	group_close(*g);
	free(*g);
	*g = NULL;
}

void group_sweep(const char *home)
{
	char path[PATH_MAX];
	struct dirent *e;
	struct err ignored;
	DIR *list;

	if (path_join(path, sizeof(path), home, "groups", &ignored) < 0 || !(list = opendir(path)))
		return;
	while ((e = readdir(list)))
		if (e->d_name[0] != '.')
			remove_empty(dirfd(list), e->d_name);
	(void)closedir(list);
}
