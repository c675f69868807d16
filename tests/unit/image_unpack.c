/*
 * Unpacking what strangers made: each archive is built here, unpacked in a
 * worker, and judged by what is on disk afterwards, inside and outside.
 */
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <archive.h>
#include <archive_entry.h>
#include <cmocka.h>

#include "image/tree.h"
#include "stepcell/fd.h"
#include "stepcell/path.h"
#include "stepcell/util.h"
#include "tar.h"

/* ---- what is refused, and why ---- */

#define DEEP_32  "a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/"
#define DEEP_128 DEEP_32 DEEP_32 DEEP_32 DEEP_32
#define LONG_64  "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn"
#define LONG_256 LONG_64 LONG_64 LONG_64 LONG_64

static const struct {
	const char *what;
	struct row rows[4];
	const char *error;
} refused[] = {
	{"a path that goes up", {{'f', "../../CANARY", "x", 0}}, "'..'"},
	{"up in the middle", {{'f', "a/../../x", "x", 0}}, "'..'"},
	{"up at the end", {{'d', "a/..", NULL, 0}}, "'..'"},
	{"a hard link to a path that goes up",
	 {{'h', "x", "../../../../../tmp/CANARY", 0}},
	 "hard link"},
	{"a hard link to nothing", {{'h', "x", "tmp/CANARY", 0}}, "cannot open"},
	{"a hard link to a directory", {{'d', "d", NULL, 0}, {'h', "x", "d", 0}}, "to a directory"},
	{"a hard link to itself", {{'f', "x", "x", 0}, {'h', "x", "x", 0}}, "hard link"},
	{"the root as a file", {{'f', ".", "x", 0}}, "root"},
	{"the root as a link", {{'l', "./", "/", 0}}, "root"},
	{"below a file", {{'f', "a", "x", 0}, {'f', "a/b", "x", 0}}, "a/b"},
	{"a name that is too long", {{'f', LONG_256, "x", 0}}, "too long"},
	{"directories too deep", {{'d', DEEP_128 DEEP_128 "a", NULL, 0}}, "too deep"},
	{"below a link that leads nowhere",
	 {{'l', "a", "/nowhere", 0}, {'f', "a/b", "x", 0}},
	 "a/b"},
	{"below a link to itself", {{'l', "a", "a", 0}, {'f', "a/b", "x", 0}}, "a/b"},
};

static void test_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(refused); i++) {
		struct home home;
		struct tree tree;
		struct err err = {0};
		auto_fd int tar = make_tar(refused[i].rows);

		home_make(&home);
		if (tree_unpack(&home.staging, tar, &tree, &err) == 0)
			fail_msg("%s: was unpacked", refused[i].what);
		if (!strstr(err.text, refused[i].error))
			fail_msg("%s: %s", refused[i].what, err.text);
		home_drop(&home);
	}
}

/* ---- what is kept inside ---- */

static void unpack_rows(struct home *home, const struct row *rows, struct tree *tree)
{
	struct err err = {0};
	auto_fd int tar = make_tar(rows);

	if (tree_unpack(&home->staging, tar, tree, &err) < 0)
		fail_msg("%s", err.text);
}

/* Links lead where they would lead in a container: to the image's own /tmp, not to the host's. */
static void test_links_stay_inside(void **state)
{
	static const struct row rows[] = {
		{'d', "tmp", NULL, 01777},
		{'l', "abs", "/tmp", 0},
		{'l', "up", "../../../../../../tmp", 0},
		{'f', "abs/CANARY", "inside", 0},
		{'f', "up/other", "inside", 0},
		{'l', "direct", "/tmp/CANARY", 0},
		{'f', "direct", "replaced", 0},
		{'l', "dir", "/tmp", 0},
		{'d', "dir", NULL, 0777},
		{'l', "hard", "/tmp/CANARY", 0},
		{'h', "harder", "hard", 0},
		{0},
	};
	struct home home;
	struct tree tree;

	(void)state;
	home_make(&home);
	unpack_rows(&home, rows, &tree);
	auto_fd int root = root_of(&home);

	char path[512];

	expect(root, expand("tmp/CANARY", path), "inside");
	expect(root, "tmp/other", "inside");
	expect(root, "direct", "replaced");
	assert_true(S_ISDIR(mode_of(root, "dir")));
	assert_true(S_ISLNK(mode_of(root, "harder")));
	assert_int_equal(mode_of(root, "tmp") & 07777, 01777);
	home_drop(&home);
}

static void test_replacing(void **state)
{
	static const struct row rows[] = {
		{'f', "a/b/c", "old", 0},
		{'f', "a/b/c", "new", 0},
		{'f', "a/x", "x", 0},
		{'l', "a/b", "/etc", 0},
		{'d', "q", NULL, 0},
		{'f', "q", "file", 0},
		{'f', "abs/then", "1", 0},
		{'f', "/abs/olute", "2", 0},
		{'f', "./dotted//x", "3", 0},
		{'h', "hard", "a/x", 0},
		{0},
	};
	struct home home;
	struct tree tree;
	struct stat one, two;

	(void)state;
	home_make(&home);
	unpack_rows(&home, rows, &tree);
	auto_fd int root = root_of(&home);

	assert_true(S_ISLNK(mode_of(root, "a/b")));
	expect(root, "q", "file");
	expect(root, "abs/olute", "2");
	expect(root, "dotted/x", "3");
	assert_int_equal(fstatat(root, "hard", &one, 0), 0);
	assert_int_equal(fstatat(root, "a/x", &two, 0), 0);
	assert_int_equal(one.st_ino, two.st_ino);
	home_drop(&home);
}

static void test_modes_and_kinds(void **state)
{
	static const struct row rows[] = {
		{'f', "suid", "x", 06755},
		{'f', "unreadable", "x", 0200},
		{'d', "closed", NULL, 0600},
		{'f', "closed/x", "x", 0},
		{'c', "null", NULL, 0},
		{'b', "disk", NULL, 0},
		{'p', "fifo", NULL, 0},
		{'f', "ärger\n", "utf8", 0},
		{0},
	};
	auto_strbuf struct strbuf owners = STRBUF(4096), manifest = STRBUF(4096);
	struct err err = {0};
	struct home home;
	struct tree tree;
	struct stat st;

	(void)state;
	home_make(&home);
	unpack_rows(&home, rows, &tree);
	auto_fd int root = root_of(&home);

	assert_int_equal(mode_of(root, "suid") & 07777, 0755);
	assert_int_equal(mode_of(root, "unreadable") & 07777, 0600);
	assert_int_equal(mode_of(root, "closed") & 07777, 0700);
	expect(root, "ärger\n", "utf8");
	assert_int_equal(tree.skipped, 3);
	assert_int_equal(faccessat(root, "null", F_OK, AT_SYMLINK_NOFOLLOW), -1);
	assert_int_equal(faccessat(root, "fifo", F_OK, AT_SYMLINK_NOFOLLOW), -1);
	assert_int_equal(fstatat(root, "suid", &st, 0), 0);
	assert_int_equal(st.st_uid, geteuid());
	assert_int_equal(st.st_mtim.tv_sec, 1700000000);
	assert_int_equal(file_read(home.staging.dir, "tree/owners", &owners, &err), 0);
	assert_non_null(strstr(owners.text, "6755 1234 0 suid\n"));
	assert_int_equal(file_read(home.staging.dir, "tree/manifest", &manifest, &err), 0);
	assert_non_null(strstr(manifest.text, " \\303\\244rger\\012\n"));
	home_drop(&home);
}

/* The digest is of what the files are: not of their order, times or owners. */
static void test_digest(void **state)
{
	static const struct row one[] = {
		{'d', "d", NULL, 0}, {'f', "d/x", "1", 0}, {'f', "y", "2", 0}, {0}};
	static const struct row two[] = {
		{'f', "y", "2", 0}, {'f', "./d/x", "1", 0}, {'d', "d", NULL, 0}, {0}};
	static const struct row other[] = {
		{'d', "d", NULL, 0}, {'f', "d/x", "1", 0}, {'f', "y", "2", 0600}, {0}};
	const struct row *const archives[] = {one, two, other};
	struct tree trees[3];

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct home home;

		home_make(&home);
		unpack_rows(&home, archives[i], &trees[i]);
		home_drop(&home);
	}
	assert_true(digest_equal(&trees[0].digest, &trees[1].digest));
	assert_false(digest_equal(&trees[0].digest, &trees[2].digest));
	assert_int_equal(trees[0].entries, 3);
	assert_int_equal(trees[0].bytes, 2);
}

/* ---- bombs and broken archives ---- */

/* A GNU header by hand: libarchive does not write what is wrong. */
static void put_octal(char *field, size_t digits, uint64_t value)
{
	while (digits--) {
		field[digits] = (char)('0' + (value & 7));
		value >>= 3;
	}
}

/* Sizes above 8 GiB are binary. */
static void put_size(char field[12], uint64_t value)
{
	field[0] = (char)0x80;
	for (size_t i = 11; i > 0; i--, value >>= 8)
		field[i] = (char)value;
}

static void put_header(int fd, const char *name, uint64_t size, char type, const char *target)
{
	char block[512] = {0};
	unsigned sum = 0;

	(void)stpncpy(block, name, 100);
	put_octal(block + 100, 7, 0644);
	put_octal(block + 108, 7, 0);
	put_octal(block + 116, 7, 0);
	put_size(block + 124, size);
	put_octal(block + 136, 11, 0);
	(void)memset(block + 148, ' ', 8);
	block[156] = type;
	(void)stpncpy(block + 157, target, 100);
	(void)memcpy(block + 257, "ustar", 6);
	for (size_t i = 0; i < sizeof(block); i++)
		sum += (unsigned char)block[i];
	put_octal(block + 148, 6, sum);
	assert_int_equal(write_full(fd, block, sizeof(block)), 0);
}

static int raw_header(const char *name, uint64_t size, char type)
{
	int fd = memfd_create("tar", MFD_CLOEXEC);

	put_header(fd, name, size, type, "");
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	return fd;
}

static void refuse_fd(int tar, const char *why)
{
	struct home home;
	struct tree tree;
	struct err err = {0};

	home_make(&home);
	assert_int_equal(tree_unpack(&home.staging, tar, &tree, &err), -1);
	if (!strstr(err.text, why))
		fail_msg("expected '%s': %s", why, err.text);
	home_drop(&home);
}

static void test_sizes(void **state)
{
	(void)state;
	auto_fd int huge = raw_header("huge", UINT64_C(64) << 30, '0');
	auto_fd int cut = raw_header("cut", 5000, '0');
	auto_fd int noise = memfd_create("noise", MFD_CLOEXEC);

	refuse_fd(huge, "bytes");
	refuse_fd(cut, "runcated");
	assert_int_equal(write_full(noise, "this is not an archive, is it?", 30), 0);
	assert_int_equal(lseek(noise, 0, SEEK_SET), 0);
	refuse_fd(noise, "nrecognized");
}

/* An entry without contents, named by pax records: "19 linkpath=x", where the number counts all of it. */
static void put_pax(int fd, char type, const char *path, const char *target)
{
	const char *const records[] = {path, target};
	char block[512] = {0};
	size_t len = 0;

	for (size_t i = 0; i < COUNT(records) && records[i]; i++)
		len += (size_t)snprintf(block + len, sizeof(block) - len, "%zu %s\n",
					strlen(records[i]) + 4, records[i]);
	put_header(fd, "pax", len, 'x', "");
	assert_int_equal(write_full(fd, block, sizeof(block)), 0);
	put_header(fd, "x", 0, type, target ? "x" : "");
}

/* As Go's archive/tar writes what is no UTF-8: as it is, in headers that ought to have nothing else. */
static void test_names_that_are_bytes(void **state)
{
	auto_fd int tar = memfd_create("tar", MFD_CLOEXEC);
	char target[64] = "";
	struct home home;
	struct tree tree;
	struct err err = {0};
	struct stat st;

	(void)state;
	put_pax(tar, '0', "path=caf\xe9-file", NULL);
	put_pax(tar, '1', "path=hard\xe9-link", "linkpath=caf\xe9-file");
	put_pax(tar, '1', "path=hard-link-2", "linkpath=caf\xe9-file");
	put_pax(tar, '2', "path=soft\xff-link", "linkpath=/caf\xe9-file");
	put_pax(tar, '2', "path=soft-link-2", "linkpath=/caf\xe9-file");
	put_pax(tar, '5', "path=fold\xff\xff-er", NULL);
	assert_int_equal(lseek(tar, 0, SEEK_SET), 0);
	home_make(&home);
	if (tree_unpack(&home.staging, tar, &tree, &err) < 0)
		fail_msg("%s", err.text);
	auto_fd int root = openat(home.staging.dir, "tree/root", O_PATH | O_CLOEXEC);

	assert_int_equal(tree.entries, 6);
	assert_int_equal(fstatat(root, "caf\xe9-file", &st, AT_SYMLINK_NOFOLLOW), 0);
	assert_int_equal(st.st_nlink, 3);
	assert_int_equal(fstatat(root, "fold\xff\xff-er", &st, AT_SYMLINK_NOFOLLOW), 0);
	assert_true(S_ISDIR(st.st_mode));
	for (size_t i = 0; i < 2; i++) {
		const char *link = i ? "soft-link-2" : "soft\xff-link";

		assert_int_equal(readlinkat(root, link, target, sizeof(target) - 1), 10);
		assert_string_equal(target, "/caf\xe9-file");
	}
	home_drop(&home);
}

/* A file of 8 GiB that is one hole: nothing to unpack, and a minute to hash. */
static void test_holes(void **state)
{
	auto_fd int fd = memfd_create("sparse", MFD_CLOEXEC);
	struct archive *a = archive_write_new();
	struct archive_entry *e = archive_entry_new();

	(void)state;
	archive_write_set_format_pax(a);
	assert_int_equal(archive_write_open_fd(a, fd), ARCHIVE_OK);
	archive_entry_set_pathname(e, "sparse");
	archive_entry_set_filetype(e, AE_IFREG);
	archive_entry_set_perm(e, 0644);
	archive_entry_set_size(e, INT64_C(8) << 30);
	archive_entry_sparse_add_entry(e, 0, 512);
	assert_int_equal(archive_write_header(a, e), ARCHIVE_OK);
	assert_int_equal(archive_write_data(a, (char[512]){0}, 512), 512);
	archive_write_close(a);
	archive_write_free(a);
	archive_entry_free(e);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	refuse_fd(fd, "holes");
}

/* 200 MiB of zeros in a few KiB. */
static void test_ratio(void **state)
{
	static char zeros[1 << 20];
	auto_fd int fd = memfd_create("bomb", MFD_CLOEXEC);
	struct archive *a = archive_write_new();
	struct archive_entry *e = archive_entry_new();

	(void)state;
	archive_write_add_filter_zstd(a);
	archive_write_set_format_pax(a);
	assert_int_equal(archive_write_open_fd(a, fd), ARCHIVE_OK);
	archive_entry_set_pathname(e, "zeros");
	archive_entry_set_filetype(e, AE_IFREG);
	archive_entry_set_perm(e, 0644);
	archive_entry_set_size(e, 200 << 20);
	archive_write_header(a, e);
	for (int i = 0; i < 200; i++)
		archive_write_data(a, zeros, sizeof(zeros));
	archive_write_close(a);
	archive_write_free(a);
	archive_entry_free(e);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	refuse_fd(fd, "times its size");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_links_stay_inside),
		cmocka_unit_test(test_replacing),
		cmocka_unit_test(test_modes_and_kinds),
		cmocka_unit_test(test_digest),
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_names_that_are_bytes),
		cmocka_unit_test(test_holes),
		cmocka_unit_test(test_ratio),
	};

	if (tar_tests_begin() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
