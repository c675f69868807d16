/* How cells end: every verdict, survivors, signals, the death of stepcell, and nothing left. */
#include "cell_fixture.h"

#include <signal.h>
#include <sys/syscall.h>
#include <time.h>

#include "cell/supervise.h"
#include "unprivileged.h"

static const struct {
	const char *what, *script;
	struct cell_limits limits;
	enum cell_verdict verdict;
	int exit_code, signal;
} rows[] = {
	{"passed", "true", {0}, CELL_PASSED, 0, 0},
	{"failed", "exit 7", {0}, CELL_FAILED, 7, 0},
	{"signalled", "kill -SEGV $$", {0}, CELL_SIGNALLED, -1, SIGSEGV},
	{"timeout", "sleep 100", {.wall_ms = 100}, CELL_TIMEOUT, -1, 0},
	{"timeout of one that will not be told",
	 "trap '' TERM INT HUP; (setsid sleep 100 &); while :; do sleep 1; done",
	 {.wall_ms = 200},
	 CELL_TIMEOUT,
	 -1,
	 0},
	{"timeout of one that stops itself",
	 "kill -STOP $$",
	 {.wall_ms = 200},
	 CELL_TIMEOUT,
	 -1,
	 0},
	{"forks refused, and failed",
	 "for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16; do sleep 5 & done",
	 {.pids = 12},
	 CELL_PIDS_LIMIT,
	 2,
	 0},
	{"one file too large",
	 "head -c 4M /dev/zero >/tmp/x",
	 {.disk = 1 << 20},
	 CELL_DISK_LIMIT,
	 153,
	 0},
	{"its own init is out of reach",
	 "test \"$(cat /proc/1/comm)\" = stepcell-init && kill -9 1; kill -9 1; echo "
	 ">/proc/1/oom_score_adj;"
	 "exit 3",
	 {0},
	 CELL_FAILED,
	 3,
	 0},
};

static void check_verdicts(void)
{
	struct world w;

	world_make(&w);
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct cell_result r;

		print_message("%s\n", rows[i].what);
		w.spec.limits = rows[i].limits;
		r = world_run(&w, rows[i].script, NULL);
		assert_string_equal(cell_verdict_name(r.verdict),
				    cell_verdict_name(rows[i].verdict));
		/* a count may have been quicker than the end of the process */
		if (r.verdict != CELL_DISK_LIMIT || r.exit_code != -1)
			assert_int_equal(r.exit_code, rows[i].exit_code);
		assert_int_equal(r.signal, rows[i].signal);
		world_upper(&w);
	}
	world_drop(&w);
}

TEST_BOTH(verdicts)

/* By the cgroup as root; by looking as an ordinary user without one. */
static void check_memory(void)
{
	static const char script[] =
		"exec perl -e 'fork; fork; $x = \"y\" x (35 << 20); sleep 20; print length $x'";
	struct cell_result r;
	struct world w;

	world_make(&w);
	w.spec.limits.memory = 100 << 20;
	w.spec.limits.wall_ms = 15000;
	r = world_run(&w, script, NULL);
	assert_string_equal(cell_verdict_name(r.verdict), "out-of-memory");
	assert_true(r.usage.peak_memory > 60 << 20);
	world_drop(&w);
}

TEST_BOTH(memory)

static const struct {
	const char *what, *script, *verdict;
} disk_rows[] = {
	{"a directory that the step has closed to all",
	 "mkdir /tmp/d; for i in 1 2 3; do head -c 1M /dev/zero >/tmp/d/$i; done;"
	 "chmod 0 /tmp/d; sleep 20",
	 "disk-limit"},
	{"files without a name",
	 "perl -MIO::Handle -e 'for (1..3) { open $f[$_], q(>), qq(/tmp/$_); unlink qq(/tmp/$_);"
	 "$f[$_]->print(q(x) x (1 << 20)); $f[$_]->flush } sleep 20'",
	 "disk-limit"},
	{"a thread with descriptors of its own",
	 "perl -MIO::Handle -e 'use threads; threads->create(sub { syscall 272, 0x400;"
	 "for (1..3) { open $f[$_], q(>), qq(/tmp/$_); unlink qq(/tmp/$_);"
	 "$f[$_]->print(q(x) x (1 << 20)); $f[$_]->flush } sleep 20 })->join'",
	 "disk-limit"},
	{"files that come and go",
	 "for i in 1 2 3 4 5; do head -c 1M /dev/zero >/tmp/x; sleep 0.1; rm /tmp/x; done",
	 "passed"},
	{"a program that waits", "exec sleep 1.2", "passed"},
};

static void check_disk(void)
{
	struct cell_result r;
	struct world w;

	world_make(&w);
	w.spec.limits.disk = 2 << 20;
	w.spec.limits.io = UINT64_C(64) << 30; /* who limits it counts it */
	for (size_t i = 0; i < COUNT(disk_rows); i++) {
		print_message("%s\n", disk_rows[i].what);
		r = world_run(&w, disk_rows[i].script, NULL);
		assert_string_equal(cell_verdict_name(r.verdict), disk_rows[i].verdict);
		assert_string_equal(cell_means_name(r.means.disk), "sampled");
		/* where no cgroup counts what reaches a disk, the kernel counts what is written */
		if (r.means.io == CELL_BY_NONE && i == 3)
			assert_true(r.usage.written_bytes >= 4 << 20);
		world_upper(&w);
	}
	world_drop(&w);
}

TEST_BOTH(disk)

/* Makes a thousand files in a folder of its own, says so, and removes them when it is told to. */
static pid_t start_others(const struct world *w, int *told, int *go)
{
	char dir[sizeof(w->dir) + 8];
	int says[2], hears[2];
	struct err err = {0};
	pid_t pid;

	(void)snprintf(dir, sizeof(dir), "%s/others", w->dir);
	MUST(pipe_open(says, &err));
	MUST(pipe_open(hears, &err));
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		(void)dup2(hears[0], STDIN_FILENO);
		(void)dup2(says[1], STDOUT_FILENO);
		(void)execlp("bash", "bash", "-c",
			     "mkdir $0 && cd $0 && touch {1..1000} && echo && read -r && rm *", dir,
			     (char *)NULL);
		_exit(127);
	}
	(void)close(says[1]);
	(void)close(hears[0]);
	*told = says[0];
	*go = hears[1];
	return pid;
}

/* As many files go from the file system as a cell makes in no time: it is counted all the same. */
static void check_files_while_others_go(void)
{
	int told, go, status;
	struct world w;
	char byte;
	pid_t pid;

	world_make(&w);
	pid = start_others(&w, &told, &go);
	assert_int_equal(read_full(told, &byte, 1), 0);
	w.spec.limits.files = 500;
	assert_int_equal(write_full(go, "\n", 1), 0);
	assert_int_equal(world_run(&w, "cd /tmp; seq 600 | xargs touch; sleep 0.3", NULL).verdict,
			 CELL_DISK_LIMIT);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	(void)close(told);
	(void)close(go);
	world_drop(&w);
}

TEST_BOTH(files_while_others_go)

/* What outlives the main process is killed and counted; it cannot hold the log pipe open. */
static void test_survivors(void **state)
{
	struct cell_result r;
	struct world w;

	(void)state;
	world_make(&w);
	/* the last is a zombie, which its parent has not waited for: it survived nothing */
	r = world_run(&w,
		      "sleep 100 & setsid sleep 100 & sh -c 'exit 1 & exec sleep 100' & sleep 0.2",
		      NULL);
	assert_int_equal(r.verdict, CELL_PASSED);
	assert_int_equal(r.survivors, 3);
	world_drop(&w);
}

/* ---- from outside ---- */

static struct cell *start(struct world *w, const char *script, int out)
{
	const char *argv[] = {"/bin/sh", "-c", script, NULL};
	struct cell *cell = NULL;
	struct err err = {0};

	w->spec.argv = argv;
	w->spec.stdout_fd = w->spec.stderr_fd = out;
	MUST(cell_start(&w->spec, &cell, NULL, &err));
	return cell;
}

static void test_signal(void **state)
{
	struct cell_result r;
	struct err err = {0};
	struct world w;
	struct cell *cell;
	char byte;
	int ends[2];

	(void)state;
	world_make(&w);
	MUST(pipe_open(ends, &err));
	cell = start(&w, "trap 'exit 9' USR1; echo; while :; do sleep 0.05; done", ends[1]);
	assert_int_equal(read_full(ends[0], &byte, 1), 0);
	MUST(cell_signal(cell, SIGUSR1, &err));
	MUST(cell_wait(cell, &r, &err));
	assert_int_equal(r.exit_code, 9);
	cell_release(&cell);
	(void)close(ends[0]), (void)close(ends[1]);
	world_drop(&w);
}

static void test_cancelled(void **state)
{
	struct cell_result r;
	struct err err = {0};
	struct world w;
	struct cell *cell;

	(void)state;
	world_make(&w);
	cell = start(&w, "sleep 100", 0);
	cell_kill(cell, CELL_CANCELLED);
	cell_kill(cell, CELL_TIMEOUT); /* the first reason stays */
	MUST(cell_wait(cell, &r, &err));
	assert_int_equal(r.verdict, CELL_CANCELLED);
	cell_release(&cell);
	world_drop(&w);
}

/* The step ends by itself, and then, before anybody heard of it, its end is ordered. */
static const struct {
	const char *script;
	enum cell_verdict why, verdict;
} late_rows[] = {
	{"exit 3", CELL_DISK_LIMIT, CELL_DISK_LIMIT},
	{"exit 3", CELL_OUT_OF_MEMORY, CELL_OUT_OF_MEMORY},
	{"exit 3", CELL_LOG_LIMIT, CELL_LOG_LIMIT},
	{"exit 3", CELL_CANCELLED, CELL_FAILED},
	{"exit 3", CELL_TIMEOUT, CELL_FAILED},
	{"exit 0", CELL_DISK_LIMIT, CELL_DISK_LIMIT}, /* it did take too much, and that counts */
	{"exit 0", CELL_LOG_LIMIT, CELL_PASSED},
	{"exit 0", CELL_TIMEOUT, CELL_PASSED},
};

static void test_ended_before(void **state)
{
	struct world w;

	(void)state;
	world_make(&w);
	for (size_t i = 0; i < COUNT(late_rows); i++) {
		struct cell *cell = start(&w, late_rows[i].script, 0);
		struct pollfd end = {.fd = cell->pidfd, .events = POLLIN};
		struct cell_result r;
		struct err err = {0};

		assert_int_equal(poll(&end, 1, 30000), 1);
		cell_kill(cell, late_rows[i].why);
		MUST(cell_wait(cell, &r, &err));
		assert_string_equal(cell_verdict_name(r.verdict),
				    cell_verdict_name(late_rows[i].verdict));
		cell_release(&cell);
		world_upper(&w);
	}
	world_drop(&w);
}

/* No word from init: whatever the command did, it has not passed. */
static void test_init_killed(void **state)
{
	struct cell_result r;
	struct err err = {0};
	struct world w;
	struct cell *cell;

	(void)state;
	world_make(&w);
	cell = start(&w, "sleep 100", 0);
	(void)syscall(SYS_pidfd_send_signal, cell->pidfd, SIGKILL, NULL, 0);
	MUST(cell_wait(cell, &r, &err));
	assert_int_equal(r.verdict, CELL_FAILED);
	assert_true(r.init_killed);
	assert_int_equal(r.exit_code, -1);
	cell_release(&cell);
	world_drop(&w);
}

/* When stepcell is killed its cells die: the pipe that only the cell holds comes to its end. */
static void check_death_of_stepcell(void)
{
	struct world w;
	struct err err = {0};
	int life[2], status;
	struct pollfd fd;
	char byte;
	pid_t pid;

	world_make(&w);
	MUST(pipe_open(life, &err));
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		(void)start(&w, "trap '' TERM; (setsid sleep 50 &); echo; sleep 50", life[1]);
		(void)close(life[1]);
		for (;;)
			(void)pause();
	}
	(void)close(life[1]);
	assert_int_equal(read_full(life[0], &byte, 1), 0);
	(void)kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	fd = (struct pollfd){.fd = life[0], .events = POLLIN};
	assert_int_equal(poll(&fd, 1, 10000), 1);
	assert_int_equal(read(life[0], &byte, 1), 0);
	(void)close(life[0]);
	cell_sweep(w.state);
	world_drop(&w);
}

TEST_BOTH(death_of_stepcell)

/* ---- nothing is left ---- */

static unsigned count_mounts(void)
{
	FILE *f = fopen("/proc/self/mountinfo", "re");
	unsigned count = 0;
	int c;

	assert_non_null(f);
	while ((c = fgetc(f)) != EOF)
		count += c == '\n';
	(void)fclose(f);
	return count;
}

static void check_nothing_left(void)
{
	static const char *const argv[] = {"true", NULL};
	unsigned fds, mounts;
	struct world w;

	world_make(&w);
	(void)world_run(&w, "true", NULL); /* what a job keeps is there now */
	fds = count_fds();
	mounts = count_mounts();
	for (unsigned i = 0; i < 20; i++) {
		world_upper(&w);
		w.spec.limits = (struct cell_limits){.pids = 32, .memory = 64 << 20};
		(void)world_run(&w, i % 2 ? "sleep 100 & exit 1" : "true", NULL);
	}
	w.spec.argv = argv;
	w.spec.workdir = "/home/missing";
	for (unsigned i = 0; i < 5; i++) {
		struct cell *cell = NULL;
		struct err err = {0};

		world_upper(&w);
		assert_int_equal(cell_start(&w.spec, &cell, NULL, &err), -1);
		assert_string_equal(err.text, "cell 'test': entering the working directory: cannot "
					      "open '/home/missing': No such file or directory");
	}
	assert_int_equal(count_fds(), fds);
	assert_int_equal(count_mounts(), mounts);
	assert_int_equal(waitpid(-1, NULL, WNOHANG | __WALL), -1);
	world_drop(&w);
}

TEST_BOTH(nothing_left)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_verdicts),
		cmocka_unit_test(test_verdicts_as_user),
		cmocka_unit_test(test_memory),
		cmocka_unit_test(test_memory_as_user),
		cmocka_unit_test(test_disk),
		cmocka_unit_test(test_disk_as_user),
		cmocka_unit_test(test_files_while_others_go),
		cmocka_unit_test(test_files_while_others_go_as_user),
		cmocka_unit_test(test_survivors),
		cmocka_unit_test(test_signal),
		cmocka_unit_test(test_cancelled),
		cmocka_unit_test(test_ended_before),
		cmocka_unit_test(test_init_killed),
		cmocka_unit_test(test_death_of_stepcell),
		cmocka_unit_test(test_death_of_stepcell_as_user),
		cmocka_unit_test(test_nothing_left),
		cmocka_unit_test(test_nothing_left_as_user),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
