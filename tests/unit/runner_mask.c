#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "runner/mask.h"
#include "stepcell/limits.h"
#include "stepcell/util.h"

static void mask_text(const struct mask *mask, const char *text, struct strbuf *out)
{
	strbuf_clear(out);
	mask_line(mask, text, strlen(text), out);
}

/* What a line becomes when `value` is masked. */
static const struct {
	const char *value, *line, *masked;
} rows[] = {
	{"hunter2", "pw=hunter2!", "pw=***!"},
	{"hunter2", "hunter2hunter2", "***"},
	{"hunter2", "hunter2 hunter2", "*** ***"},
	{"hunter2", "hunter hunter", "hunter hunter"},
	{"hunter2", "", ""},
	{"aba", "xababax", "x***x"},
	{"x", "axb", "axb"},
	{"", "axb", "axb"},
	{"\n", "a b", "a b"},
	/* the lines of a value, trimmed; the value as one */
	{"first line\n  second\n}\n", "a first line b", "a *** b"},
	{"first line\n  second\n}\n", "a second} b", "a ***} b"},
	{"first\nsecond", "{\"k\":\"first\\nsecond\"}", "{\"k\":\"***\"}"},
	{"first\r\nsecond", "[first][second]", "[***][***]"},
	{"first\nsecond", "x first%0Asecond x", "x *** x"},
	/* base64, alone and inside, at each of the three places */
	{"correct horse", "Y29ycmVjdCBob3JzZQ==", "***"},
	{"correct horse", "user:correct horse = dXNlcjpjb3JyZWN0IGhvcnNl", "user:*** = dXNlcjp***"},
	{"correct horse", "YWNvcnJlY3QgaG9yc2Uh", "YW***Uh"},
	{"correct horse", "YWJjb3JyZWN0IGhvcnNl", "YWJ***"},
	{"correct horse", "YWFhY29ycmVjdCBob3JzZWE=", "YWFh***WE="},
	{"~~~???~~~", "fn5-Pz8_fn5-", "***"},
	/* escapes */
	{"a\"b\\c\td", "{\"a\\\"b\\\\c\\td\"}", "{\"***\"}"},
	{"p@ss w/rd", "https://u:p%40ss%20w%2Frd@h", "https://u:***@h"},
	{"p@ss w/rd", "https://u:p%40ss%20w%2frd@h", "https://u:***@h"},
	{"p@ss w/rd", "q=p%40ss+w%2Frd&x", "q=***&x"},
	{"a<b>&'\"", "<k>a&lt;b&gt;&amp;&apos;&quot;</k>", "<k>***</k>"},
	{"it's me", "+ echo 'it'\\''s me'", "+ echo '***'"},
	{"it's me", "+ echo it\\'s\\ me", "+ echo ***"},
	{"it's me", "${{ 'it''s me' }}", "${{ '***' }}"},
	{"say \"yes\"", "--x=\"say \\\"yes\\\"\"", "--x=\"***\""},
	{"\"quoted\"", "quoted", "***"},
	{"'quoted'", "<quoted>", "<***>"},
};

static void test_rows(void **state)
{
	auto_strbuf struct strbuf out = STRBUF(1000);

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct mask *mask = mask_new();
		struct err err;

		assert_int_equal(mask_add(mask, rows[i].value, &err), 0);
		mask_text(mask, rows[i].line, &out);
		if (strcmp(out.text, rows[i].masked) != 0)
			fail_msg("'%s' in '%s' gives '%s'", rows[i].value, rows[i].line, out.text);
		mask_free(&mask);
	}
}

/* base64(1) breaks its lines at 76. */
static void test_base64_lines(void **state)
{
	static const char line[] =
		"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWYwMTIzNDU2Nzg5YWJjZGVm"
		"MDEyMzQ1Njc4";
	auto_strbuf struct strbuf out = STRBUF(1000);
	struct mask *mask = mask_new();
	struct err err;

	(void)state;
	assert_int_equal(
		mask_add(mask, "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
			 &err),
		0);
	mask_text(mask, line, &out);
	assert_string_equal(out.text, "***");
	mask_text(mask, "OWFiY2RlZg==", &out);
	assert_string_equal(out.text, "***");
	mask_free(&mask);
}

static void test_many(void **state)
{
	auto_strbuf struct strbuf out = STRBUF(1000);
	struct mask *mask = mask_new();
	struct err err;
	char value[32];

	(void)state;
	for (unsigned i = 0; i < 3000; i++) {
		(void)snprintf(value, sizeof(value), "value-%u-x", i);
		assert_int_equal(mask_add(mask, value, &err), 0);
	}
	for (unsigned i = 0; i < 3000; i++) {
		(void)snprintf(value, sizeof(value), "value-%u-x", i);
		mask_text(mask, value, &out);
		assert_string_equal(out.text, "***");
	}
	mask_text(mask, "value-3000-x", &out);
	assert_string_equal(out.text, "value-3000-x");
	mask_free(&mask);
}

static void test_limit(void **state)
{
	auto_strbuf struct strbuf big = STRBUF(8 * MIB);
	auto_strbuf struct strbuf out = STRBUF(1000);
	struct mask *mask = mask_new();
	struct err err;

	(void)state;
	while (big.len < LIMIT_MASK_BYTES)
		strbuf_addf(&big, "%zu,", big.len);
	assert_int_equal(mask_add(mask, big.text, &err), -1);
	assert_string_equal(err.text,
			    "too much to mask: all values in all forms may have 4194304 bytes");
	assert_int_equal(mask_add(mask, "hunter2", &err), 0);
	mask_text(mask, "hunter2", &out);
	assert_string_equal(out.text, "***");
	mask_free(&mask);
	mask_free(&mask);
}

static void test_json_secret(void **state)
{
	static const char secret[] =
		"{\"type\":\"key\",\"id\":\"AKIA12345\",\"deep\":[{\"k\":\"hunter22\"}]}";
	auto_strbuf struct strbuf out = STRBUF(1000);
	struct mask *mask = mask_new();
	struct err err;

	(void)state;
	assert_int_equal(mask_add_secret(mask, secret, &err), 0);
	mask_text(mask, "a key AKIA12345 and hunter22", &out);
	assert_string_equal(out.text, "a key *** and ***");
	mask_text(mask, secret, &out);
	assert_string_equal(out.text, "***");
	assert_int_equal(mask_add_secret(mask, "{not json", &err), 0);
	mask_text(mask, "{not json", &out);
	assert_string_equal(out.text, "***");
	mask_free(&mask);
}

/* ---- against the simplest thing that is right ---- */

static uint32_t next_random(uint32_t *seed)
{
	*seed = *seed * 1664525 + 1013904223;
	return *seed >> 16;
}

static void random_text(uint32_t *seed, char *out, size_t len)
{
	for (size_t i = 0; i < len; i++)
		out[i] = "ab."[next_random(seed) % 3];
	out[len] = '\0';
}

/* '.' stands for itself and 'X' for what must not be seen. */
static void mask_naively(const char values[][8], size_t count, const char *text, char *out)
{
	size_t len = strlen(text);

	memcpy(out, text, len + 1);
	for (size_t v = 0; v < count; v++) {
		for (size_t i = 0; i + strlen(values[v]) <= len; i++) {
			if (!strncmp(text + i, values[v], strlen(values[v])))
				memset(out + i, 'X', strlen(values[v]));
		}
	}
}

/* Runs of X as one star group, as the masker writes them. */
static void starred(const char *text, struct strbuf *out)
{
	for (size_t i = 0; text[i]; i++) {
		if (text[i] != 'X')
			strbuf_addc(out, text[i]);
		else if (!i || text[i - 1] != 'X')
			strbuf_adds(out, "***");
	}
}

/* Values of few letters and many overlaps; dots and letters have no other short form. */
static void test_against_naive(void **state)
{
	uint32_t seed = 1;

	(void)state;
	for (unsigned round = 0; round < 300; round++) {
		auto_strbuf struct strbuf want = STRBUF(1000), got = STRBUF(1000);
		char values[4][8], text[65], covered[65];
		struct mask *mask = mask_new();
		struct err err;

		for (size_t i = 0; i < COUNT(values); i++) {
			random_text(&seed, values[i], 2 + next_random(&seed) % 5);
			assert_int_equal(mask_add(mask, values[i], &err), 0);
		}
		random_text(&seed, text, sizeof(text) - 1);
		mask_naively(values, COUNT(values), text, covered);
		starred(covered, &want);
		mask_line(mask, text, strlen(text), &got);
		assert_string_equal(got.text, want.text);
		mask_free(&mask);
	}
}

/* Without its stars, so that two stars that touch count as one. */
static void unstarred(const char *text, struct strbuf *out)
{
	for (; *text; text++) {
		if (*text != '*')
			strbuf_addc(out, *text);
		else if (!out->len || out->text[out->len - 1] != '|')
			strbuf_addc(out, '|');
	}
}

static void mask_in_pieces(const struct mask *mask, const char *text, uint32_t *seed,
			   struct strbuf *out)
{
	struct mask_tail tail;
	size_t len = strlen(text), at = 0;

	mask_tail_init(&tail);
	while (at < len) {
		size_t n = 1 + next_random(seed) % 9;

		n = n < len - at ? n : len - at;
		mask_piece(mask, &tail, text + at, n, at + n == len, out);
		at += n;
	}
	mask_tail_release(&tail);
}

/* However a line is cut, what is seen of it is the same. */
static void test_pieces(void **state)
{
	uint32_t seed = 7;

	(void)state;
	for (unsigned round = 0; round < 300; round++) {
		auto_strbuf struct strbuf whole = STRBUF(1000), cut = STRBUF(1000);
		auto_strbuf struct strbuf want = STRBUF(1000), got = STRBUF(1000);
		struct mask *mask = mask_new();
		char value[8], text[65];
		struct err err;

		for (size_t i = 0; i < 3; i++) {
			random_text(&seed, value, 2 + next_random(&seed) % 5);
			assert_int_equal(mask_add(mask, value, &err), 0);
		}
		random_text(&seed, text, sizeof(text) - 1);
		mask_line(mask, text, strlen(text), &whole);
		mask_in_pieces(mask, text, &seed, &cut);
		unstarred(whole.text, &want);
		unstarred(cut.text, &got);
		assert_string_equal(got.text, want.text);
		mask_free(&mask);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),        cmocka_unit_test(test_base64_lines),
		cmocka_unit_test(test_many),        cmocka_unit_test(test_limit),
		cmocka_unit_test(test_json_secret), cmocka_unit_test(test_against_naive),
		cmocka_unit_test(test_pieces),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
