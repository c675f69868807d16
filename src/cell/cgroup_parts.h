/* cgroup_parts: what cgroup.c, cgroup_v1.c and cgroup_v2.c share. */
#pragma once

#include "cell/cgroup.h"
#include "stepcell/arena.h"

/* One directory of the cell. v1 controllers are each their own hierarchy; v2 is one. */
enum cgroup_part { CG_MEMORY, CG_PIDS, CG_CPU, CG_CPUACCT, CG_FREEZER, CG_V2, CG_PARTS };
#define CG_V1_PARTS CG_V2

/* Controllers that v2 gives this cell: bits. */
enum cgroup_v2_has { V2_MEMORY = 1, V2_PIDS = 2, V2_CPU = 4, V2_IO = 8 };

struct cgroup {
	struct arena *arena;
	const char *path[CG_PARTS]; /* NULL: the host has none, or not for us */
	int dir[CG_PARTS];          /* -1 likewise */
	unsigned v2_has;
	struct cell_limits limits;
	int oom_fd;
	bool oom;
	uint64_t refused, peak_pids; /* as sampled */
	int record;                  /* locked while we live */
	const char *record_path;
};

/* Where our directories go: below the caller's own cgroup of each hierarchy. NULL: not mounted. */
struct cgroup_places {
	const char *dir[CG_PARTS];
};

int cgroup_places_find(struct arena *a, struct cgroup_places *out, struct err *err);

/* ---- making and removing ---- */

#define CG_PREFIX "stepcell-" /* of a cell's directories */

/*
 * A cell's entry below STATE/cgroups: one line "PART PATH" for each directory,
 * written before any is made, locked while its stepcell lives. `state` NULL
 * keeps no record.
 */
int cgroup_record_open(struct cgroup *cg, const char *state, const char *name,
		       const struct cgroup_places *places, struct err *err);
/* What could not be removed stays written down, for the next sweep. */
void cgroup_record_close(struct cgroup *cg, bool gone);

/* cgroup_close(), and whether every directory is gone. */
bool cgroup_remove(struct cgroup **cg);

/* Without a directory, descriptor or record yet. */
struct cgroup *cgroup_new(void);

/* ---- small files ---- */

/* 0, or -1 with errno. */
int cg_write(int dir, const char *file, const char *text);
int cg_write_u64(int dir, const char *file, uint64_t value);

/* A file's only number; "max" is UINT64_MAX. False when there is none. */
bool cg_read(int dir, const char *file, uint64_t *out);

/* The number behind `key` in a file of "key value" lines. */
bool cg_read_key(int dir, const char *file, const char *key, uint64_t *out);

/* How many processes are inside; each gets `signal` unless that is 0. */
unsigned cg_each_process(int dir, int signal);

/* ---- the two versions ---- */

#define CG_CPU_PERIOD_US 100000

/* How much of each period, for that many thousandths of a processor; the kernel takes no less
 * than 1 ms. */
uint64_t cg_cpu_quota_us(uint64_t milli);

/* The leaf of our own v2 cgroup that we move to when controllers must pass through it. */
#define CG_V2_LEAF "stepcell-runner"

/* So many bytes a second from each disk of the host, and as many to it. */
int cgroup_io_limit(int dir, uint64_t bytes, struct err *err);

int cgroup_v1_limit(struct cgroup *cg, struct err *err);
int cgroup_v1_oom_fd(const struct cgroup *cg, struct err *err);
int cgroup_v1_attach(const struct cgroup *cg, pid_t pid, struct err *err);
void cgroup_v1_freeze(const struct cgroup *cg, bool frozen);

/* Let the controllers through `base`, as far as the host allows. */
void cgroup_v2_prepare(const char *base);
/* What undoes that, when the leaf is ours, nobody else is in it and nothing is left of a cell. */
void cgroup_v2_leave(void);
/* The controllers of `dir` as "+memory +pids ..."; false when it is no v2 cgroup. */
bool cgroup_v2_controllers(const char *dir, char *text, size_t size);
int cgroup_v2_limit(struct cgroup *cg, struct err *err);
int cgroup_v2_oom_fd(const struct cgroup *cg, struct err *err);
bool cgroup_v2_kill(const struct cgroup *cg); /* false: this kernel has no cgroup.kill */
void cgroup_v2_usage(const struct cgroup *cg, struct cell_usage *out);
