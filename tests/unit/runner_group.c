/* Concurrency groups: many processes come and go, one is inside at a time, and nothing is left. */
#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "runner/run.h"
#include "stepcell/path.h"

#define PROCESSES 6
#define ROUNDS    60

struct shared {
	int inside, most, done;
};

static const struct group_wish wish = {.name = "Group", .queue = true};

/* One round: 0 when it came in, was alone, and went out. */
static int go_through(const char *home, struct shared *s)
{
	struct group *g = NULL;
	struct err err = {0};
	enum group_state state;
	int now;

	if (group_enter(home, "somebody", &wish, &g, &err) < 0) {
		print_message("%s\n", err.text);
		return -1;
	}
	while ((state = group_poll(g)) == GROUP_PENDING)
		(void)usleep(100);
	now = __atomic_add_fetch(&s->inside, 1, __ATOMIC_SEQ_CST);
	if (now > s->most)
		s->most = now;
	__atomic_sub_fetch(&s->inside, 1, __ATOMIC_SEQ_CST);
	__atomic_add_fetch(&s->done, 1, __ATOMIC_SEQ_CST);
	group_leave(&g);
	return state == GROUP_RUNNING ? 0 : -1;
}

static size_t entries(const char *path)
{
	DIR *dir = opendir(path);
	size_t n = 0;

	assert_non_null(dir);
	for (const struct dirent *e; (e = readdir(dir));)
		n += e->d_name[0] != '.';
	(void)closedir(dir);
	return n;
}

static void make_home(char *home, char *groups)
{
	(void)snprintf(home, 64, "/tmp/stepcell-group-XXXXXX");
	assert_non_null(mkdtemp(home));
	(void)snprintf(groups, 80, "%s/groups", home);
}

static void test_crowd(void **state)
{
	struct shared *s =
		mmap(NULL, sizeof(*s), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	char home[64], groups[80];
	struct err err = {0};

	(void)state;
	assert_true(s != MAP_FAILED);
	make_home(home, groups);
	for (int i = 0; i < PROCESSES; i++) {
		pid_t pid = fork();
		int bad = 0;

		assert_true(pid >= 0);
		for (int k = 0; pid == 0 && k < ROUNDS; k++)
			bad += go_through(home, s) < 0;
		if (pid == 0)
			_exit(bad != 0);
	}
	for (int status, i = 0; i < PROCESSES; i++) {
		assert_true(wait(&status) > 0);
		assert_int_equal(status, 0);
	}
	assert_int_equal(s->most, 1);
	assert_int_equal(s->done, PROCESSES * ROUNDS);
	assert_int_equal(entries(groups), 0);
	assert_int_equal(remove_tree(AT_FDCWD, home, &err), 0);
}

/* What a killed process left is swept; a group in which somebody is stays. */
static void test_sweep(void **state)
{
	char home[64], groups[80];
	struct err err = {0};
	struct group *g = NULL;
	pid_t pid;
	int status;

	(void)state;
	make_home(home, groups);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		_exit(group_enter(home, "a", &wish, &g, &err) < 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(group_enter(home, "b", &wish, &g, &err), 0);
	assert_int_equal(entries(groups), 2);
	group_sweep(home);
	assert_int_equal(entries(groups), 1);
	assert_int_equal(group_poll(g), GROUP_RUNNING);
	group_leave(&g);
	assert_int_equal(entries(groups), 0);
	assert_int_equal(remove_tree(AT_FDCWD, home, &err), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_crowd),
		cmocka_unit_test(test_sweep),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
