/*
 * Concurrency groups: one runs, one waits, a newer one takes the place of the
 * one that waits. A group is a folder of the state home, each place in it a
 * file that its run holds locked: of a run that was killed the kernel takes
 * the lock away, and the next to look removes the file. The file's one byte
 * says how the place stands; only who holds the folder's lock changes it.
 */
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
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
	int dir, file;
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

static int lock_dir(int dir, struct err *err)
{
	auto_fd int lock = openat(dir, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (lock < 0 || flock(lock, LOCK_EX) < 0)
		return err_sys(err, "cannot lock a concurrency group");
	return take_fd(&lock);
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

static int open_group(const char *home, const char *among, const char *name, struct err *err)
{
	auto_strbuf struct strbuf key = STRBUF(4096);
	char path[PATH_MAX];
	struct digest digest;
	int n, dir;

	strbuf_addf(&key, "%s\n", among);
	for (const char *p = name; *p; p++)
		strbuf_addc(&key, (char)tolower((unsigned char)*p));
	digest = digest_of(key.text, key.len);
	n = snprintf(path, sizeof(path), "%s/groups/%.32s", home, digest.hex);
	if (n < 0 || (size_t)n >= sizeof(path))
		return err_fail(err, ERR_USAGE, "path too long: '%s'", home);
	if (mkdir_all(path, 0700, err) < 0)
		return -1;
	dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return dir < 0 ? err_sys(err, "cannot open '%s'", path) : dir;
}

int group_enter(const char *home, const char *among, const struct group_wish *wish,
		struct group **out, struct err *err)
{
	auto_fd int dir = open_group(home, among, wish->name, err);
	auto_fd int lock = dir < 0 ? -1 : lock_dir(dir, err);
	auto_fd int file = -1;
	struct entering e = {.wish = wish};
	struct group *g;
	char name[32];

	if (lock < 0 || each_place(dir, make_way, &e, err) < 0)
		return -1;
	(void)snprintf(name, sizeof(name), "%llu", (unsigned long long)e.last + 1);
	file = openat(dir, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (file < 0 || flock(file, LOCK_EX | LOCK_NB) < 0)
		return err_sys(err, "cannot enter a concurrency group");
	set_stand(file, STAND_WAITS);
	g = calloc(1, sizeof(*g));
	if (!g)
		return err_sys(err, "no memory");
	*g = (struct group){take_fd(&dir), take_fd(&file), e.last + 1};
	*out = g;
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
	lock = lock_dir(g->dir, &ignored);
	if (lock < 0 || stand_of(g->file) != STAND_WAITS ||
	    each_place(g->dir, see_turn, &turn, &ignored) < 0 || turn.taken)
		return GROUP_PENDING; /* asked again soon */
	set_stand(g->file, STAND_RUNS);
	return GROUP_RUNNING;
}

void group_leave(struct group **g)
{
	char name[32];

	if (!*g)
		return;
	(void)snprintf(name, sizeof(name), "%llu", (unsigned long long)(*g)->ticket);
	(void)unlinkat((*g)->dir, name, 0);
	fd_close(&(*g)->file);
	fd_close(&(*g)->dir);
	free(*g);
	*g = NULL;
}
