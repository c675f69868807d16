#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "runner/shell.h"
#include "stepcell/strbuf.h"
#include "stepcell/util.h"

/* The arguments in brackets: what GitHub starts for the script /t/s. */
static const struct {
	const char *shell;
	bool have_bash;
	const char *argv, *extension;
} good[] = {
	{NULL, true, "[bash][-e][/t/s]", ".sh"},
	{NULL, false, "[sh][-e][/t/s]", ".sh"},
	{"", true, "[bash][-e][/t/s]", ".sh"},
	{"bash", true, "[bash][--noprofile][--norc][-e][-o][pipefail][/t/s]", ".sh"},
	{"bash -x {0}", true, "[bash][-x][/t/s]", ".sh"},
	{"sh", true, "[sh][-e][/t/s]", ".sh"},
	{"python", true, "[python][/t/s]", ".py"},
	{"pwsh", true, "[pwsh][-command][. '/t/s']", ".ps1"},
	{"perl {0}", true, "[perl][/t/s]", ""},
	{"perl  -w   {0} ", true, "[perl][-w][/t/s]", ""},
	{"x \"a b\" {0}", true, "[x][a b][/t/s]", ""},
	{"x 'a b' {0}", true, "[x]['a][b'][/t/s]", ""},
	{"x \"\" {0}", true, "[x][][/t/s]", ""},
	{"x a\\\"b\\\\\"c d\" \\e {0}", true, "[x][a\"b\\c d][\\e][/t/s]", ""},
	{"x \"a\"\"b\" {0}", true, "[x][a\"b][/t/s]", ""},
	{"x -f={0}:{0}", true, "[x][-f=/t/s:/t/s]", ""},
	{"bash --login {0} tail", true, "[bash][--login][/t/s][tail]", ".sh"},
};

static void test_good(void **state)
{
	auto_arena struct arena *a = arena_new();

	(void)state;
	for (size_t i = 0; i < COUNT(good); i++) {
		auto_strbuf struct strbuf got = STRBUF(1000);
		struct shell shell;
		struct err err;

		assert_int_equal(
			shell_resolve(a, good[i].shell, good[i].have_bash, "/t/s", &shell, &err),
			0);
		for (const char *const *arg = shell.argv; *arg; arg++)
			strbuf_addf(&got, "[%s]", *arg);
		assert_string_equal(got.text, good[i].argv);
		assert_string_equal(shell.extension, good[i].extension);
		if (good[i].shell && *good[i].shell)
			assert_string_equal(shell_extension(good[i].shell), good[i].extension);
	}
	assert_string_equal(shell_extension(NULL), ".sh");
}

/* A path with a blank stays one argument. */
static void test_path_with_blank(void **state)
{
	auto_arena struct arena *a = arena_new();
	struct shell shell;
	struct err err;

	(void)state;
	assert_int_equal(shell_resolve(a, "sh", true, "/my temp/s.sh", &shell, &err), 0);
	assert_string_equal(shell.argv[2], "/my temp/s.sh");
	assert_null(shell.argv[3]);
}

static void test_pwsh_script(void **state)
{
	auto_arena struct arena *a = arena_new();
	struct shell shell;
	struct err err;

	(void)state;
	assert_int_equal(shell_resolve(a, "pwsh", true, "/s.ps1", &shell, &err), 0);
	assert_non_null(strstr(shell.before, "$ErrorActionPreference = 'stop'"));
	assert_non_null(strstr(shell.after, "exit $LASTEXITCODE"));
	assert_int_equal(shell_resolve(a, "bash", true, "/s.sh", &shell, &err), 0);
	assert_string_equal(shell.before, "");
	assert_string_equal(shell.after, "");
}

#define EXPECTED ": expected bash, sh, python, pwsh, or a command that contains {0}"

static const struct {
	const char *shell, *error;
} bad[] = {
	{"zsh", "invalid shell 'zsh'" EXPECTED},
	{"perl -w", "invalid shell 'perl -w'" EXPECTED},
	{"bash -x", "invalid shell 'bash -x'" EXPECTED},
	{"{0}", "invalid shell '{0}'" EXPECTED},
	{" {0}", "invalid shell ' {0}'" EXPECTED},
	{"cmd", "shell 'cmd' is for Windows only"},
	{"powershell", "shell 'powershell' is for Windows only"},
};

static void test_bad(void **state)
{
	auto_arena struct arena *a = arena_new();

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		struct shell shell;
		struct err err;

		assert_int_equal(shell_resolve(a, bad[i].shell, true, "/s", &shell, &err), -1);
		assert_string_equal(err.text, bad[i].error);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_path_with_blank),
		cmocka_unit_test(test_pwsh_script),
		cmocka_unit_test(test_bad),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
