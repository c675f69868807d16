/* What images are called, and which one a reference means: never another's. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "image/sources.h"
#include "stepcell/util.h"
#include "store_fixture.h"

#define HEX   "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define OTHER "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define TEN   "aaaaaaaaaa"
#define FIFTY TEN TEN TEN TEN TEN

/* ---- names ---- */

static const struct {
	const char *text, *name; /* NULL: it can be none */
} names[] = {
	{"python-3.11", "python-3.11"},
	{"Upper_1", "Upper_1"},
	{"postgres:15", "postgres:15"},
	{"team/db", "team/db:latest"},
	{"A.B.example.com/team/db", "a.b.example.com/team/db:latest"},
	{"localhost:5000/db:1", "localhost:5000/db:1"},
	{"a.b/" FIFTY "/" FIFTY "/" FIFTY "/" FIFTY ":" FIFTY,
	 "a.b/" FIFTY "/" FIFTY "/" FIFTY "/" FIFTY ":" FIFTY},
	{"host", NULL},
	{"-x", NULL},
	{"--replace", NULL},
	{"", NULL},
	{".", NULL},
	{"../x", NULL},
	{"@" HEX, NULL},
	{"a b", NULL},
	{"Upper:1", NULL},
	{"a:b:c", NULL},
	{"sha256:" HEX, NULL},
	{"a@sha256:" HEX, NULL}, /* which image a digest means is nobody's to say */
	{"a.b/c:1@sha256:" HEX, NULL},
};

static void test_names(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(names); i++) {
		auto_arena struct arena *a = arena_new();
		const char *name = NULL;
		struct err err = {0};
		int r = image_name_parse(a, names[i].text, &name, &err);

		if ((r == 0) != (names[i].name != NULL))
			fail_msg("'%s': %s", names[i].text, err.text);
		if (r < 0)
			assert_int_equal(err.kind, ERR_USAGE);
		else
			assert_string_equal(name, names[i].name);
		if (r == 0)
			assert_true(image_name_is_valid(name));
	}
	assert_true(image_name_is_valid("a.b/c:1@sha256:" HEX));
	assert_false(image_name_is_valid("a.b/c"));
	assert_false(image_name_is_valid("host"));
	assert_true(image_name_is_claim("a.b/c:1"));
	assert_true(image_name_is_claim("c@sha256:" HEX));
	assert_false(image_name_is_claim("team/c:1"));
	assert_false(image_name_is_claim("python-3.11"));
}

/* ---- names that are alike ---- */

/* An image of the one empty tree; the variable tells them apart. */
static struct digest publish(const struct home *home, const char *name, const char *origin,
			     const char *claims)
{
	auto_strbuf struct strbuf text = STRBUF(4096);
	struct digest digest;

	strbuf_addf(&text,
		    "{\"name\":\"%s\",\"layers\":[{\"tree\":\"sha256:" EMPTY_TREE
		    "\",\"bytes\":1,\"entries\":1}],\"env\":{\"I\":\"%s\"},\"toolchains\":[]%s}",
		    name, name, claims);
	assert_int_equal(home_publish(home, name, text.text, origin, &digest), 0);
	return digest;
}

/* NULL: nothing of that name. */
static const char *found(struct arena *a, const struct home *home, const char *ref)
{
	struct image image;
	struct err err = {0};

	if (image_find(home->store, a, ref, &image, &err) < 0) {
		if (err.sys != ENOENT || err.kind != ERR_SYSTEM)
			fail_msg("%s: %s", ref, err.text);
		return NULL;
	}
	image_release(&image);
	return image.name;
}

/* In one store name all of these were the same once. */
static const char *const alike[] = {
	"a.b/c/d:1", "a.b/c-d:1", "a.b/c:d-1", "a.b-c-d-1", "c-d:1", "c/d:1", "c:d-1", "c-d-1",
};

static void test_alike(void **state)
{
	struct home *home = *state;
	auto_arena struct arena *a = arena_new();
	struct image *list;
	struct err err = {0};
	size_t count;

	for (size_t i = 0; i < COUNT(alike); i++) {
		for (size_t j = i; j < COUNT(alike); j++)
			assert_null(found(a, home, alike[j]));
		(void)publish(home, alike[i], "", "");
		for (size_t j = 0; j <= i; j++)
			assert_string_equal(found(a, home, alike[j]), alike[j]);
	}
	assert_int_equal(image_list(home->store, a, &list, &count, &err), 0);
	assert_int_equal(count, COUNT(alike));
	for (size_t i = 0; i < count; i++) {
		assert_null(list[i].problem);
		image_release(&list[i]);
	}
	assert_null(found(a, home, "a.b/c/d"));
	assert_null(found(a, home, "c:d"));
}

static void test_latest(void **state)
{
	struct home *home = *state;
	auto_arena struct arena *a = arena_new();

	(void)publish(home, "tool:latest", "", "");
	assert_string_equal(found(a, home, "tool"), "tool:latest");
	(void)publish(home, "tool", "", "");
	assert_string_equal(found(a, home, "tool"), "tool");
	assert_string_equal(found(a, home, "tool:latest"), "tool:latest");
	(void)publish(home, "r.example.com/tool:latest", "", "");
	assert_string_equal(found(a, home, "R.example.com/tool"), "r.example.com/tool:latest");
}

/* A record under another's file name, as a hand or a damaged disk would make it, is no meaning. */
static void test_moved_record(void **state)
{
	struct home *home = *state;
	auto_arena struct arena *a = arena_new();
	struct image_record *records;
	struct image_name name;
	struct err err = {0};
	size_t count, broken = 0;

	(void)publish(home, "m.example.com/a:1", "", "");
	assert_int_equal(image_names(home->store, a, &records, &count, &err), 0);
	for (size_t i = 0; i < count; i++)
		if (strcmp(records[i].name, "m.example.com/a:1") == 0)
			assert_int_equal(renameat(home->store->images, records[i].file,
						  home->store->images, "@" HEX),
					 0);
	assert_int_equal(image_names(home->store, a, &records, &count, &err), 0);
	for (size_t i = 0; i < count; i++)
		broken += records[i].broken && strcmp(records[i].name, "@" HEX) == 0;
	assert_int_equal(broken, 1);
	assert_int_equal(image_name_read(home->store, "m.example.com/a:1", &name, &err), -1);
	assert_int_equal(unlinkat(home->store->images, "@" HEX, 0), 0);
}

/* ---- digests ---- */

static struct documents documents(const char *outer, const char *inner)
{
	struct documents d = {.count = 0};

	assert_true(digest_parse(outer, &d.list[d.count++]));
	if (inner)
		assert_true(digest_parse(inner, &d.list[d.count++]));
	return d;
}

static void test_digests(void **state)
{
	struct home *home = *state;
	auto_arena struct arena *a = arena_new();
	const struct documents both = documents("sha256:" OTHER, "sha256:" HEX);
	const struct documents inner = documents("sha256:" HEX, NULL);
	struct err err = {0};
	struct digest image;

	/* what a manifest says of itself may have come with a file */
	image = publish(home, "d.example.com/a:1", "pull d.example.com/a:1@sha256:" HEX,
			",\"origin\":\"d.example.com/a:1@sha256:" HEX "\",\"source\":\"sha256:" HEX
			"\"");
	assert_null(found(a, home, "d.example.com/a@sha256:" HEX));
	assert_null(found(a, home, "d.example.com/a:1@sha256:" HEX));
	assert_int_equal(sources_note(home->store, &image, &both, &err), 0);
	assert_string_equal(found(a, home, "d.example.com/a@sha256:" HEX), "d.example.com/a:1");
	assert_string_equal(found(a, home, "d.example.com/a@sha256:" OTHER), "d.example.com/a:1");
	assert_string_equal(found(a, home, "a:wrong@sha256:" HEX), "d.example.com/a:1");
	assert_null(found(a, home, "d.example.com/a@sha256:" EMPTY_TREE));

	/* of several the very name, then the repository */
	image = publish(home, "c:1", "", "");
	assert_int_equal(sources_note(home->store, &image, &inner, &err), 0);
	assert_int_equal(sources_note(home->store, &image, &inner, &err), 0);
	assert_string_equal(found(a, home, "d.example.com/a@sha256:" HEX), "d.example.com/a:1");
	assert_string_equal(found(a, home, "c@sha256:" HEX), "c:1");
	assert_string_equal(found(a, home, "e@sha256:" HEX), "c:1");
	image = publish(home, "d.example.com/a@sha256:" HEX, "", "");
	assert_int_equal(sources_note(home->store, &image, &inner, &err), 0);
	assert_string_equal(found(a, home, "d.example.com/a@sha256:" HEX),
			    "d.example.com/a@sha256:" HEX);
	assert_string_equal(found(a, home, "d.example.com/a@sha256:" OTHER), "d.example.com/a:1");
}

/* What is kept of an image goes with it. */
static void test_pruned(void **state)
{
	struct home *home = *state;
	auto_arena struct arena *a = arena_new();
	const struct prune_options all = {.now = 4102444800, .unused_s = 1};
	struct image_record *records;
	struct pruned pruned;
	struct err err = {0};
	size_t count;

	assert_int_equal(image_prune(home->store, a, &all, &pruned, &err), 0);
	assert_int_equal(image_names(home->store, a, &records, &count, &err), 0);
	assert_int_equal(count, 0);
	assert_int_equal(unlinkat(home->store->dir, "sources", AT_REMOVEDIR), 0);
	assert_int_equal(unlinkat(home->store->dir, "images", AT_REMOVEDIR), 0);
}

static int setup(void **state)
{
	return home_setup(state) < 0 ? -1 : home_tree(*state, EMPTY_TREE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),   cmocka_unit_test(test_alike),
		cmocka_unit_test(test_latest),  cmocka_unit_test(test_moved_record),
		cmocka_unit_test(test_digests), cmocka_unit_test(test_pruned),
	};

	return cmocka_run_group_tests(tests, setup, home_teardown);
}
