/*
 * What a killed stepcell leaves: cgroups that nobody would remove.
 *
 * Each cell's directories are written down before they are made, in a file
 * that stays locked (flock) while its stepcell lives. The kernel lets go of
 * the lock with the last of its processes, so a file that can be locked tells
 * of a cell whose owner is gone. A file is removed under its lock alone, and
 * whoever opened it before that sees that it has no name any more.
 *
 * The files bear numbers. A cell that ends in order leaves its file empty, for
 * the next one: to make and remove a file for each cell was a tenth of its
 * start (0.35 ms on ext4, which looks long for an inode of late).
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "cell/cgroup_parts.h"
#include "stepcell/fd.h"
#include "stepcell/limits.h"
#include "stepcell/path.h"
#include "stepcell/util.h"

#define MAX_RECORDS 100000 /* cells at once, and a bound for a directory that is not ours */

static const char *const part_names[] = {
	[CG_MEMORY] = "memory",   [CG_PIDS] = "pids",       [CG_CPU] = "cpu",
	[CG_CPUACCT] = "cpuacct", [CG_FREEZER] = "freezer", [CG_V2] = "v2",
};
static_assert(COUNT(part_names) == CG_PARTS, "name every part");

/* The cell's directories share one name, which nobody else has or had. */
static void choose_paths(struct cgroup *cg, const char *name, const struct cgroup_places *places)
{
	uint32_t random = 0;

	(void)!getrandom(&random, sizeof(random), 0);
	for (size_t i = 0; i < CG_PARTS; i++)
		if (places->dir[i])
			cg->path[i] = arena_printf(cg->arena, "%s/" CG_PREFIX "%s-%08x",
						   places->dir[i], name, random);
}

/* True when the file is locked by us and still has its name. */
static bool lock(int fd, off_t *size)
{
	struct stat st;

	if (flock(fd, LOCK_EX | LOCK_NB) < 0 || fstat(fd, &st) < 0)
		return false;
	*size = st.st_size;
	return st.st_nlink > 0;
}

static int write_record(struct cgroup *cg, int fd, struct err *err)
{
	auto_strbuf struct strbuf text = STRBUF(64 * KIB);

	for (size_t i = 0; i < CG_PARTS; i++)
		if (cg->path[i])
			strbuf_addf(&text, "%s %s\n", part_names[i], cg->path[i]);
	if (write_full(fd, text.text, text.len) < 0)
		return err_sys(err, "cannot write %s", cg->record_path);
	return 0;
}

/* An empty file that nobody holds; what is in one that nobody holds is the sweep's. */
static int claim(struct cgroup *cg, const char *dir, unsigned number)
{
	off_t size;

	cg->record_path = arena_printf(cg->arena, "%s/%u", dir, number);

	auto_fd int fd = open(cg->record_path, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd < 0 || !lock(fd, &size) || size > 0)
		return -1;
	return take_fd(&fd);
}

int cgroup_record_open(struct cgroup *cg, const char *state, const char *name,
		       const struct cgroup_places *places, struct err *err)
{
	const char *dir = state ? arena_printf(cg->arena, "%s/cgroups", state) : NULL;

	choose_paths(cg, name, places);
	if (!dir)
		return 0;
	if (mkdir(dir, 0700) < 0 && errno != EEXIST && mkdir_all(dir, 0700, err) < 0)
		return -1;
	for (unsigned number = 0; number < MAX_RECORDS && cg->record < 0; number++)
		cg->record = claim(cg, dir, number);
	if (cg->record < 0)
		return err_sys(err, "cannot make a record in %s", dir);
	return write_record(cg, cg->record, err);
}

void cgroup_record_close(struct cgroup *cg, bool gone)
{
	if (cg->record < 0)
		return;
	if (gone)
		(void)!ftruncate(cg->record, 0);
	fd_close(&cg->record);
}

/* Only a directory of a cgroup file system with a name of ours is ever killed and removed. */
static int open_recorded(const char *path)
{
	auto_fd int dir = open(path, O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	const char *name = strrchr(path, '/') + 1;
	struct statfs fs;

	if (dir < 0 || fstatfs(dir, &fs) < 0 || strncmp(name, CG_PREFIX, strlen(CG_PREFIX)) != 0)
		return -1;
	if (fs.f_type != CGROUP_SUPER_MAGIC && fs.f_type != CGROUP2_SUPER_MAGIC)
		return -1;
	return take_fd(&dir);
}

static void read_record(struct cgroup *cg, char *text)
{
	char *save = NULL;

	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char *path = strchr(line, ' ');

		if (!path || path[1] != '/')
			continue;
		*path++ = '\0';
		for (size_t i = 0; i < CG_PARTS; i++)
			if (strcmp(line, part_names[i]) == 0) {
				cg->path[i] = arena_strdup(cg->arena, path);
				cg->dir[i] = open_recorded(path);
			}
	}
}

static void sweep_one(int records, const char *name)
{
	auto_fd int fd = openat(records, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	auto_strbuf struct strbuf text = STRBUF(64 * KIB);
	struct err ignored;
	struct cgroup *cg;
	off_t size;

	if (fd < 0 || !lock(fd, &size) || read_capped(fd, &text, &ignored) < 0)
		return;
	cg = cgroup_new();
	read_record(cg, text.text);
	/* what could not be removed is tried again by the next sweep */
	if (cgroup_remove(&cg))
		(void)unlinkat(records, name, 0);
}

void cgroup_sweep(const char *state)
{
	char path[PATH_MAX];
	struct err ignored;
	struct dirent *entry;
	DIR *dir;

	if (path_join(path, sizeof(path), state, "cgroups", &ignored) < 0)
		return;
	dir = opendir(path);
	if (!dir)
		return;
	while ((entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			sweep_one(dirfd(dir), entry->d_name);
	(void)closedir(dir);
}
