/* Descriptors and paths: what stays inside a root, what is removed, what is whole. */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "stepcell/digest.h"
#include "stepcell/fd.h"
#include "stepcell/path.h"
#include "stepcell/util.h"

struct place_to_work {
	char path[64];
	int fd;
};

static int setup(void **state)
{
	struct place_to_work *w = calloc(1, sizeof(*w));

	(void)snprintf(w->path, sizeof(w->path), "/tmp/stepcell-unit-XXXXXX");
	assert_non_null(mkdtemp(w->path));
	w->fd = open(w->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	*state = w;
	return w->fd < 0;
}

static int teardown(void **state)
{
	struct place_to_work *w = *state;
	struct err err;
	int left = remove_tree(AT_FDCWD, w->path, &err);

	fd_close(&w->fd);
	free(w);
	return left;
}

static void put(int dir, const char *name, const char *text)
{
	struct err err;

	assert_int_equal(file_write(dir, name, text, strlen(text), 0644, &err), 0);
}

static void test_stays_inside(void **state)
{
	static const struct {
		const char *path;
		bool beneath, nolinks, in_root;
	} rows[] = {
		{"sub/file", true, true, true},      {"up/outside", false, false, false},
		{"../outside", false, false, false}, {"absolute", false, false, true},
		{"inner", true, false, true},        {"sub/../sub/file", true, true, true},
		{"proc-self", false, false, false},
	};
	struct place_to_work *w = *state;
	struct err err;
	int root;

	put(w->fd, "outside", "canary");
	assert_int_equal(mkdir_beneath(w->fd, "root/sub", 0755, &err), 0);
	root = openat(w->fd, "root", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	put(root, "sub/file", "x");
	assert_int_equal(symlinkat("..", root, "up"), 0);
	assert_int_equal(symlinkat("/sub/file", root, "absolute"), 0);
	assert_int_equal(symlinkat("sub/file", root, "inner"), 0);
	assert_int_equal(symlinkat("/proc/self/cwd", root, "proc-self"), 0);
	for (size_t i = 0; i < COUNT(rows); i++) {
		int a = open_beneath(root, rows[i].path, O_RDONLY, 0, &err);
		int b = open_nolinks(root, rows[i].path, O_RDONLY, 0, &err);
		int c = open_in_root(root, rows[i].path, O_RDONLY, 0, &err);

		if ((a >= 0) != rows[i].beneath || (b >= 0) != rows[i].nolinks ||
		    (c >= 0) != rows[i].in_root)
			fail_msg("%s: %d %d %d", rows[i].path, a, b, c);
		fd_close(&a), fd_close(&b), fd_close(&c);
	}
	fd_close(&root);
}

static void test_mkdir_follows_no_link(void **state)
{
	struct place_to_work *w = *state;
	struct err err;

	assert_int_equal(mkdirat(w->fd, "away", 0755), 0);
	assert_int_equal(symlinkat("away", w->fd, "link"), 0);
	assert_int_equal(mkdir_beneath(w->fd, "link/made", 0755, &err), -1);
	assert_int_equal(faccessat(w->fd, "away/made", F_OK, 0), -1);
}

/* 3,000 levels, no permissions on the way, a link to a canary at each end. */
static void test_remove_tree(void **state)
{
	struct place_to_work *w = *state;
	struct err err;
	int at, top;

	put(w->fd, "canary", "alive");
	assert_int_equal(mkdirat(w->fd, "deep", 0700), 0);
	top = at = openat(w->fd, "deep", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(symlinkat("..", at, "link"), 0);
	for (int i = 0; i < 3000; i++) {
		int next;

		assert_int_equal(mkdirat(at, "d", 0700), 0);
		next = openat(at, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		assert_true(next >= 0);
		put(at, "f", "x");
		assert_int_equal(fchmod(at, i % 3 ? 0500 : 0), 0);
		if (at != top)
			fd_close(&at);
		at = next;
	}
	assert_int_equal(symlinkat("../../..", at, "link"), 0);
	fd_close(&at), fd_close(&top);
	assert_int_equal(remove_tree(w->fd, "deep", &err), 0);
	assert_int_equal(faccessat(w->fd, "deep", F_OK, 0), -1);
	assert_int_equal(faccessat(w->fd, "canary", F_OK, 0), 0);
	assert_int_equal(remove_tree(w->fd, "deep", &err), 0);
}

static void test_file_write_is_whole(void **state)
{
	struct place_to_work *w = *state;
	auto_strbuf struct strbuf text = STRBUF(100);
	struct err err;

	put(w->fd, "f", "old");
	put(w->fd, "f", "new");
	assert_int_equal(file_read(w->fd, "f", &text, &err), 0);
	assert_string_equal(text.text, "new");
	assert_int_equal(symlinkat("f", w->fd, "l"), 0);
	assert_int_equal(file_read(w->fd, "l", &text, &err), -1);
	assert_int_equal(mkfifoat(w->fd, "p", 0600), 0);
	assert_int_equal(file_read(w->fd, "p", &text, &err), -1);
	strbuf_clear(&text);
	text.max = 2;
	assert_int_equal(file_read(w->fd, "f", &text, &err), -1);
	assert_non_null(strstr(err.text, "larger than 2 bytes"));
}

/* A writer of the same process id in another pid namespace: what it has half written is its own. */
static void test_file_write_of_twins(void **state)
{
	struct place_to_work *w = *state;
	auto_strbuf struct strbuf text = STRBUF(100);
	char twin[64];
	struct err err = {0};
	struct stat st;

	(void)snprintf(twin, sizeof(twin), "x.%d.tmp", (int)getpid());
	put(w->fd, twin, "half");
	assert_int_equal(mkdirat(w->fd, "d", 0700), 0);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(file_write(w->fd, "x", i ? "2" : "1", 1, 0640, &err), 0);
		assert_int_equal(file_put(w->fd, "d/y", i ? "2" : "1", 1, 0600, &err), 0);
	}
	assert_int_equal(file_read(w->fd, twin, &text, &err), 0);
	assert_int_equal(file_read(w->fd, "x", &text, &err), 0);
	assert_int_equal(file_read(w->fd, "d/y", &text, &err), 0);
	assert_string_equal(text.text, "half22");
	/* nothing else is left */
	assert_int_equal(unlinkat(w->fd, "d/y", 0), 0);
	assert_int_equal(unlinkat(w->fd, "d", AT_REMOVEDIR), 0);
	assert_int_equal(unlinkat(w->fd, twin, 0), 0);
	assert_int_equal(fstatat(w->fd, "x", &st, 0), 0);
	assert_int_equal(st.st_mode & 0777, 0640);
	assert_int_equal(unlinkat(w->fd, "x", 0), 0);
	assert_int_equal(rmdir(w->path), 0);
	assert_int_equal(mkdir(w->path, 0700), 0);
	assert_int_equal(file_write(AT_FDCWD, "/proc/self/nowhere/x", "1", 1, 0600, &err), -1);
}

static void test_names(void **state)
{
	static const struct {
		const char *text, *safe;
	} rows[] = {
		{"test (3.10, ubuntu)", "test--3.10--ubuntu-"},
		{"../../etc", "_.-..-etc"},
		{"", "unnamed"},
		{".hidden", "_hidden"},
		{"-rf", "_rf"},
		{"(x)", "_x-"},
		{".", "_"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		auto_strbuf struct strbuf out = STRBUF(200);

		name_make_safe(rows[i].text, &out);
		assert_true(name_is_safe(out.text));
		assert_string_equal(out.text, rows[i].safe);
	}
	assert_false(name_is_safe(".."));
	assert_false(name_is_safe("a/b"));
	assert_false(name_is_safe(""));
}

static void test_visible(void **state)
{
	static const struct {
		const char *text, *shown;
	} rows[] = {
		{"plain \xc3\xa9 \xe2\x82\xac", "plain \xc3\xa9 \xe2\x82\xac"},
		{"\x1b]52;c;x\a", "\\x1b]52;c;x\\x07"},
		{"a\nb\rc\td", "a\\nb\\x0dc\td"},
		{"\xc2\x9b"
		 "2J",
		 "\\u009b2J"},
		{"\x9b"
		 "2J",
		 "\\x9b2J"},
		{"\xe2\x80\xae"
		 "evil",
		 "\\u202eevil"},
		{"\xc0\xaf\xed\xa0\x80", "\\xc0\\xaf\\xed\\xa0\\x80"},
		{"cut \xe2\x82", "cut \\xe2\\x82"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		auto_strbuf struct strbuf out = STRBUF(200);

		strbuf_add_visible(&out, rows[i].text, strlen(rows[i].text));
		assert_string_equal(out.text, rows[i].shown);
	}
}

static void test_strbuf_maximum(void **state)
{
	auto_strbuf struct strbuf sb = STRBUF(10);

	(void)state;
	assert_string_equal(sb.text, "");
	strbuf_adds(&sb, "12345");
	strbuf_addf(&sb, "%s", "67890");
	assert_false(sb.full);
	strbuf_addc(&sb, 'x');
	assert_true(sb.full);
	assert_string_equal(sb.text, "1234567890");
	strbuf_skip(&sb, 8);
	assert_string_equal(sb.text, "90");
	strbuf_clear(&sb);
	assert_false(sb.full);
}

static void test_spread_adds_its_flag_alone(void **state)
{
	struct place_to_work *w = *state;
	unsigned before, after;

	if (ioctl(w->fd, FS_IOC_GETFLAGS, &before) < 0) {
		print_message("# this file system has no flags\n");
		skip();
	}
	dir_spread(w->fd);
	assert_int_equal(ioctl(w->fd, FS_IOC_GETFLAGS, &after), 0);
	assert_int_equal(after & ~(unsigned)FS_TOPDIR_FL, before & ~(unsigned)FS_TOPDIR_FL);
	if (!(after & FS_TOPDIR_FL)) {
		print_message("# this file system does not spread\n");
		skip();
	}
}

static void test_digest(void **state)
{
	struct digest d = digest_of("abc", 3), e;
	char text[100];

	(void)state;
	assert_string_equal(d.hex,
			    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	(void)snprintf(text, sizeof(text), "sha256:%s", d.hex);
	assert_true(digest_parse(text, &e));
	assert_true(digest_equal(&d, &e));
	text[10] = 'A';
	assert_false(digest_parse(text, &e));
	assert_false(digest_parse("sha256:../../x", &e));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_stays_inside, setup, teardown),
		cmocka_unit_test_setup_teardown(test_mkdir_follows_no_link, setup, teardown),
		cmocka_unit_test_setup_teardown(test_remove_tree, setup, teardown),
		cmocka_unit_test_setup_teardown(test_file_write_is_whole, setup, teardown),
		cmocka_unit_test_setup_teardown(test_file_write_of_twins, setup, teardown),
		cmocka_unit_test_setup_teardown(test_spread_adds_its_flag_alone, setup, teardown),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_visible),
		cmocka_unit_test(test_strbuf_maximum),
		cmocka_unit_test(test_digest),
	};

	return cmocka_run_group_tests_name("base_files", tests, NULL, NULL);
}
