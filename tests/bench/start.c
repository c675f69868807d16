/*
 * From start to exit of /bin/true: in a full cell, by the same kernel calls
 * alone (bare.c), in bubblewrap with fewer walls, and by the whole command
 * `stepcell exec`. One of each in turn, so that all see the same machine; ratios
 * of medians count, times drift. Uppers are made and removed outside the clock.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bare.h"
#include "cell/owner.h"
#include "cell/seccomp.h"
#include "stepcell/cell.h"
#include "stepcell/fd.h"
#include "stepcell/home.h"
#include "stepcell/log.h"
#include "stepcell/parse.h"
#include "stepcell/path.h"
#include "stepcell/util.h"

struct bench {
	char dir[64], state[128], skeleton[128], upper[2][128], policy[4200];
	struct cell_owner *owner;
	struct bare bare;
	struct err err;
};

#define MUST(call)                                                                                 \
	do {                                                                                       \
		if ((call) < 0) {                                                                  \
			log_error(&b->err);                                                        \
			exit(1);                                                                   \
		}                                                                                  \
	} while (0)

/* ---- the subjects ---- */

static void run_cell(struct bench *b)
{
	static const char *const argv[] = {"/usr/bin/true", NULL};
	static const char *const env[] = {"PATH=/usr/bin", NULL};
	const struct cell_layer root = {.path = b->skeleton}, usr = {.path = "/usr", true};
	const struct cell_overlay overlays[] = {
		{.at = "/", .layers = &root, .layer_count = 1, .upper = b->upper[0]},
		{.at = "/usr", .layers = &usr, .layer_count = 1, .upper = b->upper[1]},
	};
	const struct cell_spec spec = {
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
	struct cell_result result;
	struct cell *cell = NULL;

	MUST(cell_start(&spec, &cell, NULL, &b->err));
	MUST(cell_wait(cell, &result, &b->err));
	cell_release(&cell);
	if (result.verdict != CELL_PASSED)
		exit(1);
}

static void run_bare(struct bench *b)
{
	bare_run(&b->bare);
}

extern char **environ;

static void spawn(const char *const *argv)
{
	pid_t pid;
	int status;

	if (posix_spawnp(&pid, argv[0], NULL, NULL, (char *const *)argv, environ) != 0 ||
	    waitpid(pid, &status, 0) < 0 || status != 0) {
		(void)fprintf(stderr, "%s failed\n", argv[0]);
		exit(1);
	}
}

static void run_bwrap(struct bench *b)
{
	static const char *const argv[] = {"bwrap", "--unshare-all", "--ro-bind", "/",
					   "/",     "--proc",        "/proc",     "--dev",
					   "/dev",  "/bin/true",     NULL};

	(void)b;
	spawn(argv);
}

static void run_exec(struct bench *b)
{
	static const char *argv[] = {NULL, "exec", "--", "/bin/true", NULL};

	(void)b;
	argv[0] = getenv("STEPCELL");
	spawn(argv);
}

/* ---- the world ---- */

static void make_root(struct bench *b)
{
	static const char *const dirs[] = {"usr", "tmp", "proc", "dev", "home", "home/runner"};
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
		(void)symlink(target, path);
	}
}

static void make_uppers(struct bench *b)
{
	for (size_t i = 0; i < 2; i++)
		MUST(cell_upper_make(b->owner, b->upper[i], &b->err));
}

static void drop_uppers(struct bench *b)
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

static void make_world(struct bench *b)
{
	char data[4096], cache[256];
	struct seccomp_filter filter;

	(void)snprintf(b->dir, sizeof(b->dir), "/var/tmp/stepcell-bench-XXXXXX");
	if (!mkdtemp(b->dir))
		exit(1);
	(void)snprintf(b->state, sizeof(b->state), "%s/state", b->dir);
	(void)snprintf(b->skeleton, sizeof(b->skeleton), "%s/root", b->dir);
	(void)snprintf(b->upper[0], sizeof(b->upper[0]), "%s/0", b->dir);
	(void)snprintf(b->upper[1], sizeof(b->upper[1]), "%s/1", b->dir);
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

/* ---- the clock ---- */

static double now_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double *times, size_t count)
{
	qsort(times, count, sizeof(*times), ascending);
	return times[count / 2];
}

#define WARM_UP 10

enum { BARE, CELL, BWRAP, EXEC, SUBJECTS };
static const struct {
	const char *name;
	void (*run)(struct bench *b);
	bool uppers; /* needs a fresh pair */
} subjects[] = {
	[BARE] = {"the same kernel calls, bare", run_bare, true},
	[CELL] = {"a full cell", run_cell, true},
	[BWRAP] = {"bwrap --unshare-all, fewer walls", run_bwrap, false},
	[EXEC] = {"stepcell exec, the whole command", run_exec, false},
};

/* What we and all our ended children have used: of a busy machine the fairer clock. */
static double cpu_ms(void)
{
	static const int who[] = {RUSAGE_SELF, RUSAGE_CHILDREN};
	double sum = 0;

	for (size_t i = 0; i < COUNT(who); i++) {
		struct rusage u;

		(void)getrusage((__rusage_who_t)who[i], &u);
		sum += (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1e3 +
		       (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e3;
	}
	return sum;
}

struct sample {
	double wall, cpu;
};

static struct sample once(struct bench *b, size_t subject)
{
	struct sample s;

	if (subjects[subject].uppers)
		make_uppers(b);
	s = (struct sample){now_ms(), cpu_ms()};
	subjects[subject].run(b);
	s = (struct sample){now_ms() - s.wall, cpu_ms() - s.cpu};
	if (subjects[subject].uppers)
		drop_uppers(b);
	return s;
}

static double wall[SUBJECTS][10000], cpu[SUBJECTS][10000];

static void measure(struct bench *b, size_t rounds)
{
	for (size_t i = 0; i < WARM_UP + rounds; i++)
		for (size_t s = 0; s < SUBJECTS; s++) {
			struct sample sample = once(b, s);

			wall[s][i < WARM_UP ? 0 : i - WARM_UP] = sample.wall;
			cpu[s][i < WARM_UP ? 0 : i - WARM_UP] = sample.cpu;
		}
}

static void print_ratio(const double *medians, size_t a, size_t b, const char *what)
{
	(void)printf("  %-34s %7.2f\n", what, medians[a] / medians[b]);
}

static void report(size_t rounds)
{
	double medians[SUBJECTS];

	(void)printf("start to exit of /bin/true, %zu rounds: medians, and processor time\n",
		     rounds);
	for (size_t s = 0; s < SUBJECTS; s++) {
		medians[s] = median(wall[s], rounds);
		(void)printf("  %-34s %7.3f ms   p10 %7.3f   p90 %7.3f   cpu %7.3f ms\n",
			     subjects[s].name, medians[s], wall[s][rounds / 10],
			     wall[s][rounds * 9 / 10], median(cpu[s], rounds));
	}
	print_ratio(medians, CELL, BARE, "cell / bare (goal 1.3)");
	print_ratio(medians, CELL, BWRAP, "cell / bwrap (goal 0.8)");
	print_ratio(medians, EXEC, BWRAP, "exec / bwrap");
}

int main(int argc, char **argv)
{
	static struct bench bench;
	uint64_t rounds = 200;

	if (geteuid() != 0 || (argc > 1 && parse_u64(argv[1], 1, 10000, &rounds) < 0)) {
		(void)fprintf(stderr, "usage, as root: start [ROUNDS]\n");
		return 2;
	}
	make_world(&bench);
	measure(&bench, rounds);
	report(rounds);
	cell_owner_close(&bench.owner);
	(void)remove_tree(AT_FDCWD, bench.dir, &bench.err);
	return 0;
}
