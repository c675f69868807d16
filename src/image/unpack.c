/*
 * Unpacking: libarchive reads, writer.c writes.
 *
 * libarchive's own disk writer is slower, and does not walk paths as a
 * container would. Only tar is understood, and what it is compressed with is
 * stream.c's to undo.
 */
#include "image/unpack.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "stepcell/limits.h"
#include "stepcell/utf8.h"
#include "stepcell/util.h"

static void close_archive(struct archive **a)
{
	(void)archive_read_free(*a);
}
#define auto_archive __attribute__((cleanup(close_archive)))

struct reading {
	struct archive *a;
	struct stream *stream;
	struct err why;                          /* the stream failed, and why */
	uint64_t bytes;                          /* of contents, holes not among them */
	struct attribute attributes[ATTRIBUTES]; /* of the entry */
};

static int archive_fail(const struct reading *r, struct err *err)
{
	const char *why = archive_error_string(r->a);

	if (r->why.kind) {
		*err = r->why;
		return -1;
	}
	/* ENOSPC and its like are the host's fault, the rest the archive's. */
	return err_fail(err, ERR_USAGE, "%s", why ? why : "the archive cannot be read");
}

static la_ssize_t read_stream(struct archive *a, void *arg, const void **bytes)
{
	struct reading *reading = arg;
	size_t len = 0;

	(void)a;
	if (stream_read(reading->stream, bytes, &len, &reading->why) < 0)
		return -1;
	return (la_ssize_t)len;
}

/* As stream.c's, with the holes of sparse files, which are bytes too. */
static int check_ratio(const struct reading *r, uint64_t bytes, struct err *err)
{
	uint64_t in = stream_taken(r->stream);

	if (bytes < LIMIT_RATIO_FROM || !in || bytes / in < LIMIT_IMAGE_RATIO)
		return 0;
	return err_fail(err, ERR_USAGE, "unpacks to more than %d times its size",
			LIMIT_IMAGE_RATIO);
}

/* The ratio is looked at here too: one file could be all of the world. */
static int next_block(void *arg, const void **bytes, size_t *len, uint64_t *offset, struct err *err)
{
	struct reading *reading = arg;
	la_int64_t at;
	int r = archive_read_data_block(reading->a, bytes, len, &at);

	if (r == ARCHIVE_EOF)
		return 0;
	if (r != ARCHIVE_OK || at < 0)
		return archive_fail(reading, err);
	reading->bytes += *len;
	*offset = (uint64_t)at;
	return check_ratio(reading, reading->bytes, err) < 0 ? -1 : 1;
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

/* A record of two kinds may say one twice: the first counts. */
static bool is_known(const struct entry *entry, const char *name)
{
	for (size_t i = 0; i < entry->attribute_count; i++)
		if (strcmp(entry->attributes[i].name, name) == 0)
			return true;
	return false;
}

static void read_attributes(struct reading *reading, struct archive_entry *e, struct entry *entry)
{
	struct attribute *next;

	entry->attributes = reading->attributes;
	(void)archive_entry_xattr_reset(e);
	while (entry->attribute_count < ATTRIBUTES) {
		next = &reading->attributes[entry->attribute_count];
		if (archive_entry_xattr_next(e, &next->name, &next->value, &next->len) !=
		    ARCHIVE_OK)
			return;
		if (next->name && !is_known(entry, next->name))
			entry->attribute_count++;
	}
}

/*
 * A pax header has its names in UTF-8. Of what is none libarchive warns, and has
 * it as it is: Go's archive/tar writes such names, and other unpackers take them.
 * It has no type where the header behind says nothing of a hard link's target.
 */
static bool is_named_in_bytes(struct archive_entry *e)
{
	const char *const names[] = {archive_entry_pathname(e), archive_entry_hardlink(e),
				     archive_entry_symlink(e)};

	for (size_t i = 0; i < COUNT(names); i++)
		if (names[i] && !utf8_is_valid(names[i]))
			return archive_entry_hardlink(e) || archive_entry_filetype(e);
	return false;
}

static int next_entry(struct reading *reading, struct archive_entry **e)
{
	int r = archive_read_next_header(reading->a, e);

	return r == ARCHIVE_WARN && is_named_in_bytes(*e) ? ARCHIVE_OK : r;
}

static int add_entries(struct reading *reading, struct writer *w, struct err *err)
{
	const uint64_t before = w->bytes; /* of the layers below */
	struct archive_entry *e;
	struct entry entry;
	int r;

	while ((r = next_entry(reading, &e)) == ARCHIVE_OK) {
		if (describe(e, &entry, err) < 0)
			return -1;
		read_attributes(reading, e, &entry);
		if (writer_add(w, &entry, next_block, reading, err) < 0 ||
		    check_ratio(reading, w->bytes - before, err) < 0)
			return -1;
	}
	return r == ARCHIVE_EOF ? 0 : archive_fail(reading, err);
}

int unpack_stream(struct stream *stream, struct writer *w, struct err *err)
{
	auto_archive struct archive *a = archive_read_new();
	struct reading reading = {.a = a, .stream = stream};

	if (!a)
		return err_fail(err, ERR_SYSTEM, "out of memory");
	if (archive_read_support_format_tar(a) != ARCHIVE_OK ||
	    archive_read_open(a, &reading, NULL, read_stream, NULL) != ARCHIVE_OK)
		return archive_fail(&reading, err);
	return add_entries(&reading, w, err);
}

int unpack(int fd, struct writer *w, struct err *err)
{
	auto_stream struct stream *stream = NULL;

	if (stream_open(fd, COMPRESSION_ANY, false, &stream, err) < 0 ||
	    unpack_stream(stream, w, err) < 0 ||
	    stream_finish(stream, NULL, err) < 0) /* its writer must be able to end */
		return err_wrap(err, "unpacking");
	return 0;
}
