/* The cell's cgroups on this host: what each limit does, and that nothing is left behind. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "cell/cgroup_parts.h"
#include "stepcell/clock.h"
#include "stepcell/fd.h"
#include "stepcell/limits.h"
#include "stepcell/path.h"
#include "stepcell/util.h"

struct home {
	char path[64];
};

static int setup(void **state)
{
	struct home *h = calloc(1, sizeof(*h));

	(void)snprintf(h->path, sizeof(h->path), "/tmp/cell_cgroup.XXXXXX");
	*state = h;
	return mkdtemp(h->path) ? 0 : -1;
}

static int teardown(void **state)
{
	struct home *h = *state;
	struct err err;
	int r = remove_tree(AT_FDCWD, h->path, &err);

	free(h);
	return r;
}

static void must_run(const char *why)
{
	print_message("skipped: %s\n", why);
	if (getenv("STEPCELL_MUST_RUN"))
		fail_msg("%s", why);
	skip();
}

static struct cgroup *open_with(const struct home *h, struct cell_limits limits)
{
	struct err err = {0};
	struct cgroup *cg;

	if (cgroup_open(h->path, "test", &limits, &cg, &err) < 0)
		fail_msg("%s", err.text);
	if (!cg || !cgroup_covers(cg, &limits)) {
		cgroup_close(&cg);
		must_run("this host gives no such cgroup limit");
	}
	return cg;
}

/* A child that waits to be let go before it runs `fn`, as a cell does between birth and exec. */
struct child {
	pid_t pid;
	int go;
};

static struct child start(struct cgroup *cg, int (*fn)(void))
{
	struct err err = {0};
	struct child c;
	int ends[2];
	char byte;

	assert_int_equal(pipe_open(ends, &err), 0);
	c.pid = fork();
	assert_true(c.pid >= 0);
	if (c.pid == 0) {
		(void)close(ends[1]);
		_exit(read(ends[0], &byte, 1) == 1 ? fn() : 99);
	}
	(void)close(ends[0]);
	c.go = ends[1];
	if (cgroup_attach(cg, c.pid, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(write(c.go, "x", 1), 1);
	(void)close(c.go);
	return c;
}

static int reap(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

/* ---- what children do ---- */

static int eat_memory(void)
{
	const size_t size = 96 * MIB; /* bounded, whatever the limit does */
	char *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return 2;
	for (size_t i = 0; i < size; i += 4096)
		p[i] = 1;
	return 0;
}

static int fork_too_often(void)
{
	for (int i = 0; i < 12; i++) {
		pid_t pid = fork();

		if (pid < 0)
			return errno == EAGAIN ? i : 99;
		if (pid == 0) {
			(void)sleep(5);
			_exit(0);
		}
	}
	return 98;
}

/* Stops when all five are there: see start_company(). */
static int sleep_in_company(void)
{
	bool first = true;

	(void)signal(SIGTERM, SIG_IGN);
	for (int i = 0; i < 4 && first; i++)
		first = fork() != 0;
	if (first)
		(void)raise(SIGSTOP);
	(void)sleep(20);
	return 0;
}

static int spin(void)
{
	for (;;)
		;
	return 0;
}

/* ---- tests ---- */

/* v2 also tells of other counters: ask until it is this one. */
static bool told_of_oom(struct cgroup *cg)
{
	struct pollfd p = {.fd = cgroup_poll_fd(cg), .events = POLLIN};

	while (poll(&p, 1, 10000) == 1)
		if (cgroup_oom(cg))
			return true;
	return false;
}

static void memory_limit_is_told_and_kills(void **state)
{
	struct cgroup *cg = open_with(*state, (struct cell_limits){.memory = 32 * MIB});
	struct child c = start(cg, eat_memory);
	struct cell_usage usage = {0};

	assert_true(told_of_oom(cg));
	(void)cgroup_kill(cg);
	assert_true(WIFSIGNALED(reap(c.pid)));
	assert_true(cgroup_oom(cg));
	cgroup_usage(cg, &usage);
	assert_in_range(usage.peak_memory, 16 * MIB, 33 * MIB);
	cgroup_close(&cg);
}

static void memory_below_the_limit_is_no_oom(void **state)
{
	struct cgroup *cg = open_with(*state, (struct cell_limits){.memory = 512 * MIB});
	struct child c = start(cg, eat_memory);

	assert_int_equal(reap(c.pid), 0);
	assert_false(cgroup_oom(cg));
	cgroup_close(&cg);
}

static void pids_limit_refuses_and_counts(void **state)
{
	struct cgroup *cg = open_with(*state, (struct cell_limits){.pids = 5});
	struct child c;
	struct cell_usage usage = {0};
	int status;

	assert_false(cgroup_pids_refused(cg));
	c = start(cg, fork_too_often);
	status = reap(c.pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 4);
	assert_true(cgroup_pids_refused(cg));
	assert_false(cgroup_pids_refused(cg));
	cgroup_usage(cg, &usage);
	assert_int_equal(usage.peak_pids, 5);
	assert_int_equal(cgroup_kill(cg), 4);
	cgroup_close(&cg);
}

static void cpu_limit_slows(void **state)
{
	struct cgroup *cg = open_with(*state, (struct cell_limits){.cpus_milli = 100});
	struct child c = start(cg, spin);
	struct cell_usage usage = {0};

	(void)usleep(500000);
	assert_int_equal(cgroup_kill(cg), 1);
	(void)reap(c.pid);
	cgroup_usage(cg, &usage);
	/* a tenth of half a second is 50 ms; without the limit it would be up to ten times that */
	assert_in_range(usage.user_us + usage.system_us, 1, 200000);
	cgroup_close(&cg);
}

/* Four MiB to the disk, then once more past everything that waits on the way. */
static int write_much(void)
{
	char path[] = "/var/tmp/cell_cgroup.XXXXXX";
	static char block[1 << 20];
	auto_fd int fd = mkstemp(path);

	if (fd < 0 || unlink(path) < 0)
		return 1;
	for (int i = 0; i < 4; i++)
		if (write_full(fd, block, sizeof(block)) < 0 || fsync(fd) < 0)
			return 2;
	return 0;
}

static void io_limit_slows(void **state)
{
	struct cgroup *cg = open_with(*state, (struct cell_limits){.io = MIB, .memory = 256 * MIB});
	uint64_t before, after;
	struct cell_usage usage = {0};
	char max[4096] = "";
	struct child c;
	int status;
	auto_fd int file = openat(cg->dir[CG_V2], "io.max", O_RDONLY | O_CLOEXEC);

	assert_true(read(file, max, sizeof(max) - 1) > 0);
	assert_non_null(strstr(max, " rbps=1048576 wbps=1048576 "));
	before = now_ms();
	c = start(cg, write_much);
	status = reap(c.pid);
	after = now_ms();
	cgroup_usage(cg, &usage);
	cgroup_close(&cg);
	assert_int_equal(status, 0);
	if (usage.written_bytes < 4 * MIB)
		must_run("what lies below /var/tmp is on no disk");
	/* one MiB a second; it took a fraction of one before there was a limit */
	assert_in_range(after - before, 2000, 60000);
}

static struct child start_company(struct cgroup *cg)
{
	struct child c = start(cg, sleep_in_company);
	int status;

	assert_int_equal(waitpid(c.pid, &status, WUNTRACED), c.pid);
	assert_true(WIFSTOPPED(status));
	return c;
}

static void kill_leaves_nobody(void **state)
{
	struct cgroup *cg = open_with(*state, (struct cell_limits){.pids = 64});
	struct child c = start_company(cg);

	assert_int_equal(cgroup_kill(cg), 5);
	assert_int_equal(WTERMSIG(reap(c.pid)), SIGKILL);
	assert_int_equal(cgroup_kill(cg), 0);
	cgroup_close(&cg);
	assert_null(cg);
}

/* As above without cgroup.kill, as on a host that has v1 alone. */
static void v1_kill_freezes_and_thaws(void **state)
{
	struct cell_limits limits = {.pids = 64};
	struct cgroup *cg = open_with(*state, limits);
	char path[] = "/sys/fs/cgroup/freezer/stepcell-test-XXXXXX";
	struct child c;

	if (access("/sys/fs/cgroup/freezer/tasks", W_OK) < 0) {
		cgroup_close(&cg);
		must_run("no writable v1 freezer on this host");
	}
	assert_non_null(mkdtemp(path));
	/* a cell of a host without v2 */
	fd_close(&cg->dir[CG_V2]);
	assert_int_equal(rmdir(cg->path[CG_V2]), 0);
	cg->dir[CG_FREEZER] = open(path, O_DIRECTORY | O_CLOEXEC);
	cg->path[CG_FREEZER] = path;
	c = start_company(cg);
	assert_int_equal(cgroup_kill(cg), 5);
	assert_int_equal(WTERMSIG(reap(c.pid)), SIGKILL);
	cgroup_close(&cg);
	assert_int_equal(access(path, F_OK), -1);
}

static void close_removes_every_directory(void **state)
{
	struct cgroup *cg = open_with(*state, (struct cell_limits){.memory = MIB, .pids = 2});
	char paths[CG_PARTS][256] = {{0}};
	char record[320];
	struct stat st;

	(void)snprintf(record, sizeof(record), "%s", cg->record_path);
	for (size_t i = 0; i < CG_PARTS; i++)
		if (cg->dir[i] >= 0)
			(void)snprintf(paths[i], sizeof(paths[i]), "%s", cg->path[i]);
	assert_int_equal(access(record, F_OK), 0);
	cgroup_close(&cg);
	assert_int_equal(stat(record, &st), 0);
	assert_int_equal(st.st_size, 0); /* the next cell's */
	for (size_t i = 0; i < CG_PARTS; i++)
		if (paths[i][0])
			assert_int_equal(access(paths[i], F_OK), -1);
}

/* A stepcell that dies without a word, and the one that starts after it. */
static void sweep_takes_the_dead_and_spares_the_living(void **state)
{
	struct cgroup *mine = open_with(*state, (struct cell_limits){.pids = 64});
	char dead[256] = "";
	int ends[2];
	struct err err;
	pid_t pid;

	assert_int_equal(pipe_open(ends, &err), 0);
	pid = fork();
	if (pid == 0) {
		struct cgroup *cg = open_with(*state, (struct cell_limits){.pids = 64});

		(void)write_full(ends[1], cg->path[CG_PIDS] ? cg->path[CG_PIDS] : cg->path[CG_V2],
				 256);
		_exit(0);
	}
	assert_int_equal(read_full(ends[0], dead, 256), 0);
	(void)close(ends[0]);
	(void)close(ends[1]);
	assert_int_equal(reap(pid), 0);
	assert_int_equal(access(dead, F_OK), 0);
	cgroup_sweep(((struct home *)*state)->path);
	assert_int_equal(access(dead, F_OK), -1);
	assert_int_equal(access(mine->path[CG_V2] ? mine->path[CG_V2] : mine->path[CG_PIDS], F_OK),
			 0);
	assert_int_equal(access(mine->record_path, F_OK), 0);
	cgroup_close(&mine);
}

/* Whoever can write a record is the user himself; even so it reaches nothing but our own. */
static void sweep_ignores_what_is_not_ours(void **state)
{
	static const char *const lines[] = {
		"v2 /sys/fs/cgroup/unified\n",
		"v2 /tmp\n",
		"memory /sys/fs/cgroup/memory\n",
		"v2 relative/stepcell-x\n",
		"pids /\n",
		"pids\n",
		"\n",
		"v2 /stepcell-x\n",
	};
	const struct home *h = *state;
	char canary[128], record[256], dir[128];
	struct err err;

	(void)snprintf(dir, sizeof(dir), "%s/cgroups", h->path);
	assert_int_equal(mkdir_all(dir, 0700, &err), 0);
	(void)snprintf(canary, sizeof(canary), "%s/stepcell-canary", h->path);
	assert_int_equal(mkdir(canary, 0700), 0);
	for (size_t i = 0; i < COUNT(lines); i++) {
		(void)snprintf(record, sizeof(record), "%s/r%zu", dir, i);
		assert_int_equal(
			file_write(AT_FDCWD, record, lines[i], strlen(lines[i]), 0600, &err), 0);
	}
	(void)snprintf(record, sizeof(record), "%s/canary", dir);

	char line[256];
	const int n = snprintf(line, sizeof(line), "v2 %s\n", canary);

	assert_int_equal(file_write(AT_FDCWD, record, line, (size_t)n, 0600, &err), 0);
	cgroup_sweep(h->path);
	assert_int_equal(access(canary, F_OK), 0);
	assert_int_equal(access("/sys/fs/cgroup", F_OK), 0);
	assert_int_equal(access(record, F_OK), -1);
}

static void no_cgroup_is_no_error(void **state)
{
	struct cell_result result = {0};
	struct cell_usage usage = {.user_us = 7};
	struct cgroup *none = NULL;
	struct err err;

	(void)state;
	assert_int_equal(cgroup_clone_fd(none), -1);
	assert_int_equal(cgroup_poll_fd(none), -1);
	assert_int_equal(cgroup_attach(none, getpid(), &err), 0);
	assert_false(cgroup_oom(none));
	assert_false(cgroup_pids_refused(none));
	assert_int_equal(cgroup_kill(none), 0);
	cgroup_usage(none, &usage);
	assert_int_equal(usage.user_us, 7);
	cgroup_means(none, &result);
	assert_int_equal(result.means.memory, CELL_BY_NONE);
	assert_false(cgroup_covers(none, &(struct cell_limits){.pids = 1}));
	assert_true(cgroup_covers(none, &(struct cell_limits){0}));
	cgroup_close(&none);
}

static void means_name_what_is_limited(void **state)
{
	struct cgroup *cg = open_with(*state, (struct cell_limits){.memory = MIB, .pids = 2});
	struct cell_result result = {0};

	cgroup_means(cg, &result);
	assert_int_equal(result.means.memory, CELL_BY_CGROUP);
	assert_int_equal(result.means.pids, CELL_BY_CGROUP);
	assert_int_equal(result.means.cpus, CELL_BY_NONE);
	cgroup_close(&cg);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(memory_limit_is_told_and_kills, setup, teardown),
		cmocka_unit_test_setup_teardown(memory_below_the_limit_is_no_oom, setup, teardown),
		cmocka_unit_test_setup_teardown(pids_limit_refuses_and_counts, setup, teardown),
		cmocka_unit_test_setup_teardown(cpu_limit_slows, setup, teardown),
		cmocka_unit_test_setup_teardown(io_limit_slows, setup, teardown),
		cmocka_unit_test_setup_teardown(kill_leaves_nobody, setup, teardown),
		cmocka_unit_test_setup_teardown(v1_kill_freezes_and_thaws, setup, teardown),
		cmocka_unit_test_setup_teardown(close_removes_every_directory, setup, teardown),
		cmocka_unit_test_setup_teardown(sweep_takes_the_dead_and_spares_the_living, setup,
						teardown),
		cmocka_unit_test_setup_teardown(sweep_ignores_what_is_not_ours, setup, teardown),
		cmocka_unit_test_setup_teardown(means_name_what_is_limited, setup, teardown),
		cmocka_unit_test(no_cgroup_is_no_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
