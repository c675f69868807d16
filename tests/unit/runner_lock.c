/* actions.lock and images.lock: what they may say, and what agrees with them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "runner/lock.h"
#include "stepcell/util.h"

#define ZEROS    "0000000000000000000000000000000000000000000000000000000000000000"
#define ONES     "1111111111111111111111111111111111111111111111111111111111111111"
#define COMMIT   "0123456789012345678901234567890123456789"
#define OF(body) "actions:\n  " body "\n"

static const struct {
	const char *text, *error; /* NULL: the action agrees */
} rows[] = {
	{OF("Own/ACT@v1: { tree: 'sha256:" ZEROS "' }"), NULL},
	{OF("own/act@v1: { tree: 'sha256:" ZEROS "', commit: '" COMMIT "' }"), NULL},
	{OF("own/act@V1: { tree: 'sha256:" ZEROS "' }"), "'own/act@v1' is not in it"},
	{OF("own/act@v11: { tree: 'sha256:" ZEROS "' }"), "'own/act@v1' is not in it"},
	{OF("{}"), "'own/act@v1' is not in it"},
	{OF("own/act@v1: { tree: 'sha256:" ONES "' }"),
	 "it has tree 111111111111, the store has 000000000000"},
	{OF("own/act@v1: { tree: 'sha256:" ZEROS "', commit: other }"),
	 "it has commit other, the store has " COMMIT},
	{OF("own/act@v1: { tree: '" ZEROS "' }"),
	 "l:2:23: expected \"sha256:\" and 64 digits, found a string"},
	{OF("own/act@v1: { commit: x }"), "l:2:15: missing 'tree'"},
	{OF("own/act@v1: { tree: 'sha256:" ZEROS "', sha: x }"), "unknown key 'sha'"},
	{OF("own/act@v1: v1"), "found a string"},
	{"actions: [a]\n", "l:1:10: expected a map, found a list"},
	{"", "found a null"},
	{"other: {}\n", "unknown key 'other'"},
};

static void test_rows(void **state)
{
	auto_arena struct arena *a = arena_new();
	struct stored_action action = {
		.repository = "own/act", .ref = "v1", .commit = COMMIT, .tree = {ZEROS}};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct err err = {0};
		const struct node *lock =
			lock_parse(a, "l", rows[i].text, strlen(rows[i].text), &err);
		int agrees = lock ? lock_agrees(a, lock, &action, &err) : -1;

		if (rows[i].error && !strstr(err.text, rows[i].error))
			fail_msg("row %zu: %s", i, err.text);
		assert_int_equal(agrees, rows[i].error ? -1 : 0);
		assert_int_equal(err.kind, rows[i].error ? ERR_USAGE : ERR_NONE);
	}
}

#define IMAGE(body) "images:\n  small: " body "\n"

static const struct {
	const char *text, *error;
} image_rows[] = {
	{IMAGE("{ digest: 'sha256:" ZEROS "' }"), NULL},
	{IMAGE("{ digest: 'sha256:" ZEROS "', origin: 'build small' }"), NULL},
	{IMAGE("{ digest: 'sha256:" ONES "' }"),
	 "'small' must be sha256:111111111111, the store has sha256:000000000000"},
	{IMAGE("{ digest: 'sha256:" ONES "', origin: 'pull x' }"),
	 "it came by `stepcell image pull x`"},
	{"images:\n  Small: { digest: 'sha256:" ZEROS "' }\n", "'small' is not in it"},
	{"images: {}\n", "'small' is not in it"},
	{IMAGE("{ digest: '" ZEROS "' }"), "l:2:20: expected \"sha256:\" and 64 digits"},
	{IMAGE("{ origin: x }"), "missing 'digest'"},
	{IMAGE("sha256"), "found a string"},
	{"images: [a]\n", "l:1:9: expected a map, found a list"},
	{"actions: {}\n", "unknown key 'actions'"},
};

static void test_images(void **state)
{
	auto_arena struct arena *a = arena_new();
	const struct digest digest = {ZEROS};

	(void)state;
	for (size_t i = 0; i < COUNT(image_rows); i++) {
		const char *text = image_rows[i].text, *error = image_rows[i].error;
		struct err err = {0};
		const struct node *lock = images_lock_parse(a, "l", text, strlen(text), &err);
		int agrees = lock ? images_lock_agrees(a, lock, "small", &digest, &err) : -1;

		if (error && !strstr(err.text, error))
			fail_msg("row %zu: %s", i, err.text);
		assert_int_equal(agrees, error ? -1 : 0);
		assert_int_equal(err.kind, error ? ERR_USAGE : ERR_NONE);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_rows),
					   cmocka_unit_test(test_images)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
