/* The controllers that are mounted as v1 hierarchies. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "cell/cgroup_parts.h"
#include "stepcell/fd.h"
#include "stepcell/util.h"

/* One file of a controller. Rows are written in order. */
struct v1_file {
	enum cgroup_part part;
	const char *file;
	uint64_t value; /* 0: leave it */
	bool optional;  /* the kernel may have been built without it */
};

int cgroup_v1_limit(struct cgroup *cg, struct err *err)
{
	const struct cell_limits *l = &cg->limits;
	const struct v1_file files[] = {
		{CG_MEMORY, "memory.limit_in_bytes", l->memory, false},
		/* with swap; it may not be lower than the row above */
		{CG_MEMORY, "memory.memsw.limit_in_bytes", l->memory, true},
		{CG_PIDS, "pids.max", l->pids, false},
		{CG_CPU, "cpu.cfs_period_us", l->cpus_milli ? CG_CPU_PERIOD_US : 0, false},
		{CG_CPU, "cpu.cfs_quota_us", cg_cpu_quota_us(l->cpus_milli), false},
	};

	for (size_t i = 0; i < COUNT(files); i++) {
		const struct v1_file *f = &files[i];

		if (cg->dir[f->part] < 0 || !f->value ||
		    cg_write_u64(cg->dir[f->part], f->file, f->value) == 0)
			continue;
		if (!(f->optional && errno == ENOENT))
			return err_sys(err, "cannot write %s", f->file);
	}
	return 0;
}

/* The kernel adds one to an eventfd whenever this cgroup runs out of memory. */
int cgroup_v1_oom_fd(const struct cgroup *cg, struct err *err)
{
	auto_fd int control =
		openat(cg->dir[CG_MEMORY], "memory.oom_control", O_RDONLY | O_CLOEXEC);
	auto_fd int event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	char line[64];

	(void)snprintf(line, sizeof(line), "%d %d", event, control);
	if (control < 0 || event < 0 ||
	    cg_write(cg->dir[CG_MEMORY], "cgroup.event_control", line) < 0)
		return err_sys(err, "cannot ask to be told when memory runs out");
	return take_fd(&event);
}

int cgroup_v1_attach(const struct cgroup *cg, pid_t pid, struct err *err)
{
	for (size_t i = 0; i < CG_V1_PARTS; i++)
		if (cg->dir[i] >= 0 && cg_write_u64(cg->dir[i], "cgroup.procs", (uint64_t)pid) < 0)
			return err_sys(err, "cannot move the cell into %s", cg->path[i]);
	return 0;
}

/* A frozen process cannot fork away from the signal; it dies of it when it thaws. */
void cgroup_v1_freeze(const struct cgroup *cg, bool frozen)
{
	const int dir = cg->dir[CG_FREEZER];

	if (dir < 0)
		return;
	(void)cg_write(dir, "freezer.state", frozen ? "FROZEN" : "THAWED");
	for (int i = 0; frozen && i < 20; i++) {
		char state[16] = "";
		auto_fd int fd = openat(dir, "freezer.state", O_RDONLY | O_CLOEXEC);

		if (fd < 0 || read(fd, state, sizeof(state) - 1) < 0 ||
		    strncmp(state, "FROZEN", 6) == 0)
			return;
		(void)usleep(500);
	}
}
