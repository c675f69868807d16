/*
 * The unified hierarchy, with the controllers that it holds: all, some, or none.
 *
 * A v2 cgroup may hold processes or hand controllers down, never both. So when
 * we sit in a cgroup that controllers should pass through, and nobody else
 * does, or it was delegated, we move what is there into a leaf of it. Other
 * people's processes stay where they are: then there are no controllers for
 * us, and `doctor` says how to get some. A leaf that holds nobody else is
 * removed again when the cells of a job are done.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "cell/cgroup_parts.h"
#include "stepcell/fd.h"
#include "stepcell/parse.h"
#include "stepcell/util.h"

static const struct {
	const char *name, *enable;
	unsigned has;
} controllers[] = {
	{"memory", "+memory", V2_MEMORY},
	{"pids", "+pids", V2_PIDS},
	{"cpu", "+cpu", V2_CPU},
	{"io", "+io", V2_IO},
};

static unsigned read_controllers(int dir, const char *file)
{
	auto_fd int fd = openat(dir, file, O_RDONLY | O_CLOEXEC);
	char text[512] = "";
	char *save = NULL;
	unsigned has = 0;

	if (fd < 0 || read(fd, text, sizeof(text) - 1) < 0)
		return 0;
	for (char *w = strtok_r(text, " \n", &save); w; w = strtok_r(NULL, " \n", &save))
		for (size_t i = 0; i < COUNT(controllers); i++)
			if (strcmp(w, controllers[i].name) == 0)
				has |= controllers[i].has;
	return has;
}

/* What is there but not handed down yet. */
static unsigned not_handed_down(int dir)
{
	return read_controllers(dir, "cgroup.controllers") &
	       ~read_controllers(dir, "cgroup.subtree_control");
}

/* One by one: a controller that is refused does not take the others along. */
static void hand_down(int dir)
{
	const unsigned missing = not_handed_down(dir);

	for (size_t i = 0; i < COUNT(controllers); i++)
		if (missing & controllers[i].has)
			(void)cg_write(dir, "cgroup.subtree_control", controllers[i].enable);
}

/* Us, or a child of ours that runs beside us. */
static bool is_ours(pid_t pid)
{
	char path[64], text[256] = "";
	const char *behind_name;

	if (pid == getpid())
		return true;
	(void)snprintf(path, sizeof(path), "/proc/%d/stat", pid);

	auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || read(fd, text, sizeof(text) - 1) <= 0)
		return false;
	/* "PID (NAME) STATE PARENT ..." */
	behind_name = strrchr(text, ')');
	if (!behind_name || strlen(behind_name) < 5)
		return false;
	(void)snprintf(path, sizeof(path), "%d ", getpid());
	return strncmp(behind_name + 4, path, strlen(path)) == 0;
}

/* systemd's mark on what it gave away (Delegate=yes). */
static bool is_marked(int dir)
{
	static const char *const names[] = {"user.delegate", "trusted.delegate"};
	char value = 0;

	for (size_t i = 0; i < COUNT(names); i++)
		if (fgetxattr(dir, names[i], &value, 1) == 1 && value == '1')
			return true;
	return false;
}

/* An ordinary user's, in one that is somebody else's: where what was given to him begins. */
static bool is_given(int dir)
{
	const uid_t self = geteuid();
	struct stat own, above;

	return self != 0 && fstat(dir, &own) == 0 && fstatat(dir, "..", &above, 0) == 0 &&
	       own.st_uid == self && above.st_uid != self;
}

/* All that is inside of such a one may be arranged. */
static bool is_delegated(int dir)
{
	return is_marked(dir) || is_given(dir);
}

#define MAX_OURS 256

/* The processes in `dir` when all of them are ours to move; else 0. */
static size_t list_ours(int dir, pid_t *pids)
{
	const bool all = is_delegated(dir);
	const int fd = openat(dir, "cgroup.procs", O_RDONLY | O_CLOEXEC);
	FILE *procs = fd < 0 ? NULL : fdopen(fd, "r");
	size_t count = 0;
	char line[32];
	uint64_t pid;

	while (procs && fgets(line, sizeof(line), procs)) {
		line[strcspn(line, "\n")] = '\0';
		if (count == MAX_OURS || parse_u64(line, 1, INT32_MAX, &pid) < 0 ||
		    !(all || is_ours((pid_t)pid))) {
			count = 0;
			break;
		}
		pids[count++] = (pid_t)pid;
	}
	if (procs)
		(void)fclose(procs);
	return count;
}

/* Into a leaf of the cgroup that nobody else has a say in. */
static void step_aside(int dir)
{
	pid_t pids[MAX_OURS];
	const size_t count = list_ours(dir, pids);

	if (!count || (mkdirat(dir, CG_V2_LEAF, 0755) < 0 && errno != EEXIST))
		return;
	for (size_t i = 0; i < count; i++)
		(void)cg_write_u64(dir, CG_V2_LEAF "/cgroup.procs", (uint64_t)pids[i]);
}

/*
 * Handing down some controllers from a cgroup with processes would succeed
 * (those that can count threads), and bar all others for good. So it has to
 * be empty first; the root of all is the exception.
 */
static bool may_hand_down(int dir)
{
	if (faccessat(dir, "cgroup.type", F_OK, 0) < 0)
		return true;
	if (cg_each_process(dir, 0))
		step_aside(dir);
	return cg_each_process(dir, 0) == 0;
}

void cgroup_v2_prepare(const char *base)
{
	auto_fd int dir = open(base, O_DIRECTORY | O_CLOEXEC);

	if (dir < 0)
		return;
	if (not_handed_down(dir) && may_hand_down(dir))
		hand_down(dir);
}

/* The controllers that pass through `dir`, no longer. */
static void hand_back(int dir)
{
	static const char *const disable[] = {"-memory", "-pids", "-cpu", "-io"};

	static_assert(COUNT(disable) == COUNT(controllers), "one for each");
	for (size_t i = 0; i < COUNT(disable); i++)
		(void)cg_write(dir, "cgroup.subtree_control", disable[i]);
}

/* Made by us, with no process in it besides us, and no cgroup beside it in `dir`. */
static bool is_ours_alone(int dir)
{
	auto_fd int leaf = openat(dir, CG_V2_LEAF, O_DIRECTORY | O_CLOEXEC);
	struct stat own, above;

	if (leaf < 0 || fstat(leaf, &own) < 0 || fstat(dir, &above) < 0)
		return false;
	/* a link for the name of `dir`, one for its ".", and one for each ".." in it */
	return own.st_uid == geteuid() && above.st_nlink == 3 && cg_each_process(leaf, 0) == 1;
}

void cgroup_v2_leave(void)
{
	auto_arena struct arena *a = arena_new();
	struct cgroup_places places;
	struct err ignored;
	char *leaf;

	if (cgroup_places_find(a, &places, &ignored) < 0 || !places.dir[CG_V2])
		return;
	leaf = strrchr(places.dir[CG_V2], '/');
	if (strcmp(leaf + 1, CG_V2_LEAF) != 0)
		return;

	auto_fd int dir =
		open(arena_strndup(a, places.dir[CG_V2], (size_t)(leaf - places.dir[CG_V2])),
		     O_DIRECTORY | O_CLOEXEC);

	/* systemd removes what it gave, and all in it */
	if (dir < 0 || is_marked(dir) || !is_ours_alone(dir))
		return;
	hand_back(dir);
	if (cg_write(dir, "cgroup.procs", "0") == 0)
		(void)unlinkat(dir, CG_V2_LEAF, AT_REMOVEDIR);
}

bool cgroup_v2_controllers(const char *path, char *text, size_t size)
{
	auto_fd int dir = open(path, O_DIRECTORY | O_CLOEXEC);
	const unsigned has = dir < 0 ? 0 : read_controllers(dir, "cgroup.controllers");

	text[0] = '\0';
	for (size_t i = 0; i < COUNT(controllers); i++)
		if (has & controllers[i].has) {
			const size_t len = strlen(text);

			(void)snprintf(text + len, size - len, "%s%s", len ? " " : "",
				       controllers[i].enable);
		}
	return dir >= 0 && faccessat(dir, "cgroup.controllers", F_OK, 0) == 0;
}

struct v2_file {
	unsigned has; /* 0: part of every cgroup */
	const char *file;
	uint64_t value;
	const char *behind; /* the value */
	bool wanted, optional;
};

int cgroup_v2_limit(struct cgroup *cg, struct err *err)
{
	const struct cell_limits *l = &cg->limits;
	const struct v2_file files[] = {
		{V2_MEMORY, "memory.max", l->memory, "", l->memory > 0, false},
		{V2_MEMORY, "memory.swap.max", 0, "", l->memory > 0, true},
		{V2_MEMORY, "memory.oom.group", 1, "", true, true},
		{V2_PIDS, "pids.max", l->pids, "", l->pids > 0, false},
		{V2_CPU, "cpu.max", cg_cpu_quota_us(l->cpus_milli), " 100000", l->cpus_milli > 0,
		 false},
		{0, "cgroup.max.descendants", 0, "", true, true},
	};
	char text[64];

	cg->v2_has = read_controllers(cg->dir[CG_V2], "cgroup.controllers");
	for (size_t i = 0; i < COUNT(files); i++) {
		const struct v2_file *f = &files[i];

		if (!f->wanted || (f->has & ~cg->v2_has))
			continue;
		(void)snprintf(text, sizeof(text), "%lu%s", f->value, f->behind);
		if (cg_write(cg->dir[CG_V2], f->file, text) < 0 &&
		    !(f->optional && errno == ENOENT))
			return err_sys(err, "cannot write %s", f->file);
	}
	return l->io && (cg->v2_has & V2_IO) ? cgroup_io_limit(cg->dir[CG_V2], l->io, err) : 0;
}

int cgroup_v2_oom_fd(const struct cgroup *cg, struct err *err)
{
	auto_fd int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	char path[4200];

	(void)snprintf(path, sizeof(path), "%s/memory.events", cg->path[CG_V2]);
	if (fd < 0 || inotify_add_watch(fd, path, IN_MODIFY) < 0)
		return err_sys(err, "cannot watch %s", path);
	return take_fd(&fd);
}

bool cgroup_v2_kill(const struct cgroup *cg)
{
	return cg_write(cg->dir[CG_V2], "cgroup.kill", "1") == 0;
}

/* "8:0 rbytes=90430464 wbytes=299008000 rios=8950 ..." a line for each device */
static void add_io(int dir, struct cell_usage *out)
{
	auto_fd int fd = openat(dir, "io.stat", O_RDONLY | O_CLOEXEC);
	char text[4096] = "";
	char *save = NULL;

	if (fd < 0 || read(fd, text, sizeof(text) - 1) < 0)
		return;
	for (char *w = strtok_r(text, " \n", &save); w; w = strtok_r(NULL, " \n", &save)) {
		const char *equals = strchr(w, '=');
		uint64_t n;

		if (!equals || parse_u64(equals + 1, 0, UINT64_MAX, &n) < 0)
			continue;
		if (strncmp(w, "rbytes", (size_t)(equals - w)) == 0)
			out->read_bytes += n;
		else if (strncmp(w, "wbytes", (size_t)(equals - w)) == 0)
			out->written_bytes += n;
	}
}

void cgroup_v2_usage(const struct cgroup *cg, struct cell_usage *out)
{
	const int dir = cg->dir[CG_V2];

	(void)cg_read_key(dir, "cpu.stat", "user_usec", &out->user_us);
	(void)cg_read_key(dir, "cpu.stat", "system_usec", &out->system_us);
	if (cg->v2_has & V2_MEMORY && !cg_read(dir, "memory.peak", &out->peak_memory))
		(void)cg_read(dir, "memory.current", &out->peak_memory);
	if (cg->v2_has & V2_PIDS)
		(void)cg_read(dir, "pids.peak", &out->peak_pids);
	if (cg->v2_has & V2_IO) {
		out->read_bytes = out->written_bytes = 0;
		add_io(dir, out);
	}
}
