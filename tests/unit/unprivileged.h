/*
 * The same test once more as an ordinary user: in a child that has given up
 * root for an id that owns nothing. Include it after cell_fixture.h.
 */
#pragma once

#include <grp.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#define ORDINARY_ID 54321

static inline void as_user(void (*check)(void))
{
	pid_t pid;
	int status;

	if (geteuid() != 0) {
		print_message("skipped: the tests run as an ordinary user already\n");
		skip();
	}
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		if (setgroups(0, NULL) < 0 ||
		    setresgid(ORDINARY_ID, ORDINARY_ID, ORDINARY_ID) < 0 ||
		    setresuid(ORDINARY_ID, ORDINARY_ID, ORDINARY_ID) < 0)
			_exit(2);
		(void)prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
		check();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

/* check_NAME() as two tests: by who runs them, and by an ordinary user. */
#define TEST_BOTH(name)                                                                            \
	static void test_##name(void **state)                                                      \
	{                                                                                          \
		(void)state;                                                                       \
		check_##name();                                                                    \
	}                                                                                          \
	static void test_##name##_as_user(void **state)                                            \
	{                                                                                          \
		(void)state;                                                                       \
		as_user(check_##name);                                                             \
	}
