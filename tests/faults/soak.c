/*
 * soak: cells in a row (CELLS, 10,000) and at once (CELLS_AT_ONCE, 200); afterwards no descriptor, process,
 * mount or cgroup is left, and memory has not grown. Namespaces cannot be counted from here: soak.sh gives
 * the program a user namespace in which there can be but a few, so that one that leaks is soon one too many.
 * LEAK=KIND (user, pid, net, ...) is the control of that: of each cell one namespace of the kind is held on
 * to, and a cell is refused before CELLS of them.
 */
#include "../unit/cell_fixture.h"

#include <dirent.h>
#include <sys/wait.h>
#include <time.h>

#include "cell/supervise.h"
#include "stepcell/clock.h"
#include "stepcell/parse.h"

static struct world world;

static uint64_t setting(const char *name, uint64_t value)
{
	const char *text = getenv(name);

	if (text && parse_u64(text, 1, 1000000, &value) < 0)
		fail_msg("%s is not a number", name);
	return value;
}

/* ---- what could be left ---- */

struct tally {
	unsigned fds, mounts, cgroups;
	bool children;
	uint64_t resident; /* KiB */
};

static unsigned count_lines(const char *path)
{
	FILE *f = fopen(path, "re");
	unsigned lines = 0;

	assert_non_null(f);
	for (int c; (c = getc(f)) != EOF;)
		lines += c == '\n';
	(void)fclose(f);
	return lines;
}

static unsigned count_entries(const char *path, const char *prefix)
{
	DIR *dir = opendir(path);
	unsigned count = 0;

	for (struct dirent *e; dir && (e = readdir(dir));)
		count += strncmp(e->d_name, prefix, strlen(prefix)) == 0;
	if (dir)
		(void)closedir(dir);
	return count;
}

/* Our own directories below the caller's cgroups, in every hierarchy. */
static unsigned count_cgroups(void)
{
	FILE *f = fopen("/proc/self/cgroup", "re");
	char line[512], names[64], path[256], dir[400];
	unsigned count = 0;

	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%*[^:]:%63[^:]:%255s", names, path) != 2)
			(void)snprintf(names, sizeof(names), "unified"),
				(void)sscanf(line, "0::%255s", path);
		(void)snprintf(dir, sizeof(dir), "/sys/fs/cgroup/%s%s", names, path);
		count += count_entries(dir, "stepcell-soak-");
	}
	if (f)
		(void)fclose(f);
	return count;
}

static uint64_t resident_kib(void)
{
	FILE *f = fopen("/proc/self/statm", "re");
	unsigned long pages = 0;

	assert_non_null(f);
	assert_int_equal(fscanf(f, "%*u %lu", &pages), 1);
	(void)fclose(f);
	return (uint64_t)pages * 4;
}

static struct tally take(void)
{
	return (struct tally){
		.fds = count_entries("/proc/self/fd", ""),
		.mounts = count_lines("/proc/self/mountinfo"),
		.cgroups = count_cgroups(),
		.children = waitpid(-1, NULL, WNOHANG) >= 0,
		.resident = resident_kib(),
	};
}

static void assert_nothing_left(const struct tally *before, const struct tally *now)
{
	assert_int_equal(now->fds, before->fds);
	assert_int_equal(now->mounts, before->mounts);
	assert_int_equal(now->cgroups, before->cgroups);
	assert_int_equal(now->children, before->children);
	if (now->resident > before->resident + 512)
		fail_msg("resident memory grew from %lu KiB to %lu KiB",
			 (unsigned long)before->resident, (unsigned long)now->resident);
}

static void say_tally(const char *what, uint64_t cells, uint64_t start_ms, const struct tally *t)
{
	print_message("# %s: %lu cells in %lu s: %u descriptors, %u mounts, %u cgroups, %lu KiB "
		      "resident\n",
		      what, (unsigned long)cells, (unsigned long)(now_ms() - start_ms) / 1000,
		      t->fds, t->mounts, t->cgroups, (unsigned long)t->resident);
}

/* ---- the cells ---- */

static struct cell *start_one(const char *const *argv, int in)
{
	struct cell *cell = NULL;
	struct err err = {0};

	world.spec.name = "soak";
	world.spec.argv = argv;
	world.spec.stdin_fd = in;
	world.spec.limits =
		(struct cell_limits){.memory = 256 << 20, .pids = 16, .wall_ms = 600000};
	MUST(cell_start(&world.spec, &cell, NULL, &err));
	return cell;
}

static void end_one(struct cell **cell)
{
	struct cell_result result;
	struct err err = {0};

	MUST(cell_wait(*cell, &result, &err));
	assert_int_equal(result.verdict, CELL_PASSED);
	cell_release(cell);
}

static void test_in_a_row(void **state)
{
	static const char *const argv[] = {"/bin/true", NULL};
	const uint64_t cells = setting("CELLS", 10000);
	struct tally before = {0}, now;
	const uint64_t start = now_ms();

	(void)state;
	for (uint64_t i = 0; i < cells; i++) {
		struct err err = {0};
		struct cell *cell = start_one(argv, 0);

		end_one(&cell);
		/* the fixture's upper is for one cell at a time */
		MUST(remove_tree(AT_FDCWD, world.upper, &err));
		world_upper(&world);
		if (i == cells / 10)
			before = take();
	}
	now = take();
	say_tally("in a row", cells, start, &now);
	assert_nothing_left(&before, &now);
}

static void run_at_once(uint64_t cells)
{
	static const char *const argv[] = {"/bin/cat", NULL};
	struct cell **all = calloc(cells, sizeof(struct cell *));
	const uint64_t start = now_ms();
	struct tally now;
	struct err err = {0};
	int ends[2];

	assert_non_null(all);
	MUST(pipe_open(ends, &err));
	for (uint64_t i = 0; i < cells; i++) {
		all[i] = start_one(argv, ends[0]);
		world_upper(&world);
	}
	now = take();
	say_tally("at once, all alive", cells, start, &now);
	(void)close(ends[1]);
	(void)close(ends[0]);
	for (uint64_t i = 0; i < cells; i++)
		end_one(&all[i]);
	free(all);
	now = take();
	say_tally("at once, all ended", cells, start, &now);
}

/* So many at once need memory that malloc keeps: a second time they need no more. */
static void test_at_once(void **state)
{
	const uint64_t cells = setting("CELLS_AT_ONCE", 200);
	struct tally before = take(), now;

	(void)state;
	run_at_once(cells);
	now = take();
	before.resident = now.resident;
	assert_nothing_left(&before, &now);
	run_at_once(cells);
	now = take();
	assert_nothing_left(&before, &now);
}

/* ---- the control: a namespace of each cell stays ---- */

/* Init cannot be looked at, for it is not dumpable; its only child can. */
static int main_process(const struct cell *cell)
{
	char path[64];
	FILE *f;
	int pid = 0;

	(void)snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)cell->pid,
		       (int)cell->pid);
	f = fopen(path, "re");
	assert_non_null(f);
	assert_int_equal(fscanf(f, "%d", &pid), 1);
	(void)fclose(f);
	return pid;
}

/* The start of a cell is over a moment before its program can be looked at. */
static void hold_namespace(const struct cell *cell, const char *kind)
{
	const struct timespec moment = {.tv_nsec = 1000000};
	char path[64];
	int fd = -1;

	(void)snprintf(path, sizeof(path), "/proc/%d/ns/%s", main_process(cell), kind);
	for (int i = 0; fd < 0 && i < 1000; i++) {
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			(void)nanosleep(&moment, NULL);
	}
	if (fd < 0)
		fail_msg("cannot open %s", path);
}

static void test_leak(void **state)
{
	static const char *const argv[] = {"/bin/cat", NULL};
	const uint64_t cells = setting("CELLS", 10000);

	(void)state;
	for (uint64_t i = 0; i < cells; i++) {
		struct err err = {0};
		struct cell *cell;
		int ends[2];

		MUST(pipe_open(ends, &err));
		cell = start_one(argv, ends[0]);
		hold_namespace(cell, getenv("LEAK"));
		(void)close(ends[0]);
		(void)close(ends[1]);
		end_one(&cell);
		MUST(remove_tree(AT_FDCWD, world.upper, &err));
		world_upper(&world);
	}
}

static int make(void **state)
{
	(void)state;
	world_make(&world);
	return 0;
}

static int drop(void **state)
{
	(void)state;
	world_drop(&world);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_in_a_row),
		cmocka_unit_test(test_at_once),
	};
	const struct CMUnitTest control[] = {
		cmocka_unit_test(test_leak),
	};

	if (getenv("LEAK"))
		return cmocka_run_group_tests(control, make, drop);
	return cmocka_run_group_tests(tests, make, drop);
}
