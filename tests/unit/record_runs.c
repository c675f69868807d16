/* The list of runs: newest first, with what their journals say, and one of them by a name. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "stepcell/fd.h"
#include "stepcell/limits.h"
#include "stepcell/path.h"
#include "stepcell/record.h"
#include "stepcell/util.h"

static char home[64];

static void put_run(const char *id, const char *text, size_t len)
{
	char path[PATH_MAX];
	struct err err = {0};

	(void)snprintf(path, sizeof(path), "%s/runs/%s", home, id);
	assert_int_equal(mkdir_all(path, 0700, &err), 0);
	(void)snprintf(path, sizeof(path), "%s/runs/%s/journal.ndjson", home, id);
	assert_int_equal(file_write(AT_FDCWD, path, text, len, 0600, &err), 0);
}

#define STARTED                                                                                    \
	"{\"type\":\"run-started\",\"at\":1000,\"run\":\"r\",\"workflow\":\"CI\",\"event\":"       \
	"\"push\","                                                                                \
	"\"ref\":\"refs/heads/main\",\"policy\":\"default\"}\n"

static int setup(void **state)
{
	static const char ended[] =
		STARTED "{\"type\":\"log\",\"text\":\"x\"}\n"
			"{\"type\":\"run-ended\",\"at\":2000,\"verdict\":\"success\","
			"\"seconds\":1.5}\n";
	auto_strbuf struct strbuf big = STRBUF(8 * MIB);

	(void)state;
	(void)snprintf(home, sizeof(home), "/tmp/stepcell-unit-XXXXXX");
	if (!mkdtemp(home))
		return -1;
	put_run("20260101-000000-0001", ended, strlen(ended));
	put_run("20260101-000000-0002", STARTED, strlen(STARTED));
	strbuf_adds(&big, STARTED);
	for (int i = 0; i < 40000; i++)
		strbuf_adds(&big, "{\"type\":\"log\",\"text\":\"a line of a long, long log\"}\n");
	strbuf_adds(&big, "{\"type\":\"run-ended\",\"verdict\":\"failure\",\"seconds\":9}\n");
	put_run("20260102-000000-0001", big.text, big.len);
	put_run("20260103-000000-0001", "garbage\n{", 9);
	return 0;
}

static int teardown(void **state)
{
	struct err err;

	(void)state;
	return remove_tree(AT_FDCWD, home, &err);
}

static void test_list(void **state)
{
	static const struct {
		const char *id, *workflow, *verdict;
		double seconds;
	} want[] = {
		{"20260103-000000-0001", NULL, "lost", 0},
		{"20260102-000000-0001", "CI", "failure", 9},
		{"20260101-000000-0002", "CI", "lost", 0},
		{"20260101-000000-0001", "CI", "success", 1.5},
	};
	auto_arena struct arena *a = arena_new();
	struct err err = {0};
	char path[PATH_MAX];
	struct kept_run *runs;
	size_t count;

	(void)state;
	/* what is no run does not count */
	(void)snprintf(path, sizeof(path), "%s/runs/empty", home);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(runs_list(home, a, &runs, &count, &err), 0);
	assert_int_equal(count, COUNT(want));
	for (size_t i = 0; i < count; i++) {
		assert_string_equal(runs[i].id, want[i].id);
		assert_string_equal(runs[i].verdict, want[i].verdict);
		assert_true(runs[i].seconds == want[i].seconds);
		if (want[i].workflow)
			assert_string_equal(runs[i].workflow, want[i].workflow);
		else
			assert_null(runs[i].workflow);
	}
}

static void test_running(void **state)
{
	auto_arena struct arena *a = arena_new();
	struct journal *j = NULL;
	struct err err = {0};
	struct kept_run run;

	(void)state;
	assert_int_equal(journal_create(home, &j, &err), 0);
	assert_int_equal(runs_find(home, a, "last", &run, &err), 0);
	assert_string_equal(run.id, journal_id(j));
	assert_string_equal(run.verdict, "running");
	journal_close(&j);
	assert_int_equal(runs_find(home, a, "last", &run, &err), 0);
	assert_string_equal(run.verdict, "lost");
}

static const struct {
	const char *ref, *id, *error;
} finds[] = {
	{"20260102-000000-0001", "20260102-000000-0001", NULL},
	{"20260102", "20260102-000000-0001", NULL},
	{"20260101", NULL, "'20260101' begins the names of 2 runs: write more of it"},
	{"20250101", NULL, "no run '20250101' among "},
	{"../runs/20260102-000000-0001", NULL, "no run '../runs/"},
	{"", NULL, "'' begins the names of "},
};

static void test_find(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(finds); i++) {
		auto_arena struct arena *a = arena_new();
		struct err err = {0};
		struct kept_run run;
		int r = runs_find(home, a, finds[i].ref, &run, &err);

		assert_int_equal(r, finds[i].error ? -1 : 0);
		if (finds[i].id)
			assert_string_equal(run.id, finds[i].id);
		else if (strncmp(err.text, finds[i].error, strlen(finds[i].error)) != 0)
			fail_msg("%s", err.text);
	}
}

static void test_none(void **state)
{
	auto_arena struct arena *a = arena_new();
	struct err err = {0};
	struct kept_run *runs, run;
	size_t count;

	(void)state;
	assert_int_equal(runs_list("/tmp/stepcell-unit-nothing-here", a, &runs, &count, &err), 0);
	assert_int_equal(count, 0);
	assert_int_equal(runs_find("/tmp/stepcell-unit-nothing-here", a, "last", &run, &err), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_list),
		cmocka_unit_test(test_running),
		cmocka_unit_test(test_find),
		cmocka_unit_test(test_none),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
