/* Programs that are started outside of cells: what they have of ours, and what is said of their end. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "image/child.h"
#include "stepcell/fd.h"
#include "stepcell/util.h"

static int sh(const char *script, struct strbuf *out, struct err *err)
{
	const char *const argv[] = {"/bin/sh", "-c", script, NULL};
	const char *const env[] = {"A=b", NULL};

	return child_run(argv, env, out, err);
}

static void test_has_nothing_of_ours(void **state)
{
	auto_fd int open_here = fcntl(STDIN_FILENO, F_DUPFD, 20);
	auto_strbuf struct strbuf out = STRBUF(1000);
	struct err err;

	(void)state;
	assert_true(open_here >= 20);
	/* what the shell sees is in order, and what it has read its own list by */
	assert_int_equal(
		sh("env; for fd in /proc/self/fd/*; do [ ${fd##*/} -lt 10 ] || echo $fd; done",
		   &out, &err),
		0);
	assert_non_null(strstr(out.text, "A=b\n"));
	assert_null(strstr(out.text, "/proc/self/fd"));
}

static void test_its_end_is_told(void **state)
{
	static const struct {
		const char *script, *why;
	} rows[] = {
		{"exit 3", "'/bin/sh' failed with exit code 3"},
		{"kill -9 $$", "'/bin/sh' was killed by signal 9"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		auto_strbuf struct strbuf out = STRBUF(1000);
		struct err err;

		assert_int_equal(sh(rows[i].script, &out, &err), -1);
		assert_string_equal(err.text, rows[i].why);
	}
}

static void test_one_that_is_not_there(void **state)
{
	const char *const argv[] = {"/bin/no-such-program", NULL}, *const env[] = {NULL};
	auto_strbuf struct strbuf out = STRBUF(1000);
	struct err err;

	(void)state;
	assert_int_equal(child_run(argv, env, &out, &err), -1);
	assert_string_equal(err.text,
			    "cannot run '/bin/no-such-program': No such file or directory");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_has_nothing_of_ours),
		cmocka_unit_test(test_its_end_is_told),
		cmocka_unit_test(test_one_that_is_not_there),
	};

	return cmocka_run_group_tests_name("image_child", tests, NULL, NULL);
}
