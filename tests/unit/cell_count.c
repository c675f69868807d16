/* Counting a tree while others change it: a file may lose its last name between two looks. */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "cell/count.h"

#define COUNTS 20000 /* of one such name; the moment was met in one of ten */

static _Noreturn void come_and_go(int dir)
{
	for (;;) {
		(void)mknodat(dir, "restless", S_IFREG | 0600, 0);
		(void)unlinkat(dir, "restless", 0);
	}
}

static int count_often(const char *path)
{
	const struct count_order order = {.upper_count = 1};
	struct count_use use;

	for (int i = 0; i < COUNTS; i++) {
		int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		use = (struct count_use){0};
		count_uppers(&order, &dir, &use); /* takes it over */
		if (use.inodes < 1 || use.inodes > 2 || use.too_deep)
			return 1;
	}
	return 0;
}

static void names_that_come_and_go(void **state)
{
	char path[] = "/tmp/stepcell-count.XXXXXX";
	pid_t racer, counter;
	int dir, status;

	(void)state;
	assert_non_null(mkdtemp(path));
	dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(dir >= 0);
	assert_int_equal(mkdirat(dir, "still", 0700), 0);
	racer = fork();
	if (racer == 0)
		come_and_go(dir);
	counter = fork();
	if (counter == 0)
		_exit(count_often(path));
	(void)waitpid(counter, &status, 0);
	(void)kill(racer, SIGKILL);
	(void)waitpid(racer, NULL, 0);
	(void)unlinkat(dir, "restless", 0);
	(void)unlinkat(dir, "still", AT_REMOVEDIR);
	(void)close(dir);
	(void)rmdir(path);
	assert_int_equal(status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_that_come_and_go),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
