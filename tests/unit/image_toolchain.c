/* Which image carries the Python that a job asks for, and which layers bring it along. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "stepcell/util.h"
#include "store_fixture.h"

#define BASE EMPTY_TREE
#define TEN  "2222222222222222222222222222222222222222222222222222222222222222"
#define TWEL "3333333333333333333333333333333333333333333333333333333333333333"

#define LAYER(hex) "{\"tree\":\"sha256:" hex "\",\"bytes\":100,\"entries\":1}"
#define TOOL(version, layers)                                                                      \
	"{\"version\":\"" version "\",\"path\":\"/opt/hostedtoolcache/Python/" version             \
	"/x64\",\"layers\":" layers "}"
#define IMAGE(name, layers, tools)                                                                 \
	"{\"name\":\"" name "\",\"layers\":[" layers "],\"env\":{\"PATH\":\"/bin\"},"              \
	"\"toolchains\":[" tools "]}"

static const struct {
	const char *name, *manifest;
} images[] = {
	{"python-3.11", IMAGE("python-3.11", LAYER(BASE), TOOL("3.11.2", "0"))},
	{"python-3.10", IMAGE("python-3.10", LAYER(TEN) "," LAYER(BASE),
			      TOOL("3.10.13", "1") "," TOOL("3.11.2", "0"))},
	{"python-3.12", IMAGE("python-3.12", LAYER(TWEL) "," LAYER(BASE), TOOL("3.12.1", "1"))},
};

static int setup(void **state)
{
	static const char *const trees[] = {BASE, TEN, TWEL};
	struct digest ignored;

	if (home_setup(state) < 0)
		return -1;
	for (size_t i = 0; i < COUNT(trees); i++)
		if (home_tree(*state, trees[i]) < 0)
			return -1;
	for (size_t i = 0; i < COUNT(images); i++)
		if (home_publish(*state, images[i].name, images[i].manifest, IMPORT_TOOLCHAINS,
				 &ignored) < 0)
			return -1;
	return 0;
}

static const struct {
	const char *on, *version; /* the root, and what is asked for */
	const char *found;        /* NULL: nothing */
	const char *layer;        /* that comes along; NULL: none */
	bool latest;
} rows[] = {
	{"python-3.11", "3.11", "3.11.2", NULL, false},
	{"python-3.11", "3.10", "3.10.13", TEN, false},
	{"python-3.10", "3.10", "3.10.13", NULL, false},
	{"python-3.11", "3.x", "3.11.2", NULL,
	 false}, /* what the root has, before what is higher */
	{"python-3.11", ">=3.12", "3.12.1", TWEL, false},
	{"python-3.11", "3.9 || 3.10", "3.10.13", TEN, false},
	{"python-3.11", "3.10.12", NULL, NULL, false},
	{"python-3.12", "3.11", NULL, NULL, false}, /* Debian's own works on its own root alone */
	{NULL, "3.x", "3.12.1", TWEL, false},
	{"python-3.11", "3.x", "3.12.1", TWEL, true},
	{"python-3.12", "3.x", "3.12.1", NULL, true},
	{"python-3.11", "<3.12", "3.11.2", NULL, true},
};

static void test_choice(void **state)
{
	struct home *home = *state;

	for (size_t i = 0; i < COUNT(rows); i++) {
		auto_arena struct arena *a = arena_new();
		struct image on = {.lock = -1};
		const struct toolchain_ask ask = {
			.version = rows[i].version, .arch = "x64", .latest = rows[i].latest};
		struct toolchain_match match;
		struct err err = {0};
		int r;

		if (rows[i].on)
			assert_int_equal(image_find(home->store, a, rows[i].on, &on, &err), 0);
		r = image_toolchain(home->store, a, rows[i].on ? &on : NULL, &ask, &match, &err);
		image_release(&on);
		if (!rows[i].found) {
			assert_int_equal(r, -1);
			assert_int_equal(err.kind, ERR_SYSTEM);
			continue;
		}
		if (r < 0)
			fail_msg("%s on %s: %s", rows[i].version, rows[i].on, err.text);
		assert_string_equal(match.toolchain.version, rows[i].found);
		assert_int_equal(match.layer_count, rows[i].layer ? 1 : 0);
		if (rows[i].layer)
			assert_non_null(strstr(match.layers[0].path, rows[i].layer));
		assert_non_null(match.env);
		fd_close(&match.lock);
	}
}

static void test_missing_says_all(void **state)
{
	struct home *home = *state;
	auto_arena struct arena *a = arena_new();
	const struct toolchain_ask ask = {.version = "3.7", .arch = "x64"};
	struct toolchain_match match;
	struct err err = {0};

	assert_int_equal(image_toolchain(home->store, a, NULL, &ask, &match, &err), -1);
	assert_non_null(strstr(err.text, "3.10.13 (python-3.10)"));
	assert_non_null(strstr(err.text, "3.12.1 (python-3.12)"));
	assert_non_null(strstr(err.text, "`stepcell image build python-3.7`"));
}

/* Where it is looked for is said in the order of the search. */
static void test_order_is_said(void **state)
{
	struct home *home = *state;
	auto_arena struct arena *a = arena_new();
	auto_strbuf struct strbuf order = STRBUF(4096);
	const struct toolchain_ask ask = {.version = "3.12", .arch = "x64", .say = &order};
	struct toolchain_match match;
	struct image on;
	struct err err = {0};

	assert_int_equal(image_find(home->store, a, "python-3.11", &on, &err), 0);
	assert_int_equal(image_toolchain(home->store, a, &on, &ask, &match, &err), 0);
	image_release(&on);
	fd_close(&match.lock);
	assert_string_equal(order.text, "3.12 is the range '3.12', for x64\n"
					"in the tool cache of the root: 3.11.2 (python-3.11)\n"
					"in the store, for any root: 3.10.13 (python-3.10), 3.12.1 "
					"(python-3.12)\n");
}

/* An image in use is locked; when it is released it is not. */
static void test_lock(void **state)
{
	struct home *home = *state;
	auto_arena struct arena *a = arena_new();
	struct image image;
	struct err err = {0};

	assert_int_equal(image_find(home->store, a, "python-3.10", &image, &err), 0);
	auto_fd int blob = openat(home->store->blobs, image.digest.hex, O_RDONLY | O_CLOEXEC);

	assert_int_equal(flock(blob, LOCK_EX | LOCK_NB), -1);
	assert_int_equal(image.mounts[0].layer_count, 2);
	assert_int_equal(image.bytes, 200);
	image_release(&image);
	assert_int_equal(flock(blob, LOCK_EX | LOCK_NB), 0);
}

/* A manifest that names a tree which is gone is an error now, not in the middle of a run. */
static void test_tree_is_gone(void **state)
{
	struct home *home = *state;
	auto_arena struct arena *a = arena_new();
	struct image image;
	struct err err = {0};

	assert_int_equal(remove_tree(home->store->trees, TWEL, &err), 0);
	assert_int_equal(image_find(home->store, a, "python-3.12", &image, &err), -1);
	assert_non_null(strstr(err.text, "is not in the store"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_choice),        cmocka_unit_test(test_missing_says_all),
		cmocka_unit_test(test_order_is_said), cmocka_unit_test(test_lock),
		cmocka_unit_test(test_tree_is_gone),
	};

	return cmocka_run_group_tests(tests, setup, home_teardown);
}
