#include "artifact/reader.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define CHUNK (128 * 1024)

struct archive_reader {
	int in;
	uint64_t left; /* of max_tar */
	struct archive *zst, *tar;
	struct digest_stream *tar_hash, *blob_hash;
	char blob_chunk[CHUNK], tar_chunk[CHUNK];
};

/* ---- the two callbacks ---- */

static la_ssize_t on_blob(struct archive *a, void *arg, const void **bytes)
{
	struct archive_reader *r = arg;
	ssize_t n;

	do
		n = read(r->in, r->blob_chunk, CHUNK);
	while (n < 0 && errno == EINTR);
	if (n < 0) {
		archive_set_error(a, errno, "cannot read the archive");
		return -1;
	}
	digest_add(r->blob_hash, r->blob_chunk, (size_t)n);
	*bytes = r->blob_chunk;
	return n;
}

static la_ssize_t on_tar(struct archive *a, void *arg, const void **bytes)
{
	struct archive_reader *r = arg;
	la_ssize_t n = archive_read_data(r->zst, r->tar_chunk, CHUNK);

	if (n < 0) {
		archive_set_error(a, archive_errno(r->zst), "%s",
				  archive_error_string(r->zst) ? archive_error_string(r->zst)
							       : "cannot expand");
		return -1;
	}
	if ((uint64_t)n > r->left) {
		archive_set_error(a, ERANGE, "it expands to more than its limits allow");
		return -1;
	}
	r->left -= (uint64_t)n;
	digest_add(r->tar_hash, r->tar_chunk, (size_t)n);
	*bytes = r->tar_chunk;
	return n;
}

/* What is wrong with an archive is its maker's fault, not the host's. */
static int fail(struct archive *a, struct err *err)
{
	const char *why = archive_error_string(a);

	return err_fail(err, ERR_USAGE, "no sound archive: %s", why ? why : "no reason given");
}

/* ---- reading ---- */

static int open_zst(struct archive_reader *r)
{
	struct archive_entry *one;

	if (archive_read_support_filter_zstd(r->zst) != ARCHIVE_OK ||
	    archive_read_support_format_raw(r->zst) != ARCHIVE_OK ||
	    archive_read_open(r->zst, r, NULL, on_blob, NULL) != ARCHIVE_OK)
		return -1;
	return archive_read_next_header(r->zst, &one) == ARCHIVE_OK ? 0 : -1;
}

int reader_open(int in, uint64_t max_tar, struct archive_reader **reader, struct err *err)
{
	struct archive_reader *r = calloc(1, sizeof(*r));

	if (!r)
		return err_fail(err, ERR_SYSTEM, "out of memory");
	r->in = in;
	r->left = max_tar;
	r->zst = archive_read_new();
	r->tar = archive_read_new();
	r->tar_hash = digest_new();
	r->blob_hash = digest_new();
	*reader = r;
	if (open_zst(r) < 0)
		return fail(r->zst, err);
	if (archive_read_support_format_tar(r->tar) != ARCHIVE_OK ||
	    archive_read_open(r->tar, r, NULL, on_tar, NULL) != ARCHIVE_OK)
		return fail(r->tar, err);
	return 0;
}

int reader_next(struct archive_reader *r, struct archive_entry **entry, struct err *err)
{
	int status = archive_read_next_header(r->tar, entry);

	if (status == ARCHIVE_EOF)
		return 0;
	return status == ARCHIVE_OK ? 1 : fail(r->tar, err);
}

ssize_t reader_data(struct archive_reader *r, void *bytes, size_t size, struct err *err)
{
	la_ssize_t n = archive_read_data(r->tar, bytes, size);

	return n < 0 ? fail(r->tar, err) : n;
}

int reader_finish(struct archive_reader *r, struct digest *tar, struct digest *blob,
		  struct err *err)
{
	const void *bytes;
	la_ssize_t n;

	while ((n = on_tar(r->tar, r, &bytes)) > 0)
		continue;
	if (n < 0)
		return fail(r->tar, err);
	digest_end(&r->tar_hash, tar);
	digest_end(&r->blob_hash, blob);
	return 0;
}

void reader_free(struct archive_reader **reader)
{
	struct archive_reader *r = *reader;

	if (!r)
		return;
	(void)archive_read_free(r->tar);
	(void)archive_read_free(r->zst);
	if (r->tar_hash)
		digest_end(&r->tar_hash, NULL);
	if (r->blob_hash)
		digest_end(&r->blob_hash, NULL);
	free(r);
	*reader = NULL;
}
