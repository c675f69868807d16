/* Which Python a version range means: node-semver's rules. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "image/version.h"
#include "stepcell/util.h"

static const struct {
	const char *version, *range;
	bool lies;
} rows[] = {
	{"3.10.13", "3.10", true},
	{"3.1.0", "3.10", false},
	{"3.10.13", "3.10.13", true},
	{"3.10.14", "3.10.13", false},
	{"3.13.0", "3.x", true},
	{"2.7.18", "3.x", false},
	{"3.13.0", "3", true},
	{"3.13.0", "*", true},
	{"3.13.0", "", true},
	{"3.11.2", ">=3.8 <3.12", true},
	{"3.12.0", ">=3.8 <3.12", false},
	{"3.9.18", "~=3.9", true},
	{"3.11.2", "==3.11.*", true},
	{"3.14.0b2", "3.14.0-beta.2", true},
	{"3.14.0rc1", ">3.14.0b2", true},
	{"3.10.9", "3.8 - 3.10", true},
	{"3.11.0", "3.8 - 3.10", false},
	{"3.10.2", "3.8.1 - 3.10.2", true},
	{"3.10.3", "3.8.1 - 3.10.2", false},
	{"3.8.18", "3.8 || 3.11", true},
	{"3.9.1", "3.8 || 3.11", false},
	{"3.10.4", "~3.10.4", true},
	{"3.11.0", "~3.10.4", false},
	{"3.11.0", "^3.9", true},
	{"4.0.0", "^3.9", false},
	{"0.2.4", "^0.2.3", true},
	{"0.3.0", "^0.2.3", false},
	{"3.12.0", ">3.11", true},
	{"3.11.9", ">3.11", false},
	{"3.11.9", "<=3.11", true},
	{"3.12.0", "<=3.11", false},
	{"3.11.2", "=3.11.2", true},
	{"3.11.2", "v3.11.2", true},
	{"3.14.0-beta.2", "3.x", false},
	{"3.14.0-beta.2", "~3.14.0-0", true},
	{"3.14.0-beta.2", "3.14.0-beta.2", true},
	{"3.14.0", "~3.14.0-0", true},
	{"3.14.0-beta.2", "<3.14", false},
	{"3.14.0-rc.1", ">3.14.0-beta.2", true},
};

static void test_match(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct version v;
		struct err err = {0};
		bool lies;

		assert_true(version_parse(rows[i].version, &v));
		assert_int_equal(version_match(&v, rows[i].range, &lies, &err), 0);
		if (lies != rows[i].lies)
			fail_msg("%s in '%s': %d", rows[i].version, rows[i].range, lies);
	}
}

static void test_refused(void **state)
{
	static const char *const bad[] = {"three",    "3.10 |", ">=",          "3..1",
					  "3.10.1.2", "3.8 -",  "-1",          "999999999999",
					  "3.10;rm",  "3.11-",  ">=3.8,<3.12", "3.11.0a"};
	struct version v = {{3, 10, 0}, ""};

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		struct err err = {0};
		bool lies;

		if (version_match(&v, bad[i], &lies, &err) == 0)
			fail_msg("'%s' was taken", bad[i]);
		assert_int_equal(err.kind, ERR_USAGE);
	}
}

static void test_order(void **state)
{
	static const char *const ascending[] = {"3.8.18",        "3.9.0",          "3.14.0-alpha.1",
						"3.14.0-beta.2", "3.14.0-beta.10", "3.14.0-rc.1",
						"3.14.0",        "3.14.1"};

	(void)state;
	for (size_t i = 1; i < COUNT(ascending); i++) {
		struct version a, b;

		assert_true(version_parse(ascending[i - 1], &a));
		assert_true(version_parse(ascending[i], &b));
		if (version_compare(&a, &b) >= 0 || version_compare(&b, &a) <= 0)
			fail_msg("%s and %s", ascending[i - 1], ascending[i]);
		assert_int_equal(version_compare(&a, &a), 0);
	}
}

static void test_minor(void **state)
{
	unsigned major, minor;

	(void)state;
	assert_true(version_minor("3.10", &major, &minor));
	assert_int_equal(minor, 10);
	assert_true(version_minor(">=3.8 <4", &major, &minor));
	assert_int_equal(minor, 8);
	assert_false(version_minor("3.x", &major, &minor));
	assert_false(version_minor("pypy", &major, &minor));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_match),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_minor),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
