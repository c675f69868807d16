/*
 * Unpacking: libarchive reads, writer.c writes.
 *
 * libarchive's own disk writer is slower, and does not walk paths as a
 * container would. Only tar is understood, plain or through gzip or zstd.
 */
#include "image/unpack.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "stepcell/limits.h"

#define READ_BLOCK (256 * 1024)

/* Below this even a small archive may unpack: a ratio says nothing about little. */
#define RATIO_FROM (64 * MIB)

static void close_archive(struct archive **a)
{
	(void)archive_read_free(*a);
}
#define auto_archive __attribute__((cleanup(close_archive)))

static int archive_fail(struct archive *a, struct err *err)
{
	const char *why = archive_error_string(a);

	/* ENOSPC and its like are the host's fault, the rest the archive's. */
	return err_fail(err, ERR_USAGE, "%s", why ? why : "the archive cannot be read");
}

/* A few bytes that unpack to a world of them. */
static int check_ratio(struct archive *a, uint64_t bytes, struct err *err)
{
	la_int64_t in = archive_filter_bytes(a, -1);

	if (bytes < RATIO_FROM || in <= 0 || bytes / (uint64_t)in < LIMIT_IMAGE_RATIO)
		return 0;
	return err_fail(err, ERR_USAGE, "unpacks to more than %d times its size",
			LIMIT_IMAGE_RATIO);
}

struct reading {
	struct archive *a;
	uint64_t bytes; /* of contents, holes not among them */
};

/* The ratio is looked at here too: one file could be all of the world. */
static int next_block(void *arg, const void **bytes, size_t *len, uint64_t *offset, struct err *err)
{
	struct reading *reading = arg;
	la_int64_t at;
	int r = archive_read_data_block(reading->a, bytes, len, &at);

	if (r == ARCHIVE_EOF)
		return 0;
	if (r != ARCHIVE_OK || at < 0)
		return archive_fail(reading->a, err);
	reading->bytes += *len;
	*offset = (uint64_t)at;
	return check_ratio(reading->a, reading->bytes, err) < 0 ? -1 : 1;
}

static enum entry_kind kind_of(struct archive_entry *e)
{
	if (archive_entry_hardlink(e))
		return ENTRY_HARDLINK;
	switch (archive_entry_filetype(e)) {
	case AE_IFREG:
		return ENTRY_FILE;
	case AE_IFDIR:
		return ENTRY_FOLDER;
	case AE_IFLNK:
		return ENTRY_LINK;
	default:
		return ENTRY_OTHER;
	}
}

static int describe(struct archive_entry *e, struct entry *out, struct err *err)
{
	la_int64_t size = archive_entry_size_is_set(e) ? archive_entry_size(e) : 0;
	la_int64_t uid = archive_entry_uid(e), gid = archive_entry_gid(e);

	*out = (struct entry){
		.kind = kind_of(e),
		.path = archive_entry_pathname(e),
		.size = (uint64_t)size,
		.mode = archive_entry_perm(e),
		.uid = (uint32_t)uid,
		.gid = (uint32_t)gid,
		.mtime = {archive_entry_mtime(e), archive_entry_mtime_nsec(e)},
	};
	if (!out->path || !*out->path)
		return err_fail(err, ERR_USAGE, "an entry without a readable name");
	if (size < 0 || uid < 0 || gid < 0 || uid > UINT32_MAX || gid > UINT32_MAX)
		return err_fail(err, ERR_USAGE, "entry '%.200s': size or owner out of range",
				out->path);
	out->target =
		out->kind == ENTRY_HARDLINK ? archive_entry_hardlink(e) : archive_entry_symlink(e);
	return 0;
}

static int add_entries(struct archive *a, struct writer *w, struct err *err)
{
	struct reading reading = {.a = a};
	struct archive_entry *e;
	struct entry entry;
	int r;

	while ((r = archive_read_next_header(a, &e)) == ARCHIVE_OK) {
		if (describe(e, &entry, err) < 0 ||
		    writer_add(w, &entry, next_block, &reading, err) < 0 ||
		    check_ratio(a, w->bytes, err) < 0)
			return -1;
	}
	return r == ARCHIVE_EOF ? 0 : archive_fail(a, err);
}

static int read_archive(int fd, struct writer *w, struct err *err)
{
	auto_archive struct archive *a = archive_read_new();

	if (!a)
		return err_fail(err, ERR_SYSTEM, "out of memory");
	if (archive_read_support_filter_gzip(a) != ARCHIVE_OK ||
	    archive_read_support_filter_zstd(a) != ARCHIVE_OK ||
	    archive_read_support_format_tar(a) != ARCHIVE_OK ||
	    archive_read_open_fd(a, fd, READ_BLOCK) != ARCHIVE_OK)
		return archive_fail(a, err);
	return add_entries(a, w, err);
}

/* What follows the archive's end mark: its writer must be able to finish. */
static int drain(int fd, struct err *err)
{
	char bytes[64 * 1024];
	ssize_t n;

	do
		n = read(fd, bytes, sizeof(bytes));
	while (n > 0 || (n < 0 && errno == EINTR));
	return n < 0 ? err_sys(err, "cannot read the archive") : 0;
}

int unpack(int fd, struct writer *w, struct err *err)
{
	if (read_archive(fd, w, err) < 0)
		return err_wrap(err, "unpacking");
	return drain(fd, err);
}
