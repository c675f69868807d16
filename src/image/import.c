/*
 * import: images as others hand them over, told apart by what is in them.
 *
 * A tar is unpacked by a worker before anybody knows what it is, for the entry
 * that says so may be the last. What it unpacks to is then read as one of: an
 * exported image of ours, a layout or a saved image (whose layers are unpacked
 * in their turn), or the root itself.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "image/compose.h"
#include "image/folder.h"
#include "image/layout.h"
#include "image/manifest.h"
#include "image/names.h"
#include "image/scan.h"
#include "image/store.h"
#include "image/take.h"
#include "image/transfer.h"
#include "image/tree.h"
#include "image/unpack.h"
#include "image/version.h"
#include "image/worker.h"
#include "stepcell/fd.h"
#include "stepcell/limits.h"
#include "stepcell/path.h"
#include "stepcell/util.h"

enum format { FORMAT_EXPORT, FORMAT_OCI, FORMAT_DOCKER, FORMAT_TAR, FORMAT_PREFIX, FORMAT_UNKNOWN };

const char *const image_formats[] = {
	[FORMAT_EXPORT] = "export", [FORMAT_OCI] = "oci",       [FORMAT_DOCKER] = "docker",
	[FORMAT_TAR] = "tar",       [FORMAT_PREFIX] = "prefix", [FORMAT_UNKNOWN] = NULL,
};

/* ---- which of them ---- */

static int parse_format(const char *text, enum format *out, struct err *err)
{
	auto_strbuf struct strbuf names = STRBUF(256);

	*out = FORMAT_UNKNOWN;
	for (int i = 0; text && i < FORMAT_UNKNOWN; i++) {
		strbuf_addf(&names, "%s%s", i ? ", " : "", image_formats[i]);
		if (strcmp(text, image_formats[i]) == 0)
			*out = (enum format)i;
	}
	if (text && *out == FORMAT_UNKNOWN)
		return err_fail(err, ERR_USAGE, "'%s' is no format; there are: %s", text,
				names.text);
	return 0;
}

static bool has(int dir, const char *name, mode_t type)
{
	struct stat st;

	return fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && (st.st_mode & S_IFMT) == type;
}

/* What the top of a folder shows. A root may have any name; what a system has tells it. */
static enum format look_at(int dir)
{
	static const char *const of_roots[] = {"usr", "bin", "etc", "lib", "sbin", "opt"};

	if (has(dir, "oci-layout", S_IFREG) && has(dir, "index.json", S_IFREG))
		return FORMAT_OCI;
	if (has(dir, "image.json", S_IFREG) && has(dir, "trees", S_IFDIR))
		return FORMAT_EXPORT;
	for (size_t i = 0; i < COUNT(of_roots); i++)
		if (has(dir, of_roots[i], S_IFDIR))
			return FORMAT_TAR;
	return has(dir, "manifest.json", S_IFREG) ? FORMAT_DOCKER : FORMAT_UNKNOWN;
}

int import_name(struct arena *a, const struct import_options *options, const char *self,
		const char **out, struct err *err)
{
	auto_strbuf struct strbuf name = STRBUF(128);
	const char *slash = options->path ? strrchr(options->path, '/') : NULL;
	const char *file = slash ? slash + 1 : options->path;

	if (options->name)
		return image_name_parse(a, options->name, out, err);
	/* which registry it came from is the operator's to say: a file may claim any */
	if (self && strpbrk(self, "/:")) {
		slash = strrchr(self, '/');
		self = slash ? slash + 1 : self;
		if (strchr(self, ':') && image_name_parse(a, self, out, err) == 0)
			return 0;
		name_make_safe(self, &name);
	} else if (file && *file) {
		name_make_safe(arena_strndup(a, file, strcspn(file, ".")), &name);
	}
	if (!name.len || strcmp(name.text, "host") == 0 || strcmp(name.text, "unnamed") == 0)
		return err_fail(err, ERR_USAGE, "it does not say what it is called; add --name");
	*out = arena_strdup(a, name.text);
	return 0;
}

/* ---- tars: in the worker ---- */

static int fill_any(const void *arg, struct filling *f, struct err *err)
{
	const enum format *as = arg;
	enum format found;

	if (unpack(*f->from, &f->writer, err) < 0)
		return -1;
	found = *as == FORMAT_UNKNOWN ? look_at(f->root) : *as;
	f->result->found = (int)found;
	if (found == FORMAT_EXPORT)
		return export_list(f->root, &f->writer.inodes, f->result, err);
	return found == FORMAT_TAR ? filling_list(f, SCAN_LIST_AND_OWNERS, err) : 0;
}

static int unpack_any(void *arg, const int *from, int dir, struct unpack_result *out,
		      struct err *err)
{
	return tree_fill(fill_any, arg, from, dir, out, err);
}

/* ---- tars: outside ---- */

struct import {
	struct store *store;
	struct arena *arena;
	const struct import_options *options;
	enum format as;
	const char *again; /* the words of `stepcell image` that do it again */
};

static int import_root(const struct import *im, struct staging *staging,
		       const struct unpack_result *result, struct digest *out, struct err *err)
{
	struct manifest m = {0};
	struct tree tree;

	if (tree_staged(staging, result, &tree, err) < 0 ||
	    import_name(im->arena, im->options, NULL, &m.name, err) < 0)
		return -1;
	return image_of_tree(im->arena, staging, &tree, &m, im->again, im->options->replace, out,
			     err);
}

/* Whatever else is made into an image serves its own root alone. */
static int no_toolchains(struct err *err)
{
	return err_fail(err, ERR_USAGE,
			"--toolchains is for exported images; build an image of 'kind: prefix' of "
			"anything else");
}

static int import_unpacked(const struct import *im, struct staging *staging,
			   const struct unpack_result *result, struct digest *out, struct err *err)
{
	auto_fd int root = openat(staging->dir, "tree/root", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (root < 0)
		return err_sys(err, "cannot open what was unpacked");
	if (im->options->toolchains && result->found != FORMAT_EXPORT)
		return no_toolchains(err);
	switch ((enum format)result->found) {
	case FORMAT_EXPORT:
		return export_publish(im->store, root, result, im->options, im->again, out, err);
	case FORMAT_OCI:
		return layout_import(im->store, root, im->options, im->again, out, err);
	case FORMAT_DOCKER:
		return docker_import(im->store, root, im->options, im->again, out, err);
	case FORMAT_TAR:
		return import_root(im, staging, result, out, err);
	default:
		return err_fail(err, ERR_USAGE,
				"this is no exported image, no OCI or Docker archive, and has none "
				"of a root's folders; --as tar takes it as a root");
	}
}

static int import_stream(const struct import *im, int fd, struct digest *out, struct err *err)
{
	auto_staging struct staging staging = {.dir = -1};
	const struct unpack_work work = {
		.name = "import",
		.fn = unpack_any,
		.arg = (void *)&im->as,
		.archives = &fd,
		.archive_count = 1,
	};
	struct unpack_result result;

	if (staging_open(im->store, &staging, err) < 0 ||
	    tree_stage(&staging, &work, &result, err) < 0)
		return -1;
	return import_unpacked(im, &staging, &result, out, err);
}

/* What is done of the file depends on the words too. */
static void add_words(const struct import *im, struct strbuf *what)
{
	strbuf_addf(what, " %s", im->again);
}

/* For a file, whose turn it is; `before` is what it was known by when it was not yet read. */
static int import_in_turn(const struct import *im, int fd, const struct strbuf *before,
			  struct digest *out, struct err *err)
{
	auto_strbuf struct strbuf after = STRBUF(before->max);
	auto_turn struct turn turn = {.fd = -1};

	if (turn_take(im->store, before->text, &turn, err) < 0)
		return -1;
	*out = turn.made;
	if (take_made(im->store, im->arena, &turn, im->again, im->options->replace))
		return 0;
	turn.known = false;
	if (import_stream(im, fd, out, err) < 0)
		return -1;
	if (lseek(fd, 0, SEEK_SET) == 0 && turn_of_file(fd, &after)) {
		add_words(im, &after);
		if (strcmp(before->text, after.text) == 0)
			turn_made(&turn, out);
	}
	return 0;
}

static int import_file(const struct import *im, int fd, struct digest *out, struct err *err)
{
	auto_strbuf struct strbuf what = STRBUF(4 * LIMIT_PATH);

	if (im->as == FORMAT_PREFIX)
		return err_fail(err, ERR_USAGE, "a prefix is a folder, not a file");
	if (!turn_of_file(fd, &what))
		return import_stream(im, fd, out, err);
	add_words(im, &what);
	return import_in_turn(im, fd, &what, out, err);
}

/* ---- folders ---- */

/* "3.10" of bin/python3.10, or NULL. */
static const char *python_of(struct arena *a, int dir)
{
	auto_strbuf struct strbuf names = STRBUF(MIB);
	struct err ignored;
	auto_fd int bin = open_beneath(dir, "bin", O_RDONLY | O_DIRECTORY, 0, &ignored);

	if (bin < 0 || folder_list(bin, &names, &ignored) < 0)
		return NULL;
	for_each_name(name, &names)
	{
		const char *minor = python_minor(name);

		if (minor)
			return arena_strdup(a, minor);
	}
	return NULL;
}

/* A CPython is built into an image by the recipe for all of them, with this folder as its source. */
static int import_prefix(const struct import *im, int dir, struct digest *out, struct err *err)
{
	const struct import_options *o = im->options;
	const char *minor = python_of(im->arena, dir);
	struct build_options build = {.data = o->data,
				      .source = o->path,
				      .name = o->name,
				      .force = o->replace,
				      .progress = o->progress};

	if (!minor)
		return err_fail(err, ERR_USAGE,
				"it has neither an oci-layout nor a bin/python3.N: neither a "
				"layout nor a CPython");
	if (!build.name)
		build.name = arena_printf(im->arena, "cpython-%s", minor);
	return image_build(im->store, "cpython-3", &build, out, err);
}

static int import_folder(const struct import *im, int dir, struct digest *out, struct err *err)
{
	enum format as = im->as;

	if (im->options->toolchains)
		return no_toolchains(err);
	if (as == FORMAT_UNKNOWN)
		as = has(dir, "oci-layout", S_IFREG) ? FORMAT_OCI : FORMAT_PREFIX;
	if (as == FORMAT_OCI)
		return layout_import(im->store, dir, im->options, im->again, out, err);
	if (as == FORMAT_DOCKER)
		return docker_import(im->store, dir, im->options, im->again, out, err);
	if (as == FORMAT_PREFIX)
		return import_prefix(im, dir, out, err);
	return err_fail(err, ERR_USAGE, "as '%s' a file is taken, not a folder; pack it with tar",
			image_formats[as]);
}

/* "import --name x /a/file", to be done again if need be; what came through a pipe has no name. */
static const char *again_of(struct arena *a, const struct import_options *o, int fd)
{
	const char *const words[][2] = {{"--as", o->as},
					{"--name", o->name},
					{"--ref", o->ref},
					{"--platform", o->platform}};
	const char *text = o->toolchains ? IMPORT_TOOLCHAINS : "import";
	char self[64], path[PATH_MAX];
	ssize_t n;

	for (size_t i = 0; i < COUNT(words); i++)
		if (words[i][1])
			text = arena_printf(a, "%s %s %s", text, words[i][0], words[i][1]);
	(void)snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
	n = readlink(self, path, sizeof(path) - 1);
	if (n <= 0 || path[0] != '/')
		return text;
	path[n] = '\0';
	return arena_printf(a, "%s %s", text, path);
}

static int import(struct store *store, const struct import_options *options, struct digest *out,
		  struct err *err)
{
	auto_arena struct arena *a = arena_new();
	auto_fd int file = options->path ? open(options->path, O_RDONLY | O_CLOEXEC) : -1;
	int fd = options->path ? file : options->fd;
	struct import im = {store, a, options, FORMAT_UNKNOWN, ""};
	struct stat st;

	if (parse_format(options->as, &im.as, err) < 0)
		return -1;
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_fail(err, ERR_USAGE, "cannot open it: %s", strerror(errno));
	im.again = again_of(a, options, fd);
	return S_ISDIR(st.st_mode) ? import_folder(&im, fd, out, err)
				   : import_file(&im, fd, out, err);
}

int image_import(struct store *store, const struct import_options *options, struct digest *out,
		 struct err *err)
{
	return import(store, options, out, err) < 0
		       ? err_wrap(err, "importing '%s'",
				  options->path ? options->path : "standard input")
		       : 0;
}
