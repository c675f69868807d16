/* Archives that nobody should make: each is refused in words, and nothing lands outside. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <archive.h>
#include <archive_entry.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "stepcell/artifact.h"
#include "stepcell/fd.h"
#include "stepcell/limits.h"
#include "stepcell/path.h"
#include "stepcell/util.h"

/* An entry of a made archive: a file by default. */
struct made {
	const char *name, *text, *link, *hard;
	unsigned type; /* AE_IFREG when 0 */
	unsigned mode;
	int64_t claims; /* a size that is not that of the text */
};

#define SPARSE_CLAIM (INT64_C(8) << 40)

static void add_entry(struct archive *a, const struct made *m)
{
	struct archive_entry *e = archive_entry_new();
	size_t len = m->text ? strlen(m->text) : 0;

	archive_entry_set_pathname(e, m->name);
	archive_entry_set_filetype(e, m->type ? m->type : m->link ? AE_IFLNK : AE_IFREG);
	archive_entry_set_perm(e, (mode_t)(m->mode ? m->mode : 0644));
	archive_entry_set_mtime(e, 1700000000, 0);
	archive_entry_set_size(e, m->claims ? m->claims : (int64_t)len);
	if (m->claims)
		archive_entry_sparse_add_entry(e, 0, 1);
	if (m->link)
		archive_entry_set_symlink(e, m->link);
	if (m->hard)
		archive_entry_set_hardlink(e, m->hard);
	assert_true(archive_write_header(a, e) >= ARCHIVE_WARN);
	if (len && !m->link && !m->hard)
		assert_int_equal(archive_write_data(a, m->text, len), len);
	archive_entry_free(e);
}

static int make_archive(const struct made *entries)
{
	int fd = memfd_create("archive", MFD_CLOEXEC);
	struct archive *a = archive_write_new();

	assert_true(fd >= 0);
	assert_int_equal(archive_write_set_format_pax(a), ARCHIVE_OK);
	assert_int_equal(archive_write_add_filter_zstd(a), ARCHIVE_OK);
	assert_int_equal(archive_write_open_fd(a, fd), ARCHIVE_OK);
	for (; entries->name; entries++)
		add_entry(a, entries);
	assert_int_equal(archive_write_free(a), ARCHIVE_OK);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	return fd;
}

/* A folder `in` to unpack into, and beside it what must stay as it is. */
struct place {
	char path[64];
	int outer, in;
};

static int setup(void **state)
{
	static struct place p;
	struct err err;

	(void)snprintf(p.path, sizeof(p.path), "/tmp/stepcell-unit-XXXXXX");
	assert_non_null(mkdtemp(p.path));
	p.outer = open(p.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(file_write(p.outer, "canary", "alive", 5, 0644, &err), 0);
	assert_int_equal(mkdirat(p.outer, "out", 0755), 0);
	assert_int_equal(mkdirat(p.outer, "in", 0755), 0);
	p.in = openat(p.outer, "in", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	/* what an earlier step left where the artifact goes */
	assert_int_equal(symlinkat("../out", p.in, "trap"), 0);
	assert_int_equal(symlinkat("../canary", p.in, "bird"), 0);
	assert_int_equal(mkdirat(p.in, "dir", 0755), 0);
	*state = &p;
	return 0;
}

static int teardown(void **state)
{
	struct place *p = *state;
	struct err err;

	fd_close(&p->in);
	fd_close(&p->outer);
	return remove_tree(AT_FDCWD, p->path, &err);
}

static void check_outside(const struct place *p)
{
	auto_strbuf struct strbuf text = STRBUF(64);
	struct err err = {0};
	struct stat st;

	assert_int_equal(file_read(p->outer, "canary", &text, &err), 0);
	assert_string_equal(text.text, "alive");
	assert_int_equal(unlinkat(p->outer, "out", AT_REMOVEDIR), 0); /* empty, or it fails */
	assert_int_equal(mkdirat(p->outer, "out", 0755), 0);
	assert_int_equal(fstatat(p->outer, "evil", &st, 0), -1);
}

static int unpack(const struct place *p, int archive, struct artifact_summary *s, struct err *err)
{
	const struct artifact_unpack_limits limits = {.max_bytes = 100, .max_entries = 5};

	*err = (struct err){0};
	return artifact_unpack(archive, p->in, &limits, s, err);
}

static const struct {
	const char *what;
	struct made entries[8];
	const char *error; /* NULL: it unpacks */
} rows[] = {
	{"files, folders, links",
	 {{.name = "a", .text = "A"},
	  {.name = "b", .type = AE_IFDIR},
	  {.name = "b/c", .text = "C"},
	  {.name = "b/l", .link = "c"}},
	 NULL},
	{"a link to what comes later",
	 {{.name = "a", .link = "b"}, {.name = "b", .text = "B"}},
	 NULL},
	{"what is there makes room", {{.name = "bird", .text = "B"}}, NULL},
	{"a folder that is there",
	 {{.name = "dir", .type = AE_IFDIR}, {.name = "dir/x", .text = "X"}},
	 NULL},

	{"up", {{.name = "../evil", .text = "E"}}, "'../evil': is no plain name"},
	{"up in the middle",
	 {{.name = "a/../../evil", .text = "E"}},
	 "'a/../../evil': is no plain name"},
	{"up at the end", {{.name = "a/..", .text = "E"}}, "'a/..': is no plain name"},
	{"here", {{.name = "./a", .text = "E"}}, "'./a': is no plain name"},
	{"absolute", {{.name = "/tmp/evil", .text = "E"}}, "'/tmp/evil': is no plain name"},
	{"twice absolute", {{.name = "//evil", .text = "E"}}, "'//evil': is no plain name"},
	{"an empty part", {{.name = "a//b", .text = "E"}}, "'a//b': is no plain name"},
	{"twice",
	 {{.name = "a", .text = "A"}, {.name = "a", .text = "B"}},
	 "'a': comes twice, or out of order"},
	{"out of order",
	 {{.name = "b", .text = "A"}, {.name = "a", .text = "B"}},
	 "'a': comes twice, or out of order"},
	{"a link, then a file in it",
	 {{.name = "a", .link = "../out"}, {.name = "a/x", .text = "E"}},
	 "'a/x': cannot open 'a"},
	{"through a link that was there",
	 {{.name = "trap/x", .text = "E"}},
	 "'trap/x': cannot open 'trap"},
	{"a folder for a link that was there",
	 {{.name = "trap", .type = AE_IFDIR}},
	 "'trap': something that is no folder"},
	{"a file for a folder",
	 {{.name = "dir", .text = "E"}},
	 "'dir': a folder of that name is in the way"},
	{"a link that leads out",
	 {{.name = "l", .link = "../canary"}},
	 "'l' is a link that leads out"},
	{"a link that leads out by another",
	 {{.name = "l", .link = "m/x"}, {.name = "m", .link = "../out"}},
	 "'l' is a link that leads out"},
	{"an absolute link",
	 {{.name = "l", .link = "/etc/passwd"}},
	 "'l': is a link to nowhere or to an absolute path"},
	{"a hard link out", {{.name = "h", .hard = "../canary"}}, "'h': is a hard link"},
	{"a hard link in",
	 {{.name = "a", .text = "A"}, {.name = "h", .hard = "a"}},
	 "'h': is a hard link"},
	{"a device",
	 {{.name = "dev", .type = AE_IFCHR}},
	 "'dev': is neither a file nor a folder nor a link"},
	{"a FIFO", {{.name = "fifo", .type = AE_IFIFO}}, "'fifo': is neither"},
	{"too many",
	 {{.name = "a", .text = "A"},
	  {.name = "b", .text = "A"},
	  {.name = "c", .text = "A"},
	  {.name = "d", .text = "A"},
	  {.name = "e", .text = "A"},
	  {.name = "f", .text = "A"}},
	 "the artifact has more than 5 entries"},
	{"too large",
	 {{.name = "a", .text = "0123456789012345678901234567890123456789012345678901234567890"},
	  {.name = "b", .text = "0123456789012345678901234567890123456789012345678901234567890"}},
	 "'b': the artifact holds more than 100 bytes"},
	{"eight terabytes of nothing",
	 {{.name = "hole", .text = "x", .claims = SPARSE_CLAIM}},
	 "'hole': the artifact holds more than 100 bytes"},
};

static void check_row(const struct place *p, size_t i)
{
	auto_fd int archive = make_archive(rows[i].entries);
	struct artifact_summary s;
	struct err err;
	int r = unpack(p, archive, &s, &err);

	if (r < 0 && !rows[i].error)
		fail_msg("%s: %s", rows[i].what, err.text);
	if (r == 0 && rows[i].error)
		fail_msg("%s: was unpacked", rows[i].what);
	if (rows[i].error) {
		if (!strstr(err.text, rows[i].error))
			fail_msg("%s: %s", rows[i].what, err.text);
		assert_memory_equal(err.text, "unpacking an artifact: ", 23);
	}
}

static void test_rows(void **state)
{
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct place *p;

		assert_int_equal(setup(state), 0);
		p = *state;
		check_row(p, i);
		check_outside(p);
		assert_int_equal(teardown(state), 0);
	}
}

/* What is left of modes and times. */
static void test_modes(void **state)
{
	const struct made entries[] = {{.name = "a", .text = "A", .mode = 06777},
				       {.name = "b", .text = "B", .mode = 0},
				       {.name = "c", .text = "C", .mode = 0600},
				       {.name = NULL}};
	struct place *p;
	struct artifact_summary s;
	struct stat st;
	struct err err;

	assert_int_equal(setup(state), 0);
	p = *state;
	{
		auto_fd int archive = make_archive(entries);

		assert_int_equal(unpack(p, archive, &s, &err), 0);
	}
	assert_int_equal(fstatat(p->in, "a", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0755);
	assert_int_equal(st.st_mtime, 1700000000);
	assert_int_equal(fstatat(p->in, "c", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0644);
	assert_int_equal(teardown(state), 0);
}

/* Links that lead out are gone again, whatever else is wrong. */
static void test_links_are_taken_away(void **state)
{
	const struct made entries[] = {{.name = "k", .link = "l/x"},
				       {.name = "l", .link = "../out"},
				       {.name = "m", .link = "dir"},
				       {.name = "../x", .text = "E"},
				       {.name = NULL}};
	struct place *p;
	struct artifact_summary s;
	struct stat st;
	struct err err;

	assert_int_equal(setup(state), 0);
	p = *state;
	{
		auto_fd int archive = make_archive(entries);

		assert_int_equal(unpack(p, archive, &s, &err), -1);
	}
	assert_int_equal(fstatat(p->in, "k", &st, AT_SYMLINK_NOFOLLOW), -1);
	assert_int_equal(fstatat(p->in, "l", &st, AT_SYMLINK_NOFOLLOW), -1);
	assert_int_equal(fstatat(p->in, "m", &st, AT_SYMLINK_NOFOLLOW), 0);
	assert_int_equal(teardown(state), 0);
}

static int raw_archive(const char *bytes, size_t len)
{
	int fd = memfd_create("archive", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(write_full(fd, bytes, len), 0);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	return fd;
}

/* Bytes that are no archive, and archives that end too soon or go on too long. */
static void test_broken(void **state)
{
	const struct made entries[] = {
		{.name = "a", .text = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"},
		{.name = NULL}};
	auto_fd int whole = make_archive(entries);
	static char bytes[64 * 1024], zeros[5 * MIB];
	struct artifact_summary s;
	struct place *p;
	struct err err;
	ssize_t n = read(whole, bytes, sizeof(bytes));

	assert_true(n > 0);
	assert_int_equal(setup(state), 0);
	p = *state;
	for (ssize_t len = 0; len < n; len++) {
		auto_fd int cut = raw_archive(bytes, (size_t)len);

		assert_int_equal(unpack(p, cut, &s, &err), -1);
		assert_int_equal(err.kind, ERR_USAGE);
	}
	{
		auto_fd int text = raw_archive("no archive at all, but a text", 29);

		assert_int_equal(unpack(p, text, &s, &err), -1);
		assert_non_null(strstr(err.text, "no sound archive"));
	}
	{
		/* nothing but the padding that ends a tar, for far too long */
		auto_fd int padding = raw_archive(zeros, sizeof(zeros));

		assert_int_equal(unpack(p, padding, &s, &err), -1);
		assert_non_null(strstr(err.text, "expands to more than its limits allow"));
	}
	assert_int_equal(teardown(state), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_modes),
		cmocka_unit_test(test_links_are_taken_away),
		cmocka_unit_test(test_broken),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
