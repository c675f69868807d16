/*
 * runs: what is kept below runs/. A run's row is made of the first and the
 * last events of its journal; what lies between is not read.
 */
#include "stepcell/record.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "record/lines.h"
#include "stepcell/fd.h"
#include "stepcell/limits.h"
#include "stepcell/path.h"
#include "stepcell/util.h"

/* Where run-started and, mostly, run-ended are found; the latter names every job of the run. */
#define PART_BYTES ((off_t)(64 * KIB))
#define TAIL_BYTES ((off_t)(1 * MIB))

struct row {
	struct arena *arena;
	struct kept_run *run;
};

static const char *copy_text(struct arena *a, const struct node *event, const char *key)
{
	const char *text = node_text(node_get(event, key));

	return text ? arena_strdup(a, text) : NULL;
}

static double number_of(const struct node *event, const char *key)
{
	const struct node *n = node_get(event, key);

	return n && n->kind == NODE_NUMBER ? n->number : 0;
}

static void take_event(void *arg, const struct node *event)
{
	struct row *row = arg;
	struct kept_run *run = row->run;
	const char *type = node_text(node_get(event, "type"));

	if (strcmp(type, "run-started") == 0) {
		run->workflow = copy_text(row->arena, event, "workflow");
		run->event = copy_text(row->arena, event, "event");
		run->ref = copy_text(row->arena, event, "ref");
		run->policy = copy_text(row->arena, event, "policy");
		run->started = number_of(event, "at");
	} else if (strcmp(type, "run-ended") == 0) {
		run->verdict = copy_text(row->arena, event, "verdict");
		run->seconds = number_of(event, "seconds");
	}
}

static int read_part(struct row *row, int fd, off_t from, off_t len)
{
	struct line_reader reader;
	char chunk[65536];

	line_reader_init(&reader, "journal", take_event, row);
	while (len > 0) {
		size_t want = len < (off_t)sizeof(chunk) ? (size_t)len : sizeof(chunk);
		ssize_t n = pread(fd, chunk, want, from);

		if (n <= 0)
			break;
		line_reader_feed(&reader, chunk, (size_t)n);
		from += n;
		len -= n;
	}
	line_reader_release(&reader);
	return len > 0 ? -1 : 0;
}

static off_t smaller(off_t a, off_t b)
{
	return a < b ? a : b;
}

/* The journal's writer holds its lock for as long as it lives. */
static const char *verdict_of_open(int fd)
{
	if (flock(fd, LOCK_SH | LOCK_NB) < 0 && errno == EWOULDBLOCK)
		return "running";
	return "lost";
}

/* Fill a run from its folder; -1 when it holds no journal. */
static int run_load(struct arena *a, int runs, struct kept_run *run)
{
	struct row row = {.arena = a, .run = run};
	char name[NAME_MAX + 32];
	struct stat st;

	(void)snprintf(name, sizeof(name), "%s/journal.ndjson", run->id);

	auto_fd int fd = openat(runs, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return -1;
	(void)read_part(&row, fd, 0, smaller(st.st_size, PART_BYTES));
	for (off_t tail = PART_BYTES; !run->verdict && tail <= TAIL_BYTES; tail *= 16) {
		off_t len = smaller(st.st_size, tail);

		(void)read_part(&row, fd, st.st_size - len, len);
	}
	if (!run->verdict)
		run->verdict = verdict_of_open(fd);
	return 0;
}

static int newest_first(const void *a, const void *b)
{
	return strcmp(((const struct kept_run *)b)->id, ((const struct kept_run *)a)->id);
}

/* As journal_create() names them: 20261123-081852-4f2a. */
static bool is_run_id(const char *name)
{
	static const char shape[] = "dddddddd-dddddd-xxxx";

	if (strlen(name) != strlen(shape))
		return false;
	for (size_t i = 0; shape[i]; i++) {
		const char *allowed = shape[i] == 'd'   ? "0123456789"
				      : shape[i] == 'x' ? "0123456789abcdef"
							: "-";

		if (!strchr(allowed, name[i]))
			return false;
	}
	return true;
}

/* The names alone: what finding one run needs. */
static int list_ids(const char *home, struct arena *a, struct kept_run **out, size_t *count,
		    char runs[PATH_MAX], struct err *err)
{
	struct kept_run *list = NULL;
	size_t n = 0;
	struct dirent *entry;
	DIR *dir;

	*out = NULL;
	*count = 0;
	if (path_join(runs, PATH_MAX, home, "runs", err) < 0)
		return -1;
	dir = opendir(runs);
	if (!dir)
		return errno == ENOENT ? 0 : err_sys(err, "cannot open '%s'", runs);
	while (n < LIMIT_RUNS && (entry = readdir(dir))) {
		if (!is_run_id(entry->d_name))
			continue;
		list = arena_grow(a, list, n, sizeof(*list));
		list[n++] = (struct kept_run){
			.id = arena_strdup(a, entry->d_name),
			.dir = arena_printf(a, "%s/%s", runs, entry->d_name),
		};
	}
	(void)closedir(dir);
	if (n)
		qsort(list, n, sizeof(*list), newest_first);
	*out = list;
	*count = n;
	return 0;
}

int runs_list(const char *home, struct arena *a, struct kept_run **out, size_t *count,
	      struct err *err)
{
	char runs[PATH_MAX];
	struct kept_run *list;
	size_t total, kept = 0;

	if (list_ids(home, a, &list, &total, runs, err) < 0)
		return -1;
	if (total) {
		auto_fd int dir = open(runs, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		if (dir < 0)
			return err_sys(err, "cannot open '%s'", runs);
		for (size_t i = 0; i < total; i++)
			if (run_load(a, dir, &list[i]) == 0)
				list[kept++] = list[i];
	}
	*out = list;
	*count = kept;
	return 0;
}

/* The one run that `ref` means: an exact id, else the only one that begins so. */
static const struct kept_run *pick(const struct kept_run *list, size_t count, const char *ref,
				   size_t *hits)
{
	const struct kept_run *found = NULL;

	*hits = 0;
	if (strcmp(ref, "last") == 0)
		ref = count ? list[0].id : ref;
	for (size_t i = 0; i < count; i++) {
		if (strcmp(list[i].id, ref) == 0) {
			*hits = 1;
			return &list[i];
		}
		if (strncmp(list[i].id, ref, strlen(ref)) == 0) {
			found = &list[i];
			++*hits;
		}
	}
	return *hits == 1 ? found : NULL;
}

int runs_find(const char *home, struct arena *a, const char *ref, struct kept_run *out,
	      struct err *err)
{
	char runs[PATH_MAX];
	const struct kept_run *found;
	struct kept_run *list;
	size_t count, hits;

	if (list_ids(home, a, &list, &count, runs, err) < 0)
		return -1;
	found = pick(list, count, ref, &hits);
	if (!found)
		return err_fail(err, ERR_USAGE,
				hits ? "'%.100s' begins the names of %zu runs: write more of it"
				     : "no run '%.100s' among %zu: see stepcell runs list",
				ref, hits ? hits : count);

	auto_fd int dir = open(runs, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	*out = *found;
	if (dir < 0)
		return err_sys(err, "cannot open '%s'", runs);
	if (run_load(a, dir, out) < 0)
		return err_fail(err, ERR_USAGE, "run '%s' has no journal", out->id);
	return 0;
}
