/*
 * What a layer is compressed with, and what stands behind its end: the same tar
 * in many wrappings, some of them wrong. Whatever comes out is hashed to the
 * last byte.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <zlib.h>
#include <zstd.h>

#include "image/tree.h"
#include "stepcell/util.h"
#include "tar.h"

#define MOST (UINT64_C(1) << 30)

/* ---- wrappings ---- */

static void gzip(const struct strbuf *from, size_t at, size_t len, struct strbuf *out)
{
	z_stream z = {0};
	size_t room = compressBound(len) + 64;
	unsigned char *bytes = malloc(room);

	assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY),
			 Z_OK);
	z.next_in = (unsigned char *)from->text + at;
	z.avail_in = (unsigned)len;
	z.next_out = bytes;
	z.avail_out = (unsigned)room;
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	strbuf_add(out, bytes, room - z.avail_out);
	(void)deflateEnd(&z);
	free(bytes);
}

static void zstd(const struct strbuf *from, size_t at, size_t len, struct strbuf *out)
{
	size_t room = ZSTD_compressBound(len);
	char *bytes = malloc(room);
	size_t n = ZSTD_compress(bytes, room, from->text + at, len, 3);

	assert_false(ZSTD_isError(n));
	strbuf_add(out, bytes, n);
	free(bytes);
}

static void as_it_is(const struct strbuf *tar, struct strbuf *out)
{
	strbuf_add(out, tar->text, tar->len);
}

static void in_gzip(const struct strbuf *tar, struct strbuf *out)
{
	gzip(tar, 0, tar->len, out);
}

static void in_zstd(const struct strbuf *tar, struct strbuf *out)
{
	zstd(tar, 0, tar->len, out);
}

static void in_members(const struct strbuf *tar, struct strbuf *out)
{
	for (size_t at = 0; at < tar->len; at += 700)
		gzip(tar, at, tar->len - at < 700 ? tar->len - at : 700, out);
}

static void in_frames(const struct strbuf *tar, struct strbuf *out)
{
	for (size_t at = 0; at < tar->len; at += 700)
		zstd(tar, at, tar->len - at < 700 ? tar->len - at : 700, out);
}

static void with_empty_member(const struct strbuf *tar, struct strbuf *out)
{
	in_gzip(tar, out);
	gzip(tar, 0, 0, out);
}

/* A frame that decoders pass over: the index that some writers append. */
static void with_skipped_frame(const struct strbuf *tar, struct strbuf *out)
{
	in_zstd(tar, out);
	strbuf_add(out, "\x50\x2a\x4d\x18\x04\x00\x00\x00skip", 12);
}

static void with_zeros(const struct strbuf *tar, struct strbuf *out)
{
	in_gzip(tar, out);
	for (int i = 0; i < 10000; i++)
		strbuf_addc(out, '\0');
}

static void with_zeros_and_more(const struct strbuf *tar, struct strbuf *out)
{
	with_zeros(tar, out);
	strbuf_addc(out, 'x');
}

static void with_words(const struct strbuf *tar, struct strbuf *out)
{
	in_gzip(tar, out);
	strbuf_adds(out, "words");
}

static void with_words_behind_zstd(const struct strbuf *tar, struct strbuf *out)
{
	in_zstd(tar, out);
	strbuf_adds(out, "words");
}

static void cut_gzip(const struct strbuf *tar, struct strbuf *out)
{
	in_gzip(tar, out);
	strbuf_cut(out, out->len - 9); /* the check and the size are the last eight */
}

static void gzip_without_its_check(const struct strbuf *tar, struct strbuf *out)
{
	in_gzip(tar, out);
	strbuf_cut(out, out->len - 8);
}

static void cut_zstd(const struct strbuf *tar, struct strbuf *out)
{
	in_zstd(tar, out);
	strbuf_cut(out, out->len - 3);
}

static void cut_second_frame(const struct strbuf *tar, struct strbuf *out)
{
	in_zstd(tar, out);
	strbuf_add(out, "\x28\xb5\x2f\xfd", 4);
}

static void wrong_check(const struct strbuf *tar, struct strbuf *out)
{
	in_gzip(tar, out);
	out->text[out->len - 5] ^= 1;
}

static void damaged_zstd(const struct strbuf *tar, struct strbuf *out)
{
	in_zstd(tar, out);
	out->text[out->len / 2] ^= 0x55;
	out->text[out->len / 2 + 1] ^= 0x55;
}

/* 1 << 31 of window: the second byte behind the magic, when the first says so. */
static void large_window(const struct strbuf *tar, struct strbuf *out)
{
	(void)tar;
	strbuf_add(out, "\x28\xb5\x2f\xfd\x00\xa8\x01\x00\x00", 9);
}

static void in_xz(const struct strbuf *tar, struct strbuf *out)
{
	(void)tar;
	strbuf_add(out, "\xfd\x37\x7a\x58\x5a\x00\x00\x04", 8);
}

static void in_gzip_twice(const struct strbuf *tar, struct strbuf *out)
{
	auto_strbuf struct strbuf once = STRBUF(MOST);

	in_gzip(tar, &once);
	gzip(&once, 0, once.len, out);
}

static void nothing(const struct strbuf *tar, struct strbuf *out)
{
	(void)tar, (void)out;
}

static void one_byte(const struct strbuf *tar, struct strbuf *out)
{
	strbuf_add(out, tar->text, 1);
}

/* ---- tars whose end is odd ---- */

static void without_end(struct strbuf *tar)
{
	while (tar->len > 512 && !memchr(tar->text + tar->len - 512, 'x', 512) &&
	       tar->text[tar->len - 512] == '\0')
		strbuf_cut(tar, tar->len - 512);
}

static void words_behind_the_end(struct strbuf *tar)
{
	strbuf_adds(tar, "what nobody unpacks is hashed all the same");
}

static void another_tar_behind(struct strbuf *tar)
{
	auto_strbuf struct strbuf copy = STRBUF(MOST);

	strbuf_add(&copy, tar->text, tar->len);
	copy.text[0] = 'z';
	strbuf_add(tar, copy.text, copy.len);
}

static void as_made(struct strbuf *tar)
{
	(void)tar;
}

/* ---- the table ---- */

static const struct {
	const char *what;
	enum compression said;
	void (*end)(struct strbuf *tar);
	void (*wrap)(const struct strbuf *tar, struct strbuf *out);
	const char *error; /* NULL: it is unpacked, and hashes to what the tar does */
} rows[] = {
	{"plain", COMPRESSION_NONE, as_made, as_it_is, NULL},
	{"gzip", COMPRESSION_GZIP, as_made, in_gzip, NULL},
	{"zstd", COMPRESSION_ZSTD, as_made, in_zstd, NULL},
	{"plain, not said", COMPRESSION_ANY, as_made, as_it_is, NULL},
	{"gzip, not said", COMPRESSION_ANY, as_made, in_gzip, NULL},
	{"zstd, not said", COMPRESSION_ANY, as_made, in_zstd, NULL},
	{"members of gzip", COMPRESSION_GZIP, as_made, in_members, NULL},
	{"frames of zstd", COMPRESSION_ZSTD, as_made, in_frames, NULL},
	{"an empty member behind", COMPRESSION_GZIP, as_made, with_empty_member, NULL},
	{"a frame to be passed over", COMPRESSION_ZSTD, as_made, with_skipped_frame, NULL},
	{"padded with zeros", COMPRESSION_GZIP, as_made, with_zeros, NULL},
	{"padded, and more", COMPRESSION_GZIP, as_made, with_zeros_and_more, "behind the end"},
	{"words behind gzip", COMPRESSION_GZIP, as_made, with_words, "behind the end"},
	{"words behind zstd", COMPRESSION_ZSTD, as_made, with_words_behind_zstd, "behind the end"},
	{"gzip cut", COMPRESSION_GZIP, as_made, cut_gzip, "cut short"},
	{"gzip without its check", COMPRESSION_GZIP, as_made, gzip_without_its_check, "cut short"},
	{"zstd cut", COMPRESSION_ZSTD, as_made, cut_zstd, "cut short"},
	{"a second frame cut", COMPRESSION_ZSTD, as_made, cut_second_frame, "cut short"},
	{"gzip with a wrong check", COMPRESSION_GZIP, as_made, wrong_check, "damaged gzip"},
	{"zstd damaged", COMPRESSION_ZSTD, as_made, damaged_zstd, ""},
	{"zstd with a window of 2 GiB", COMPRESSION_ZSTD, as_made, large_window, "damaged zstd"},
	{"xz", COMPRESSION_ANY, as_made, in_xz, "compressed with xz"},
	{"gzip of gzip", COMPRESSION_GZIP, as_made, in_gzip_twice, "nrecognized"},
	{"said gzip, is zstd", COMPRESSION_GZIP, as_made, in_zstd, "its bytes say zstd"},
	{"said zstd, is gzip", COMPRESSION_ZSTD, as_made, in_gzip, "its bytes say gzip"},
	{"said gzip, is plain", COMPRESSION_GZIP, as_made, as_it_is, "say not compressed"},
	{"said plain, is gzip", COMPRESSION_NONE, as_made, in_gzip, "its bytes say gzip"},
	{"no bytes", COMPRESSION_ANY, as_made, nothing, "nrecognized"},
	{"no bytes of gzip", COMPRESSION_GZIP, as_made, nothing, "not compressed"},
	{"one byte", COMPRESSION_NONE, as_made, one_byte, ""},
	{"a tar without its end", COMPRESSION_GZIP, without_end, in_gzip, NULL},
	{"words behind the tar", COMPRESSION_GZIP, words_behind_the_end, in_gzip, NULL},
	{"words behind a plain tar", COMPRESSION_NONE, words_behind_the_end, as_it_is, NULL},
	{"another tar behind the tar", COMPRESSION_ZSTD, another_tar_behind, in_zstd, NULL},
};

static void read_tar(struct strbuf *out)
{
	static char large[100000];
	const struct row files[] = {
		{'d', "d", NULL, 0}, {'f', "d/small", "x", 0}, {'f', "x", large, 0}, {0}};
	struct err err = {0};

	(void)memset(large, 'x', sizeof(large) - 1);
	auto_fd int fd = make_tar(files);

	assert_int_equal(read_capped(fd, out, &err), 0);
}

static int to_file(const struct strbuf *bytes)
{
	int fd = memfd_create("layer", MFD_CLOEXEC);

	assert_int_equal(write_full(fd, bytes->text, bytes->len), 0);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	return fd;
}

static void judge(size_t i, struct home *home, int r, const struct err *err)
{
	if (r < 0 && (!rows[i].error || !strstr(err->text, rows[i].error)))
		fail_msg("%s: %s", rows[i].what, err->text);
	if (r < 0)
		return;
	if (rows[i].error)
		fail_msg("%s: was unpacked", rows[i].what);
	auto_fd int root = root_of(home);

	expect(root, "d/small", "x");
	assert_int_equal(faccessat(root, "z", F_OK, AT_SYMLINK_NOFOLLOW), -1);
}

static void test_rows(void **state)
{
	struct home home;

	(void)state;
	home_make(&home);
	for (size_t i = 0; i < COUNT(rows); i++) {
		auto_strbuf struct strbuf tar = STRBUF(MOST), bytes = STRBUF(MOST);
		struct tree_layer layer = {.compression = rows[i].said};
		struct tree tree;
		struct err err = {0};
		int r;

		read_tar(&tar);
		rows[i].end(&tar);
		rows[i].wrap(&tar, &bytes);
		auto_fd int fd = to_file(&bytes);

		layer.fd = fd;
		layer.diff_id = digest_of(tar.text, tar.len);
		r = tree_apply(&home.staging, &layer, 1, &tree, &err);
		judge(i, &home, r, &err);
		home_renew(&home);
	}
	home_drop(&home);
}

/* What comes out must hash to what the config says, also behind the tar's end. */
static void test_diff_id(void **state)
{
	auto_strbuf struct strbuf tar = STRBUF(MOST);
	struct tree_layer layer = {0};
	struct home home;
	struct tree tree;
	struct err err = {0};

	(void)state;
	read_tar(&tar);
	layer.diff_id = digest_of(tar.text, tar.len);
	strbuf_addc(&tar, '\0');
	auto_fd int fd = to_file(&tar);

	layer.fd = fd;
	home_make(&home);
	assert_int_equal(tree_apply(&home.staging, &layer, 1, &tree, &err), -1);
	assert_non_null(strstr(err.text, "as the image's config says"));
	home_drop(&home);
}

/* Zeros behind the tar's end are a bomb too. */
static void test_bomb_behind_the_end(void **state)
{
	auto_strbuf struct strbuf tar = STRBUF(MOST), bytes = STRBUF(MOST), zeros = STRBUF(MOST);
	struct home home;
	struct tree tree;
	struct err err = {0};

	(void)state;
	read_tar(&tar);
	in_zstd(&tar, &bytes);
	for (size_t i = 0; i < 64; i++)
		strbuf_add(&zeros, (char[65536]){0}, 65536);
	for (size_t i = 0; i < 200; i++)
		in_zstd(&zeros, &bytes);
	auto_fd int fd = to_file(&bytes);
	const struct tree_layer layer = {.fd = fd, .diff_id = digest_of("", 0)};

	home_make(&home);
	assert_int_equal(tree_apply(&home.staging, &layer, 1, &tree, &err), -1);
	assert_non_null(strstr(err.text, "times its size"));
	home_drop(&home);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_diff_id),
		cmocka_unit_test(test_bomb_behind_the_end),
	};

	if (tar_tests_begin() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
