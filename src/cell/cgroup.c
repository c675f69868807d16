/*
 * One cell's cgroups, over whatever the host has.
 *
 * Which controllers are v1 and which v2 is the host's choice, one by one, so
 * a cell has a list of directories, some of them absent. What is absent is not
 * enforced and cgroup_means() says so; what is there and refuses a limit is an
 * error. v1 is used for limits, accounting and, where there is no v2, for
 * freezing what must be killed; v2, even without a controller, gives birth
 * (CLONE_INTO_CGROUP), kill, and processor time.
 *
 * Bytes read and written are counted on v2 alone: the v1 controller counts
 * only devices that somebody throttles.
 */
#include "cell/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cell/cgroup_parts.h"
#include "stepcell/fd.h"
#include "stepcell/util.h"

#define KILL_WAIT_MS   10000
#define REMOVE_WAIT_MS 2000

/* ---- making ---- */

struct cgroup *cgroup_new(void)
{
	struct arena *arena = arena_new();
	struct cgroup *cg = arena_alloc(arena, sizeof(*cg));

	cg->arena = arena;
	cg->oom_fd = cg->record = -1;
	for (size_t i = 0; i < CG_PARTS; i++)
		cg->dir[i] = -1;
	return cg;
}

/* What these say is: not for us here. Anything else is a fault. */
static bool means_absent(int error)
{
	return error == EACCES || error == EPERM || error == EROFS || error == ENOENT;
}

/* Controllers that are mounted together share a directory: the first one has it. */
static bool shares(struct cgroup *cg, size_t part)
{
	for (size_t i = 0; i < part; i++)
		if (cg->path[i] && strcmp(cg->path[i], cg->path[part]) == 0) {
			cg->dir[part] = fcntl(cg->dir[i], F_DUPFD_CLOEXEC, 0);
			return true;
		}
	return false;
}

static int make_part(struct cgroup *cg, const char *base, size_t part, struct err *err)
{
	if (shares(cg, part))
		return 0;
	if (part == CG_V2)
		cgroup_v2_prepare(base);
	if (mkdir(cg->path[part], 0755) == 0) {
		cg->dir[part] = open(cg->path[part], O_DIRECTORY | O_CLOEXEC);
		if (cg->dir[part] >= 0)
			return 0;
		/* what is not open is not removed with the rest */
		(void)err_sys(err, "cannot open %s", cg->path[part]);
		(void)rmdir(cg->path[part]);
		return -1;
	}
	if (!means_absent(errno))
		return err_sys(err, "cannot make %s", cg->path[part]);
	cg->path[part] = NULL;
	return 0;
}

/* A process may be born into a v2 cgroup only by who may move processes out of its own. */
static void check_v2(struct arena *a, struct cgroup_places *places)
{
	const char *own = places->dir[CG_V2];
	const char *leaf = own ? strrchr(own, '/') : NULL;

	if (leaf && strcmp(leaf + 1, CG_V2_LEAF) == 0)
		own = places->dir[CG_V2] = arena_strndup(a, own, (size_t)(leaf - own));
	if (own && faccessat(AT_FDCWD, arena_printf(a, "%s/cgroup.procs", own), W_OK, AT_EACCESS))
		places->dir[CG_V2] = NULL;
}

static void drop_part(struct cgroup *cg, size_t part)
{
	cg->path[part] = NULL;
}

/* Every hierarchy costs a directory and a move: leave out what the cell has no use for. */
static void drop_needless(struct cgroup *cg)
{
	const int v2 = cg->dir[CG_V2];

	if (!cg->limits.cpus_milli)
		drop_part(cg, CG_CPU);
	if (v2 >= 0 && faccessat(v2, "cpu.stat", R_OK, 0) == 0)
		drop_part(cg, CG_CPUACCT);
	if (v2 >= 0 && faccessat(v2, "cgroup.kill", W_OK, 0) == 0)
		drop_part(cg, CG_FREEZER);
}

static int make_parts(struct cgroup *cg, const struct cgroup_places *places, struct err *err)
{
	if (cg->path[CG_V2] && make_part(cg, places->dir[CG_V2], CG_V2, err) < 0)
		return -1;
	drop_needless(cg);
	for (size_t i = 0; i < CG_V1_PARTS; i++)
		if (cg->path[i] && make_part(cg, places->dir[i], i, err) < 0)
			return -1;
	return 0;
}

static int set_limits(struct cgroup *cg, struct err *err)
{
	if (cgroup_v1_limit(cg, err) < 0 || (cg->dir[CG_V2] >= 0 && cgroup_v2_limit(cg, err) < 0))
		return -1;
	if (cg->dir[CG_MEMORY] >= 0)
		cg->oom_fd = cgroup_v1_oom_fd(cg, err);
	else if (cg->v2_has & V2_MEMORY)
		cg->oom_fd = cgroup_v2_oom_fd(cg, err);
	else
		return 0;
	return cg->oom_fd < 0 ? -1 : 0;
}

static bool is_empty(const struct cgroup *cg)
{
	for (size_t i = 0; i < CG_PARTS; i++)
		if (cg->dir[i] >= 0)
			return false;
	return true;
}

static int make(struct cgroup *cg, const char *state, const char *name, struct err *err)
{
	struct cgroup_places places;

	if (cgroup_places_find(cg->arena, &places, err) < 0)
		return -1;
	check_v2(cg->arena, &places);
	if (cgroup_record_open(cg, state, name, &places, err) < 0 ||
	    make_parts(cg, &places, err) < 0)
		return -1;
	return set_limits(cg, err);
}

int cgroup_open(const char *state, const char *name, const struct cell_limits *limits,
		struct cgroup **out, struct err *err)
{
	struct cgroup *cg = cgroup_new();
	int r;

	*out = NULL;
	cg->limits = *limits;
	r = make(cg, state, name, err);
	if (r < 0 || is_empty(cg))
		cgroup_close(&cg);
	*out = cg;
	return r < 0 ? err_wrap(err, "cgroup") : 0;
}

/* ---- the life of the cell ---- */

int cgroup_clone_fd(const struct cgroup *cg)
{
	return cg ? cg->dir[CG_V2] : -1;
}

int cgroup_attach(struct cgroup *cg, pid_t pid, struct err *err)
{
	if (!cg)
		return 0;
	/* an empty one means that the child was not born there */
	if (cg->dir[CG_V2] >= 0 && cg_each_process(cg->dir[CG_V2], 0) == 0 &&
	    cg_write_u64(cg->dir[CG_V2], "cgroup.procs", (uint64_t)pid) < 0)
		return err_sys(err, "cannot move the cell into %s", cg->path[CG_V2]);
	return cgroup_v1_attach(cg, pid, err);
}

static_assert(CGROUP_ENTRIES >= CG_V1_PARTS, "an entry for each v1 hierarchy");

int cgroup_entries(const struct cgroup *cg, int fds[static CGROUP_ENTRIES], struct err *err)
{
	int count = 0;

	for (size_t i = 0; cg && i < CG_V1_PARTS; i++) {
		if (cg->dir[i] < 0)
			continue;
		fds[count] = openat(cg->dir[i], "tasks", O_WRONLY | O_CLOEXEC);
		if (fds[count] < 0) {
			while (count)
				fd_close(&fds[--count]);
			return err_sys(err, "cannot open the way into %s", cg->path[i]);
		}
		count++;
	}
	return count;
}

int cgroup_poll_fd(const struct cgroup *cg)
{
	return cg ? cg->oom_fd : -1;
}

bool cgroup_oom(struct cgroup *cg)
{
	char events[4096];
	uint64_t kills = 0;

	if (!cg || cg->oom_fd < 0 || cg->oom)
		return cg && cg->oom;

	const bool told = read(cg->oom_fd, events, sizeof(events)) > 0;

	if (cg->dir[CG_MEMORY] >= 0) {
		/* v1 says so before it kills, v2 whenever a counter changes */
		(void)cg_read_key(cg->dir[CG_MEMORY], "memory.oom_control", "oom_kill", &kills);
		cg->oom = told || kills > 0;
	} else {
		(void)cg_read_key(cg->dir[CG_V2], "memory.events", "oom_kill", &kills);
		cg->oom = kills > 0;
	}
	return cg->oom;
}

/* Where the pids controller is for this cell. */
static int pids_dir(const struct cgroup *cg)
{
	if (cg->dir[CG_PIDS] >= 0)
		return cg->dir[CG_PIDS];
	return cg->v2_has & V2_PIDS ? cg->dir[CG_V2] : -1;
}

bool cgroup_pids_refused(struct cgroup *cg)
{
	const int dir = cg ? pids_dir(cg) : -1;
	uint64_t refused, current = 0;
	bool more;

	if (dir < 0)
		return false;
	if (cg_read(dir, "pids.current", &current) && current > cg->peak_pids)
		cg->peak_pids = current;
	if (!cg_read_key(dir, "pids.events", "max", &refused))
		return false;
	more = refused > cg->refused;
	cg->refused = refused;
	return more;
}

/* ---- the end of the cell ---- */

/* A directory that lists all processes of the cell. */
static int list_dir(const struct cgroup *cg)
{
	if (cg->dir[CG_V2] >= 0)
		return cg->dir[CG_V2];
	for (size_t i = 0; i < CG_V1_PARTS; i++)
		if (cg->dir[i] >= 0)
			return cg->dir[i];
	return -1;
}

/* One blow to all of them. Whatever happens, nothing stays frozen. */
static void strike(const struct cgroup *cg)
{
	if (cg->dir[CG_V2] >= 0 && cgroup_v2_kill(cg))
		return;
	cgroup_v1_freeze(cg, true);
	for (size_t i = 0; i < CG_PARTS; i++)
		if (cg->dir[i] >= 0)
			(void)cg_each_process(cg->dir[i], SIGKILL);
	cgroup_v1_freeze(cg, false);
}

unsigned cgroup_kill(struct cgroup *cg)
{
	const int dir = cg ? list_dir(cg) : -1;
	const unsigned alive = dir < 0 ? 0 : cg_each_process(dir, 0);

	if (!alive)
		return 0;
	strike(cg);
	for (int ms = 0; ms < KILL_WAIT_MS && cg_each_process(dir, 0); ms++) {
		(void)usleep(1000);
		/* who forked between the list and the signal */
		if (ms % 16 == 15)
			strike(cg);
	}
	return alive;
}

static void v1_usage(const struct cgroup *cg, struct cell_usage *out)
{
	uint64_t ns;

	if (cg_read(cg->dir[CG_CPUACCT], "cpuacct.usage_user", &ns))
		out->user_us = ns / 1000;
	if (cg_read(cg->dir[CG_CPUACCT], "cpuacct.usage_sys", &ns))
		out->system_us = ns / 1000;
	(void)cg_read(cg->dir[CG_MEMORY], "memory.max_usage_in_bytes", &out->peak_memory);
	(void)cg_read(cg->dir[CG_PIDS], "pids.peak", &out->peak_pids);
}

void cgroup_usage(struct cgroup *cg, struct cell_usage *out)
{
	if (!cg)
		return;
	if (cg->dir[CG_V2] >= 0)
		cgroup_v2_usage(cg, out);
	v1_usage(cg, out);
	if (out->peak_pids < cg->peak_pids)
		out->peak_pids = cg->peak_pids;
}

/* ---- what holds ---- */

static bool holds(const struct cgroup *cg, enum cgroup_part v1, unsigned v2)
{
	return cg && (cg->dir[v1] >= 0 || (cg->v2_has & v2));
}

/* v1 can only slow down who goes around the page cache, which nobody does. */
static bool holds_io(const struct cgroup *cg)
{
	return cg && (cg->v2_has & V2_IO);
}

void cgroup_means(const struct cgroup *cg, struct cell_result *out)
{
	if (holds(cg, CG_MEMORY, V2_MEMORY) && cg->limits.memory)
		out->means.memory = CELL_BY_CGROUP;
	if (holds(cg, CG_PIDS, V2_PIDS) && cg->limits.pids)
		out->means.pids = CELL_BY_CGROUP;
	if (holds(cg, CG_CPU, V2_CPU) && cg->limits.cpus_milli)
		out->means.cpus = CELL_BY_CGROUP;
	if (holds_io(cg) && cg->limits.io)
		out->means.io = CELL_BY_CGROUP;
}

bool cgroup_covers(const struct cgroup *cg, const struct cell_limits *limits)
{
	return (!limits->memory || holds(cg, CG_MEMORY, V2_MEMORY)) &&
	       (!limits->pids || holds(cg, CG_PIDS, V2_PIDS)) &&
	       (!limits->cpus_milli || holds(cg, CG_CPU, V2_CPU)) && (!limits->io || holds_io(cg));
}

/* ---- removing ---- */

static bool remove_part(const char *path)
{
	int r;

	/* the last process leaves the list a moment before it leaves the count */
	for (int ms = 0; (r = rmdir(path)) < 0 && errno == EBUSY && ms < REMOVE_WAIT_MS; ms++)
		(void)usleep(1000);
	return r == 0 || errno == ENOENT;
}

bool cgroup_remove(struct cgroup **cgp)
{
	struct cgroup *cg = *cgp;
	struct arena *arena = cg->arena; /* which holds `cg` too */
	bool gone = true;

	*cgp = NULL;
	(void)cgroup_kill(cg);
	fd_close(&cg->oom_fd);
	for (size_t i = 0; i < CG_PARTS; i++)
		if (cg->dir[i] >= 0) {
			fd_close(&cg->dir[i]);
			gone &= remove_part(cg->path[i]);
		}
	cgroup_record_close(cg, gone);
	arena_free(&arena);
	return gone;
}

void cgroup_close(struct cgroup **cg)
{
	if (*cg)
		(void)cgroup_remove(cg);
}
