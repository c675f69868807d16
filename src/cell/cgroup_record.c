/*
 * What a killed stepcell leaves: cgroups that nobody would remove.
 *
 * Each cell's directories are written down before they are made, in a file
 * that stays locked (flock) while its stepcell lives. The kernel lets go of
 * the lock with the last of its processes, so a file that can be locked tells
 * of a cell whose owner is gone. A file is removed under its lock alone, and
 * whoever opened it before that sees that it has no name any more.
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
static bool lock(int fd)
{
	struct stat st;

	return flock(fd, LOCK_EX | LOCK_NB) == 0 && fstat(fd, &st) == 0 && st.st_nlink > 0;
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

static const char *record_name(const struct cgroup *cg)
{
	for (size_t i = 0; i < CG_PARTS; i++)
		if (cg->path[i])
			return strrchr(cg->path[i], '/') + 1;
	return "none";
}

int cgroup_record_open(struct cgroup *cg, const char *state, const char *name,
		       const struct cgroup_places *places, struct err *err)
{
	const char *dir = state ? arena_printf(cg->arena, "%s/cgroups", state) : NULL;

	if (dir && mkdir(dir, 0700) < 0 && errno != EEXIST && mkdir_all(dir, 0700, err) < 0)
		return -1;
	for (int tries = 0; tries < 10; tries++) {
		choose_paths(cg, name, places);
		if (!dir)
			return 0;
		cg->record_path = arena_printf(cg->arena, "%s/%s", dir, record_name(cg));

		auto_fd int fd = open(cg->record_path,
				      O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

		if (fd < 0 && errno != EEXIST)
			return err_sys(err, "cannot make %s", cg->record_path);
		/* a sweep may have come between the two calls; then it is its file */
		if (fd < 0 || !lock(fd))
			continue;
		cg->record = take_fd(&fd);
		return write_record(cg, cg->record, err);
	}
	return err_fail(err, ERR_SYSTEM, "cannot make a record in %s: every name is taken", dir);
}

void cgroup_record_close(struct cgroup *cg, bool gone)
{
	if (cg->record < 0)
		return;
	if (gone)
		(void)unlink(cg->record_path);
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

static void sweep_one(int records, const char *name, const char *state)
{
	auto_fd int fd = openat(records, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	auto_strbuf struct strbuf text = STRBUF(64 * KIB);
	struct err ignored;
	struct cgroup *cg;

	if (fd < 0 || !lock(fd) || read_capped(fd, &text, &ignored) < 0)
		return;
	cg = cgroup_new();
	read_record(cg, text.text);
	cg->record_path = arena_printf(cg->arena, "%s/cgroups/%s", state, name);
	cg->record = take_fd(&fd);
	cgroup_close(&cg);
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
			sweep_one(dirfd(dir), entry->d_name, state);
	(void)closedir(dir);
}
