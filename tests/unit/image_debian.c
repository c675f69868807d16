/* What mmdebstrap is told of a recipe: where its packages come from, and from which day. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "image/build.h"
#include "stepcell/util.h"

#define RECIPE "kind: debian\nsuite: bookworm\npackages: [git, make]\nwithout: [/usr/share/man/*]\n"
#define DAYS   "http://snapshots.example.com/debian/{snapshot}/"

static const struct {
	const char *more;      /* of the recipe */
	const char *snapshots; /* the operator's address of them; NULL: none */
	const char *word;      /* of the command line, or what the error says */
	bool refused;
} rows[] = {
	{"", NULL, "--include=git,make", false},
	{"", NULL, "--dpkgopt=path-exclude=/usr/share/man/*", false},
	{"", NULL, "bookworm", false},
	{"mirror: http://mirror.example.com/debian\n", NULL, "http://mirror.example.com/debian",
	 false},
	{"snapshot: 20250520T000000Z\n", DAYS,
	 "http://snapshots.example.com/debian/20250520T000000Z/", false},
	{"snapshot: 20250520T000000Z\nmirror: 'http://x.example.com/{snapshot}'\n", DAYS,
	 "http://x.example.com/20250520T000000Z", false},
	{"snapshot: 20250520T000000Z\n", DAYS, "--aptopt=Acquire::Check-Valid-Until \"false\"",
	 false},
	{"snapshot: 20250520T000000Z\n", NULL, "STEPCELL_SNAPSHOTS", true},
	{"snapshot: 20250520T000000Z\nmirror: http://mirror.example.com/debian\n", NULL,
	 "with {snapshot} in it", true},
};

static bool has_word(const char *const *argv, const char *word)
{
	for (; *argv; argv++)
		if (strcmp(*argv, word) == 0)
			return true;
	return false;
}

static void test_command(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		auto_arena struct arena *a = arena_new();
		const char *text = arena_printf(a, "%s%s", RECIPE, rows[i].more);
		const struct staging staging = {.path = "/staging"};
		struct build_command command;
		struct recipe recipe;
		struct err err = {0};

		assert_int_equal(recipe_parse(a, "r.yml", text, strlen(text), &recipe, &err), 0);
		(void)unsetenv("STEPCELL_SNAPSHOTS");
		if (rows[i].snapshots)
			assert_int_equal(setenv("STEPCELL_SNAPSHOTS", rows[i].snapshots, 1), 0);
		if (debian_command(a, &recipe, &staging, &command, &err) < 0) {
			if (!rows[i].refused || !strstr(err.text, rows[i].word))
				fail_msg("row %zu: %s", i, err.text);
			assert_int_equal(err.kind, ERR_USAGE);
			continue;
		}
		if (rows[i].refused || !has_word(command.argv, rows[i].word))
			fail_msg("row %zu: no word '%s'", i, rows[i].word);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_command)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
