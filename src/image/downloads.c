#include "image/downloads.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "stepcell/fd.h"
#include "stepcell/limits.h"
#include "stepcell/path.h"

#define FOLDER "downloads"

int downloads_open(struct store *store, struct downloads *out, struct err *err)
{
	auto_fd int dir = -1;

	if (mkdir_beneath(store->dir, FOLDER "/partial", 0700, err) < 0 ||
	    path_join(out->path, sizeof(out->path), store->path, FOLDER, err) < 0)
		return -1;
	dir = openat(store->dir, FOLDER, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (dir < 0 || flock(dir, LOCK_SH) < 0)
		return err_sys(err, "cannot open '%s'", out->path);
	out->dir = take_fd(&dir);
	return 0;
}

void downloads_close(struct downloads *downloads)
{
	fd_close(&downloads->dir);
}

int downloads_check_space(const struct downloads *downloads, uint64_t bytes, struct err *err)
{
	struct statvfs fs;
	uint64_t left;

	if (fstatvfs(downloads->dir, &fs) < 0)
		return err_sys(err, "cannot look at the store's disk");
	left = (uint64_t)fs.f_bavail * fs.f_frsize;
	if (bytes <= left)
		return 0;
	return err_fail(err, ERR_SYSTEM,
			"its layers have %llu MiB, and the store's disk has %llu left",
			(unsigned long long)(bytes / MIB), (unsigned long long)(left / MIB));
}

/* A worker could write here, and put a link where the folder was: none is followed. */
static uint64_t remove_files(int dir, const char *path, time_t before, bool dry_run)
{
	struct err ignored;
	int fd = open_nolinks(dir, path, O_RDONLY | O_DIRECTORY, 0, &ignored);
	DIR *entries = fd < 0 ? NULL : fdopendir(fd);
	uint64_t bytes = 0;
	struct stat st;

	if (!entries) {
		fd_close(&fd);
		return 0;
	}
	for (struct dirent *e; (e = readdir(entries));) {
		if (fstatat(fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode) ||
		    st.st_mtime > before)
			continue;
		if (dry_run || unlinkat(fd, e->d_name, 0) == 0)
			bytes += (uint64_t)st.st_blocks * 512;
	}
	closedir(entries);
	return bytes;
}

uint64_t downloads_clean(struct downloads *downloads, time_t before, bool dry_run)
{
	const time_t now = time(NULL);

	if (flock(downloads->dir, LOCK_EX | LOCK_NB) < 0)
		return 0;
	return remove_files(downloads->dir, ".", now, dry_run) +
	       remove_files(downloads->dir, "partial", before, dry_run);
}
