/* The world of the bench: a root of links around the host's /usr, an owner, a filter, cgroups. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bench.h"
#include "cell/owner.h"
#include "cell/seccomp.h"
#include "stepcell/clock.h"
#include "stepcell/home.h"
#include "stepcell/path.h"
#include "stepcell/util.h"

static void make_root(struct bench *b)
{
	static const char *const dirs[] = {"usr", "tmp",  "proc",       "dev",
					   "sys", "home", "home/runner"};
	static const char *const links[] = {"bin", "lib", "lib64"};
	char path[256], target[64];

	for (size_t i = 0; i < COUNT(dirs); i++) {
		MUST(path_join(path, sizeof(path), b->skeleton, dirs[i], &b->err));
		MUST(mkdir_all(path, i == 1 ? 01777 : 0755, &b->err));
		(void)chmod(path, i == 1 ? 01777 : 0755);
	}
	for (size_t i = 0; i < COUNT(links); i++) {
		MUST(path_join(path, sizeof(path), b->skeleton, links[i], &b->err));
		(void)snprintf(target, sizeof(target), "usr/%s", links[i]);
		(void)!symlink(target, path);
	}
}

void world_uppers(struct bench *b)
{
	for (size_t i = 0; i < 2; i++)
		MUST(cell_upper_make(b->owner, b->upper[i], &b->err));
}

void world_drop_uppers(struct bench *b)
{
	for (size_t i = 0; i < 2; i++)
		MUST(remove_tree(AT_FDCWD, b->upper[i], &b->err));
}

/* Our own cgroup directory in a v1 hierarchy, as /proc/self/cgroup names it; "" for none. */
static void cgroup_dir(const char *controller, char out[static 256])
{
	FILE *f = fopen("/proc/self/cgroup", "re");
	char line[512], names[64], path[160];

	out[0] = '\0';
	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%*[^:]:%63[^:]:%159s", names, path) == 2 &&
		    strcmp(names, controller) == 0)
			(void)snprintf(out, 256, "/sys/fs/cgroup/%.16s%s/bench-bare", controller,
				       path[1] ? path : "");
	}
	if (f)
		(void)fclose(f);
}

static void find_cgroups(struct bare *bare)
{
	static const struct bare_cgroup known[] = {
		{"memory", false, {{"memory.limit_in_bytes", "1073741824"}}},
		{"pids", false, {{"pids.max", "512"}}},
		{"cpu", false, {{"cpu.cfs_period_us", "100000"}, {"cpu.cfs_quota_us", "200000"}}},
	};
	char dir[256];

	for (size_t i = 0; i < COUNT(known); i++) {
		cgroup_dir(known[i].dir, dir);
		if (!dir[0])
			continue;
		bare->cgroups[bare->cgroup_count] = known[i];
		(void)snprintf(bare->cgroups[bare->cgroup_count++].dir, 256, "%s", dir);
	}
	if (access("/sys/fs/cgroup/unified/cgroup.procs", F_OK) == 0)
		bare->cgroups[bare->cgroup_count++] =
			(struct bare_cgroup){"/sys/fs/cgroup/unified/bench-bare", true, {{0}}};
}

void world_make(struct bench *b, const char *dir)
{
	char data[4096], cache[256];
	struct seccomp_filter filter;

	b->dir = dir;
	(void)snprintf(b->state, sizeof(b->state), "%s/state", dir);
	(void)snprintf(b->skeleton, sizeof(b->skeleton), "%s/root", dir);
	(void)snprintf(b->upper[0], sizeof(b->upper[0]), "%s/0", dir);
	(void)snprintf(b->upper[1], sizeof(b->upper[1]), "%s/1", dir);
	(void)setenv("STEPCELL_HOME", b->state, 1);
	MUST(mkdir_all(b->state, 0700, &b->err));
	make_root(b);
	MUST(cell_owner_open(b->state, &b->owner, &b->err));
	MUST(data_home(data, sizeof(data), &b->err));
	(void)snprintf(b->policy, sizeof(b->policy), "%s/policies/seccomp/default.yml", data);
	(void)snprintf(cache, sizeof(cache), "%s/cache/seccomp", b->state);
	MUST(seccomp_filter_load(b->policy, cache, &filter, &b->err));
	b->bare.filter = filter.code;
	b->bare.filter_count = filter.count;
	b->bare.skeleton = b->skeleton;
	(void)snprintf(b->bare.upper_root, sizeof(b->bare.upper_root), "%s", b->upper[0]);
	(void)snprintf(b->bare.upper_usr, sizeof(b->bare.upper_usr), "%s", b->upper[1]);
	b->bare.userns = owner_idmap(b->owner, 0, 0, &b->err);
	find_cgroups(&b->bare);
}

/* What it points to lives as long as the bench does: there is one. */
void world_spec(const struct bench *b, struct cell_spec *out)
{
	static const char *const argv[] = {"/usr/bin/true", NULL};
	static const char *const env[] = {"PATH=/usr/bin", NULL};
	static struct cell_layer root, usr;
	static struct cell_overlay overlays[2];

	root = (struct cell_layer){.path = b->skeleton};
	usr = (struct cell_layer){.path = "/usr", .foreign = true};
	overlays[0] = (struct cell_overlay){"/", &root, 1, b->upper[0]};
	overlays[1] = (struct cell_overlay){"/usr", &usr, 1, b->upper[1]};
	*out = (struct cell_spec){
		.name = "bench",
		.owner = b->owner,
		.state = b->state,
		.overlays = overlays,
		.overlay_count = COUNT(overlays),
		.argv = argv,
		.env = env,
		.workdir = "/home/runner",
		.limits = {.memory = 1 << 30, .pids = 512, .cpus_milli = 2000, .wall_ms = 60000},
		.seccomp = b->policy,
	};
}

void cell_ahead(struct bench *b)
{
	struct cell_spec spec;

	world_spec(b, &spec);
	MUST(cell_prepare(&spec, &b->err));
}

void run_cell(struct bench *b)
{
	struct cell_result result;
	struct cell *cell = NULL;
	struct cell_spec spec;

	world_spec(b, &spec);
	MUST(cell_start(&spec, &cell, NULL, &b->err));
	MUST(cell_wait(cell, &result, &b->err));
	cell_release(&cell);
	if (result.verdict != CELL_PASSED)
		exit(1);
}

/* ---- the clock ---- */

double real_ms(void)
{
	return (double)clock_us(CLOCK_REALTIME) / 1e3;
}

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

double median(double *times, size_t count)
{
	qsort(times, count, sizeof(*times), ascending);
	return times[count / 2];
}
