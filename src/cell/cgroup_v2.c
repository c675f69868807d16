/*
 * The unified hierarchy, with the controllers that it holds: all, some, or none.
 *
 * A v2 cgroup may hold processes or hand controllers down, never both. So when
 * we sit in a cgroup that controllers should pass through, and nobody else
 * does, we move ourselves into a leaf of it. Others are not moved: then there
 * are no controllers for us, and `doctor` says how to get some.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
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

/* Hand the controllers down, one by one: one that is refused does not take the others along. */
static unsigned hand_down(int dir)
{
	const unsigned there = read_controllers(dir, "cgroup.controllers");
	unsigned missing = there & ~read_controllers(dir, "cgroup.subtree_control");

	for (size_t i = 0; i < COUNT(controllers); i++)
		if ((missing & controllers[i].has) &&
		    cg_write(dir, "cgroup.subtree_control", controllers[i].enable) == 0)
			missing &= ~controllers[i].has;
	return missing;
}

#define LEAF CG_V2_LEAF

/* Into a leaf of the cgroup that we are alone in. */
static void step_aside(int dir)
{
	char leaf[64];

	if (cg_each_process(dir, 0) != 1 || (mkdirat(dir, LEAF, 0755) < 0 && errno != EEXIST))
		return;
	(void)snprintf(leaf, sizeof(leaf), "%s/cgroup.procs", LEAF);
	(void)cg_write_u64(dir, leaf, (uint64_t)getpid());
}

void cgroup_v2_prepare(const char *base)
{
	auto_fd int dir = open(base, O_DIRECTORY | O_CLOEXEC);

	if (dir < 0)
		return;
	if (hand_down(dir)) {
		step_aside(dir);
		(void)hand_down(dir);
	}

	auto_fd int ours = openat(dir, "stepcell", O_DIRECTORY | O_CLOEXEC);

	if (ours >= 0)
		(void)hand_down(ours);
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
	return 0;
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
