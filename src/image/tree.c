#include "image/tree.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "image/scan.h"
#include "image/unpack.h"
#include "image/worker.h"
#include "stepcell/fd.h"
#include "stepcell/path.h"

int tree_root_make(int dir, struct err *err)
{
	int root;

	if (mkdirat(dir, "root", 0755) < 0)
		return err_sys(err, "cannot make the tree's root");
	root = openat(dir, "root", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return root < 0 ? err_sys(err, "cannot open the tree's root") : root;
}

/* In the worker: root/ of the directory, and its list beside it. */
static int unpack_tree(void *arg, int archive, int dir, struct unpack_result *out, struct err *err)
{
	struct writer w;
	int r;

	(void)arg;
	auto_fd int root = tree_root_make(dir, err);

	if (root < 0)
		return -1;
	writer_init(&w, root);
	r = unpack(archive, &w, err);
	if (r == 0)
		r = scan_write(dir, root, &w.inodes, SCAN_LIST_AND_OWNERS, &out->bytes,
			       &out->entries, err);
	out->skipped = w.skipped;
	writer_release(&w);
	return r;
}

int tree_unpack(struct staging *staging, int fd, struct tree *out, struct err *err)
{
	const struct unpack_work work = {.name = "unpack", .fn = unpack_tree, .archive = fd};
	struct unpack_result result;
	char path[PATH_MAX];

	if (mkdirat(staging->dir, "tree", 0700) < 0)
		return err_sys(err, "cannot make a staging folder");
	if (path_join(path, sizeof(path), staging->path, "tree", err) < 0 ||
	    worker_unpack(&work, path, &result, err) < 0)
		return -1;
	auto_fd int manifest =
		openat(staging->dir, "tree/manifest", O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

	if (manifest < 0)
		return err_sys(err, "unpacking: no list of the tree");
	*out = (struct tree){
		.bytes = result.bytes, .entries = result.entries, .skipped = result.skipped};
	return digest_of_fd(manifest, &out->digest, err);
}

int tree_publish(struct staging *staging, const struct tree *tree, struct err *err)
{
	return staging_publish(staging->dir, "tree", staging->store->trees, tree->digest.hex, err);
}
