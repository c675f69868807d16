/* Patterns: segments, whole paths, lines, and the order of a walk. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "artifact/glob.h"
#include "stepcell/fd.h"
#include "stepcell/limits.h"
#include "stepcell/path.h"
#include "stepcell/util.h"

static const struct {
	const char *segment, *name;
	bool match;
} segments[] = {
	{"", "", true},
	{"a", "a", true},
	{"a", "A", false},
	{"a", "ab", false},
	{"*", "anything", true},
	{"*", ".hidden", true},
	{"a*", "a", true},
	{"*.py", "x.py", true},
	{"*.py", ".py", true},
	{"*.py", "x.pyc", false},
	{"a*b*c", "aXbYbZc", true},
	{"a*b*c", "aXbYbZ", false},
	{"**a", "xa", true}, /* stars among others are one star */
	{"?", "x", true},
	{"?", "", false},
	{"?", "\xc3\xa9", true}, /* one character */
	{"??", "\xc3\xa9", false},
	{"?", "\xff", true}, /* one byte that is none */
	{"[abc]", "b", true},
	{"[abc]", "d", false},
	{"[a-c]x", "bx", true},
	{"[!a-c]", "b", false},
	{"[!a-c]", "d", true},
	{"[^a]", "b", true},
	{"[]a]", "]", true},
	{"[a-]", "-", true},
	{"[-a]", "-", true},
	{"[\\]]", "]", true},
	{"[\xc3\xa0-\xc3\xb6]", "\xc3\xa9", true},
	{"[z-a]", "b", false}, /* no set: as it is written */
	{"[z-a]", "[z-a]", true},
	{"[abc", "[abc", true},
	{"[", "[", true},
	{"\\*", "*", true},
	{"\\*", "x", false},
	{"\\?x", "?x", true},
	{"a\\", "a\\", true},
	{"{a,b}", "a", false},
	{"{a,b}", "{a,b}", true},
	{"+(a)", "a", false},
	{"[*]", "*", true},
	{"[*]", "x", false},
	/* would take for ever if each star tried again */
	{"a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
	 false},
};

static void test_segments(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(segments); i++)
		if (segment_match(segments[i].segment, segments[i].name) != segments[i].match)
			fail_msg("%s against %s", segments[i].segment, segments[i].name);
}

static const struct {
	const char *segment, *literal;
} literals[] = {
	{"abc", "abc"}, {"a*", NULL},
	{"?", NULL},    {"[ab]", NULL},
	{"[a]", "a"},   {"[*]x", "*x"},
	{"[", "["},     {"[a", "[a"},
	{"\\*", "*"},   {"a\\[b", "a[b"},
	{"[!a]", NULL}, {"[\\]]", "]"},
	{"x\\", "x\\"}, {"\xc3\xa9", "\xc3\xa9"},
};

static void test_literals(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(literals); i++) {
		auto_arena struct arena *a = arena_new();
		const char *got = segment_literal(a, literals[i].segment);

		if (!got != !literals[i].literal)
			fail_msg("%s", literals[i].segment);
		if (got)
			assert_string_equal(got, literals[i].literal);
	}
}

static const struct {
	const char *patterns, *path;
	enum glob_kind kind;
} paths[] = {
	{"a", "a", GLOB_ALL},
	{"a", "a/b", GLOB_ALL}, /* what is in it */
	{"a", "a/b/c", GLOB_ALL},
	{"a", "b", GLOB_NONE},
	{"a", "ab", GLOB_NONE},
	{"a/", "a", GLOB_DIR},
	{"a/", "a/b", GLOB_ALL},
	{"./a", "a", GLOB_ALL},
	{".", "", GLOB_ALL},
	{".", "x/y", GLOB_ALL},
	{"/ws/a", "a", GLOB_ALL},
	{"/ws", "x", GLOB_ALL},
	{"/ws/*.py", "x.py", GLOB_ALL},
	{"a//b", "a/b", GLOB_ALL},
	{"*", "a", GLOB_ALL},
	{"*", "a/b", GLOB_ALL},
	{"*.py", "src/a.py", GLOB_NONE},
	{"**", "", GLOB_ALL},
	{"**", "a/b/c", GLOB_ALL},
	{"a/**", "a", GLOB_ALL},
	{"a/**", "a/b", GLOB_ALL},
	{"**/*.py", "a.py", GLOB_ALL},
	{"**/*.py", "a/b/c.py", GLOB_ALL},
	{"**/*.py", "a.py/x", GLOB_ALL},
	{"a/**/z", "a/z", GLOB_ALL},
	{"a/**/z", "a/b/c/z", GLOB_ALL},
	{"a/**/z", "a/b/c", GLOB_NONE},
	{"a/**/b/**/c", "a/x/b/b/y/c", GLOB_ALL},
	{"a/**/b/**/c", "a/x/b/b/y", GLOB_NONE},
	{"a\n!a/b", "a/b", GLOB_NONE},
	{"a\n!a/b", "a/b/c", GLOB_NONE},
	{"a\n!a/b", "a/c", GLOB_ALL},
	{"a\n!a/b/", "a/b", GLOB_FILE}, /* a file of that name stays */
	{"a\n!a/b\na/b/c", "a/b/c", GLOB_ALL},
	{"!a/b\na", "a/b", GLOB_ALL}, /* order counts */
	{"a\n!!a/b", "a/b", GLOB_ALL},
	{"**\n!**/*.pyc", "x/y.pyc", GLOB_NONE},
	{"# a\n\n  b  ", "b", GLOB_ALL},
	{"# a", "a", GLOB_NONE},
	{"\\#a", "#a", GLOB_ALL},
	{"a\r\nb", "b", GLOB_ALL},
	{"**/node_modules", "x/node_modules/y/z", GLOB_ALL},
};

static void test_paths(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(paths); i++) {
		auto_arena struct arena *a = arena_new();
		struct err err = {0};
		struct glob *g = glob_parse(a, "/ws", &paths[i].patterns, 1, &err);

		if (!g)
			fail_msg("%s: %s", paths[i].patterns, err.text);
		if (glob_match(g, paths[i].path) != paths[i].kind)
			fail_msg("\"%s\" against %s: %d", paths[i].patterns, paths[i].path,
				 glob_match(g, paths[i].path));
		if (paths[i].kind && !glob_leads_on(g, paths[i].path))
			fail_msg("\"%s\" does not lead on to %s", paths[i].patterns, paths[i].path);
	}
}

static const struct {
	const char *pattern, *error;
} bad[] = {
	{"../x", "pattern '../x': '.' and '..' may not be parts of it"},
	{"a/../b", "pattern 'a/../b': '.' and '..'"},
	{"a/./b", "pattern 'a/./b': '.' and '..'"},
	{"[.][.]/x", "pattern '[.][.]/x': '.' and '..'"},
	{"\\.\\./x", "pattern '\\.\\./x': '.' and '..'"},
	{"/etc/passwd", "pattern '/etc/passwd': is not below the workspace"},
	{"/", "pattern '/': is not below the workspace"},
	{"/*/a", "pattern '/*/a': is not below the workspace"},
	{"/wsx", "pattern '/wsx': is not below the workspace"},
	{"/ws/../x", "pattern '/ws/../x': '.' and '..'"},
	{"!", "pattern '!': takes away nothing"},
	{"~", "pattern '~': the home is not in the workspace"},
	{"~/x", "pattern '~/x': the home"},
	{"\x1b[2J/../", "pattern '\\x1b[2J/../': "},
};

static void test_bad(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		auto_arena struct arena *a = arena_new();
		struct err err = {0};

		assert_null(glob_parse(a, "/ws", &bad[i].pattern, 1, &err));
		assert_int_equal(err.kind, ERR_USAGE);
		if (strncmp(err.text, bad[i].error, strlen(bad[i].error)) != 0)
			fail_msg("%s", err.text);
	}
}

static const struct {
	const char *patterns, *only, *base;
} bases[] = {
	{"dist/", NULL, "dist"},
	{"dist", NULL, "dist"},
	{"dist/a.whl", "dist/a.whl", "dist"},
	{"a.xml", "a.xml", ""},
	{"dist/*", "dist/a.whl", "dist"},
	{"dist/*.whl\ndist/*.gz", NULL, "dist"},
	{"dist/a\ndist/b", NULL, "dist"},
	{"dist/a\nhtml", NULL, ""},
	{"a/b/c\na/b/d/e", NULL, "a/b"},
	{"a/bc\na/bd", NULL, "a"},
	{"a\na/b", NULL, "a"},
	{"a/b\na", NULL, "a"},
	{"**/x", NULL, ""},
	{".", NULL, ""},
	{"dist\n!dist/x", NULL, "dist"},
	{"[d]ist/*", NULL, "dist"},
};

static void test_base(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(bases); i++) {
		auto_arena struct arena *a = arena_new();
		struct err err = {0};
		struct glob *g = glob_parse(a, "/ws", &bases[i].patterns, 1, &err);

		assert_non_null(g);
		if (strcmp(glob_base(a, g, bases[i].only), bases[i].base) != 0)
			fail_msg("\"%s\": %s", bases[i].patterns, glob_base(a, g, bases[i].only));
	}
}

/* ---- on disk ---- */

struct place {
	char path[64];
	int fd;
};

static int setup(void **state)
{
	static struct place p;
	static const char *const files[] = {"b.txt", "a/z", "a/b/c", "a.txt", ".h/x", "a/.y"};

	(void)snprintf(p.path, sizeof(p.path), "/tmp/stepcell-unit-XXXXXX");
	if (!mkdtemp(p.path))
		return -1;
	p.fd = open(p.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (size_t i = 0; i < COUNT(files); i++) {
		struct err err;
		char dir[64];

		(void)snprintf(dir, sizeof(dir), "%s", files[i]);
		if (strrchr(dir, '/')) {
			*strrchr(dir, '/') = '\0';
			assert_int_equal(mkdir_beneath(p.fd, dir, 0755, &err), 0);
		}
		assert_int_equal(file_write(p.fd, files[i], files[i], strlen(files[i]), 0644, &err),
				 0);
	}
	assert_int_equal(symlinkat("a", p.fd, "link"), 0);
	assert_int_equal(symlinkat("../..", p.fd, "a/up"), 0);
	assert_int_equal(symlinkat("/etc/passwd", p.fd, "out"), 0);
	assert_int_equal(symlinkat("b.txt", p.fd, "to-b"), 0);
	assert_int_equal(mkfifoat(p.fd, "fifo", 0600), 0);
	*state = &p;
	return p.fd < 0 ? -1 : 0;
}

static int teardown(void **state)
{
	struct place *p = *state;
	struct err err;

	fd_close(&p->fd);
	return remove_tree(AT_FDCWD, p->path, &err);
}

static int collect(void *arg, const char *rel, bool is_dir)
{
	strbuf_addf(arg, "%s%s ", rel, is_dir ? "/" : "");
	return 0;
}

static const struct {
	const char *patterns;
	bool hidden;
	const char *seen;
} walks[] = {
	{".", true, "./ .h/ .h/x a/ a/.y a/b/ a/b/c a/up a/z a.txt b.txt fifo link out to-b "},
	{".", false, "./ a/ a/b/ a/b/c a/up a/z a.txt b.txt fifo link out to-b "},
	{"a", false, "a/ a/b/ a/b/c a/up a/z "},
	{"*.txt", false, "a.txt b.txt "},
	{"b.txt\na.txt", false, "b.txt a.txt "}, /* where the patterns begin, in their order */
	{"**/c", false, "a/b/c "},
	{"a\n!a/b", false, "a/ a/up a/z "},
	{"link/z", false, ""}, /* no way through a link */
	{"link", false, "link "},
	{"nothing/here", false, ""},
	{"b.txt/x", false, ""},
	{".h", false, ""},
	{".h/x", false, ".h/x "}, /* whoever names it wants it */
	{"!a", false, ""},
};

static void test_walk(void **state)
{
	struct place *p = *state;

	for (size_t i = 0; i < COUNT(walks); i++) {
		auto_arena struct arena *a = arena_new();
		auto_strbuf struct strbuf seen = STRBUF(4096);
		struct err err = {0};
		struct glob *g = glob_parse(a, p->path, &walks[i].patterns, 1, &err);

		assert_non_null(g);
		assert_int_equal(glob_walk(g, p->fd, walks[i].hidden, collect, &seen, &err), 0);
		if (strcmp(seen.text, walks[i].seen) != 0)
			fail_msg("\"%s\": %s", walks[i].patterns, seen.text);
	}
}

static int stop(void *arg, const char *rel, bool is_dir)
{
	(void)rel, (void)is_dir;
	return ++*(int *)arg == 3 ? 42 : 0;
}

static void test_walk_stops(void **state)
{
	struct place *p = *state;
	const char *all = "**";
	auto_arena struct arena *a = arena_new();
	struct err err = {0};
	int calls = 0;

	assert_int_equal(
		glob_walk(glob_parse(a, NULL, &all, 1, &err), p->fd, true, stop, &calls, &err), 42);
	assert_int_equal(calls, 3);
}

/* The expected values are sha256 of the raw sha256 of each file, one behind the other. */
static const struct {
	const char *patterns, *files[3];
} hashes[] = {
	{"*.txt", {"a.txt", "b.txt", NULL}},
	{"b.txt\na.txt", {"b.txt", "a.txt", NULL}},
	{"to-b", {"b.txt", NULL, NULL}}, /* what a link leads to */
	{"out\nfifo\na.txt", {"a.txt", NULL, NULL}},
	{".h", {".h/x", NULL, NULL}}, /* hidden files count */
	{"out", {NULL, NULL, NULL}},
	{"*.nothing", {NULL, NULL, NULL}},
};

static void test_hash(void **state)
{
	struct place *p = *state;

	for (size_t i = 0; i < COUNT(hashes); i++) {
		auto_arena struct arena *a = arena_new();
		struct digest_stream *all = digest_new();
		char got[DIGEST_HEX + 1] = "?";
		struct err err = {0};
		struct digest want;

		for (size_t k = 0; k < COUNT(hashes[i].files) && hashes[i].files[k]; k++) {
			struct digest_stream *one = digest_new();
			uint8_t raw[32];

			digest_add(one, hashes[i].files[k], strlen(hashes[i].files[k]));
			digest_end_raw(&one, raw);
			digest_add(all, raw, sizeof(raw));
		}
		digest_end(&all, &want);
		assert_int_equal(glob_hash(glob_parse(a, NULL, &hashes[i].patterns, 1, &err), p->fd,
					   got, &err),
				 0);
		if (strcmp(got, hashes[i].files[0] ? want.hex : "") != 0)
			fail_msg("%s", hashes[i].patterns);
	}
}

/* A tree deeper than a path can name ends in words, not in a crash. */
static void test_deep(void **state)
{
	struct place *p = *state;
	static const char name[] =
		"dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd";
	const char *all = "**";
	auto_arena struct arena *a = arena_new();
	struct err err = {0};
	int at = dup(p->fd), calls = 0;

	for (int i = 0; i < 80; i++) {
		int next;

		assert_int_equal(mkdirat(at, name, 0700), 0);
		next = openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		(void)close(at);
		at = next;
	}
	(void)close(at);
	calls = 100;
	assert_int_equal(
		glob_walk(glob_parse(a, NULL, &all, 1, &err), p->fd, true, stop, &calls, &err), -1);
	assert_non_null(strstr(err.text, "a path is longer than 4095 bytes: 'dddd"));
	assert_int_equal(remove_tree(p->fd, name, &err), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_segments),   cmocka_unit_test(test_literals),
		cmocka_unit_test(test_paths),      cmocka_unit_test(test_bad),
		cmocka_unit_test(test_base),       cmocka_unit_test(test_walk),
		cmocka_unit_test(test_walk_stops), cmocka_unit_test(test_hash),
		cmocka_unit_test(test_deep),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
