/* Cells that were born before their spec was known: cell_prepare(). */
#include "cell/owner.h"
#include "cell/supervise.h"
#include "cell_fixture.h"
#include "unprivileged.h"

static const char *const true_argv[] = {"true", NULL};

static struct cell *prepare(struct world *w)
{
	struct err err = {0};

	w->spec.argv = true_argv;
	MUST(cell_prepare(&w->spec, &err));
	assert_non_null(*owner_ahead(w->owner));
	return *owner_ahead(w->owner);
}

/* What the cell's network namespace is called, and its host. */
static void run_names(struct world *w, char *out, size_t size)
{
	world_say(w,
		  "readlink /proc/self/ns/net; hostname; python3 -c 'import time; "
		  "print(time.clock_gettime(time.CLOCK_BOOTTIME))'",
		  out, size);
}

static void check_taken_once(void)
{
	char first[128], second[128];
	struct world w;

	world_make(&w);
	(void)prepare(&w);
	w.spec.name = "other"; /* known later, as the command is */
	run_names(&w, first, sizeof(first));
	assert_null(*owner_ahead(w.owner));
	assert_non_null(strstr(first, "\nother\n8640"));
	(void)prepare(&w);
	run_names(&w, second, sizeof(second));
	assert_string_not_equal(first, second);
	world_drop(&w);
}

/* What it was born with is not what is asked for: it stays, and another is made. */
static void check_other_limits(void)
{
	struct cell *ahead;
	struct world w;
	char names[128];

	world_make(&w);
	w.spec.limits.pids = 32;
	ahead = prepare(&w);
	w.spec.limits.pids = 64;
	run_names(&w, names, sizeof(names));
	assert_ptr_equal(*owner_ahead(w.owner), ahead);
	w.spec.limits.pids = 32;
	run_names(&w, names, sizeof(names));
	assert_null(*owner_ahead(w.owner));
	world_drop(&w);
}

static void check_dead(void)
{
	struct cell *ahead;
	struct world w;
	char names[128];

	world_make(&w);
	ahead = prepare(&w);
	assert_int_equal(kill(ahead->pid, SIGKILL), 0);
	while (waitid(P_PIDFD, (id_t)ahead->pidfd, &(siginfo_t){0}, WEXITED | WNOWAIT | __WALL) < 0)
		;
	run_names(&w, names, sizeof(names));
	assert_non_null(strstr(names, "\ntest\n"));
	world_drop(&w);
}

/* Another cell that could write to what this one will be told would be its master. */
static int count_shared(void *arg, const int *fds, size_t fd_count)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	char line[512];
	int count = 0;

	(void)arg;
	(void)fds;
	(void)fd_count;
	while (maps && fgets(line, sizeof(line), maps))
		count += strstr(line, " rw-s ") != NULL;
	return maps ? count : 100;
}

static void check_memory(void)
{
	struct cell_result result;
	struct cell *cell = NULL;
	struct err err = {0};
	struct world w;

	world_make(&w);
	(void)prepare(&w);
	w.spec.argv = NULL;
	w.spec.fn = count_shared;
	MUST(cell_start(&w.spec, &cell, NULL, &err));
	MUST(cell_wait(cell, &result, &err));
	cell_release(&cell);
	assert_int_equal(result.exit_code, 1); /* its own alone */
	world_drop(&w);
}

static pid_t start_ahead(struct world *w)
{
	return prepare(w)->pid;
}

static void check_death_of_stepcell(void)
{
	struct world w;

	world_make(&w);
	world_kill_stepcell(&w, start_ahead);
	world_drop(&w);
}

static void check_nothing_left(void)
{
	unsigned fds = count_fds();
	struct world w;

	world_make(&w);
	(void)prepare(&w);
	world_drop(&w);
	assert_int_equal(count_fds(), fds);
	assert_int_equal(waitpid(-1, NULL, WNOHANG | __WALL), -1);
}

TEST_BOTH(taken_once)
TEST_BOTH(other_limits)
TEST_BOTH(dead)
TEST_BOTH(memory)
TEST_BOTH(death_of_stepcell)
TEST_BOTH(nothing_left)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_taken_once),
		cmocka_unit_test(test_taken_once_as_user),
		cmocka_unit_test(test_other_limits),
		cmocka_unit_test(test_other_limits_as_user),
		cmocka_unit_test(test_dead),
		cmocka_unit_test(test_dead_as_user),
		cmocka_unit_test(test_memory),
		cmocka_unit_test(test_memory_as_user),
		cmocka_unit_test(test_death_of_stepcell),
		cmocka_unit_test(test_death_of_stepcell_as_user),
		cmocka_unit_test(test_nothing_left),
		cmocka_unit_test(test_nothing_left_as_user),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
