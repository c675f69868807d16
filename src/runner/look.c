/*
 * A look through the checkout before anything runs: whether a cell can change
 * all of it, and what of it must not be seen.
 */
#include <fcntl.h>
#include <fts.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "runner/run.h"
#include "stepcell/fd.h"
#include "stepcell/path.h"

/* The folder of the layer takes the original's mode and time: it shows through. */
static int same_looks(int layer, int tree, const char *path, struct err *err)
{
	auto_fd int to = open_nolinks(layer, path, O_RDONLY | O_DIRECTORY, 0, err);
	auto_fd int from = to < 0 ? -1 : open_nolinks(tree, path, O_PATH | O_DIRECTORY, 0, err);
	struct stat st;

	if (to < 0 || from < 0)
		return -1;
	if (fstat(from, &st) < 0 || fchmod(to, st.st_mode & 07777) < 0 ||
	    futimens(to, (struct timespec[]){st.st_atim, st.st_mtim}) < 0)
		return err_sys(err, "'%s'", path);
	return 0;
}

/*
 * A repository inside the checkout (a submodule, a clone) has a .git with
 * addresses and hooks of its own, and nobody made a harmless one of it: a
 * whiteout takes its place (overlayfs: a character device 0/0).
 */
static int hide_nested(struct run *run, int tree, const char *path, struct err *err)
{
	struct source *s = &run->source;
	char folder[PATH_MAX];

	if (!s->hide_layer[0])
		(void)snprintf(s->hide_layer, sizeof(s->hide_layer), "%.*s/hidden", PATH_MAX - 16,
			       run->work);
	(void)snprintf(folder, sizeof(folder), "%.*s", (int)(strrchr(path, '/') - path), path);
	if (mkdir_all(s->hide_layer, 0755, err) < 0)
		return -1;

	auto_fd int layer = open(s->hide_layer, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (layer < 0)
		return err_sys(err, "cannot open '%s'", s->hide_layer);
	if (mkdir_beneath(layer, folder, 0755, err) < 0)
		return -1;
	if (mknodat(layer, path, S_IFCHR, makedev(0, 0)) < 0)
		return err_sys(err, "cannot hide '%s'", path);
	for (char *slash = folder + strlen(folder); slash; slash = strrchr(folder, '/')) {
		*slash = '\0';
		if (same_looks(layer, tree, folder, err) < 0)
			return -1;
	}
	return same_looks(layer, tree, ".", err);
}

/*
 * Only one owner and one group are mapped into a cell: files of others could
 * be read there, but not replaced (EOVERFLOW). As root they are those of the
 * top, whoever that is.
 */
static int look_at(struct run *run, int tree, FTS *fts, struct err *err)
{
	size_t top = strlen(run->source.dir) + 1;
	uid_t uid = geteuid();
	gid_t gid = getegid();
	FTSENT *e;

	while ((e = fts_read(fts))) {
		bool git = strcmp(e->fts_name, ".git") == 0;

		if (e->fts_info == FTS_DP || e->fts_info == FTS_NS || e->fts_info == FTS_ERR)
			continue;
		if (e->fts_level == FTS_ROOTLEVEL && uid == 0) {
			uid = e->fts_statp->st_uid;
			gid = e->fts_statp->st_gid;
		}
		run->source.mixed |= e->fts_statp->st_uid != uid || e->fts_statp->st_gid != gid;
		if (git)
			(void)fts_set(fts, e, FTS_SKIP);
		if (git && e->fts_level > 1 && hide_nested(run, tree, e->fts_path + top, err) < 0)
			return -1;
	}
	return 0;
}

/* A commit's tree is git's own work: it is uniform, and holds no .git. */
int source_look(struct run *run, struct err *err)
{
	char *const paths[] = {run->source.dir, NULL};
	auto_fd int tree = open(run->source.dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	FTS *fts = run->source.tree_layer[0]
			   ? NULL
			   : fts_open(paths, FTS_PHYSICAL | FTS_NOCHDIR | FTS_XDEV, NULL);
	int ok = fts ? look_at(run, tree, fts, err) : 0;

	if (fts)
		(void)fts_close(fts);
	return ok < 0 ? err_wrap(err, "looking through the checkout") : 0;
}
