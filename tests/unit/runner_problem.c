/* Problem matchers: the files that GitHub's own actions bring, what they find, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "runner/problem.h"
#include "stepcell/limits.h"
#include "stepcell/strbuf.h"
#include "stepcell/util.h"

/* As setup-python has it. */
#define PYTHON                                                                                     \
	"{\"problemMatcher\":[{\"owner\":\"python\",\"pattern\":["                                 \
	"{\"regexp\":\"^\\\\s*File\\\\s\\\\\\\"(.*)\\\\\\\",\\\\sline\\\\s(\\\\d+),\\\\sin\\\\s(." \
	"*)$\","                                                                                   \
	"\"file\":1,\"line\":2},"                                                                  \
	"{\"regexp\":\"^\\\\s*raise\\\\s(.*)\\\\(\\\\'(.*)\\\\'\\\\)$\",\"message\":2}]}]}"
#define ESLINT                                                                                     \
	"{\"problemMatcher\":[{\"owner\":\"eslint\",\"pattern\":["                                 \
	"{\"regexp\":\"^([^\\\\s].*)$\",\"file\":1},"                                              \
	"{\"regexp\":\"^\\\\s+(\\\\d+):(\\\\d+)\\\\s+(error|warning|info)\\\\s+(.*)\\\\s\\\\s+(.*" \
	")$\","                                                                                    \
	"\"line\":1,\"column\":2,\"severity\":3,\"message\":4,\"code\":5,\"loop\":true}]}]}"
#define FLAKE8                                                                                     \
	"{\"problemMatcher\":[{\"owner\":\"flake8\",\"severity\":\"Warning\",\"pattern\":["        \
	"{\"regexp\":\"^(.+):(\\\\d+):(\\\\d+): (\\\\w\\\\d+) (.+)$\",\"file\":1,\"line\":2,"      \
	"\"column\":3,\"code\":4,\"message\":5,\"kind\":\"ignored\"}]}]}"
#define MSBUILD                                                                                    \
	"{\"problemMatcher\":[{\"owner\":\"msbuild\",\"pattern\":["                                \
	"{\"regexp\":\"^\\\\s*([^:]+)\\\\((\\\\d+)\\\\): (\\\\w+): (.*) "                          \
	"\\\\[(.+)\\\\]$\",\"file\":1,"                                                            \
	"\"line\":2,\"severity\":3,\"message\":4,\"fromPath\":5}]}]}"

static void add(struct problems *p, const char *file)
{
	auto_arena struct arena *a = arena_new();
	struct err err = {0};

	if (problems_add(p, a, file, strlen(file), NULL, &err) < 0)
		fail_msg("%s", err.text);
}

static void print_problem(struct arena *a, const struct problem *p, struct strbuf *out)
{
	const char *path = problem_path(a, p, "/w/r");

	strbuf_addf(out, "%s %s %s:%u:%u %s", p->owner, p->level, path ? path : "-", p->line,
		    p->col, p->message);
	if (p->code)
		strbuf_addf(out, " [%s]", p->code);
	strbuf_addc(out, '\n');
}

/* All problems of a text, a line each. */
static void look(struct problems *p, const char *text, struct strbuf *out)
{
	auto_arena struct arena *a = arena_new();

	for (size_t n; *text; text += n + (text[n] == '\n')) {
		struct problem problem;
		const char *removed, *line;

		n = strcspn(text, "\n");
		line = arena_strndup(a, text, n);
		if (problems_match(p, a, line, n, &problem, &removed))
			print_problem(a, &problem, out);
		if (removed)
			strbuf_addf(out, "(%s)\n", removed);
	}
}

static const struct {
	const char *what, *files[3], *text, *found;
} rows[] = {
	{"two lines",
	 {PYTHON},
	 "Traceback (most recent call last):\n  File \"/w/r/src/a.py\", line 7, in f\n"
	 "    raise ValueError('no such thing')\nValueError: no such thing\n",
	 "python error src/a.py:7:0 no such thing\n"},
	{"a line between breaks it",
	 {PYTHON},
	 "  File \"a.py\", line 7, in f\nx\n    raise ValueError('no')\n",
	 ""},
	{"the second line alone", {PYTHON}, "    raise ValueError('no')\n", ""},
	{"a later first line takes over",
	 {PYTHON},
	 "  File \"a.py\", line 7, in f\n  File \"b.py\", line 8, in g\n    raise E('no')\n",
	 "python error b.py:8:0 no\n"},
	{"the last pattern loops",
	 {ESLINT},
	 "test.js\n  1:2   error  Missing strict  strict\n  5:10  warning  unused  no-unused\n\n"
	 "  6:1  error  over   x\n",
	 "eslint error test.js:1:2 Missing strict [strict]\n"
	 "eslint warning test.js:5:10 unused [no-unused]\n"},
	{"a severity that is none is no problem",
	 {ESLINT},
	 "test.js\n  1:2   info  note   n\n",
	 ""},
	{"the default severity, and a code",
	 {FLAKE8},
	 "./a.py:1:80: E501 too long\n",
	 "flake8 warning a.py:1:80 too long [E501]\n"},
	{"a message of blanks is no problem", {FLAKE8}, "a.py:1:80: E501   \n", ""},
	{"numbers too large are none",
	 {FLAKE8},
	 "a.py:99999999999:1: E501 m\n",
	 "flake8 warning a.py:0:1 m [E501]\n"},
	{"a file outside of the workspace is not named",
	 {FLAKE8},
	 "/usr/lib/a.py:1:2: E1 m\n../b.py:1:2: E1 m\n/w/rest/c.py:1:2: E1 m\n"
	 "/w/r:1:2: E1 m\nx/../../../../etc/d.py:1:2: E1 m\n",
	 "flake8 warning -:1:2 m [E1]\nflake8 warning -:1:2 m [E1]\nflake8 warning -:1:2 m [E1]\n"
	 "flake8 warning -:1:2 m [E1]\nflake8 warning -:1:2 m [E1]\n"},
	{"a file below the folder of another",
	 {MSBUILD},
	 "  C.cs(16): Warning: old [sub/p.csproj]\nC.cs(1): error: e [/w/r/x/p.csproj]\n"
	 "/w/r/C.cs(1): ERROR: e [x/p.csproj]\nC.cs(2): error: e [p.csproj]\n",
	 "msbuild warning sub/C.cs:16:0 old\nmsbuild error x/C.cs:1:0 e\n"
	 "msbuild error C.cs:1:0 e\nmsbuild error C.cs:2:0 e\n"},
	{"the one that was added last is asked first",
	 {FLAKE8, "{\"problemMatcher\":[{\"owner\":\"any\",\"pattern\":[{\"regexp\":\"^.*$\","
		  "\"message\":0}]}]}"},
	 "a.py:1:2: E1 m\n",
	 "any error -:0:0 a.py:1:2: E1 m\n"},
	{"the same owner, in any case, is replaced",
	 {FLAKE8, "{\"problemMatcher\":[{\"owner\":\"FLAKE8\",\"pattern\":[{\"regexp\":\"^x(.)\","
		  "\"message\":1}]}]}"},
	 "a.py:1:2: E1 m\nxy\n",
	 "FLAKE8 error -:0:0 y\n"},
	{"what another finds breaks a running match",
	 {PYTHON, FLAKE8},
	 "  File \"a.py\", line 7, in f\na.py:1:2: E1 m\n    raise E('no')\n",
	 "flake8 warning a.py:1:2 m [E1]\n"},
	{"an empty file of matchers", {"{}"}, "x\n", ""},
	{"one that takes too long is removed, others stay",
	 {"{\"problemMatcher\":[{\"owner\":\"slow\",\"pattern\":[{\"regexp\":\"^(a|aa)+$\","
	  "\"message\":1}]}]}",
	  FLAKE8},
	 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!\n"
	 "aaa\na.py:1:2: E1 m\n",
	 "(problem matcher 'slow' is removed: it took too much: match limit exceeded)\n"
	 "flake8 warning a.py:1:2 m [E1]\n"},
};

static void test_matches(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		auto_strbuf struct strbuf got = STRBUF(10000);
		struct problems *p = problems_new();

		for (size_t k = 0; k < COUNT(rows[i].files) && rows[i].files[k]; k++)
			add(p, rows[i].files[k]);
		print_message("%s\n", rows[i].what);
		look(p, rows[i].text, &got);
		assert_string_equal(got.text, rows[i].found);
		problems_free(&p);
	}
}

static void test_remove(void **state)
{
	auto_strbuf struct strbuf got = STRBUF(1000);
	struct problems *p = problems_new();
	struct err err = {0};

	(void)state;
	add(p, FLAKE8);
	add(p, PYTHON);
	problems_remove(p, "nobody");
	problems_remove(p, "FLAKE8");
	look(p, "a.py:1:2: E1 m\n", &got);
	assert_string_equal(got.text, "");
	assert_true(problems_any(p));
	assert_int_equal(problems_remove_file(p, PYTHON, strlen(PYTHON), &err), 0);
	assert_false(problems_any(p));
	problems_free(&p);
}

static void test_reset(void **state)
{
	auto_strbuf struct strbuf got = STRBUF(1000);
	struct problems *p = problems_new();

	(void)state;
	add(p, PYTHON);
	look(p, "  File \"a.py\", line 7, in f\n", &got);
	problems_reset(p);
	look(p, "    raise E('no')\n", &got);
	assert_string_equal(got.text, "");
	problems_free(&p);
}

#define ONE(fields) "{\"problemMatcher\":[{\"owner\":\"o\",\"pattern\":[{" fields "}]}]}"
static const struct {
	const char *file, *error;
} bad[] = {
	{"[", "problem matchers:1:1: ']' expected near end of file"},
	{"{\"problemMatcher\":7}", "problemMatcher: expected a list"},
	{"{\"problemMatcher\":[{}]}", "matcher 1: owner is missing"},
	{"{\"problemMatcher\":[{\"owner\":\"o\"}]}",
	 "matcher 1: pattern: expected a list of at least one"},
	{"{\"problemMatcher\":[{\"owner\":\"o\",\"pattern\":{}}]}",
	 "matcher 1: pattern: expected a list of at least one"},
	{"{\"problemMatcher\":[{\"owner\":\"o\",\"pattern\":[7]}]}",
	 "matcher 1: pattern 1: expected a map, found a number"},
	{"{\"problemMatcher\":[{\"owner\":\"o\",\"severity\":\"info\",\"pattern\":[{}]}]}",
	 "matcher 1: severity: expected error, warning or notice"},
	{ONE("\"regexp\":\"(\""),
	 "matcher 1: pattern 1: regexp: at character 2: a ( without its )"},
	{ONE("\"regexp\":\"a\""), "matcher 1: no pattern sets message"},
	{ONE("\"regexp\":\"a\",\"message\":1"),
	 "matcher 1: pattern 1: message: the expression has no group 1"},
	{ONE("\"regexp\":\"a\",\"message\":-1"),
	 "matcher 1: pattern 1: message: the expression has no group -1"},
	{ONE("\"regexp\":\"a\",\"message\":\"1\""),
	 "matcher 1: pattern 1: message: expected the number of a group"},
	{ONE("\"regexp\":\"a\",\"message\":0.5"),
	 "matcher 1: pattern 1: message: expected the number of a group"},
	{ONE("\"message\":0,\"loop\":true"),
	 "matcher 1: pattern 1: only the last of several patterns can loop"},
	{ONE("\"message\":0},{\"message\":0"), "matcher 1: pattern 2: message is set twice"},
	{ONE("\"message\":0},{\"loop\":true"),
	 "matcher 1: pattern 2: a pattern that loops must set message"},
	{"{\"problemMatcher\":[{\"owner\":\"o\",\"pattern\":[{\"message\":0}]},"
	 "{\"owner\":\"O\",\"pattern\":[{\"message\":0}]}]}",
	 "two matchers have the owner 'O'"},
};

static void test_refused(void **state)
{
	auto_arena struct arena *a = arena_new();
	struct problems *p = problems_new();

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		struct err err = {0};

		assert_int_equal(problems_add(p, a, bad[i].file, strlen(bad[i].file), NULL, &err),
				 -1);
		assert_string_equal(err.text, bad[i].error);
		assert_false(problems_any(p));
	}
	problems_free(&p);
}

static void test_bounds(void **state)
{
	auto_strbuf struct strbuf got = STRBUF(1000);
	auto_arena struct arena *a = arena_new();
	struct problems *p = problems_new();
	char *line = arena_alloc(a, LIMIT_PROBLEM_LINE + 2);
	struct err err = {0};

	(void)state;
	for (unsigned i = 0; i < LIMIT_PROBLEMS; i++)
		add(p, arena_printf(a,
				    "{\"problemMatcher\":[{\"owner\":\"%u\",\"pattern\":"
				    "[{\"regexp\":\"x\",\"message\":0}]}]}",
				    i));
	assert_int_equal(problems_add(p, a, PYTHON, strlen(PYTHON), NULL, &err), -1);
	memset(line, 'x', LIMIT_PROBLEM_LINE + 1);
	look(p, line, &got);
	assert_string_equal(got.text, "");
	line[LIMIT_PROBLEM_LINE] = '\0';
	look(p, line, &got);
	assert_string_equal(got.text, "49 error -:0:0 x\n");
	problems_free(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_matches), cmocka_unit_test(test_remove),
		cmocka_unit_test(test_reset),   cmocka_unit_test(test_refused),
		cmocka_unit_test(test_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
