/* Regular expressions of problem matchers: JavaScript's language, and bounds for what strangers write in it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "runner/regexp.h"
#include "stepcell/arena.h"
#include "stepcell/limits.h"
#include "stepcell/util.h"

/* What it finds in a line, group by group: "whole|1|2", "-" for a group without a part; NULL: nothing. */
static const struct {
	const char *regexp, *line, *found;
} rows[] = {
	{"", "abc", ""},
	{"b", "abc", "b"},
	{"^(.+):(\\d+):(\\d+): ([EF]\\d+) (.+)$", "a.py:1:80: E501 too long",
	 "a.py:1:80: E501 too long|a.py|1|80|E501|too long"},
	{"^\\s*File\\s\\\"(.*)\\\",\\sline\\s(\\d+),\\sin\\s(.*)$", "  File \"a.py\", line 7, in f",
	 "  File \"a.py\", line 7, in f|a.py|7|f"},
	{"^\\s*raise\\s(.*)\\(\\'(.*)\\'\\)$", "    raise E('no')", "    raise E('no')|E|no"},
	{"(a)|(b)", "b", "b|-|b"},
	{"(?:a|(b))c\\/", "ac/", "ac/|-"},
	/* JavaScript's, where PCRE2 means something else */
	{"\\v", "\x0b", "\x0b"},
	{"\\v", "\n", NULL},
	{"[]", "]", NULL},
	{"a[^]c", "a]c", "a]c"},
	{"[[:alpha:]]", "p]", "p]"},
	{"[[a]", "[", "["},
	{"\\u00e9\\x41", "éA", "éA"},
	{"[\\u00e0-\\u00ff]+", "éè", "éè"},
	{"\\cI", "\t", "\t"},
	{"[\\b]", "\b", "\b"},
	{"\\0", "x", NULL},
	{"x{,5}", "x{,5}", "x{,5}"},
	{"x{", "x{", "x{"},
	{"]}", "]}", "]}"},
	{"\\1(a)", "a", "a|a"},
	{"(a)\\1", "aa", "aa|a"},
	{"(?<n>a)\\k<n>", "aa", "aa|a"},
	{"a$", "a", "a"},
	{"\\d", "\u0663", NULL},
	{"\\w+", "aé", "a"},
	{"(?i)ERROR", "error", "error"},
	{"(?i:E)R", "eR", "eR"},
	{"(?=a)a(?!c)", "ab", "a"},
	{"(?<=a)b(?<!c)", "ab", "b"},
	{"(?>a+)b", "aab", "aab"},
	{"a{2,3}?", "aaa", "aa"},
	{"#x # y", "#x # y", "#x # y"},
	{"\\#\\ \\@", "# @", "# @"},
	{"\xe2\x9c\x96 (.)", "\xe2\x9c\x96 \xc3\xa9", "\xe2\x9c\x96 \xc3\xa9|\xc3\xa9"},
	{"\\\xc3\xa9", "\xc3\xa9", "\xc3\xa9"},
};

static void print_spans(const struct regexp_span *spans, size_t count, struct strbuf *out)
{
	for (size_t i = 0; i < count; i++) {
		strbuf_adds(out, i ? "|" : "");
		if (spans[i].text)
			strbuf_add(out, spans[i].text, spans[i].len);
		else
			strbuf_addc(out, '-');
	}
}

static void test_matches(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		auto_strbuf struct strbuf got = STRBUF(1000);
		struct regexp_span spans[LIMIT_REGEXP_GROUPS];
		struct regexp *re = NULL;
		struct err err = {0};
		int matched;

		if (regexp_new(rows[i].regexp, &re, &err) < 0)
			fail_msg("%s: %s", rows[i].regexp, err.text);
		matched = regexp_match(re, rows[i].line, strlen(rows[i].line), spans, COUNT(spans),
				       &err);
		if (matched != (rows[i].found != NULL))
			fail_msg("'%s' on '%s': %d", rows[i].regexp, rows[i].line, matched);
		if (matched) {
			print_spans(spans, regexp_groups(re), &got);
			assert_string_equal(got.text, rows[i].found);
		}
		regexp_free(&re);
	}
}

static const struct {
	const char *regexp, *error;
} bad[] = {
	{"(a", "at character 3: a ( without its )"},
	{"a)", "at character 2: a ) without its ("},
	{"[a", "at character 1: the class has no end"},
	{"[a\\]", "at character 1: the class has no end"},
	{"\\", "at character 2: nothing behind \\"},
	{"*a", "at character 1: nothing to repeat"},
	{"a|+", "at character 3: nothing to repeat"},
	{"a++", "at character 3: nothing to repeat"},
	{"a{2}{3}", "at character 5: nothing to repeat"},
	{"(*COMMIT)a", "at character 1: this kind of group is not known"},
	{"(*UTF)a", "at character 1: this kind of group is not known"},
	{"a(?R)", "at character 2: this kind of group is not known"},
	{"(a)(?1)", "at character 4: this kind of group is not known"},
	{"(?C1)", "at character 1: this kind of group is not known"},
	{"(?(1)a)", "at character 1: this kind of group is not known"},
	{"(?|a)", "at character 1: this kind of group is not known"},
	{"(?#a)", "at character 1: this kind of group is not known"},
	{"(?x)a", "at character 1: this kind of group is not known"},
	{"(?<1>a)", "at character 1: this kind of group is not known"},
	{"(?P<n>a)", "at character 1: this kind of group is not known"},
	{"\\Qa", "at character 2: this escape is not known"},
	{"\\C", "at character 2: this escape is not known"},
	{"\\K", "at character 2: this escape is not known"},
	{"\\R", "at character 2: this escape is not known"},
	{"\\p{L}", "at character 2: this escape is not known"},
	{"\\g{1}", "at character 2: this escape is not known"},
	{"\\xg0", "at character 2: hexadecimal digits are missing"},
	{"\\ud83d\\ude00", "at character 2: half a character; write the character itself"},
	{"\\07", "at character 2: no octal numbers are read"},
	{"[\\1]", "at character 3: no octal numbers are read"},
	{"\\c1", "at character 2: a letter is missing behind \\c"},
	{"\\k{n}", "at character 2: expected \\k<name>"},
	{"a{1001}", "at character 2: more repetitions than 1000"},
	{"a{1,99999999999999999999}", "at character 2: more repetitions than 1000"},
	{"[z-a]", "not a regular expression: range out of order in character class"},
	{"(?<=a+)b", "not a regular expression: lookbehind assertion is not fixed length"},
	{"\\2(a)", "not a regular expression: reference to non-existent subpattern"},
};

static void test_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		struct regexp *re = NULL;
		struct err err = {0};

		if (regexp_new(bad[i].regexp, &re, &err) == 0)
			fail_msg("'%s' is taken", bad[i].regexp);
		assert_string_equal(err.text, bad[i].error);
		assert_int_equal(err.kind, ERR_USAGE);
	}
}

/* A text made of `n` times a part, between two others. */
static const char *many(struct arena *a, const char *before, const char *part, size_t n,
			const char *after)
{
	auto_strbuf struct strbuf out = STRBUF(MIB);

	strbuf_adds(&out, before);
	for (size_t i = 0; i < n; i++)
		strbuf_adds(&out, part);
	strbuf_adds(&out, after);
	return arena_strdup(a, out.text);
}

static void test_too_large(void **state)
{
	auto_arena struct arena *a = arena_new();
	const char *const texts[] = {
		many(a, "", "a", LIMIT_REGEXP + 1, ""),
		many(a, "", "(", 51, many(a, "", ")", 51, "")),
		many(a, "", "(a)", LIMIT_REGEXP_GROUPS, ""),
		"((((a{1000}){1000}){1000}){1000})",
		"(?:(?:(?:\\w{1000}){1000}){1000}){1000}",
	};

	(void)state;
	for (size_t i = 0; i < COUNT(texts); i++) {
		struct regexp *re = NULL;
		struct err err = {0};

		assert_int_equal(regexp_new(texts[i], &re, &err), -1);
	}
}

/* Expressions and lines that take others for ever: each ends, found or given up. */
static void test_catastrophes(void **state)
{
	auto_arena struct arena *a = arena_new();
	/* the second has what each needs at its end, but too soon: nothing is given up at a glance */
	const char *const lines[] = {
		many(a, "", "a", LIMIT_PROBLEM_LINE - 1, "!"),
		many(a, "x=b0yA", "a", LIMIT_PROBLEM_LINE - 7, "!"),
		many(a, "x=b0yA", "a0b", LIMIT_PROBLEM_LINE / 3 - 7, "!"),
	};
	static const char *const texts[] = {
		"^(a+)+$",
		"(a*)*b",
		"(a|aa)+$",
		"(a|a)*$",
		"^(([a-z])+.)+[A-Z]([a-z])+$",
		"(.*)(.*)(.*)(.*)(.*)(.*)(.*)(.*)x",
		".*.*.*.*.*.*.*=.*=",
		"(?:a?){1000}a{1000}x",
		"([a-z]+)*[0-9]",
		"(a+)\\1+b",
		"(?=(a+))a*b\\1x",
		"(x+x+)+y|(a+a+)+y",
		"[a-z]*[0-9]y",
		"[^q]*q|[^q]*[^q]*[r-t]",
		"(?<=(a{1000})b)q",
	};

	(void)state;
	for (size_t i = 0; i < COUNT(texts) * COUNT(lines); i++) {
		const char *line = lines[i % COUNT(lines)], *text = texts[i / COUNT(lines)];
		struct regexp_span spans[2];
		struct regexp *re = NULL;
		struct err err = {0};

		assert_int_equal(regexp_new(text, &re, &err), 0);
		if (regexp_match(re, line, strlen(line), spans, 2, &err) < 0)
			print_message("%s: %s\n", text, err.text);
		regexp_free(&re);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_matches),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_too_large),
		cmocka_unit_test(test_catastrophes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
