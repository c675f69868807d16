/* What tells that a tree was changed, and what is read from it: stamps, lists, packages. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "image/compare.h"
#include "image/packages.h"
#include "image/scan.h"
#include "image/stamps.h"
#include "stepcell/digest.h"
#include "stepcell/fd.h"
#include "stepcell/limits.h"
#include "stepcell/path.h"
#include "stepcell/util.h"

/* ---- lists ---- */

static const struct {
	const char *was, *is, *differ;
} lists[] = {
	{"d 755 a\nf 644 1 AA a/b\nl a/c b\n", "d 755 a\nf 644 1 AA a/b\nl a/c b\n", ""},
	{"f 644 1 AA b\n", "f 644 1 BB b\n", "changed b\n"},
	{"f 644 1 AA b\n", "f 600 1 AA b\n", "changed b\n"},
	{"f 644 1 AA b\n", "l b x\n", "changed b\n"},
	{"f 644 1 AA b\n", "? b\n", "changed b\n"},
	{"l b x\n", "l b y\n", "changed b\n"},
	{"d 755 a\nf 644 1 AA a/b\n", "d 755 a\n", "missing a/b\n"},
	{"", "f 644 1 AA new\\040file\n", "new new\\040file\n"},
	{"f 644 1 AA a\nf 644 1 AA ab\n", "f 644 1 AA ab\nf 644 1 AA ac\n", "missing a\nnew ac\n"},
	{"f\nx y\n\n", "f\nx y\n\n", ""}, /* no list at all: nothing is believed of its form */
};

static void test_lists(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(lists); i++) {
		auto_strbuf struct strbuf out = STRBUF(4096);
		auto_free char *was = strdup(lists[i].was);
		auto_free char *is = strdup(lists[i].is);

		(void)compare_lists(was, is, 100, &out);
		if (strcmp(out.text, lists[i].differ) != 0)
			fail_msg("row %zu: '%s'", i, out.text);
	}
}

static void test_many_differences(void **state)
{
	auto_strbuf struct strbuf out = STRBUF(4096);
	char was[] = "f 644 1 AA a\nf 644 1 AA b\nf 644 1 AA c\n", is[] = "";

	(void)state;
	assert_int_equal(compare_lists(was, is, 2, &out), 3);
	assert_string_equal(out.text, "missing a\nmissing b\n");
}

static void test_escaped(void **state)
{
	static const char *const names[] = {"plain", "a b", "back\\slash", "\xff\x01\n",
					    "\xc3\xa9"};
	static const char *const wrong[] = {"\\", "\\04", "\\400", "\\0a0", "\\000"};
	char back[64];

	(void)state;
	for (size_t i = 0; i < COUNT(names); i++) {
		auto_strbuf struct strbuf text = STRBUF(256);

		scan_escape(&text, names[i]);
		assert_int_equal(scan_unescape(text.text, back, sizeof(back)), 0);
		assert_string_equal(back, names[i]);
		assert_int_equal(scan_unescape(text.text, back, strlen(names[i])), -1);
	}
	for (size_t i = 0; i < COUNT(wrong); i++)
		assert_int_equal(scan_unescape(wrong[i], back, sizeof(back)), -1);
}

/* ---- stamps ---- */

struct tree {
	char path[64];
	int dir;
	struct digest name;
};

static int make_tree(void **state)
{
	struct tree *t = calloc(1, sizeof(*t));
	uint64_t bytes = 0, entries = 0;
	struct err err = {0};
	char file[32];

	(void)snprintf(t->path, sizeof(t->path), "/tmp/stepcell-keep-XXXXXX");
	if (!mkdtemp(t->path) || (t->dir = open(t->path, O_RDONLY | O_DIRECTORY)) < 0 ||
	    mkdirat(t->dir, "root", 0755) < 0 || mkdirat(t->dir, "root/a b", 0755) < 0)
		return -1;
	for (unsigned i = 0; i < 300; i++) {
		(void)snprintf(file, sizeof(file), "root/a b/%u", i);
		if (file_write(t->dir, file, "x", 1, 0644, &err) < 0)
			return -1;
	}

	auto_fd int root = openat(t->dir, "root", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (scan_write(t->dir, root, NULL, SCAN_LIST_AND_OWNERS, &bytes, &entries, &err) < 0)
		return -1;
	auto_fd int list = openat(t->dir, "manifest", O_RDONLY | O_CLOEXEC);

	*state = t;
	return digest_of_fd(list, &t->name, &err);
}

static int drop_tree(void **state)
{
	struct tree *t = *state;
	struct err err = {0};

	fd_close(&t->dir);
	if (remove_tree(AT_FDCWD, t->path, &err) < 0)
		return -1;
	free(t);
	return 0;
}

static void assert_differs(const struct tree *t, const char *what)
{
	auto_strbuf struct strbuf found = STRBUF(4096);

	assert_false(stamps_hold(t->dir, &t->name, STAMPS_ALL, &found));
	assert_string_equal(found.text, what);
}

static void test_untouched(void **state)
{
	struct tree *t = *state;
	auto_strbuf struct strbuf found = STRBUF(4096);
	const struct digest other = digest_of("x", 1);

	assert_true(stamps_hold(t->dir, &t->name, STAMPS_ALL, &found));
	for (unsigned i = 0; i < 50; i++)
		assert_true(stamps_hold(t->dir, &t->name, STAMPS_SAMPLE, &found));
	/* another tree's, under this name */
	assert_false(stamps_hold(t->dir, &other, STAMPS_SAMPLE, &found));
}

/* The same bytes, the same size, the old time: the change itself has one. */
static void test_written(void **state)
{
	struct tree *t = *state;
	auto_fd int fd = openat(t->dir, "root/a b/7", O_WRONLY | O_CLOEXEC);
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(pwrite(fd, "x", 1, 0), 1);
	assert_int_equal(futimens(fd, (struct timespec[]){st.st_atim, st.st_mtim}), 0);
	assert_differs(t, "root/a\\040b/7");
}

static void test_removed(void **state)
{
	struct tree *t = *state;

	assert_int_equal(unlinkat(t->dir, "root/a b/299", 0), 0);
	assert_differs(t, "root/a\\040b/299");
}

static void test_added(void **state)
{
	struct tree *t = *state;
	struct err err = {0};

	assert_int_equal(file_write(t->dir, "root/new", "x", 1, 0644, &err), 0);
	assert_differs(t, "root");
}

/* By chance, but sooner or later: a piece of the file is 3 KiB of some 15. */
static void test_sampled(void **state)
{
	struct tree *t = *state;
	auto_strbuf struct strbuf found = STRBUF(4096);
	unsigned n = 0;

	assert_int_equal(fchmodat(t->dir, "root/a b/150", 0600, 0), 0);
	while (stamps_hold(t->dir, &t->name, STAMPS_SAMPLE, &found))
		assert_true(++n < 1000);
	assert_string_equal(found.text, "root/a\\040b/150");
}

static void test_no_stamps(void **state)
{
	struct tree *t = *state;
	struct err err = {0};

	assert_int_equal(file_write(t->dir, "stamps", "tree ", 5, 0644, &err), 0);
	assert_differs(t, "stamps");
	assert_int_equal(unlinkat(t->dir, "stamps", 0), 0);
	assert_differs(t, "stamps");
}

/* ---- packages ---- */

static const struct {
	const char *status, *packages;
} databases[] = {
	{"", ""},
	{"Package: a\nVersion: 1\n", "debian a 1\n"}, /* as in status.d: no status, no empty line */
	{"Package: a\nStatus: install ok installed\nVersion: 1:2-3\n\nPackage: b\nVersion: 2\n\n",
	 "debian a 1:2-3\ndebian b 2\n"},
	{"Package: a\nStatus: deinstall ok config-files\nVersion: 1\n", ""},
	{"Package: a\nStatus: install ok unpacked\nVersion: 1\n", ""},
	{"Package: a\nDescription: x\n Version: 9\nVersion: 1\n", "debian a 1\n"},
	{"Package: a\n\nVersion: 1\n", ""},
	{"Package: a b\nVersion: \x1b[1m\n", "debian a\\040b \\033[1m\n"},
	{"\n\n\nPackage:a\nVersion:\t1\n", "debian a 1\n"},
};

static const struct {
	const char *list, *packages;
} trees[] = {
	{"d 755 usr/lib/python3/dist-packages/a-1.2.dist-info\n", "python a 1.2\n"},
	{"d 755 opt/x/lib/python3.9/site-packages/a_b-1.2.3rc1.dist-info\n",
	 "python a_b 1.2.3rc1\n"},
	{"f 644 1 AA x/site-packages/a-1.2-py3.11.egg-info\n", "python a 1.2\n"},
	{"f 644 1 AA x/site-packages/a.egg-info\n", "python a \n"},
	{"d 755 a-1.dist-info\nd 755 x/a-1.dist-info\nd 755 site-packages/.dist-info\n", ""},
	{"l site-packages/a-1.dist-info x\n", ""},
	{"d\nf\nfoo\n", ""},
};

static void test_packages(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(databases); i++) {
		auto_strbuf struct strbuf out = STRBUF(4096);
		auto_free char *text = strdup(databases[i].status);

		packages_of_status(text, &out);
		if (strcmp(out.text, databases[i].packages) != 0)
			fail_msg("database %zu: '%s'", i, out.text);
	}
	for (size_t i = 0; i < COUNT(trees); i++) {
		auto_strbuf struct strbuf out = STRBUF(4096);
		auto_free char *text = strdup(trees[i].list);

		packages_of_list(text, &out);
		if (strcmp(out.text, trees[i].packages) != 0)
			fail_msg("tree %zu: '%s'", i, out.text);
	}
}

#define TREE_TEST(fn) cmocka_unit_test_setup_teardown(fn, make_tree, drop_tree)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lists),   cmocka_unit_test(test_many_differences),
		cmocka_unit_test(test_escaped), cmocka_unit_test(test_packages),
		TREE_TEST(test_untouched),      TREE_TEST(test_written),
		TREE_TEST(test_removed),        TREE_TEST(test_added),
		TREE_TEST(test_sampled),        TREE_TEST(test_no_stamps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
