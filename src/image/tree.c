#include "image/tree.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "image/scan.h"
#include "image/unpack.h"
#include "image/whiteout.h"
#include "image/worker.h"
#include "stepcell/fd.h"
#include "stepcell/limits.h"
#include "stepcell/path.h"
#include "stepcell/util.h"

/* ---- in the worker: root/ of the directory, and what is to lie beside it ---- */

static int make_root(int dir, struct err *err)
{
	int root;

	if (mkdirat(dir, "root", 0755) < 0)
		return err_sys(err, "cannot make the tree's root");
	root = openat(dir, "root", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return root < 0 ? err_sys(err, "cannot open the tree's root") : root;
}

int tree_fill(fill_fn *fill, const void *arg, const int *from, int dir, struct unpack_result *out,
	      struct err *err)
{
	struct filling f = {.from = from, .dir = dir, .result = out};
	int r;

	f.root = make_root(dir, err);
	if (f.root < 0)
		return -1;
	writer_init(&f.writer, f.root);
	r = fill(arg, &f, err);
	out->skipped = f.writer.skipped;
	writer_release(&f.writer);
	fd_close(&f.root);
	return r;
}

int filling_list(struct filling *f, enum scan_what what, struct err *err)
{
	return scan_write(f->dir, f->root, &f->writer.inodes, what, &f->result->bytes,
			  &f->result->entries, err);
}

/* ---- images: layers, or one archive ---- */

struct apply {
	const struct tree_layer *layers; /* NULL: one archive, whose names mean themselves */
	size_t count;
};

static int apply_layer(const struct tree_layer *layer, int fd, struct writer *w, struct err *err)
{
	auto_stream struct stream *stream = NULL;
	struct digest found;

	if (stream_open(fd, layer->compression, true, &stream, err) < 0 ||
	    unpack_stream(stream, w, err) < 0 || stream_finish(stream, &found, err) < 0)
		return -1;
	if (!digest_equal(&found, &layer->diff_id))
		return err_fail(err, ERR_USAGE,
				"unpacks to sha256:%s, not to sha256:%s as the image's config says",
				found.hex, layer->diff_id.hex);
	return 0;
}

static int apply_layers(const struct apply *work, const int *from, struct writer *w,
			struct err *err)
{
	struct written written = {0};
	int r = 0;

	w->layers = true;
	for (size_t i = 0; r == 0 && i < work->count; i++) {
		r = apply_layer(&work->layers[i], from[i], w, err);
		if (r < 0)
			(void)err_wrap(err, "layer %zu of %zu", i + 1, work->count);
		w->written = &written;
		written_clear(&written);
	}
	w->written = NULL;
	return r;
}

static int fill(const void *arg, struct filling *f, struct err *err)
{
	const struct apply *work = arg;
	int r = work->layers ? apply_layers(work, f->from, &f->writer, err)
			     : unpack(*f->from, &f->writer, err);

	return r < 0 ? -1 : filling_list(f, SCAN_LIST_AND_OWNERS, err);
}

static int make_tree(void *arg, const int *from, int dir, struct unpack_result *out,
		     struct err *err)
{
	return tree_fill(fill, arg, from, dir, out, err);
}

/* ---- outside ---- */

int tree_stage(struct staging *staging, const struct unpack_work *work, struct unpack_result *out,
	       struct err *err)
{
	char path[PATH_MAX];

	if (mkdirat(staging->dir, "tree", 0700) < 0)
		return err_sys(err, "cannot make a staging folder");
	return path_join(path, sizeof(path), staging->path, "tree", err) < 0
		       ? -1
		       : worker_unpack(work, path, out, err);
}

int tree_staged(const struct staging *staging, const struct unpack_result *result, struct tree *out,
		struct err *err)
{
	auto_fd int list = openat(staging->dir, "tree/manifest", O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

	if (list < 0)
		return err_sys(err, "unpacking: no list of the tree");
	*out = (struct tree){
		.bytes = result->bytes, .entries = result->entries, .skipped = result->skipped};
	return digest_of_fd(list, &out->digest, err);
}

static int make(struct staging *staging, const struct unpack_work *work, struct tree *out,
		struct err *err)
{
	struct unpack_result result;

	return tree_stage(staging, work, &result, err) < 0
		       ? -1
		       : tree_staged(staging, &result, out, err);
}

int tree_unpack(struct staging *staging, int fd, struct tree *out, struct err *err)
{
	struct apply apply = {0};
	const struct unpack_work work = {.name = "unpack",
					 .fn = make_tree,
					 .arg = &apply,
					 .archives = &fd,
					 .archive_count = 1};

	return make(staging, &work, out, err);
}

int tree_apply(struct staging *staging, const struct tree_layer *layers, size_t count,
	       struct tree *out, struct err *err)
{
	struct apply apply = {layers, count};
	int fds[LIMIT_OCI_LAYERS];
	const struct unpack_work work = {.name = "layers",
					 .fn = make_tree,
					 .arg = &apply,
					 .archives = fds,
					 .archive_count = count};

	if (count > COUNT(fds))
		return err_fail(err, ERR_USAGE, "more than %zu layers", COUNT(fds));
	for (size_t i = 0; i < count; i++)
		fds[i] = layers[i].fd;
	return make(staging, &work, out, err);
}

int tree_publish(struct staging *staging, const struct tree *tree, struct err *err)
{
	return staging_publish(staging->dir, "tree", staging->store->trees, tree->digest.hex, err);
}
