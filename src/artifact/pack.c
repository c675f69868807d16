/*
 * pack: the same tree to the same bytes, whoever made it, in whatever order.
 *
 * First the names: what matches, sorted by bytes, below the folder that the
 * patterns have in common. Then each is opened from that folder without
 * passing a link, looked at, and only then read: what a step left behind may
 * be a link to anywhere, a FIFO that never ends, or a file of eight terabytes.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "artifact/glob.h"
#include "artifact/writer.h"
#include "stepcell/fd.h"
#include "stepcell/limits.h"
#include "stepcell/path.h"
#include "stepcell/util.h"

#define CHUNK (64 * 1024)

struct pack {
	const struct artifact_spec *spec;
	uint64_t max_bytes, max_entries;
	struct arena *arena;
	const char **names; /* relative to the root */
	size_t count;
	int base;    /* the folder that names in the archive begin in */
	size_t skip; /* bytes of its path in each name */
	struct archive_writer *writer;
	char *chunk;
	struct artifact_summary *summary;
	struct err *err;
};

/* ---- names ---- */

static int collect(void *arg, const char *rel, bool is_dir)
{
	struct pack *p = arg;

	if (is_dir)
		return 0;
	if (p->count == p->max_entries)
		return err_fail(p->err, ERR_USAGE, "the artifact has more than %zu files",
				p->count);
	p->names = arena_grow(p->arena, p->names, p->count, sizeof(char *));
	p->names[p->count++] = arena_strdup(p->arena, rel);
	return 0;
}

static int by_bytes(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Patterns that begin in several folders cannot meet a file twice: none begins inside another. */
static int find_names(struct pack *p, int root, struct glob **out)
{
	struct glob *g = glob_parse(p->arena, p->spec->workspace, p->spec->patterns,
				    p->spec->pattern_count, p->err);

	if (!g || glob_walk(g, root, p->spec->hidden, collect, p, p->err) < 0)
		return -1;
	if (p->count)
		qsort(p->names, p->count, sizeof(char *), by_bytes);
	*out = g;
	return 0;
}

static int open_base(struct pack *p, int root, const struct glob *g)
{
	const char *base = glob_base(p->arena, g, p->count == 1 ? p->names[0] : NULL);

	if (!p->count || p->spec->faithful) /* without a file there may be no such folder */
		base = "";
	p->skip = *base ? strlen(base) + 1 : 0;
	p->base = open_nolinks(root, *base ? base : ".", O_PATH | O_DIRECTORY, 0, p->err);
	return p->base < 0 ? -1 : 0;
}

/* ---- one entry ---- */

static bool leads_out(const struct pack *p, const char *name)
{
	struct err ignored;

	if (p->spec->faithful)
		return false;

	auto_fd int fd = open_beneath(p->base, name, O_PATH, 0, &ignored);

	return fd < 0;
}

static uint64_t time_of(const struct pack *p, const struct stat *st)
{
	return !p->spec->faithful ? p->spec->mtime : st->st_mtime < 0 ? 0 : (uint64_t)st->st_mtime;
}

/* A link is kept as text where that text leads to something in the artifact's own folder. */
static int pack_link(struct pack *p, const char *name, int fd, const struct stat *st)
{
	char target[PATH_MAX];
	ssize_t n = readlinkat(fd, "", target, sizeof(target));

	if (n < 0)
		return err_sys(p->err, "cannot read a link");
	if (n == 0 || n == (ssize_t)sizeof(target) || leads_out(p, name)) {
		p->summary->skipped++;
		return 0;
	}
	target[n] = '\0';
	p->summary->files++;
	return writer_link(p->writer, name, target, time_of(p, st), p->err);
}

/* Exactly `size` bytes: the header has promised them. */
static int pack_content(struct pack *p, int fd, uint64_t size)
{
	while (size) {
		size_t want = size < CHUNK ? (size_t)size : CHUNK;
		ssize_t n = read(fd, p->chunk, want);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(p->err, "cannot read");
		if (n == 0)
			return err_fail(p->err, ERR_USAGE, "became shorter while it was read");
		if (writer_data(p->writer, p->chunk, (size_t)n, p->err) < 0)
			return -1;
		size -= (uint64_t)n;
	}
	return 0;
}

static int pack_file(struct pack *p, const char *name)
{
	auto_fd int fd = open_nolinks(p->base, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY,
				      0, p->err);
	uint64_t left = p->max_bytes - p->summary->bytes;
	struct stat st;

	if (fd < 0)
		return -1;
	if (fstat(fd, &st) < 0)
		return err_sys(p->err, "cannot look at it");
	if (!S_ISREG(st.st_mode)) {
		p->summary->skipped++;
		return 0;
	}
	/* before a byte is read: a hole of terabytes takes no disk, but it takes for ever */
	if ((uint64_t)st.st_size > left)
		return err_fail(p->err, ERR_USAGE,
				"with its %llu bytes the artifact passes its limit of %llu",
				(unsigned long long)st.st_size, (unsigned long long)p->max_bytes);
	p->summary->files++;
	p->summary->bytes += (uint64_t)st.st_size;
	if (writer_file(p->writer, name, st.st_mode & S_IXUSR, (uint64_t)st.st_size,
			time_of(p, &st), p->err) < 0)
		return -1;
	return pack_content(p, fd, (uint64_t)st.st_size);
}

static int pack_entry(struct pack *p, const char *name)
{
	auto_fd int fd = open_nolinks(p->base, name, O_PATH | O_NOFOLLOW, 0, p->err);
	struct stat st;

	if (fd < 0)
		return -1;
	if (fstat(fd, &st) < 0)
		return err_sys(p->err, "cannot look at it");
	if (S_ISLNK(st.st_mode))
		return pack_link(p, name, fd, &st);
	if (S_ISREG(st.st_mode))
		return pack_file(p, name);
	p->summary->skipped++;
	return 0;
}

/* ---- the whole ---- */

static int pack_entries(struct pack *p)
{
	for (size_t i = 0; i < p->count; i++) {
		if (pack_entry(p, p->names[i] + p->skip) < 0) {
			auto_strbuf struct strbuf shown = STRBUF(600);

			strbuf_add_visible(&shown, p->names[i], strlen(p->names[i]));
			return err_wrap(p->err, "'%s'", shown.text);
		}
	}
	return 0;
}

static int pack(struct pack *p, int root, int out)
{
	struct glob *g;

	if (find_names(p, root, &g) < 0 || open_base(p, root, g) < 0)
		return -1;
	if (writer_open(out, p->spec->level, &p->writer, p->err) < 0 || pack_entries(p) < 0)
		return -1;
	return writer_finish(p->writer, &p->summary->tar, &p->summary->blob, p->err);
}

int artifact_pack(int root, const struct artifact_spec *spec, int out,
		  struct artifact_summary *summary, struct err *err)
{
	auto_arena struct arena *a = arena_new();
	struct artifact_summary result = {0};
	struct pack p = {
		.spec = spec,
		.max_bytes = spec->max_bytes ? spec->max_bytes : UINT64_MAX,
		.max_entries = spec->max_entries ? spec->max_entries : LIMIT_IMAGE_ENTRIES,
		.arena = a,
		.base = -1,
		.chunk = arena_alloc(a, CHUNK),
		.summary = &result,
		.err = err,
	};
	int status = pack(&p, root, out);

	writer_free(&p.writer);
	fd_close(&p.base);
	if (status < 0)
		return err_wrap(err, "packing");
	*summary = result;
	return 0;
}
