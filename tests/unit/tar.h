/*
 * Archives made of rows, a store to unpack them in, and a canary outside that
 * none of them may reach. Include it behind cmocka.h.
 */
#pragma once

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <archive.h>
#include <archive_entry.h>

#include "image/store.h"
#include "stepcell/fd.h"
#include "stepcell/path.h"

/* ---- making archives ---- */

struct row {
	char type; /* f d l h (hard link) c b p; x: the path is what the next row has for attributes */
	const char *path;
	const char *text; /* content, or target of a link */
	mode_t mode;      /* 0: 0644, 0755 for a folder */
};

static inline unsigned filetype(char type)
{
	switch (type) {
	case 'd':
		return AE_IFDIR;
	case 'l':
		return AE_IFLNK;
	case 'c':
		return AE_IFCHR;
	case 'b':
		return AE_IFBLK;
	case 'p':
		return AE_IFIFO;
	default:
		return AE_IFREG;
	}
}

/* A file of the host that no archive may reach; CANARY in a row stands for its name. */
static char canary_name[64], canary_path[80];

static inline const char *expand(const char *text, char out[512])
{
	auto_strbuf struct strbuf all = STRBUF(511);

	if (!text || !strstr(text, "CANARY"))
		return text;
	for (const char *at; (at = strstr(text, "CANARY")); text = at + strlen("CANARY")) {
		strbuf_add(&all, text, (size_t)(at - text));
		strbuf_adds(&all, canary_name);
	}
	strbuf_adds(&all, text);
	(void)memcpy(out, all.text, all.len + 1);
	return out;
}

/* "user.a:1 user.b:2" */
static inline void add_attributes(struct archive_entry *e, const char *text)
{
	char name[300];

	for (const char *end; text && *text; text = end + (*end == ' ')) {
		const char *colon = strchr(text, ':');

		end = strchrnul(text, ' ');
		(void)snprintf(name, sizeof(name), "%.*s", (int)(colon - text), text);
		archive_entry_xattr_add_entry(e, name, colon + 1, (size_t)(end - colon - 1));
	}
}

static inline void add_row(struct archive *a, const struct row *row)
{
	static const char *attributes;
	char path[512], target[512];
	struct archive_entry *e = row->type == 'x' ? NULL : archive_entry_new();
	size_t len = row->type == 'f' && row->text ? strlen(row->text) : 0;

	if (!e) {
		attributes = row->path;
		return;
	}
	add_attributes(e, attributes);
	attributes = NULL;
	archive_entry_set_pathname(e, expand(row->path, path));
	archive_entry_set_filetype(e, filetype(row->type));
	archive_entry_set_perm(e, row->mode ? row->mode : row->type == 'd' ? 0755 : 0644);
	archive_entry_set_size(e, (la_int64_t)len);
	archive_entry_set_uid(e, 1234);
	archive_entry_set_mtime(e, 1700000000, 0);
	if (row->type == 'l')
		archive_entry_set_symlink(e, expand(row->text, target));
	if (row->type == 'h')
		archive_entry_set_hardlink(e, expand(row->text, target));
	assert_int_equal(archive_write_header(a, e), ARCHIVE_OK);
	if (len)
		assert_int_equal(archive_write_data(a, row->text, len), (la_ssize_t)len);
	archive_entry_free(e);
}

/* The tar of some rows, ready to be read. Rows end with a NULL path. */
static inline int make_tar(const struct row *rows)
{
	int fd = memfd_create("tar", MFD_CLOEXEC);
	struct archive *a = archive_write_new();

	assert_true(fd >= 0);
	assert_int_equal(archive_write_set_format_pax(a), ARCHIVE_OK);
	/* names are bytes, whatever this test's locale is */
	assert_int_equal(archive_write_set_options(a, "hdrcharset=BINARY"), ARCHIVE_OK);
	assert_int_equal(archive_write_open_fd(a, fd), ARCHIVE_OK);
	for (; rows->path; rows++)
		add_row(a, rows);
	assert_int_equal(archive_write_close(a), ARCHIVE_OK);
	archive_write_free(a);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	return fd;
}

/* ---- a store, and a canary outside ---- */

struct home {
	char path[64];
	struct store *store;
	struct staging staging;
};

static inline void home_make(struct home *home)
{
	struct err err = {0};

	(void)snprintf(home->path, sizeof(home->path), "/tmp/stepcell-unpack-XXXXXX");
	assert_non_null(mkdtemp(home->path));
	assert_int_equal(setenv("STEPCELL_HOME", home->path, 1), 0);
	assert_int_equal(file_write(AT_FDCWD, canary_path, "alive", 5, 0600, &err), 0);
	assert_int_equal(store_open(home->path, &home->store, &err), 0);
	assert_int_equal(staging_open(home->store, &home->staging, &err), 0);
}

static inline void check_canary(void)
{
	auto_strbuf struct strbuf canary = STRBUF(64);
	struct err err = {0};
	struct stat st;

	assert_int_equal(file_read(AT_FDCWD, canary_path, &canary, &err), 0);
	assert_string_equal(canary.text, "alive");
	assert_int_equal(stat(canary_path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(st.st_nlink, 1);
}

/* For the next archive: nothing of the one before is there. */
static inline void home_renew(struct home *home)
{
	struct err err = {0};

	check_canary();
	staging_close(&home->staging);
	assert_int_equal(staging_open(home->store, &home->staging, &err), 0);
}

static inline void home_drop(struct home *home)
{
	struct err err = {0};

	check_canary();
	assert_int_equal(unlink(canary_path), 0);
	staging_close(&home->staging);
	store_close(&home->store);
	assert_int_equal(remove_tree(AT_FDCWD, home->path, &err), 0);
}

static inline int root_of(struct home *home)
{
	int fd = openat(home->staging.dir, "tree/root", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

static inline void expect(int root, const char *path, const char *content)
{
	auto_strbuf struct strbuf text = STRBUF(4096);
	struct err err = {0};

	if (file_read(root, path, &text, &err) < 0)
		fail_msg("%s: %s", path, err.text);
	assert_string_equal(text.text, content);
}

static inline mode_t mode_of(int root, const char *path)
{
	struct stat st;

	assert_int_equal(fstatat(root, path, &st, AT_SYMLINK_NOFOLLOW), 0);
	return st.st_mode;
}

/* The worker's filter is data of the source tree, where tests run. */
static inline int tar_tests_begin(void)
{
	char here[PATH_MAX];

	(void)snprintf(canary_name, sizeof(canary_name), "stepcell-canary-%d", (int)getpid());
	(void)snprintf(canary_path, sizeof(canary_path), "/tmp/%s", canary_name);
	return getcwd(here, sizeof(here)) ? setenv("STEPCELL_DATA", here, 0) : -1;
}
