/* Capabilities and rlimits, as a child of a user namespace loses them. */
#include <errno.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "cell/caps.h"
#include "cell/rlimits.h"
#include "stepcell/limits.h"
#include "stepcell/util.h"

typedef int child_fn(void);

/* The exit code of a child in a user namespace of its own, where it has every capability. */
static int in_child(child_fn *fn)
{
	int status;
	const pid_t pid = fork();

	if (pid == 0) {
		if (unshare(CLONE_NEWUSER) < 0)
			_exit(200);
		_exit(fn());
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 200) {
		print_message("skipped: no user namespace here\n");
		if (getenv("STEPCELL_MUST_RUN"))
			fail_msg("no user namespace here");
		skip();
	}
	return WEXITSTATUS(status);
}

/* The five sets in /proc/self/status. */
static int nonempty_sets(void)
{
	FILE *f = fopen("/proc/self/status", "re");
	char line[256];
	int sets = 0, empty = 0;

	while (f && fgets(line, sizeof(line), f))
		if (strncmp(line, "Cap", 3) == 0) {
			sets++;
			empty += strstr(line, "\t0000000000000000\n") != NULL;
		}
	if (f)
		(void)fclose(f);
	return sets == 5 ? 5 - empty : -1;
}

static int drops_all(void)
{
	struct err err = {0};

	if (nonempty_sets() < 3)
		return 1; /* control: they were there */
	if (caps_assert_none(&err) == 0)
		return 2;
	if (caps_drop_all(&err) < 0 || caps_assert_none(&err) < 0) {
		(void)fprintf(stderr, "%s\n", err.text);
		return 3;
	}
	return nonempty_sets() == 0 ? 0 : 4;
}

static int stays_without(void)
{
	struct err err = {0};

	if (caps_drop_all(&err) < 0)
		return 1;
	if (prctl(PR_SET_SECUREBITS, 0UL, 0, 0, 0) == 0)
		return 2;
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, (unsigned long)CAP_CHOWN, 0, 0) == 0)
		return 3;
	if (prctl(PR_SET_KEEPCAPS, 1UL, 0, 0, 0) == 0)
		return 4;
	return prctl(PR_GET_SECUREBITS, 0, 0, 0, 0) & SECBIT_NOROOT ? 0 : 5;
}

static int twice_is_an_error(void)
{
	struct err err = {0};

	return caps_drop_all(&err) == 0 && caps_drop_all(&err) < 0 && strstr(err.text, "securebits")
		       ? 0
		       : 1;
}

static int sets_no_new_privs(void)
{
	struct err err = {0};

	if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 0)
		return 1;
	return no_new_privs_set(&err) == 0 && prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 ? 0 : 2;
}

static const struct cell_limits limits = {
	.memory = GIB, .pids = 50, .disk = 4 * MIB, .open_files = 100};

static int limit_is(int resource, rlim_t want)
{
	struct rlimit now;

	return getrlimit((__rlimit_resource_t)resource, &now) == 0 && now.rlim_max == want &&
	       now.rlim_cur == want;
}

static int lowers_limits(void)
{
	struct err err = {0};

	if (rlimits_apply(&limits, RLIMITS_WORKER, &err) < 0)
		return 1;
	if (!limit_is(RLIMIT_CORE, 0) || !limit_is(RLIMIT_NICE, 0) || !limit_is(RLIMIT_RTPRIO, 0))
		return 2;
	if (!limit_is(RLIMIT_NOFILE, 100) || !limit_is(RLIMIT_FSIZE, 4 * MIB))
		return 3;
	return limit_is(RLIMIT_NPROC, 50) && (!RLIMITS_ADDRESSES || limit_is(RLIMIT_AS, GIB)) ? 0
											      : 4;
}

/* A cell's memory is counted instead: programs reserve what they never use. */
static int leaves_addresses(void)
{
	struct rlimit before, after;
	struct err err = {0};

	(void)getrlimit(RLIMIT_AS, &before);
	if (rlimits_apply(&limits, RLIMITS_CELL, &err) < 0)
		return 1;
	(void)getrlimit(RLIMIT_AS, &after);
	return limit_is(RLIMIT_NPROC, 50) && memcmp(&before, &after, sizeof(before)) == 0 ? 0 : 2;
}

static int leaves_cgroups_theirs(void)
{
	struct rlimit before[2], after[2];
	struct err err = {0};

	(void)getrlimit(RLIMIT_NPROC, &before[0]);
	(void)getrlimit(RLIMIT_AS, &before[1]);
	if (rlimits_apply(&limits, RLIMITS_CGROUP, &err) < 0)
		return 1;
	(void)getrlimit(RLIMIT_NPROC, &after[0]);
	(void)getrlimit(RLIMIT_AS, &after[1]);
	return memcmp(before, after, sizeof(before)) == 0 ? 0 : 2;
}

/* What the caller already lowered stays where it is: nothing needs to be raised. */
static int never_raises(void)
{
	const struct rlimit low = {20, 30};
	struct rlimit now;
	struct err err = {0};

	if (setrlimit(RLIMIT_NOFILE, &low) < 0 || caps_drop_all(&err) < 0 ||
	    rlimits_apply(&limits, RLIMITS_WORKER, &err) < 0 || getrlimit(RLIMIT_NOFILE, &now) < 0)
		return 1;
	return now.rlim_cur == 20 && now.rlim_max == 30 ? 0 : 2;
}

static const struct {
	const char *name;
	child_fn *fn;
} rows[] = {
	{"all five sets are emptied", drops_all},
	{"nothing fills them again", stays_without},
	{"a second time is an error", twice_is_an_error},
	{"no_new_privs", sets_no_new_privs},
	{"limits are lowered", lowers_limits},
	{"addresses of a cell are not limited", leaves_addresses},
	{"what a cgroup limits is left to it", leaves_cgroups_theirs},
	{"limits are never raised", never_raises},
};

static void in_a_user_namespace(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		const int code = in_child(rows[i].fn);

		if (code)
			fail_msg("%s: fails at %d", rows[i].name, code);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(in_a_user_namespace),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
