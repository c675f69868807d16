/*
 * codec: gzip, zstd or nothing. Members and frames may follow one another. What
 * follows the last is zeros, which some writers pad with, or it is refused: it
 * would be in the file's hash and in nobody's files.
 */
#include "image/codec.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include "stepcell/fd.h"
#include "stepcell/limits.h"
#include "stepcell/util.h"

#define INPUT_BYTES (256 * 1024)

typedef int decode_some(struct codec *c, ZSTD_outBuffer *out, struct err *err);

struct codec {
	int fd, wake;
	decode_some *decode;
	z_stream gzip;
	ZSTD_DStream *zstd;
	ZSTD_inBuffer in; /* what was read and not yet decoded */
	unsigned char *bytes;
	uint64_t taken;
	bool ended;   /* end of file */
	bool between; /* of two members or frames: here the file may end */
};

/* ---- reading ---- */

static int read_some(struct codec *c, void *to, size_t size, size_t *len, struct err *err)
{
	struct pollfd fds[] = {{.fd = c->fd, .events = POLLIN}, {.fd = c->wake, .events = POLLIN}};
	ssize_t n;

	do {
		if (poll(fds, COUNT(fds), -1) < 0 && errno != EINTR)
			return err_sys(err, "cannot wait for the archive");
		if (fds[1].revents)
			return err_fail(err, ERR_INTERRUPTED, "nobody reads on");
		n = read(c->fd, to, size);
	} while (n < 0 && (errno == EINTR || errno == EAGAIN));
	if (n < 0)
		return err_sys(err, "cannot read the archive");
	c->ended = n == 0;
	c->taken += (uint64_t)n;
	*len = (size_t)n;
	return 0;
}

/* More input, when all that there was is used up. */
static int refill(struct codec *c, struct err *err)
{
	if (c->in.pos < c->in.size || c->ended)
		return 0;
	c->in.pos = 0;
	return read_some(c, c->bytes, INPUT_BYTES, &c->in.size, err);
}

/* ---- one function a kind: some input to some output ---- */

static int copy_some(struct codec *c, ZSTD_outBuffer *out, struct err *err)
{
	size_t len = c->in.size - c->in.pos;

	if (!len) { /* past the first bytes there is no need for a copy */
		if (read_some(c, (char *)out->dst + out->pos, out->size - out->pos, &len, err) < 0)
			return -1;
	} else {
		len = len < out->size - out->pos ? len : out->size - out->pos;
		(void)memcpy((char *)out->dst + out->pos, c->bytes + c->in.pos, len);
		c->in.pos += len;
	}
	out->pos += len;
	return 0;
}

static int inflate_some(struct codec *c, ZSTD_outBuffer *out, struct err *err)
{
	z_stream *z = &c->gzip;
	int r;

	z->next_in = c->bytes + c->in.pos;
	z->avail_in = (unsigned)(c->in.size - c->in.pos);
	z->next_out = (unsigned char *)out->dst + out->pos;
	z->avail_out = (unsigned)(out->size - out->pos);
	r = inflate(z, Z_NO_FLUSH);
	c->in.pos = c->in.size - z->avail_in;
	out->pos = out->size - z->avail_out;
	c->between = r == Z_STREAM_END;
	if (r == Z_STREAM_END)
		r = inflateReset(z);
	if (r == Z_OK || r == Z_BUF_ERROR)
		return 0;
	return err_fail(err, ERR_USAGE, "damaged gzip data: %s", z->msg ? z->msg : "unknown");
}

static int unzstd_some(struct codec *c, ZSTD_outBuffer *out, struct err *err)
{
	size_t r = ZSTD_decompressStream(c->zstd, out, &c->in);

	if (ZSTD_isError(r))
		return err_fail(err, ERR_USAGE, "damaged zstd data: %s", ZSTD_getErrorName(r));
	c->between = r == 0;
	return 0;
}

/* ---- which kind it is ---- */

struct kind {
	const char *name;
	const char *magic;
	size_t magic_len;
	decode_some *decode;
};

static const struct kind kinds[] = {
	[COMPRESSION_ANY] = {"xz",
			     "\xfd"
			     "7zXZ",
			     5, NULL},
	[COMPRESSION_NONE] = {"not compressed", "", 0, copy_some},
	[COMPRESSION_GZIP] = {"gzip", "\x1f\x8b", 2, inflate_some},
	[COMPRESSION_ZSTD] = {"zstd", "\x28\xb5\x2f\xfd", 4, unzstd_some},
};

static bool begins(const struct codec *c, const char *magic, size_t len)
{
	return c->in.size >= len && memcmp(c->bytes, magic, len) == 0;
}

static enum compression guess(const struct codec *c)
{
	static const enum compression order[] = {COMPRESSION_GZIP, COMPRESSION_ZSTD,
						 COMPRESSION_ANY};

	for (size_t i = 0; i < COUNT(order); i++)
		if (begins(c, kinds[order[i]].magic, kinds[order[i]].magic_len))
			return order[i];
	return COMPRESSION_NONE;
}

static int choose(struct codec *c, enum compression said, struct err *err)
{
	enum compression found;
	size_t len;

	/* A pipe may give its first bytes one by one. */
	do {
		if (read_some(c, c->bytes + c->in.size, INPUT_BYTES - c->in.size, &len, err) < 0)
			return -1;
		c->in.size += len;
	} while (len && c->in.size < 8);
	found = guess(c);
	if (!kinds[found].decode)
		return err_fail(err, ERR_USAGE,
				"compressed with %s, which is not understood; gzip and zstd are",
				kinds[found].name);
	if (said != COMPRESSION_ANY && said != found)
		return err_fail(err, ERR_USAGE, "its type says %s, its bytes say %s",
				kinds[said].name, kinds[found].name);
	c->decode = kinds[found].decode;
	c->between = found == COMPRESSION_NONE;
	return 0;
}

int codec_open(int fd, int wake, enum compression compression, struct codec **out, struct err *err)
{
	struct codec *c = calloc(1, sizeof(*c));

	if (!c)
		return err_sys(err, "cannot decompress");
	c->fd = fd;
	c->wake = wake;
	c->bytes = malloc(INPUT_BYTES);
	c->in.src = c->bytes;
	c->zstd = ZSTD_createDStream();
	/* 16: with a header as gzip has it, and no other */
	if (!c->bytes || !c->zstd || inflateInit2(&c->gzip, 16 + MAX_WBITS) != Z_OK) {
		codec_close(&c);
		return err_fail(err, ERR_SYSTEM, "cannot decompress: out of memory");
	}
	if (choose(c, compression, err) < 0) {
		codec_close(&c);
		return -1;
	}
	*out = c;
	return 0;
}

void codec_close(struct codec **codec)
{
	struct codec *c = *codec;

	if (!c)
		return;
	(void)inflateEnd(&c->gzip);
	(void)ZSTD_freeDStream(c->zstd);
	free(c->bytes);
	free(c);
	*codec = NULL;
}

/* ---- filling a block ---- */

/* A member or frame may follow another; some that are zstd's hold nothing to decompress. */
static bool may_begin(const struct codec *c, unsigned char first)
{
	return c->decode == inflate_some ? first == 0x1f : first == 0x28 || first >> 4 == 5;
}

/* Behind a whole member: another, or zeros to the end. */
static int pass_end(struct codec *c, struct err *err)
{
	if (!c->between || c->in.pos == c->in.size || may_begin(c, c->bytes[c->in.pos]))
		return 0;
	while (!c->ended) {
		for (; c->in.pos < c->in.size; c->in.pos++)
			if (c->bytes[c->in.pos])
				return err_fail(err, ERR_USAGE,
						"bytes behind the end of what is compressed");
		if (refill(c, err) < 0)
			return -1;
	}
	return 0;
}

int codec_fill(struct codec *c, void *to, size_t size, size_t *len, struct err *err)
{
	ZSTD_outBuffer out = {.dst = to, .size = size};
	size_t before;

	while (out.pos < size) {
		/* Decoders may hold output back, which needs no input. */
		if (c->decode != copy_some && (refill(c, err) < 0 || pass_end(c, err) < 0))
			return -1;
		if (c->ended && c->between && c->in.pos == c->in.size)
			break;
		before = out.pos;
		if (c->decode(c, &out, err) < 0)
			return -1;
		if (c->ended && out.pos == before && !c->between)
			return err_fail(err, ERR_USAGE, "the archive is cut short");
	}
	*len = out.pos;
	return 0;
}

uint64_t codec_taken(const struct codec *c)
{
	return c->taken;
}
