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

int tree_root_make(int dir, struct err *err)
{
	int root;

	if (mkdirat(dir, "root", 0755) < 0)
		return err_sys(err, "cannot make the tree's root");
	root = openat(dir, "root", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return root < 0 ? err_sys(err, "cannot open the tree's root") : root;
}

/* ---- in the worker: root/ of the directory, and its list beside it ---- */

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

static int make_tree(void *arg, const int *from, int dir, struct unpack_result *out,
		     struct err *err)
{
	const struct apply *work = arg;
	struct writer w;
	int r;

	auto_fd int root = tree_root_make(dir, err);

	if (root < 0)
		return -1;
	writer_init(&w, root);
	r = work->layers ? apply_layers(work, from, &w, err) : unpack(*from, &w, err);
	if (r == 0)
		r = scan_write(dir, root, &w.inodes, SCAN_LIST_AND_OWNERS, &out->bytes,
			       &out->entries, err);
	out->skipped = w.skipped;
	writer_release(&w);
	return r;
}

/* ---- outside ---- */

static int make(struct staging *staging, const struct unpack_work *work, struct tree *out,
		struct err *err)
{
	struct unpack_result result;
	char path[PATH_MAX];

	if (mkdirat(staging->dir, "tree", 0700) < 0)
		return err_sys(err, "cannot make a staging folder");
	if (path_join(path, sizeof(path), staging->path, "tree", err) < 0 ||
	    worker_unpack(work, path, &result, err) < 0)
		return -1;
	auto_fd int manifest =
		openat(staging->dir, "tree/manifest", O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

	if (manifest < 0)
		return err_sys(err, "unpacking: no list of the tree");
	*out = (struct tree){
		.bytes = result.bytes, .entries = result.entries, .skipped = result.skipped};
	return digest_of_fd(manifest, &out->digest, err);
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
