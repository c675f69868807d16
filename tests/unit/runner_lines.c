#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "runner/lines.h"
#include "stepcell/limits.h"
#include "stepcell/utf8.h"
#include "stepcell/util.h"

#define BAD "\xef\xbf\xbd"

/* Every line with a bar behind it; a plus where it continues. */
static void collect(void *arg, const struct line *line)
{
	struct strbuf *out = arg;

	strbuf_add(out, line->text, line->len);
	strbuf_addc(out, line->continues ? '+' : '|');
	assert_int_equal(strlen(line->text), line->len);
}

static const struct {
	const char *what, *bytes;
	size_t len;
	const char *lines;
} rows[] = {
#define ROW(what, bytes, lines)                                                                    \
	{                                                                                          \
		what, bytes, sizeof(bytes) - 1, lines                                              \
	}
	ROW("nothing", "", ""),
	ROW("two lines", "a\nb\n", "a|b|"),
	ROW("no newline at the end", "a\nb", "a|b|"),
	ROW("empty lines", "\n\na\n", "||a|"),
	ROW("CR LF is one end", "a\r\nb\r\n", "a|b|"),
	ROW("a lone CR ends a line", "10%\r20%\rdone\n", "10%|20%|done|"),
	ROW("CR CR LF", "a\r\r\nb", "a||b|"),
	ROW("a NUL", "a\0b\n", "a" BAD "b|"),
	ROW("valid UTF-8", "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\n",
	    "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80|"),
	ROW("a byte that leads nothing", "\xff\n", BAD "|"),
	ROW("a surrogate", "\xed\xa0\x80\n", BAD BAD BAD "|"),
	ROW("an overlong slash", "\xc0\xaf\n", BAD BAD "|"),
	ROW("cut by a newline", "\xe2\x82\nx\n", BAD BAD "|x|"),
	ROW("cut by the end", "\xe2\x82", BAD BAD "|"),
#undef ROW
};

/* However the bytes are cut into feeds, the lines are the same. */
static void test_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		for (size_t chunk = 1; chunk <= 4; chunk++) {
			auto_strbuf struct strbuf out = STRBUF(1000);
			struct lines l;

			lines_init(&l, 0, collect, &out);
			for (size_t at = 0; at < rows[i].len; at += chunk) {
				size_t left = rows[i].len - at;

				assert_true(lines_feed(&l, rows[i].bytes + at,
						       left < chunk ? left : chunk));
			}
			lines_end(&l);
			lines_release(&l);
			if (strcmp(out.text, rows[i].lines) != 0)
				fail_msg("%s, by %zu: '%s'", rows[i].what, chunk, out.text);
		}
	}
}

struct pieces {
	size_t count, bytes, longest, broken;
	bool more;
};

static void count_piece(void *arg, const struct line *line)
{
	struct pieces *p = arg;

	if (line->continued != p->more)
		p->broken++;
	for (size_t at = 0; at < line->len;) {
		size_t n = utf8_char(line->text + at, line->len - at, NULL);

		p->broken += n == 0;
		at += n ? n : 1;
	}
	p->more = line->continues;
	p->count++;
	p->bytes += line->len;
	p->longest = line->len > p->longest ? line->len : p->longest;
}

static struct pieces feed_long(const char *unit, size_t times)
{
	struct pieces p = {0};
	struct lines l;

	lines_init(&l, 0, count_piece, &p);
	for (size_t i = 0; i < times; i++)
		lines_feed(&l, unit, strlen(unit));
	lines_feed(&l, "\n", 1);
	lines_end(&l);
	lines_release(&l);
	return p;
}

static void test_long_lines(void **state)
{
	struct pieces p = feed_long("x", LIMIT_LOG_LINE);

	(void)state;
	assert_int_equal(p.count, 1);
	assert_int_equal(p.bytes, LIMIT_LOG_LINE);

	p = feed_long("x", LIMIT_LOG_LINE + 1);
	assert_int_equal(p.count, 2);
	assert_int_equal(p.bytes, LIMIT_LOG_LINE + 1);

	/* 3 does not divide the limit: a character is never cut */
	p = feed_long("\xe2\x82\xac", LIMIT_LOG_LINE);
	assert_int_equal(p.count, 4);
	assert_int_equal(p.bytes, 3 * LIMIT_LOG_LINE);
	assert_int_equal(p.broken, 0);
	assert_true(p.longest <= LIMIT_LOG_LINE);

	/* what is made safe grows; its pieces do not */
	p = feed_long("\xff", LIMIT_LOG_LINE);
	assert_int_equal(p.bytes, 3 * LIMIT_LOG_LINE);
	assert_int_equal(p.broken, 0);
	assert_true(p.longest <= LIMIT_LOG_LINE);
	assert_false(p.more);
}

static void test_limit(void **state)
{
	auto_strbuf struct strbuf out = STRBUF(100);
	struct lines l;

	(void)state;
	lines_init(&l, 5 + 16, collect, &out); /* a line costs 16 beside its bytes */
	assert_true(lines_feed(&l, "ab\nc", 4));
	assert_false(lines_feed(&l, "d\nmore", 6));
	assert_false(lines_feed(&l, "x", 1));
	lines_end(&l);
	lines_release(&l);
	assert_string_equal(out.text, "ab|cd|");
}

static void count(void *arg, const struct line *line)
{
	(void)line;
	++*(size_t *)arg;
}

/* Three bytes are kept of each zero, six in the journal of each escape. */
static void test_limit_of_what_grows(void **state)
{
	static const char bytes[] = {'\0', '\x1b'};

	(void)state;
	for (size_t b = 0; b < sizeof(bytes); b++) {
		char chunk[64];
		struct lines l;
		size_t lines = 0, fed = 0;

		memset(chunk, bytes[b], sizeof(chunk));
		lines_init(&l, 1 << 20, count, &lines);
		while (lines_feed(&l, chunk, sizeof(chunk)))
			fed += sizeof(chunk);
		assert_in_range(fed, 1 << 16, (1 << 20) / 3 + LIMIT_LOG_LINE);
		lines_release(&l);
	}
}

/* Lines of nothing cost whoever keeps them as much as others. */
static void test_limit_of_empty_lines(void **state)
{
	static const char empty[1000] = {[0 ... 999] = '\n'};
	size_t lines = 0, feeds = 0;
	struct lines l;

	(void)state;
	lines_init(&l, 64 * KIB, count, &lines);
	while (lines_feed(&l, empty, sizeof(empty)) && feeds < 1000)
		feeds++;
	lines_release(&l);
	assert_in_range(lines, 1000, 64 * KIB / 16 + 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_long_lines),
		cmocka_unit_test(test_limit),
		cmocka_unit_test(test_limit_of_what_grows),
		cmocka_unit_test(test_limit_of_empty_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
