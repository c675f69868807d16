/*
 * From start to exit of /bin/true: in a full cell, by the same kernel calls
 * alone (bare.c), in sandboxes with fewer walls, and by the whole command
 * `stepcell exec`. One of each in turn, so that all see the same machine; ratios
 * of medians count, times drift. Uppers are made and removed outside the clock,
 * and so is the half of a cell that a job makes while its last step runs.
 *
 * crun and runc run a bundle that run.sh has made, in a mount namespace without
 * the v2 hierarchy where the host has v1 controllers too: crun refuses the mix.
 */
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"
#include "stepcell/fd.h"
#include "stepcell/parse.h"
#include "stepcell/util.h"

/* ---- other commands ---- */

static int oci_mounts = -1; /* the mount namespace of crun and runc */

static void make_oci_mounts(void)
{
	int ends[2];
	pid_t pid;

	if (pipe(ends) < 0)
		exit(1);
	pid = fork();
	if (pid == 0) {
		if (unshare(CLONE_NEWNS) == 0 &&
		    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0)
			(void)umount("/sys/fs/cgroup/unified");
		(void)write_full(ends[1], "r", 1);
		for (;;)
			(void)pause();
	}

	char path[48], ready;

	(void)snprintf(path, sizeof(path), "/proc/%d/ns/mnt", (int)pid);
	if (pid < 0 || read_full(ends[0], &ready, 1) < 0)
		exit(1);
	oci_mounts = open(path, O_RDONLY | O_CLOEXEC);
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, NULL, 0);
	fd_close(&ends[0]);
	fd_close(&ends[1]);
}

static int try_spawn(const char *const *argv, const char *dir, int mounts)
{
	pid_t pid = vfork();
	int status = -1;

	if (pid == 0) {
		if ((mounts < 0 || setns(mounts, CLONE_NEWNS) == 0) && (!dir || chdir(dir) == 0))
			(void)execvp(argv[0], (char *const *)argv);
		_exit(127);
	}
	return waitpid(pid, &status, 0) < 0 ? -1 : status;
}

static void spawn(const char *const *argv, const char *dir, int mounts)
{
	if (try_spawn(argv, dir, mounts) == 0)
		return;
	(void)fprintf(stderr, "%s failed\n", argv[0]);
	exit(1);
}

static void run_bare(struct bench *b)
{
	bare_run(&b->bare);
}

static void run_bwrap(struct bench *b)
{
	static const char *const argv[] = {"bwrap", "--unshare-all", "--ro-bind", "/",
					   "/",     "--proc",        "/proc",     "--dev",
					   "/dev",  "/bin/true",     NULL};

	(void)b;
	spawn(argv, NULL, -1);
}

static void run_exec(struct bench *b)
{
	static const char *argv[] = {NULL, "exec", "--", "/bin/true", NULL};

	(void)b;
	argv[0] = getenv("STEPCELL");
	spawn(argv, NULL, -1);
}

static void run_crun(struct bench *b)
{
	static const char *const argv[] = {"crun", "--cgroup-manager=cgroupfs", "run",
					   "stepcell-bench-crun", NULL};
	char bundle[128];

	(void)snprintf(bundle, sizeof(bundle), "%s/bundle", b->dir);
	spawn(argv, bundle, oci_mounts);
}

static void run_runc(struct bench *b)
{
	static const char *const argv[] = {"runc", "run", "stepcell-bench-runc", NULL};
	char bundle[128];

	(void)snprintf(bundle, sizeof(bundle), "%s/bundle", b->dir);
	spawn(argv, bundle, oci_mounts);
}

static void run_firejail(struct bench *b)
{
	static const char *const argv[] = {"firejail",
					   "--quiet",
					   "--noprofile",
					   "--net=none",
					   "--private-dev",
					   "--private-tmp",
					   "--caps.drop=all",
					   "--nonewprivs",
					   "--seccomp",
					   "/bin/true",
					   NULL};

	(void)b;
	spawn(argv, NULL, -1);
}

/* ---- one of each in turn ---- */

#define WARM_UP 10

enum { BARE, CELL, AHEAD, EXEC, BWRAP, CRUN, RUNC, FIREJAIL, SUBJECTS };
static const struct {
	const char *name;
	void (*run)(struct bench *b);
	void (*before)(struct bench *b); /* off the clock; NULL: nothing */
	bool uppers;                     /* needs a fresh pair */
	const char *goal; /* the cell's part of it, with nothing made ahead and with it */
	size_t every;     /* so many rounds: the slow ones need fewer */
} subjects[] = {
	[BARE] = {"the same kernel calls, bare", run_bare, NULL, true, "1.3, 1.0", 1},
	[CELL] = {"a full cell", run_cell, NULL, true, NULL, 1},
	[AHEAD] = {"a full cell, half made ahead", run_cell, cell_ahead, true, NULL, 1},
	[EXEC] = {"stepcell exec, the whole command", run_exec, NULL, false, NULL, 1},
	[BWRAP] = {"bwrap --unshare-all, fewer walls", run_bwrap, NULL, false, "0.8", 1},
	[CRUN] = {"crun run", run_crun, NULL, false, "0.3", 2},
	[RUNC] = {"runc run", run_runc, NULL, false, "0.12", 4},
	[FIREJAIL] = {"firejail, no profile", run_firejail, NULL, false, "0.1", 4},
};
static_assert(COUNT(subjects) == SUBJECTS, "every subject has a row");

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

static struct {
	double wall[10000], cpu[10000];
	size_t count;
} samples[SUBJECTS];

static void once(struct bench *b, size_t subject, bool keep)
{
	double wall, cpu;

	if (subjects[subject].uppers)
		world_uppers(b);
	if (subjects[subject].before)
		subjects[subject].before(b);
	wall = real_ms();
	cpu = cpu_ms();
	subjects[subject].run(b);
	wall = real_ms() - wall;
	cpu = cpu_ms() - cpu;
	if (subjects[subject].uppers)
		world_drop_uppers(b);
	if (!keep)
		return;
	samples[subject].wall[samples[subject].count] = wall;
	samples[subject].cpu[samples[subject].count++] = cpu;
}

static void measure(struct bench *b, size_t rounds)
{
	for (size_t i = 0; i < WARM_UP + rounds; i++)
		for (size_t s = 0; s < SUBJECTS; s++)
			if (i % subjects[s].every == 0)
				once(b, s, i >= WARM_UP);
}

static void report(size_t rounds)
{
	double cell = median(samples[CELL].wall, samples[CELL].count);
	double ahead = median(samples[AHEAD].wall, samples[AHEAD].count);

	(void)printf(
		"start to exit of /bin/true, %zu rounds: medians, processor time, and a cell's "
		"part of it (half made ahead)\n",
		rounds);
	for (size_t s = 0; s < SUBJECTS; s++) {
		size_t n = samples[s].count;
		double middle = median(samples[s].wall, n);
		const char *goal = subjects[s].goal;

		(void)printf("  %-33s%7.2f ms  p10%7.2f  p90%7.2f  cpu%7.2f", subjects[s].name,
			     middle, samples[s].wall[n / 10], samples[s].wall[n * 9 / 10],
			     median(samples[s].cpu, n));
		if (s != CELL && s != AHEAD)
			(void)printf("  %5.2f (%.2f)", cell / middle, ahead / middle);
		(void)printf("%s%s\n", goal ? "  goal " : "", goal ? goal : "");
	}
}

int main(int argc, char **argv)
{
	static struct bench bench;
	uint64_t rounds = 200;

	if (geteuid() != 0 || argc < 2 || (argc > 2 && parse_u64(argv[2], 20, 9000, &rounds) < 0)) {
		(void)fprintf(stderr, "usage, as root: start DIR [ROUNDS]\n");
		return 2;
	}
	world_make(&bench, argv[1]);
	make_oci_mounts();
	measure(&bench, rounds);
	report(rounds);
	phases_report(&bench, rounds);
	load_report(&bench);
	memory_report(&bench);
	cell_owner_close(&bench.owner);
	return 0;
}
