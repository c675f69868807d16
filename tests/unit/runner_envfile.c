#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "runner/envfile.h"
#include "stepcell/limits.h"
#include "stepcell/strbuf.h"
#include "stepcell/util.h"

static const struct {
	const char *text, *pairs;
} good[] = {
	{"", ""},
	{"\n\n", ""},
	{"a=b", "[a=b]"},
	{"a=b\nc=\n", "[a=b][c=]"},
	{"a=b=c<<d\n", "[a=b=c<<d]"},
	{" a = b \n", "[ a = b ]"},
	{"a=b\r\n", "[a=b\r]"},
	{"a<<E\nx\ny\nE\nb=c\n", "[a=x\ny][b=c]"},
	{"a<<E\nE", "[a=]"},
	{"a<<E\n\nE\n", "[a=]"},
	{"a<<E\n\n\nE\n", "[a=\n]"},
	{"a<<E\nE \n E\nE\n", "[a=E \n E]"},
	{"a<<E=F\nb=c\nE=F\n", "[a=b=c]"},
	{"a<<<<E\nx\n<<E\n", "[a=x]"},
	{"a=1\na=2\n", "[a=1][a=2]"},
	{"\xef\xbb\xbf"
	 "a=1\n",
	 "[a=1]"},
	{"a=\xff\n", "[a=\xef\xbf\xbd]"},
	{"NODE_OPTIONS_X=1\n", "[NODE_OPTIONS_X=1]"},
};

static void test_good(void **state)
{
	auto_arena struct arena *a = arena_new();

	(void)state;
	for (size_t i = 0; i < COUNT(good); i++) {
		auto_strbuf struct strbuf got = STRBUF(1000);
		struct envfile_pairs pairs;
		struct err err;

		assert_int_equal(envfile_parse(a, good[i].text, strlen(good[i].text), ENVFILE_ENV,
					       &pairs, &err),
				 0);
		for (size_t k = 0; k < pairs.count; k++)
			strbuf_addf(&got, "[%s=%s]", pairs.list[k].name, pairs.list[k].value);
		assert_string_equal(got.text, good[i].pairs);
	}
}

static const struct {
	const char *text;
	size_t len;
	const char *error;
} bad[] = {
#define ROW(text, error)                                                                           \
	{                                                                                          \
		text, sizeof(text) - 1, error                                                      \
	}
	ROW("plain\n", "line 1: Invalid format 'plain'"),
	ROW("a=1\n\nplain", "line 3: Invalid format 'plain'"),
	ROW("=x\n", "line 1: Invalid format '=x'. Name must not be empty"),
	ROW("<<E\nx\nE\n",
	    "line 1: Invalid format '<<E'. Name must not be empty and delimiter must not be empty"),
	ROW("a=1\nb<<\nx\n",
	    "line 2: Invalid format 'b<<'. Name must not be empty and delimiter must not be empty"),
	ROW("a<<E\nx\ny\n", "line 1: Invalid value. Matching delimiter not found 'E'"),
	ROW("a=b\na<<E\nx E", "line 2: Invalid value. Matching delimiter not found 'E'"),
	ROW("a=1\nb=\0c\n", "line 2: a NUL byte"),
#undef ROW
};

static void test_bad(void **state)
{
	auto_arena struct arena *a = arena_new();

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		struct envfile_pairs pairs;
		struct err err;

		assert_int_equal(
			envfile_parse(a, bad[i].text, bad[i].len, ENVFILE_OUTPUT, &pairs, &err),
			-1);
		assert_string_equal(err.text, bad[i].error);
		assert_int_equal(err.kind, ERR_USAGE);
	}
}

static const struct {
	const char *name;
	bool always, untrusted;
} names[] = {
	{"NODE_OPTIONS", true, true}, {"node_options", true, true},  {"LD_PRELOAD", false, true},
	{"BASH_ENV", false, true},    {"GIT_SSH", false, true},      {"HTTPS_PROXY", false, true},
	{"https_proxy", false, true}, {"PYTHONPATH", false, true},   {"PATH", false, false},
	{"GITHUB_REF", false, false}, {"OLD_LD_PATH", false, false}, {"VERSION", false, false},
};

static void test_refused_names(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(names); i++) {
		if ((envfile_refuses(names[i].name, false) != NULL) != names[i].always ||
		    (envfile_refuses(names[i].name, true) != NULL) != names[i].untrusted)
			fail_msg("%s", names[i].name);
	}
}

static void test_refusals_by_kind(void **state)
{
	auto_arena struct arena *a = arena_new();
	static const char text[] = "ok=1\nLD_PRELOAD=x\nNODE_OPTIONS=y\n";
	struct envfile_pairs p;
	struct err err;

	(void)state;
	assert_int_equal(envfile_parse(a, text, strlen(text), ENVFILE_ENV, &p, &err), 0);
	assert_null(p.list[1].refused);
	assert_string_equal(p.list[2].refused,
			    "line 3: 'NODE_OPTIONS' may not be set for later steps: it loads code "
			    "into every node program of later steps");
	assert_int_equal(p.list[2].line, 3);
	assert_int_equal(envfile_parse(a, text, strlen(text), ENVFILE_ENV_GUARDED, &p, &err), 0);
	assert_null(p.list[0].refused);
	assert_non_null(p.list[1].refused);
	assert_int_equal(envfile_parse(a, text, strlen(text), ENVFILE_OUTPUT, &p, &err), 0);
	assert_null(p.list[2].refused);
}

static void test_limits(void **state)
{
	auto_arena struct arena *a = arena_new();
	auto_strbuf struct strbuf text = STRBUF(16 * MIB);
	struct envfile_pairs p;
	struct err err;

	(void)state;
	for (unsigned i = 0; i <= LIMIT_ENV_PAIRS; i++)
		strbuf_adds(&text, "a=\n");
	assert_int_equal(envfile_parse(a, text.text, text.len - 3, ENVFILE_ENV, &p, &err), 0);
	assert_int_equal(p.count, LIMIT_ENV_PAIRS);
	assert_int_equal(envfile_parse(a, text.text, text.len, ENVFILE_ENV, &p, &err), -1);
	assert_string_equal(err.text, "line 4097: more than 4096 values");
	while (text.len <= LIMIT_FILE_COMMAND)
		strbuf_adds(&text, "0123456789abcdef0123456789abcdef");
	assert_int_equal(envfile_parse(a, text.text, text.len, ENVFILE_ENV, &p, &err), -1);
	assert_string_equal(err.text, "larger than 10 MiB");
}

static void test_path(void **state)
{
	auto_arena struct arena *a = arena_new();
	static const char text[] = "/a\n\n/b c\r\nd";
	struct texts paths;
	struct err err;

	(void)state;
	assert_int_equal(pathfile_parse(a, text, strlen(text), &paths, &err), 0);
	assert_int_equal(paths.count, 3);
	assert_string_equal(paths.list[0], "/a");
	assert_string_equal(paths.list[1], "/b c");
	assert_string_equal(paths.list[2], "d");
	assert_int_equal(pathfile_parse(a, "/a\0b", 4, &paths, &err), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),          cmocka_unit_test(test_bad),
		cmocka_unit_test(test_refused_names), cmocka_unit_test(test_refusals_by_kind),
		cmocka_unit_test(test_limits),        cmocka_unit_test(test_path),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
