#include "image/tree.h"

#include <fcntl.h>
#include <locale.h>
#include <sys/stat.h>
#include <unistd.h>

#include "image/unpack.h"
#include "stepcell/cell.h"
#include "stepcell/fd.h"
#include "stepcell/path.h"

/* Long enough for a slow disk; a worker that hangs must still end. */
#define UNPACK_MINUTES 60

enum { FD_ARCHIVE, FD_RESULT, FD_ERROR };

/* In the worker: the staged tree's folder is its only directory. */
static int work(void *arg, const int *fds, size_t fd_count)
{
	auto_fd int dir = open(arg, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct unpack_result result = {0};
	struct err err = {0};
	int r;

	(void)fd_count;
	if (dir < 0)
		r = err_sys(&err, "cannot open the worker's directory");
	else
		r = unpack(fds[FD_ARCHIVE], dir, &result, &err);
	if (r == 0 && write_full(fds[FD_RESULT], &result, sizeof(result)) < 0)
		r = err_sys(&err, "cannot tell the result");
	if (r < 0)
		(void)write_full(fds[FD_ERROR], &err, sizeof(err));
	return r < 0 ? 1 : 0;
}

static int run_worker(const char *dir, int archive, int result, struct err *err)
{
	const struct cell_bind dirs[] = {{.from = dir, .writable = true}};
	const int fds[] = {archive, result};
	const struct cell_work spec = {
		.name = "unpack",
		.fn = work,
		.arg = (char[]){"/0"},
		.dirs = dirs,
		.dir_count = 1,
		.fds = fds,
		.fd_count = 2,
		.limits = {.memory = UINT64_C(2) << 30,
			   .pids = 1,
			   .open_files = 1024,
			   .wall_ms = UINT64_C(60000) * UNPACK_MINUTES},
	};

	/*
	 * Names are bytes: libarchive's C locale would refuse those that are not
	 * ASCII, and inside there is no file to load another from.
	 */
	locale_t utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
	locale_t before = uselocale(utf8);
	int r = cell_worker(&spec, err);

	(void)uselocale(before);
	if (utf8)
		freelocale(utf8);
	return r;
}

int tree_unpack(struct staging *staging, int fd, struct tree *out, struct err *err)
{
	struct unpack_result result;
	char path[PATH_MAX];
	int ends[2];

	if (mkdirat(staging->dir, "tree", 0700) < 0)
		return err_sys(err, "cannot make a staging folder");
	if (path_join(path, sizeof(path), staging->path, "tree", err) < 0 ||
	    pipe_open(ends, err) < 0)
		return -1;
	auto_fd int heard = ends[0];
	auto_fd int said = ends[1];

	if (run_worker(path, fd, said, err) < 0)
		return -1;
	if (read_full(heard, &result, sizeof(result)) < 0)
		return err_sys(err, "unpacking: the worker gave no result");
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
	return staging_publish(staging, "tree", staging->store->trees, tree->digest.hex, err);
}
