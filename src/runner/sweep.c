/* What a killed run left: its layers. Its record stays, and says that it was lost. */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <unistd.h>

#include "runner/run.h"
#include "stepcell/fd.h"
#include "stepcell/path.h"

/* A run holds its journal's lock while it lives, and removes its layers when it ends. */
static void sweep_run(int runs, const char *id)
{
	char layers[300], journal[300];
	struct err ignored;

	(void)snprintf(layers, sizeof(layers), "%s/layers", id);
	(void)snprintf(journal, sizeof(journal), "%s/journal.ndjson", id);
	if (faccessat(runs, layers, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
		return;

	auto_fd int lock = openat(runs, journal, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

	if (lock >= 0 && flock(lock, LOCK_EX | LOCK_NB) == 0)
		(void)remove_tree(runs, layers, &ignored);
}

void sweep_layers(const char *home)
{
	char path[PATH_MAX];
	struct dirent *e;
	struct err ignored;
	DIR *dir;

	if (path_join(path, sizeof(path), home, "runs", &ignored) < 0 || !(dir = opendir(path)))
		return;
	while ((e = readdir(dir)))
		if (e->d_name[0] != '.')
			sweep_run(dirfd(dir), e->d_name);
	(void)closedir(dir);
}
