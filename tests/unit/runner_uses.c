#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "runner/uses.h"
#include "stepcell/util.h"

static const struct {
	const char *text;
	struct uses uses;
} good[] = {
	{"actions/checkout@v4", {USES_REPOSITORY, "actions", "checkout", "v4", "", NULL}},
	{"snyk/actions/python@master",
	 {USES_REPOSITORY, "snyk", "actions", "master", "python", NULL}},
	{"o/r/.github/workflows/x.yml@refs/heads/a/b",
	 {USES_REPOSITORY, "o", "r", "refs/heads/a/b", ".github/workflows/x.yml", NULL}},
	{"o//r/a//b/@v1", {USES_REPOSITORY, "o", "r", "v1", "a/b", NULL}},
	{"./", {USES_LOCAL, NULL, NULL, NULL, "", NULL}},
	{"./.github/actions/x", {USES_LOCAL, NULL, NULL, NULL, ".github/actions/x", NULL}},
	{"./a@b", {USES_LOCAL, NULL, NULL, NULL, "a@b", NULL}},
	{"$/x/y", {USES_SELF, NULL, NULL, NULL, "x/y", NULL}},
	{"docker://alpine:3.8", {USES_IMAGE, NULL, NULL, NULL, "", "alpine:3.8"}},
};

static void assert_same(const char *got, const char *want)
{
	if (!want)
		assert_null(got);
	else
		assert_string_equal(got, want);
}

static void test_good(void **state)
{
	auto_arena struct arena *a = arena_new();

	(void)state;
	for (size_t i = 0; i < COUNT(good); i++) {
		struct uses got;
		struct err err;

		assert_int_equal(uses_parse(a, good[i].text, &got, &err), 0);
		assert_int_equal(got.kind, good[i].uses.kind);
		assert_same(got.owner, good[i].uses.owner);
		assert_same(got.repo, good[i].uses.repo);
		assert_same(got.ref, good[i].uses.ref);
		assert_same(got.path, good[i].uses.path);
		assert_same(got.image, good[i].uses.image);
	}
}

#define EXPECTED "Expected format {org}/{repo}[/path]@ref. Actual "

static const struct {
	const char *text, *error;
} bad[] = {
	{"", EXPECTED "''"},
	{"actions/checkout", EXPECTED "'actions/checkout'"},
	{"actions/checkout@", EXPECTED "'actions/checkout@'"},
	{"checkout@v4", EXPECTED "'checkout@v4'"},
	{"/@v4", EXPECTED "'/@v4'"},
	{"a/b@c@d", EXPECTED "'a/b@c@d'"},
	{"../b/c@v1", EXPECTED "'../b/c@v1'"},
	{"a/..@v1", EXPECTED "'a/..@v1'"},
	{"a b/c@v1", EXPECTED "'a b/c@v1'"},
	{"docker://", "'docker://' names no image"},
};

static void test_bad(void **state)
{
	auto_arena struct arena *a = arena_new();

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		struct uses got;
		struct err err;

		assert_int_equal(uses_parse(a, bad[i].text, &got, &err), -1);
		assert_int_equal(err.kind, ERR_USAGE);
		assert_string_equal(err.text, bad[i].error);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_bad),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
