/*
 * walk: a tree in the order of @actions/glob: a folder before what is in it,
 * names by their bytes. Links are met and not followed: a link to a parent
 * would make the tree endless. A folder is opened anew from the root, without
 * passing a link, so one descriptor is open however deep the tree is.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "artifact/glob.h"
#include "stepcell/fd.h"
#include "stepcell/limits.h"
#include "stepcell/path.h"

struct walk {
	const struct glob *glob;
	int root;
	bool hidden;
	glob_fn *fn;
	void *arg;
	struct strbuf path; /* of what is visited; "" is the root */
	size_t seen;
	struct err *err;
};

struct entry {
	const char *name;
	bool is_dir;
};

struct folder {
	struct entry *entries;
	size_t count;
};

static int by_bytes(const void *a, const void *b)
{
	return strcmp(((const struct entry *)a)->name, ((const struct entry *)b)->name);
}

static bool entry_is_dir(int dir, const struct dirent *e)
{
	struct stat st;

	if (e->d_type != DT_UNKNOWN)
		return e->d_type == DT_DIR;
	return fstatat(dir, e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
}

static int read_entries(struct walk *w, struct arena *a, DIR *stream, struct folder *out)
{
	struct dirent *e;

	for (errno = 0; (e = readdir(stream)); errno = 0) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		if (++w->seen > LIMIT_IMAGE_ENTRIES)
			return err_fail(w->err, ERR_USAGE, "more than %d files to look at",
					LIMIT_IMAGE_ENTRIES);
		out->entries = arena_grow(a, out->entries, out->count, sizeof(struct entry));
		out->entries[out->count++] = (struct entry){
			.name = arena_strdup(a, e->d_name),
			.is_dir = entry_is_dir(dirfd(stream), e),
		};
	}
	if (errno)
		return err_sys(w->err, "cannot list a folder");
	if (out->count)
		qsort(out->entries, out->count, sizeof(struct entry), by_bytes);
	return 0;
}

static int read_folder(struct walk *w, struct arena *a, struct folder *out)
{
	const char *path = w->path.len ? w->path.text : ".";
	int fd = open_nolinks(w->root, path, O_RDONLY | O_DIRECTORY | O_NONBLOCK, 0, w->err);
	DIR *stream = fd < 0 ? NULL : fdopendir(fd);
	int result;

	if (fd < 0)
		return -1;
	if (!stream) {
		fd_close(&fd);
		return err_sys(w->err, "cannot list a folder");
	}
	result = read_entries(w, a, stream, out);
	(void)closedir(stream);
	return result;
}

static bool is_hidden(const char *path)
{
	const char *slash = strrchr(path, '/');

	return (slash ? slash[1] : path[0]) == '.';
}

static int visit(struct walk *w, bool is_dir);

static int visit_entry(struct walk *w, const struct entry *e)
{
	size_t len = w->path.len;
	int result;

	strbuf_addf(&w->path, "%s%s", len ? "/" : "", e->name);
	if (w->path.full) {
		auto_strbuf struct strbuf shown = STRBUF(400);

		strbuf_add_visible(&shown, w->path.text, 60);
		return err_fail(w->err, ERR_USAGE, "a path is longer than %d bytes: '%s...'",
				LIMIT_PATH, shown.text);
	}
	result = visit(w, e->is_dir);
	strbuf_cut(&w->path, len);
	return result;
}

static int descend(struct walk *w)
{
	auto_arena struct arena *a = arena_new();
	struct folder folder = {0};
	int result = read_folder(w, a, &folder);

	for (size_t i = 0; result == 0 && i < folder.count; i++)
		result = visit_entry(w, &folder.entries[i]);
	return result;
}

static int visit(struct walk *w, bool is_dir)
{
	enum glob_kind kind = glob_match(w->glob, w->path.text);
	int result = 0;

	if (!kind && !glob_leads_on(w->glob, w->path.text))
		return 0;
	if (!w->hidden && is_hidden(w->path.text))
		return 0;
	if (kind & (is_dir ? GLOB_DIR : GLOB_FILE))
		result = w->fn(w->arg, w->path.len ? w->path.text : ".", is_dir);
	return result == 0 && is_dir ? descend(w) : result;
}

/* Visit where a pattern begins, if it is there. */
static int visit_search(struct walk *w, const char *search)
{
	struct stat st;
	struct err why = {0};
	auto_fd int fd =
		open_nolinks(w->root, *search ? search : ".", O_PATH | O_NOFOLLOW, 0, &why);

	if (fd < 0 && (why.sys == ENOENT || why.sys == ENOTDIR || why.sys == ELOOP))
		return 0;
	if (fd < 0) {
		*w->err = why;
		return -1;
	}
	if (fstat(fd, &st) < 0)
		return err_sys(w->err, "cannot look at '%s'", search);
	strbuf_clear(&w->path);
	strbuf_adds(&w->path, search);
	return visit(w, S_ISDIR(st.st_mode));
}

int glob_walk(const struct glob *g, int root, bool hidden, glob_fn *fn, void *arg, struct err *err)
{
	struct walk w = {
		.glob = g,
		.root = root,
		.hidden = hidden,
		.fn = fn,
		.arg = arg,
		.path = STRBUF(LIMIT_PATH),
		.err = err,
	};
	int result = 0;

	for (size_t i = 0; result == 0 && i < g->search_count; i++)
		result = visit_search(&w, g->searches[i]);
	strbuf_release(&w.path);
	return result;
}
