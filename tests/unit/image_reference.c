/* References: the one grammar between a command line and URLs, paths and scopes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "image/reference.h"
#include "stepcell/util.h"

#define HEX    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define DIGEST "sha256:" HEX
#define TEN    "aaaaaaaaaa"
#define FIFTY  TEN TEN TEN TEN TEN

static const struct {
	const char *text, *host, *name, *tag; /* tag NULL: pinned alone */
	bool pinned;
} taken[] = {
	{"registry.example.com/a", "registry.example.com", "a", "latest", false},
	{"registry.example.com:5000/a/b-c/d__e:v1.2_3-x", "registry.example.com:5000", "a/b-c/d__e",
	 "v1.2_3-x", false},
	{"LocalHost/a:B", "localhost", "a", "B", false},
	{"localhost:1/a@" DIGEST, "localhost:1", "a", NULL, true},
	{"127.0.0.1:5000/a:t@" DIGEST, "127.0.0.1:5000", "a", "t", true},
	{"[::1]:5000/a", "[::1]:5000", "a", "latest", false},
	{"[fe80::1]/a---b.c", "[fe80::1]", "a---b.c", "latest", false},
	{"a.b/" FIFTY "/" FIFTY "/" FIFTY ":1", "a.b", FIFTY "/" FIFTY "/" FIFTY, "1", false},
};

static void test_taken(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(taken); i++) {
		auto_arena struct arena *a = arena_new();
		struct reference ref, again;
		struct err err = {0};

		if (reference_parse(a, taken[i].text, &ref, &err) < 0)
			fail_msg("%s", err.text);
		assert_string_equal(ref.host, taken[i].host);
		assert_string_equal(ref.name, taken[i].name);
		assert_int_equal(ref.pinned, taken[i].pinned);
		if (taken[i].tag)
			assert_string_equal(ref.tag, taken[i].tag);
		else
			assert_null(ref.tag);
		/* the full form means the same */
		assert_int_equal(reference_parse(a, reference_text(a, &ref), &again, &err), 0);
		assert_string_equal(reference_text(a, &again), reference_text(a, &ref));
	}
}

static const struct {
	const char *text, *error;
} refused[] = {
	{"", "names no registry"},
	{"python", "names no registry"},
	{"python:3.11", "names no registry"},
	{"library/python", "'library' is no registry"},
	{"/a", "is no registry"},
	{"a.b/", "is no name"},
	{"a.b//a", "is no name"},
	{"a.b/a/", "is no name"},
	{"a.b/A", "is no name"},
	{"a.b/..", "is no name"},
	{"a.b/a/../b", "is no name"},
	{"a.b/./a", "is no name"},
	{"a.b/a..b", "is no name"},
	{"a.b/a.-b", "is no name"},
	{"a.b/a___b", "is no name"},
	{"a.b/-a", "is no name"},
	{"a.b/a-", "is no name"},
	{"a.b/a%2fb", "is no name"},
	{"a.b/a?b=c", "is no name"},
	{"a.b/a#b", "is no name"},
	{"a.b/a b", "is no name"},
	{"a.b/a\nb", "is no name"},
	{"a.b/a\\b", "is no name"},
	{"a.b/\xc3\xa4", "is no name"},
	{"a.b/a:", "is no tag"},
	{"a.b/a:.x", "is no tag"},
	{"a.b/a:-x", "is no tag"},
	{"a.b/a:x/y", "is no tag"},
	{"a.b/a:x y", "is no tag"},
	{"a.b/a:b:c", "is no name"},
	{"a.b/a:" FIFTY FIFTY TEN TEN TEN, "is no tag"},
	{"a.b/a@", "its digest must be"},
	{"a.b/a@latest", "its digest must be"},
	{"a.b/a@sha256:../../x", "its digest must be"},
	{"a.b/a@sha256:0123", "its digest must be"},
	{"a.b/a@SHA256:" HEX, "its digest must be"},
	{"a.b/a@sha512:" HEX HEX, "its digest must be"},
	{"a.b/a@" DIGEST "0", "its digest must be"},
	{"a.b/a@sha256:0123456789ABCDEF0123456789abcdef0123456789abcdef0123456789abcdef",
	 "its digest must be"},
	{"https://a.b/a", "is no registry"},
	{"user@a.b/a", "its digest must be"},
	{"user:secret@a.b/a", "its digest must be"},
	{"a.b:0/a", "is no registry"},
	{"a.b:/a", "is no registry"},
	{"a.b:65536/a", "is no registry"},
	{"a.b:080/a", "is no registry"},
	{"a.b:80:80/a", "is no registry"},
	{"a..b/a", "is no registry"},
	{".a/a", "is no registry"},
	{"a./a", "is no registry"},
	{"-a.b/a", "is no registry"},
	{"a-.b/a", "is no registry"},
	{"a_b.c/a", "is no registry"},
	{"a b.c/a", "is no registry"},
	{"[::1/a", "is no registry"},
	{"[::1]x/a", "is no registry"},
	{"[::1%eth0]/a", "is no registry"},
	{"[]/a", "is no registry"},
	{"[abc]/a", "is no registry"},
	{"a.b/" FIFTY FIFTY FIFTY FIFTY FIFTY TEN, "is no name"},
};

static void test_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(refused); i++) {
		auto_arena struct arena *a = arena_new();
		struct reference ref;
		struct err err = {0};

		if (reference_parse(a, refused[i].text, &ref, &err) == 0)
			fail_msg("taken: %s", refused[i].text);
		assert_int_equal(err.kind, ERR_USAGE);
		if (!strstr(err.text, refused[i].error))
			fail_msg("%s: expected '%s'", err.text, refused[i].error);
	}
}

/* Without a registry too. */
static const struct {
	const char *text, *full; /* NULL: refused */
	const char *host;
} bare[] = {
	{"postgres", "postgres:latest", ""},
	{"team/db:15", "team/db:15", ""},
	{"a.b:1", "a.b:1", ""},
	{"db@" DIGEST, "db@" DIGEST, ""},
	{"db:1@" DIGEST, "db:1@" DIGEST, ""},
	{"A.b/team/db", "a.b/team/db:latest", "a.b"},
	{"localhost/db", "localhost/db:latest", "localhost"},
	{"host:5000/db", "host:5000/db:latest", "host:5000"},
	{"", NULL, NULL},
	{"/db", NULL, NULL},
	{"Team/db", NULL, NULL},
	{"a..b/db", NULL, NULL},
	{"team/../db", NULL, NULL},
	{"db:", NULL, NULL},
	{"db@sha256:0", NULL, NULL},
	{"db:1/x", "db:1/x:latest", "db:1"},
};

static void test_bare(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(bare); i++) {
		auto_arena struct arena *a = arena_new();
		struct reference ref;
		struct err err = {0};
		int r = reference_parse_bare(a, bare[i].text, &ref, &err);

		if ((r == 0) != (bare[i].full != NULL))
			fail_msg("'%s': %s", bare[i].text, err.text);
		if (r < 0)
			continue;
		assert_string_equal(reference_text(a, &ref), bare[i].full);
		assert_string_equal(ref.host, bare[i].host);
	}
}

static const struct {
	const char *ref, *origin;
	bool is;
} origins[] = {
	{"a.b/c:1", "a.b/c:1@" DIGEST, true},
	{"a.b/c:1@" DIGEST, "a.b/c:1@" DIGEST, true},
	{"a.b/c:1", "a.b/c:1@" DIGEST " linux/arm64", true},
	{"a.b/c:1@" DIGEST, "a.b/c:1@" DIGEST " linux/arm64", true},
	{"a.b/c@" DIGEST, "a.b/c@" DIGEST, true},
	{"a.b/c:1", "a.b/c:10@" DIGEST, false},
	{"a.b/c:10", "a.b/c:1@" DIGEST, false},
	{"a.b/c@" DIGEST, "a.b/c:1@" DIGEST, false},
	{"a.b/c:1@" DIGEST,
	 "a.b/c:1@sha256:1123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", false},
	{"a.b/c:1", "a.b/c:1", false},
	{"a.b/c:1", "", false},
};

static void test_origins(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(origins); i++) {
		auto_arena struct arena *a = arena_new();
		struct reference ref;
		struct err err = {0};

		assert_int_equal(reference_parse(a, origins[i].ref, &ref, &err), 0);
		if (reference_is_origin(a, &ref, origins[i].origin) != origins[i].is)
			fail_msg("%s of %s", origins[i].ref, origins[i].origin);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_taken),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_bare),
		cmocka_unit_test(test_origins),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
