/* Recipes: what they may say, and that those we ship can be read. */
#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "image/recipe.h"
#include "stepcell/util.h"

#define DEBIAN "kind: debian\nsuite: bookworm\npackages: [git]\n"
#define LAYER  "kind: layer\nbase: python-3.11\n"
#define PREFIX "kind: prefix\nbase: python-3.11\npython: '3.10'\nsource: [/usr/local]\n"

static const struct {
	const char *text, *error;
} refused[] = {
	{"", "found a null"},
	{"[1]", "1:1"},
	{"suite: bookworm\npackages: [git]\n", "missing 'kind'"},
	{"kind: docker\nsuite: x\npackages: [git]\n", "r.yml:1:7"},
	{DEBIAN "python: '3.10'\n", "r.yml:4:1: unknown key 'python'"},
	{PREFIX "suite: bookworm\n", "r.yml:5:1: unknown key 'suite'"},
	{"kind: debian\nsuite: --help\npackages: [git]\n", "'--help' cannot be a suite"},
	{"kind: debian\nsuite: bookworm\npackages: ['git,--x']\n", "cannot be a package"},
	{"kind: debian\nsuite: bookworm\npackages: [\"a\\nb\"]\n", "cannot be a package"},
	{DEBIAN "mirror: '-o x'\n", "cannot be a mirror"},
	{DEBIAN "snapshot: 2025-05-20\n", "snapshot '2025-05-20': expected a time such as"},
	{DEBIAN "snapshot: 20250520T000000Z/x\n", "expected a time such as"},
	{DEBIAN "without: ['$(x)']\n", "cannot be a path"},
	{DEBIAN "scripts: [../../etc/passwd]\n", "must be a file beside the recipe"},
	{DEBIAN "env: [A]\n", "'env' must be a map"},
	{DEBIAN "env: {A: [1]}\n", "the value of 'A' must be a text"},
	{"kind: debian\nlike: ../x\npackages: [git]\n", "'../x' cannot be the name of a recipe"},
	{"kind: debian\nlike: x\npackages: ['-o']\n", "'-o' cannot be a package"},
	{"kind: debian\nlike: x\nsuite: y\npackages: [git]\n", "r.yml:3:1: unknown key 'suite'"},
	{LAYER "files: [{from: x.sh, to: etc/x}]\n", "'etc/x' is no plain absolute path"},
	{LAYER "files: [{from: x.sh, to: /etc/../x}]\n", "is no plain absolute path"},
	{LAYER "files: [{from: x.sh, to: /etc/}]\n", "is no plain absolute path"},
	{LAYER "files: [{from: ../x.sh, to: /etc/x}]\n", "must be a file beside the recipe"},
	{LAYER "files: [{from: x.sh}]\n", "missing 'to'"},
	{LAYER "files: x\n", "a list of files"},
	{LAYER "commands: [ls]\nnetwork: proxy\n", "r.yml:4:10"},
	{LAYER "packages: ['-o']\n", "'-o' cannot be a package"},
	{LAYER "packages: ['a b']\n", "'a b' cannot be a package"},
	{LAYER "packages: ['$(x)']\n", "cannot be a package"},
	{LAYER "packages: [git]\nmirror: '-o x'\n", "cannot be a mirror"},
	{LAYER "packages: [git]\nsnapshot: today\n", "expected a time such as"},
	{LAYER "packages: [git]\nsuite: trixie\n", "unknown key 'suite'"},
	{LAYER, "nothing to add"},
	{"kind: layer\nbase: ../x\ncommands: [ls]\n", "the name of a base"},
	{"kind: oci\nref: registry.example.com/a:1\n", "has no digest"},
	{"kind: oci\nref: '--help'\n", "--help"},
	{"kind: oci\nref: registry.example.com/a@sha256:12\n", "r"},
	{"kind: oci\n", "missing 'ref'"},
	{"kind: prefix\nbase: ../x\npython: '3.10'\nsource: [/usr]\n", "the name of a base"},
};

static void test_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(refused); i++) {
		auto_arena struct arena *a = arena_new();
		struct recipe recipe;
		struct err err = {0};

		if (recipe_parse(a, "r.yml", refused[i].text, strlen(refused[i].text), &recipe,
				 &err) == 0)
			fail_msg("taken: %s", refused[i].text);
		assert_int_equal(err.kind, ERR_USAGE);
		if (!strstr(err.text, refused[i].error))
			fail_msg("%s: expected '%s'", err.text, refused[i].error);
	}
}

static void test_taken(void **state)
{
	auto_arena struct arena *a = arena_new();
	struct recipe recipe;
	struct err err = {0};

	(void)state;
	assert_int_equal(
		recipe_parse(a, "x/rootfs/mine.yml", PREFIX, strlen(PREFIX), &recipe, &err), 0);
	assert_string_equal(recipe.name, "mine");
	assert_string_equal(recipe.folder, "x/rootfs");
	assert_int_equal(recipe.kind, RECIPE_PREFIX);
	assert_string_equal(recipe.python, "3.10");
	assert_int_equal(recipe.sources.count, 1);
	assert_int_equal(recipe_load(a, ".", "node", &recipe, &err), 0);
	assert_string_equal(recipe.name, "node");
	assert_string_equal(recipe.suite, "bookworm");
	assert_string_equal(recipe.packages.list[recipe.packages.count - 1], "nodejs");
	assert_int_equal(recipe_parse(a, "host.yml", DEBIAN, strlen(DEBIAN), &recipe, &err), -1);
}

/* Tests run in the source tree. */
static void test_shipped(void **state)
{
	auto_arena struct arena *a = arena_new();
	glob_t names = {0};

	(void)state;
	assert_int_equal(glob("./rootfs/*.yml", 0, NULL, &names), 0);
	assert_true(names.gl_pathc >= 6);
	for (size_t i = 0; i < names.gl_pathc; i++) {
		struct recipe recipe;
		struct err err = {0};

		if (recipe_load(a, ".", names.gl_pathv[i], &recipe, &err) < 0)
			fail_msg("%s", err.text);
		/* a version without quotes is a number, and 3.10 would be 3.1 */
		if (recipe.kind == RECIPE_PREFIX)
			assert_non_null(strstr(recipe.name, recipe.python));
	}
	globfree(&names);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_taken),
		cmocka_unit_test(test_shipped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
