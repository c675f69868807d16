#include "artifact/writer.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <iconv.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "artifact/sidehash.h"
#include "stepcell/fd.h"
#include "stepcell/util.h"

#define DEFAULT_LEVEL "3"
#define MAX_THREADS   4

struct archive_writer {
	int out;
	struct archive *tar, *zst;
	struct archive_entry *entry;
	locale_t c_locale;
	struct sidehash *tar_hash;
	struct digest_stream *blob_hash;
};

/* ---- the two callbacks ---- */

static la_ssize_t on_blob(struct archive *a, void *arg, const void *bytes, size_t len)
{
	struct archive_writer *w = arg;

	if (write_full(w->out, bytes, len) < 0) {
		archive_set_error(a, errno, "cannot write the archive");
		return -1;
	}
	digest_add(w->blob_hash, bytes, len);
	return (la_ssize_t)len;
}

static la_ssize_t on_tar(struct archive *a, void *arg, const void *bytes, size_t len)
{
	struct archive_writer *w = arg;
	la_ssize_t n;

	sidehash_add(w->tar_hash, bytes, len);
	n = archive_write_data(w->zst, bytes, len);
	sidehash_wait(w->tar_hash);
	if (n != (la_ssize_t)len) {
		archive_set_error(a, archive_errno(w->zst), "%s",
				  archive_error_string(w->zst) ? archive_error_string(w->zst)
							       : "cannot compress");
		return -1;
	}
	return (la_ssize_t)len;
}

static int fail(struct archive *a, const char *doing, struct err *err)
{
	const char *why = archive_error_string(a);

	return err_fail(err, ERR_SYSTEM, "%s: %s", doing, why ? why : "no reason given");
}

/* ---- setting up ---- */

/*
 * zstd gives the same bytes for any number of threads, but others for none at
 * all: so there is always one, and processors decide only how many more.
 */
static int set_zstd(struct archive *a, int level)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	char text[16], threads[16];

	(void)snprintf(text, sizeof(text), "%d", level);
	(void)snprintf(threads, sizeof(threads), "%ld",
		       cpus < 1             ? 1
		       : cpus > MAX_THREADS ? MAX_THREADS
					    : cpus);
	if (archive_write_add_filter_zstd(a) != ARCHIVE_OK)
		return -1;
	if (archive_write_set_filter_option(a, "zstd", "compression-level",
					    level ? text : DEFAULT_LEVEL) != ARCHIVE_OK)
		return -1;
	return archive_write_set_filter_option(a, "zstd", "threads", threads) == ARCHIVE_OK ? 0
											    : -1;
}

static int open_zst(struct archive_writer *w, int level)
{
	struct archive_entry *one;
	int result;

	if (archive_write_set_format_raw(w->zst) != ARCHIVE_OK || set_zstd(w->zst, level) < 0 ||
	    archive_write_set_bytes_per_block(w->zst, 0) != ARCHIVE_OK ||
	    archive_write_open(w->zst, w, NULL, on_blob, NULL) != ARCHIVE_OK)
		return -1;
	one = archive_entry_new();
	archive_entry_set_pathname(one, "tar");
	archive_entry_set_filetype(one, AE_IFREG);
	result = archive_write_header(w->zst, one);
	archive_entry_free(one);
	return result == ARCHIVE_OK ? 0 : -1;
}

static int open_tar(struct archive_writer *w)
{
	if (archive_write_set_format_pax_restricted(w->tar) != ARCHIVE_OK ||
	    archive_write_set_bytes_per_block(w->tar, 0) != ARCHIVE_OK ||
	    archive_write_open(w->tar, w, NULL, on_tar, NULL) != ARCHIVE_OK)
		return -1;
	return 0;
}

int writer_open(int out, int level, struct archive_writer **writer, struct err *err)
{
	struct archive_writer *w = calloc(1, sizeof(*w));

	if (!w)
		return err_fail(err, ERR_SYSTEM, "out of memory");
	w->out = out;
	w->tar = archive_write_new();
	w->zst = archive_write_new();
	w->entry = archive_entry_new();
	w->c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
	w->tar_hash = sidehash_new();
	w->blob_hash = digest_new();
	*writer = w;
	if (open_zst(w, level) < 0)
		return fail(w->zst, "cannot start zstd", err);
	if (open_tar(w) < 0)
		return fail(w->tar, "cannot start a tar", err);
	return 0;
}

/* libarchive asks for these two, to and from the C locale's; the table is kept once it is read. */
void artifact_settle(void)
{
	static const char *const pairs[][2] = {{"UTF-8", "ANSI_X3.4-1968"},
					       {"ANSI_X3.4-1968", "UTF-8"}};

	for (size_t i = 0; i < COUNT(pairs); i++) {
		iconv_t cd = iconv_open(pairs[i][0], pairs[i][1]);

		if (cd != (iconv_t)-1)
			(void)iconv_close(cd);
	}
}

/* ---- entries ---- */

/* Whatever is not set here is in no archive: owners, inodes, times of access, attributes. */
static void describe(struct archive_writer *w, const char *name, uint64_t mtime)
{
	archive_entry_clear(w->entry);
	archive_entry_set_pathname(w->entry, name);
	archive_entry_set_uid(w->entry, 0);
	archive_entry_set_gid(w->entry, 0);
	archive_entry_set_uname(w->entry, "");
	archive_entry_set_gname(w->entry, "");
	archive_entry_set_mtime(w->entry, (time_t)mtime, 0);
}

/*
 * A name that is not ASCII is written as bytes and marked so (hdrcharset). In
 * another locale libarchive would translate it, and the locale would show.
 */
static int put_header(struct archive_writer *w, struct err *err)
{
	locale_t before = uselocale(w->c_locale);
	int result = archive_write_header(w->tar, w->entry);

	(void)uselocale(before);
	/* ARCHIVE_WARN: such a name was met */
	return result < ARCHIVE_WARN ? fail(w->tar, "cannot write an entry", err) : 0;
}

int writer_file(struct archive_writer *w, const char *name, bool executable, uint64_t size,
		uint64_t mtime, struct err *err)
{
	describe(w, name, mtime);
	archive_entry_set_filetype(w->entry, AE_IFREG);
	archive_entry_set_perm(w->entry, executable ? 0755 : 0644);
	archive_entry_set_size(w->entry, (la_int64_t)size);
	return put_header(w, err);
}

int writer_data(struct archive_writer *w, const void *bytes, size_t len, struct err *err)
{
	if (archive_write_data(w->tar, bytes, len) != (la_ssize_t)len)
		return fail(w->tar, "cannot write the archive", err);
	return 0;
}

int writer_link(struct archive_writer *w, const char *name, const char *target, uint64_t mtime,
		struct err *err)
{
	describe(w, name, mtime);
	archive_entry_set_filetype(w->entry, AE_IFLNK);
	archive_entry_set_perm(w->entry, 0777);
	archive_entry_set_symlink(w->entry, target);
	archive_entry_set_size(w->entry, 0);
	return put_header(w, err);
}

int writer_finish(struct archive_writer *w, struct digest *tar, struct digest *blob,
		  struct err *err)
{
	if (archive_write_close(w->tar) != ARCHIVE_OK)
		return fail(w->tar, "cannot end the tar", err);
	if (archive_write_close(w->zst) != ARCHIVE_OK)
		return fail(w->zst, "cannot end the archive", err);
	sidehash_end(&w->tar_hash, tar);
	digest_end(&w->blob_hash, blob);
	return 0;
}

void writer_free(struct archive_writer **writer)
{
	struct archive_writer *w = *writer;

	if (!w)
		return;
	archive_entry_free(w->entry);
	freelocale(w->c_locale);
	/* the tar first: closing it writes into the other */
	(void)archive_write_free(w->tar);
	(void)archive_write_free(w->zst);
	sidehash_end(&w->tar_hash, NULL);
	if (w->blob_hash)
		digest_end(&w->blob_hash, NULL);
	free(w);
	*writer = NULL;
}
