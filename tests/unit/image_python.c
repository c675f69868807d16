/* What setup-python's versions resolve to, given what is installed. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "image/store.h"
#include "stepcell/fd.h"
#include "stepcell/path.h"
#include "stepcell/util.h"

#define CACHE "/opt/hostedtoolcache/Python/"

/* The tool cache of a root: version and architecture. */
static const char *const installed[][2] = {
	{"2.7.18", "x64"},
	{"3.8.18", "x64"},
	{"3.9.2", "x64"},
	{"3.9.18", "x64"},
	{"3.10.13", "x64"},
	{"3.11.2", "x64"},
	{"3.11.7", "x64"},
	{"3.12.1", "x64"},
	{"3.13.0", "x64"},
	{"3.13.1", "x64-freethreaded"},
	{"3.14.0-alpha.7", "x64"},
	{"3.14.0-beta.2", "x64"},
	{"3.14.0-beta.2", "x64-freethreaded"},
	{"3.15.0-alpha.1", "x64"},
	{"3.10.9", "arm64"},
};

enum { PRE = 1, FREE = 2 };

#define IS(spec, found)                                                                            \
	{                                                                                          \
		spec, found, 0, "x64", NULL                                                        \
	}
#define WITH(flags, spec, found)                                                                   \
	{                                                                                          \
		spec, found, flags, "x64", NULL                                                    \
	}
#define NOT(spec, error)                                                                           \
	{                                                                                          \
		spec, NULL, 0, "x64", error                                                        \
	}
#define ON(arch, spec, found, error)                                                               \
	{                                                                                          \
		spec, found, 0, arch, error                                                        \
	}

/* `found` is the version and, where it is not x64, the architecture; NULL: what `error` says. */
static const struct {
	const char *spec, *found;
	int flags;
	const char *arch, *error;
} rows[] = {
	/* x, x.y, x.y.z */
	IS("3.10", "3.10.13"),
	IS("3.9", "3.9.18"),
	IS("3.11", "3.11.7"),
	IS("3", "3.13.0"),
	IS("2", "2.7.18"),
	IS("2.7", "2.7.18"),
	IS("3.11.2", "3.11.2"),
	IS("3.9.2", "3.9.2"),
	IS("v3.11.2", "3.11.2"),
	IS("=3.11.2", "3.11.2"),
	NOT("3.11.3", "no toolchain for Python 3.11.3"),
	NOT("3.7", "`stepcell image build python-3.7`"),
	NOT("4", "no toolchain for Python 4"),
	NOT("3.1", "3.10 without quotes is the number 3.1: write '3.10'"),
	/* x-ranges */
	IS("3.x", "3.13.0"),
	IS("3.X", "3.13.0"),
	IS("3.*", "3.13.0"),
	IS("3.10.x", "3.10.13"),
	IS("3.9.*", "3.9.18"),
	IS("*", "3.13.0"),
	IS("x", "3.13.0"),
	IS("2.x", "2.7.18"),
	/* comparators */
	IS(">=3.8 <3.12", "3.11.7"),
	IS(">=3.8.0 <3.12.0", "3.11.7"),
	IS(">=3.12", "3.13.0"),
	IS(">3.12", "3.13.0"),
	IS(">3.11.2 <3.12", "3.11.7"),
	IS("<3.9", "3.8.18"),
	IS("<=3.9", "3.9.18"),
	IS("<=3.9.2", "3.9.2"),
	IS("<3", "2.7.18"),
	IS(">= 3.9", "3.13.0"),
	IS(">=3.9 <3.9.10", "3.9.2"),
	NOT(">=3.6,<3.10", "a space stands for the comma"),
	/* hyphens, alternatives */
	IS("3.8 - 3.10", "3.10.13"),
	IS("3.8.0 - 3.9.10", "3.9.2"),
	IS("3.8 || 3.9", "3.9.18"),
	IS("3.9||3.8", "3.9.18"),
	IS("3.7 || 3.11.2", "3.11.2"),
	NOT("3.6 || 3.7", "no toolchain"),
	/* tilde, caret */
	IS("~3.9", "3.9.18"),
	IS("~3.11.2", "3.11.7"),
	IS("~3", "3.13.0"),
	IS("~=3.9", "3.9.18"),
	IS("~> 3.11.0", "3.11.7"),
	IS("^3.9", "3.13.0"),
	IS("^3.9.3", "3.13.0"),
	IS("^2.7", "2.7.18"),
	IS("==3.11.*", "3.11.7"),
	/* pre-releases: only when asked for */
	NOT("3.14", "no toolchain for Python 3.14"),
	NOT(">=3.14", "no toolchain"),
	WITH(PRE, "3.14", "3.14.0-beta.2"),
	WITH(PRE, "3.13", "3.13.0"),
	WITH(PRE, "3", "3.13.0"),
	IS("3.14-dev", "3.14.0-beta.2"),
	IS("3.15-dev", "3.15.0-alpha.1"),
	IS("3.12-dev", "3.12.1"),
	IS("~3.14.0-0", "3.14.0-beta.2"),
	IS(">=3.14.0-alpha.1", "3.14.0-beta.2"),
	IS("3.14.0a7", "3.14.0-alpha.7"),
	IS("3.14.0b2", "3.14.0-beta.2"),
	IS("3.14.0-beta.2", "3.14.0-beta.2"),
	IS("3.14.0-alpha - 3.14.0", "3.14.0-beta.2"),
	NOT("3.14.0rc1", "no toolchain"),
	NOT("3.14.0b1", "no toolchain"),
	/* without the global lock */
	IS("3.13t", "3.13.1 x64-freethreaded"),
	IS("3.13.1t", "3.13.1 x64-freethreaded"),
	NOT("3.13.0t", "for x64-freethreaded"),
	WITH(FREE, "3.13", "3.13.1 x64-freethreaded"),
	WITH(FREE, ">=3.13", "3.13.1 x64-freethreaded"),
	IS("3.14t-dev", "3.14.0-beta.2 x64-freethreaded"),
	IS("3.14.0b2t", "3.14.0-beta.2 x64-freethreaded"),
	WITH(PRE, "3.14t", "3.14.0-beta.2 x64-freethreaded"),
	NOT("3.12t", "`stepcell image build python-3.12t`"),
	/* other machines */
	ON("arm64", "3.10", "3.10.9 arm64", NULL),
	ON("x64", "3.10", "3.10.13", NULL),
	ON("arm64", "3.11", NULL, "no toolchain for Python 3.11 for arm64"),
	ON("x86", "3.11", NULL, "for x86"),
	/* other Pythons, and none */
	NOT("pypy3.10", "'pypy3.10' is PyPy"),
	NOT("pypy-3.10-v7.3.x", "is PyPy"),
	NOT("pypy-3.9-nightly", "is PyPy"),
	NOT("graalpy-24.0", "is GraalPy"),
	NOT("latest", "'latest' is no version"),
	NOT("3.11.2.1", "is no version"),
	NOT("3.8-", "is no version"),
	NOT("3.x-dev", "is no version"),
	NOT("3.13tt", "is no version"),
	NOT("!=3.9", "is no version"),
	NOT("miniconda3-4.7", "is no version"),
};

struct home {
	char path[64];
	struct store *store;
	struct toolchain toolchains[COUNT(installed)];
	struct image root;
};

static int setup(void **state)
{
	struct home *home = calloc(1, sizeof(*home));
	struct err err = {0};

	(void)snprintf(home->path, sizeof(home->path), "/tmp/stepcell-python-XXXXXX");
	if (!mkdtemp(home->path) || store_open(home->path, &home->store, &err) < 0)
		return -1;
	for (size_t i = 0; i < COUNT(installed); i++) {
		char *path = NULL;

		if (asprintf(&path, CACHE "%s/%s", installed[i][0], installed[i][1]) < 0)
			return -1;
		home->toolchains[i] = (struct toolchain){installed[i][0], path, "a root"};
	}
	home->root = (struct image){.name = "a root",
				    .toolchains = home->toolchains,
				    .toolchain_count = COUNT(installed)};
	*state = home;
	return 0;
}

static int teardown(void **state)
{
	struct home *home = *state;
	struct err err = {0};

	for (size_t i = 0; i < COUNT(installed); i++)
		free((char *)home->toolchains[i].path);
	store_close(&home->store);
	if (remove_tree(AT_FDCWD, home->path, &err) < 0)
		return -1;
	free(home);
	return 0;
}

static void expect(const struct home *home, size_t i)
{
	auto_arena struct arena *a = arena_new();
	const struct toolchain_ask ask = {
		.version = rows[i].spec,
		.arch = rows[i].arch,
		.prereleases = rows[i].flags & PRE,
		.freethreaded = rows[i].flags & FREE,
	};
	struct toolchain_match match;
	struct err err = {0};
	char path[128];
	const char *space = rows[i].found ? strchr(rows[i].found, ' ') : NULL;

	if (image_toolchain(home->store, a, &home->root, &ask, &match, &err) < 0) {
		if (rows[i].found)
			fail_msg("'%s': %s", rows[i].spec, err.text);
		if (!strstr(err.text, rows[i].error))
			fail_msg("'%s': '%s' does not say '%s'", rows[i].spec, err.text,
				 rows[i].error);
		return;
	}
	if (!rows[i].found)
		fail_msg("'%s' is %s", rows[i].spec, match.toolchain.path);
	(void)snprintf(path, sizeof(path), CACHE "%.*s/%s", (int)strcspn(rows[i].found, " "),
		       rows[i].found, space ? space + 1 : "x64");
	if (strcmp(match.toolchain.path, path) != 0)
		fail_msg("'%s' is %s, not %s", rows[i].spec, match.toolchain.path, path);
}

static void test_specifications(void **state)
{
	assert_true(COUNT(rows) >= 60);
	for (size_t i = 0; i < COUNT(rows); i++)
		expect(*state, i);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_specifications)};

	return cmocka_run_group_tests(tests, setup, teardown);
}
