/* mounts: the cell's tree of files, from "/" down, every place opened without following a link. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "inside.h"
#include "newmount.h"
#include "overlay.h"
#include "stepcell/fd.h"
#include "stepcell/path.h"
#include "stepcell/util.h"

/* ---- places ---- */

/* It is the root that is at fault, not the host: the caller can tell by the errno. */
static int place_fail(const char *at, struct err *err)
{
	const int sys = err->sys;

	if (sys == ELOOP || sys == ENOTDIR) {
		(void)err_fail(err, ERR_USAGE,
			       "unsafe path '%s': the root has a link or a file on the way", at);
		err->sys = sys;
		return -1;
	}
	if (err->sys == ENOENT || err->sys == EROFS)
		return err_fail(
			err, ERR_SYSTEM,
			"'%s' is missing in the root, and a read-only root cannot be given one",
			at);
	return err_wrap(err, "'%s'", at);
}

/* `at` without its last component, for mkdir. */
static int make_file(int root, const char *at, struct err *err)
{
	const char *name = strrchr(at, '/') + 1;
	char parent[4096];
	size_t len = (size_t)(name - at);

	if (len >= sizeof(parent))
		return err_fail(err, ERR_USAGE, "path too long: '%s'", at);
	memcpy(parent, at, len);
	parent[len] = '\0';
	if (mkdir_beneath(root, parent, 0755, err) < 0)
		return -1;

	auto_fd int dir = open_nolinks(root, len > 1 ? parent + 1 : ".", O_PATH, 0, err);
	auto_fd int file = -1;

	if (dir < 0)
		return -1;
	file = open_nolinks(dir, name, O_WRONLY | O_CREAT | O_EXCL, 0644, err);
	return file < 0 ? -1 : 0;
}

int point_open(int root, const char *at, bool directory, bool make, struct err *err)
{
	const char *path = at[1] ? at + 1 : ".";
	int flags = O_PATH | (directory ? O_DIRECTORY : 0);
	int point = open_nolinks(root, path, flags, 0, err);

	if (point >= 0)
		return point;
	if (err->sys != ENOENT || !make)
		return place_fail(at, err);
	if ((directory ? mkdir_beneath(root, path, 0755, err) : make_file(root, at, err)) < 0)
		return place_fail(at, err);
	point = open_nolinks(root, path, flags, 0, err);
	return point < 0 ? place_fail(at, err) : point;
}

int point_attach(int tree, int point, const char *at, struct err *err)
{
	if (move_mount(tree, "", point, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
		return err_sys(err, "cannot mount at '%s'", at);
	return 0;
}

/* A place may be made wherever what it lies in can be written: the kernel knows best. */
static int attach_at(const struct setup *s, int tree, const char *at, bool directory,
		     struct err *err)
{
	auto_fd int point = point_open(s->root, at, directory, true, err);

	return point < 0 ? -1 : point_attach(tree, point, at, err);
}

/* ---- the root ---- */

int mounts_make_private(struct setup *s, struct err *err)
{
	(void)s;
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return err_sys(err, "cannot make the mounts private");
	return 0;
}

/* Made outside by root, or made here. */
static int overlay_tree(struct setup *s, size_t i, struct err *err)
{
	if (s->trees[i] >= 0)
		return take_fd(&s->trees[i]);
	return overlay_mount(s->spec->owner, &s->spec->overlays[i], err);
}

/* On top of the old root, which mounts_pivot() then takes away from below. */
int mounts_root(struct setup *s, struct err *err)
{
	s->root = overlay_tree(s, 0, err);
	if (s->root < 0)
		return -1;
	if (move_mount(s->root, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return err_sys(err, "cannot mount the root");
	return 0;
}

int mounts_overlays(struct setup *s, struct err *err)
{
	for (size_t i = 1; i < s->spec->overlay_count; i++) {
		const char *at = s->spec->overlays[i].at;
		auto_fd int tree = overlay_tree(s, i, err);

		if (tree < 0 || attach_at(s, tree, at, true, err) < 0)
			return -1;
	}
	return 0;
}

int mounts_pivot(struct setup *s, struct err *err)
{
	/* pivot_root(2), "pivot_root(".", ".")": the old root ends up on top, and is let go */
	if (fchdir(s->root) < 0 || syscall(SYS_pivot_root, ".", ".") < 0)
		return err_sys(err, "cannot change the root");
	if (umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
		return err_sys(err, "cannot let the old root go");
	return 0;
}

/* ---- /proc and /tmp ---- */

/* With proc: full, what speaks of the host or changes it is hidden or cannot be written. */
static const struct {
	const char *path;
	bool hide;
} proc_masks[] = {
	{"acpi", true},       {"asound", true},        {"bus", false},        {"fs", false},
	{"interrupts", true}, {"irq", false},          {"kallsyms", true},    {"kcore", true},
	{"keys", true},       {"key-users", true},     {"kmsg", true},        {"kpagecount", true},
	{"kpageflags", true}, {"latency_stats", true}, {"sched_debug", true}, {"scsi", true},
	{"sys", false},       {"sysrq-trigger", true}, {"sysvipc", false},    {"timer_list", true},
};

/* An empty, unreadable stand-in of the same kind, from an empty file system. */
static int mask_tree(int empty, bool directory, struct err *err)
{
	return tree_clone(empty, directory ? "dir" : "file", err);
}

static int mask_one(int proc, int empty, const char *path, bool hide, struct err *err)
{
	auto_fd int point = openat(proc, path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	auto_fd int tree = -1;
	struct stat st;

	if (point < 0 && errno == ENOENT)
		return 0;
	if (point < 0 || fstat(point, &st) < 0)
		return err_sys(err, "cannot open '/proc/%s'", path);
	tree = hide ? mask_tree(empty, S_ISDIR(st.st_mode), err) : tree_clone(point, "", err);
	if (tree < 0 || tree_restrict(tree, MOUNT_ATTR_RDONLY, err) < 0)
		return -1;
	return point_attach(tree, point, path, err);
}

static int mask_source(struct err *err)
{
	static const struct fs_option options[] = {
		{"size", "4k"}, {"nr_inodes", "4"}, {"mode", "0500"}, {NULL, NULL}};
	auto_fd int empty = fs_make("tmpfs", options,
				    MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC, err);
	auto_fd int file = -1;

	if (empty < 0)
		return -1;
	file = openat(empty, "file", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0);
	if (file < 0 || mkdirat(empty, "dir", 0) < 0)
		return err_sys(err, "cannot make the masks of /proc");
	return take_fd(&empty);
}

/* Before 6.15 no part of a detached mount can be copied: the masks' source is mounted meanwhile. */
static int proc_mask(struct setup *s, int proc, struct err *err)
{
	auto_fd int empty = mask_source(err);

	if (empty < 0 || attach_at(s, empty, "/proc", true, err) < 0)
		return -1;
	for (size_t i = 0; i < COUNT(proc_masks); i++)
		if (mask_one(proc, empty, proc_masks[i].path, proc_masks[i].hide, err) < 0)
			return -1;
	if (fchdir(empty) < 0 || umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
		return err_sys(err, "cannot take the masks' source away");
	return 0;
}

int mounts_proc(struct setup *s, struct err *err)
{
	static const struct fs_option pid_only[] = {{"subset", "pid"}, {NULL, NULL}};
	bool full = s->spec->proc == CELL_PROC_FULL;
	auto_fd int proc = fs_make("proc", full ? NULL : pid_only,
				   MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC, err);

	if (proc < 0 || attach_at(s, proc, "/proc", true, err) < 0)
		return -1;
	if (full && proc_mask(s, proc, err) < 0)
		return -1;
	if (s->watch || s->audit)
		s->proc = take_fd(&proc);
	return 0;
}

/* A directory of the root's own upper, so that it lives as long as the job does. */
int mounts_tmp(struct setup *s, struct err *err)
{
	struct stat st;

	if (!s->spec->overlays[0].upper)
		return 0;

	auto_fd int tmp = point_open(s->root, "/tmp", true, true, err);

	if (tmp < 0)
		return -1;
	if (fstat(tmp, &st) < 0)
		return err_sys(err, "cannot look at '/tmp'");
	if ((st.st_mode & 07777) == 01777)
		return 0;
	if (fchmodat(s->root, "tmp", 01777, 0) < 0)
		return err_sys(err, "cannot set the mode of '/tmp'");
	return 0;
}

/* ---- binds ---- */

static int bind_tree(struct setup *s, size_t i, struct err *err)
{
	int *outside = &s->trees[s->spec->overlay_count + i];

	return *outside >= 0 ? take_fd(outside) : bind_mount(&s->spec->binds[i], err);
}

int mounts_binds(struct setup *s, struct err *err)
{
	for (size_t i = 0; i < s->spec->bind_count; i++) {
		const char *at = s->spec->binds[i].at;
		auto_fd int tree = bind_tree(s, i, err);
		struct stat st;

		if (tree < 0)
			return -1;
		if (fstat(tree, &st) < 0)
			return err_sys(err, "cannot look at '%s'", at);
		if (attach_at(s, tree, at, S_ISDIR(st.st_mode), err) < 0)
			return -1;
	}
	return 0;
}
