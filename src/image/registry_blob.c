/*
 * Blobs: hashed as they come, written behind what an earlier try or an earlier
 * run has left of them. What is in the file is never believed before all of it
 * has been in the hash.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "image/registry_parts.h"
#include "stepcell/clock.h"
#include "stepcell/fd.h"
#include "stepcell/limits.h"

#define PROGRESS_ENOUGH MIB /* after so much a broken connection is one try, not the next */

/* Slower than this over all of a blob, and the first minutes given, nobody waits for it. */
#define SLOWEST_BYTES (32 * KIB) /* a second */
#define FIRST_SECONDS 600

struct blob {
	struct registry *registry;
	const struct digest *digest;
	uint64_t size;
	int fd;
	uint64_t have; /* bytes in the file, all of them in the hash */
	uint64_t until_ms;
	struct digest_stream *hash;
};

/* ---- the file ---- */

static void blob_forget(struct blob *b)
{
	if (b->hash)
		digest_end(&b->hash, NULL);
}

static void blob_rehash(struct blob *b)
{
	blob_forget(b);
	b->hash = digest_new();
	b->have = 0;
}

static int blob_empty(struct blob *b, struct err *err)
{
	blob_rehash(b);
	if (ftruncate(b->fd, 0) < 0 || lseek(b->fd, 0, SEEK_SET) < 0)
		return err_sys(err, "cannot empty the download");
	return 0;
}

/* What was left of an earlier run; more than there can be is of no use. */
static int blob_reread(struct blob *b, struct err *err)
{
	auto_free char *chunk = malloc(MIB);
	ssize_t n = -1;

	blob_rehash(b);
	if (!chunk || lseek(b->fd, 0, SEEK_SET) < 0)
		return err_sys(err, "cannot read the download");
	while (b->have <= b->size && (n = read(b->fd, chunk, MIB)) > 0) {
		digest_add(b->hash, chunk, (size_t)n);
		b->have += (uint64_t)n;
	}
	if (n < 0)
		return err_sys(err, "cannot read the download");
	return b->have > b->size ? blob_empty(b, err) : 0;
}

static int blob_write(struct blob *b, const void *bytes, size_t len, struct err *err)
{
	struct registry_news *news = &b->registry->news;

	if (len > b->size - b->have)
		return err_fail(err, ERR_SYSTEM,
				"it sends more than the %" PRIu64 " bytes there are", b->size);
	if (now_ms() > b->until_ms)
		return err_fail(err, ERR_SYSTEM, "it is too slow: %" PRIu64 " of %" PRIu64 " bytes",
				b->have, b->size);
	if (write_full(b->fd, bytes, len) < 0)
		return err_sys(err, "cannot write the download");
	digest_add(b->hash, bytes, len);
	b->have += len;
	news->progress(news->arg, b->have, b->size);
	return 0;
}

/* ---- the answer ---- */

/* A whole body: whatever was there already comes again. */
static int begin_whole(struct blob *b, const struct http_response *response, struct err *err)
{
	if (response->length != UINT64_MAX && response->length != b->size)
		return err_fail(err, ERR_SYSTEM,
				"it has %" PRIu64 " bytes where there should be %" PRIu64,
				response->length, b->size);
	return b->have ? blob_empty(b, err) : 0;
}

/* A part: the one that was asked for, or none. */
static int begin_part(const struct blob *b, const struct http_response *response, struct err *err)
{
	char wanted[96];

	(void)snprintf(wanted, sizeof(wanted), "bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64, b->have,
		       b->size - 1, b->size);
	if (!b->have || !response->range || strcmp(response->range, wanted) != 0)
		return err_fail(err, ERR_SYSTEM, "it answers with the range '%.64s' for '%s'",
				response->range ? response->range : "",
				b->have ? wanted : "all of it");
	return 0;
}

static int blob_sink(void *arg, const struct http_response *response, const void *bytes, size_t len,
		     struct err *err)
{
	struct blob *b = arg;

	if (bytes)
		return blob_write(b, bytes, len, err);
	return response->status == 206 ? begin_part(b, response, err)
				       : begin_whole(b, response, err);
}

/* ---- asking ---- */

/* One exchange; what it did not bring may come with the next. */
static int blob_ask(struct registry *r, struct source *source, struct blob *b, struct ask *ask,
		    struct err *err)
{
	ask->offset = b->have;
	if (registry_ask(r, source, ask, err) < 0) {
		if (ask->past_end && blob_empty(b, err) < 0)
			return -1;
		ask->again &= !ask->past_end || ask->offset;
		return -1;
	}
	if (b->have == b->size)
		return 0;
	ask->again = true;
	return err_fail(err, ERR_SYSTEM, "%s: it sends %" PRIu64 " of %" PRIu64 " bytes",
			source->at->host, b->have, b->size);
}

static int blob_fetch(struct registry *r, struct source *source, struct blob *b, struct err *err)
{
	char path[sizeof("blobs/sha256:") + DIGEST_HEX];
	struct patience patience = {0};
	struct ask ask = {.path = path, .sink = blob_sink, .arg = b};

	b->until_ms = now_ms() + (FIRST_SECONDS + b->size / SLOWEST_BYTES) * 1000;
	(void)snprintf(path, sizeof(path), "blobs/sha256:%s", b->digest->hex);
	while (b->have < b->size || !b->size) {
		const uint64_t before = b->have;

		if (blob_ask(r, source, b, &ask, err) == 0)
			break;
		if (b->have > before && b->have - before >= PROGRESS_ENOUGH)
			patience.tries = 0;
		if (registry_wait(r, &patience, &ask, err) < 0)
			return -1;
	}
	return 0;
}

static bool blob_is_right(struct blob *b)
{
	struct digest found;

	digest_end(&b->hash, &found);
	return digest_equal(&found, b->digest);
}

/*
 * What does not hash to its name may have been begun by another place, or by a
 * disk that lied: once more from its start, and then it is this one's fault.
 */
static int blob_from(struct registry *r, struct source *source, void *arg, struct err *err)
{
	struct blob *b = arg;

	for (int round = 0; round < 2; round++) {
		bool inherited;

		if (blob_reread(b, err) < 0)
			return -1;
		inherited = b->have > 0;
		if (blob_fetch(r, source, b, err) < 0)
			return -1;
		if (blob_is_right(b))
			return 0;
		if (blob_empty(b, err) < 0)
			return -1;
		if (!inherited)
			break;
	}
	return err_fail(err, ERR_SYSTEM, "%s: what it sends is not sha256:%s", source->at->host,
			b->digest->hex);
}

int registry_blob(struct registry *r, const struct digest *digest, uint64_t size, int fd,
		  struct err *err)
{
	struct blob b = {.registry = r, .digest = digest, .size = size, .fd = fd};
	int result = registry_from_any(r, false, blob_from, &b, err);

	blob_forget(&b);
	if (result == 0 && fdatasync(fd) < 0)
		result = err_sys(err, "cannot flush the download");
	return result < 0 ? err_wrap(err, "sha256:%.12s", digest->hex) : 0;
}
