/*
 * What is known of an image besides how to mount it: where it comes from, when
 * it was used, and which packages it holds. A package database is bytes of
 * others, so a worker reads it and answers with a line a package:
 *
 *	debian NAME VERSION
 *	python NAME VERSION
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "image/manifest.h"
#include "image/names.h"
#include "image/packages.h"
#include "image/store.h"
#include "image/used.h"
#include "image/worker.h"
#include "stepcell/fd.h"
#include "stepcell/limits.h"
#include "stepcell/path.h"

/* ---- where it comes from ---- */

static void find_origin(struct store *store, struct arena *a, const struct image *image,
			struct image_details *out)
{
	struct image_record *records = NULL;
	struct err ignored;
	size_t count = 0;

	out->origin = "";
	if (image_names(store, a, &records, &count, &ignored) < 0)
		return;
	for (size_t i = 0; i < count; i++)
		if (!records[i].broken &&
		    digest_equal(&records[i].meaning.manifest, &image->digest))
			out->origin = records[i].meaning.origin;
}

void image_describe(struct store *store, struct arena *a, const struct image *image,
		    struct image_details *out)
{
	const time_t used = image_touched(store, &image->digest);

	*out = (struct image_details){.used = used ? time_text(a, used) : NULL};
	find_origin(store, a, image, out);
}

/* ---- its packages ---- */

static int read_packages(void *arg, const int *from, int dir, struct unpack_result *out,
			 struct err *err)
{
	auto_strbuf struct strbuf text = STRBUF(LIMIT_PACKAGES_BYTES);
	auto_fd int to = openat(dir, "packages", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	(void)arg;
	(void)out;
	if (to < 0)
		return err_sys(err, "cannot make the list of packages");
	if (packages_of_tree(*from, &text, err) < 0)
		return -1;
	return write_full(to, text.text, text.len) < 0
		       ? err_sys(err, "cannot write the list of packages")
		       : 0;
}

/* The lines of one layer's packages. */
static int ask_worker(struct store *store, struct arena *a, const struct digest *tree,
		      struct strbuf *out, struct err *err)
{
	auto_staging struct staging staging = {.dir = -1};
	const struct unpack_work work = {
		.name = "packages",
		.fn = read_packages,
		.folder = arena_printf(a, "%s/trees/%s", store->path, tree->hex)};
	struct unpack_result result;

	if (staging_open(store, &staging, err) < 0 ||
	    worker_unpack(&work, staging.path, &result, err) < 0)
		return -1;
	return file_read(staging.dir, "packages", out, err);
}

struct packages {
	struct arena *arena;
	struct image_package *list;
	size_t count;
};

/* Its words are printed: nothing but what can be is taken from a worker. */
static bool add_line(struct packages *p, const char *line)
{
	static const char *const kinds[] = {"debian", "python", NULL};
	char *text = arena_strdup(p->arena, line);
	char *name = strchr(text, ' '), *version = name ? strchr(name + 1, ' ') : NULL;
	const char *const *kind = kinds;

	for (const char *c = line; *c; c++)
		if (*c < ' ' || *c > '~')
			return false;
	if (!version)
		return false;
	*name++ = *version++ = '\0';
	while (*kind && strcmp(*kind, text) != 0)
		kind++;
	p->list = arena_grow(p->arena, p->list, p->count, sizeof(*p->list));
	p->list[p->count++] = (struct image_package){*kind, name, version};
	return *kind != NULL;
}

static int add_lines(struct packages *p, char *text, struct err *err)
{
	for (char *end; (end = strchr(text, '\n')); text = end + 1) {
		*end = '\0';
		if (!add_line(p, text))
			return err_fail(err, ERR_SYSTEM,
					"a worker's list of packages makes no sense");
	}
	return 0;
}

static bool has_debian(const struct packages *p)
{
	for (size_t i = 0; i < p->count; i++)
		if (strcmp(p->list[i].kind, "debian") == 0)
			return true;
	return false;
}

static int by_name(const void *a, const void *b)
{
	const struct image_package *x = a, *y = b;
	int r = strcmp(x->kind, y->kind);

	r = r ? r : strcmp(x->name, y->name);
	return r ? r : strcmp(x->version, y->version);
}

/* A layer on top may bring a database of its own; what lies below is hidden by it. */
static void drop_hidden(struct packages *p, size_t before, bool hidden)
{
	size_t kept = before;

	for (size_t i = before; i < p->count; i++)
		if (!hidden || strcmp(p->list[i].kind, "debian") != 0)
			p->list[kept++] = p->list[i];
	p->count = kept;
}

int image_packages(struct store *store, struct arena *a, const struct image *image,
		   struct image_package **out, size_t *count, struct err *err)
{
	struct packages p = {.arena = a};

	for (size_t i = 0; i < image->tree_count; i++) {
		auto_strbuf struct strbuf text = STRBUF(LIMIT_PACKAGES_BYTES);
		const size_t before = p.count;
		const bool hidden = has_debian(&p);

		if (ask_worker(store, a, &image->trees[i].digest, &text, err) < 0 ||
		    add_lines(&p, text.text, err) < 0)
			return err_wrap(err, "reading the packages of image '%s'", image->name);
		drop_hidden(&p, before, hidden);
	}
	if (p.count)
		qsort(p.list, p.count, sizeof(*p.list), by_name);
	*out = p.list;
	*count = p.count;
	return 0;
}
