/*
 * journal: the one writer. An event is built as a map, becomes one line, and
 * goes out in one write(2) to a file opened for appending, so a reader sees
 * whole events or, after a crash, one torn line at the end.
 */
#include "stepcell/record.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "stepcell/clock.h"
#include "stepcell/fd.h"
#include "stepcell/json.h"
#include "stepcell/limits.h"
#include "stepcell/path.h"
#include "stepcell/utf8.h"
#include "stepcell/util.h"

struct journal {
	char id[32];
	char dir[PATH_MAX];
	int fd;
	off_t size;
	journal_view *view;
	void *view_arg;
	struct arena *arena; /* of the event in hand */
	struct node *event;
	struct strbuf line;
};

/* ---- a new run ---- */

/*
 * The time is the name, down to 15 microseconds, so that names sort by it;
 * who comes second within those asks again.
 */
static void run_id(char *out, size_t size)
{
	struct timespec now;
	struct tm tm;
	char date[16];

	(void)clock_gettime(CLOCK_REALTIME, &now);
	(void)gmtime_r(&now.tv_sec, &tm);
	(void)strftime(date, sizeof(date), "%Y%m%d-%H%M%S", &tm);
	(void)snprintf(out, size, "%s-%04x", date,
		       (unsigned)((uint64_t)now.tv_nsec * 65536 / 1000000000));
}

/* Make the folder of a run whose name nobody has; returns its descriptor. */
static int run_dir_make(struct journal *j, const char *runs, struct err *err)
{
	const struct timespec moment = {.tv_nsec = 20000};

	for (int tries = 0; tries < 1000; tries++) {
		run_id(j->id, sizeof(j->id));
		if (path_join(j->dir, sizeof(j->dir), runs, j->id, err) < 0)
			return -1;
		if (mkdir(j->dir, 0700) == 0) {
			int fd = open(j->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

			return fd < 0 ? err_sys(err, "cannot open '%s'", j->dir) : fd;
		}
		if (errno != EEXIST)
			return err_sys(err, "cannot make '%s'", j->dir);
		(void)nanosleep(&moment, NULL);
	}
	return err_fail(err, ERR_SYSTEM, "cannot find a free name for a run in '%s'", runs);
}

static int run_dir_fill(struct journal *j, int dir, struct err *err)
{
	static const char *const folders[] = {"logs", "artifacts", "layers"};

	for (size_t i = 0; i < COUNT(folders); i++)
		if (mkdirat(dir, folders[i], 0700) < 0)
			return err_sys(err, "cannot make '%s/%s'", j->dir, folders[i]);
	j->fd = openat(dir, "journal.ndjson",
		       O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (j->fd < 0)
		return err_sys(err, "cannot make '%s/journal.ndjson'", j->dir);
	if (flock(j->fd, LOCK_EX) < 0)
		return err_sys(err, "cannot lock '%s/journal.ndjson'", j->dir);
	return 0;
}

static int journal_open(struct journal *j, const char *home, struct err *err)
{
	char runs[PATH_MAX], real[PATH_MAX];

	if (path_join(runs, sizeof(runs), home, "runs", err) < 0 || mkdir_all(runs, 0700, err) < 0)
		return -1;

	auto_fd int all = open(runs, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (!realpath(runs, real))
		return err_sys(err, "cannot resolve '%s'", runs);
	dir_spread(all);

	auto_fd int dir = run_dir_make(j, real, err);

	return dir < 0 ? -1 : run_dir_fill(j, dir, err);
}

int journal_create(const char *home, struct journal **out, struct err *err)
{
	struct journal *j = calloc(1, sizeof(*j));

	if (!j)
		return err_fail(err, ERR_SYSTEM, "out of memory");
	j->fd = -1;
	j->line = STRBUF(LIMIT_JOURNAL_LINE);
	if (journal_open(j, home, err) < 0) {
		journal_close(&j);
		return err_wrap(err, "starting the record of the run");
	}
	*out = j;
	return 0;
}

void journal_close(struct journal **journal)
{
	struct journal *j = *journal;

	if (!j)
		return;
	fd_close(&j->fd);
	arena_free(&j->arena);
	strbuf_release(&j->line);
	free(j);
	*journal = NULL;
}

const char *journal_id(const struct journal *j)
{
	return j->id;
}

const char *journal_dir(const struct journal *j)
{
	return j->dir;
}

void journal_watch(struct journal *j, journal_view *view, void *arg)
{
	j->view = view;
	j->view_arg = arg;
}

/* ---- an event ---- */

void journal_begin(struct journal *j, const char *type)
{
	const uint64_t ms = clock_us(CLOCK_REALTIME) / 1000;

	arena_free(&j->arena);
	j->arena = arena_new();
	j->event = node_map(j->arena);
	node_set_text(j->arena, j->event, "type", type);
	journal_number(j, "at", (double)ms);
}

void journal_text(struct journal *j, const char *key, const char *value)
{
	auto_strbuf struct strbuf clean = STRBUF(LIMIT_JOURNAL_LINE);

	if (!value)
		return;
	(void)utf8_clean(value, strlen(value), SIZE_MAX, true, &clean);
	node_set_text(j->arena, j->event, key, clean.text);
}

void journal_number(struct journal *j, const char *key, double value)
{
	node_set(j->arena, j->event, key, node_number(j->arena, value));
}

void journal_flag(struct journal *j, const char *key, bool value)
{
	node_set(j->arena, j->event, key, node_bool(value));
}

void journal_node(struct journal *j, const char *key, const struct node *value)
{
	if (value)
		node_set(j->arena, j->event, key, value);
}

/* One write, or none: what a full disk cut short is taken back. */
static int journal_write(struct journal *j, struct err *err)
{
	ssize_t n;

	do
		n = write(j->fd, j->line.text, j->line.len);
	while (n < 0 && errno == EINTR);
	if (n == (ssize_t)j->line.len) {
		j->size += n;
		return 0;
	}
	if (n >= 0) {
		if (ftruncate(j->fd, j->size) < 0)
			return err_sys(err, "cannot take back half an event in '%s'", j->dir);
		errno = ENOSPC;
	}
	return err_sys(err, "cannot write the journal in '%s'", j->dir);
}

/* The line of an event; false when it is longer than one may be. */
static bool line_of(struct journal *j, const struct node *event)
{
	auto_strbuf struct strbuf text = STRBUF(LIMIT_JOURNAL_LINE);

	json_write(&text, event);
	strbuf_clear(&j->line);
	/* what journal_node() was given is cleaned here */
	(void)utf8_clean(text.text, text.len, SIZE_MAX, true, &j->line);
	strbuf_addc(&j->line, '\n');
	return !text.full && !j->line.full;
}

#define CUT_TEXT (4 * KIB)

/* What a step says must not end the run, however much it is: texts begin as they did, lists are left out. */
static struct node *cut(struct arena *a, const struct node *event)
{
	struct node *out = node_map(a);

	for (size_t i = 0; i < event->count; i++) {
		const struct node *value = event->pairs[i].value;
		const char *key = event->pairs[i].key->text;
		auto_strbuf struct strbuf begin = STRBUF(CUT_TEXT);

		if (value->kind == NODE_LIST || value->kind == NODE_MAP)
			continue;
		if (value->kind == NODE_STRING) {
			(void)utf8_clean(value->text, strlen(value->text), CUT_TEXT, true, &begin);
			node_set_text(a, out, key, begin.text);
		} else {
			node_set(a, out, key, value);
		}
	}
	node_set(a, out, "cut", node_bool(true));
	return out;
}

int journal_end(struct journal *j, struct err *err)
{
	if (!line_of(j, j->event)) {
		j->event = cut(j->arena, j->event);
		if (!line_of(j, j->event))
			return err_fail(err, ERR_SYSTEM,
					"an event is longer than a line of the journal");
	}
	if (journal_write(j, err) < 0)
		return -1;
	if (j->view)
		j->view(j->view_arg, j->event);
	return 0;
}
