/* Which Python versions a project's files name. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "runner/python_file.h"
#include "stepcell/strbuf.h"
#include "stepcell/util.h"

/* `found`: with '|' between them; NULL: an error that says `error`. */
static const struct {
	const char *name, *text, *found, *error;
} rows[] = {
	{".python-version", "3.11\n", "3.11", NULL},
	{".python-version", "3.13\r\n3.12", "3.13|3.12", NULL},
	{".python-version", "3.13/envs/venv\r# 3.12\n3.11\r\n3.10\r\n 3.9 \r\n",
	 "3.13|3.11|3.10|3.9", NULL},
	{".python-version", "\n\n", "", NULL},
	{".python-version", "pypy3.10-7.3.15", "pypy3.10-7.3.15", NULL},
	{"version.txt", ">=3.8 <3.12", ">=3.8 <3.12", NULL},
	{".tool-versions", "python 3.13.2\nnodejs 16", "3.13.2", NULL},
	{".tool-versions", "nodejs 16\npython 3.12.0 3.11.0\n", "3.12.0", NULL},
	{".tool-versions", "# python 3.13\npython 3.12", "3.12", NULL},
	{".tool-versions", "  python   3.13  ", "3.13", NULL},
	{".tool-versions", "python v3.13.2", "3.13.2", NULL},
	{".tool-versions", "python 3.14t-dev # soon", "3.14t-dev", NULL},
	{".tool-versions", "pythonx 3.13\n", "", NULL},
	{"pyproject.toml", "[project]\nrequires-python = \">=3.9\"", ">=3.9", NULL},
	{"pyproject.toml", "[project]\nrequires-python = '>=3.8,<3.12'", ">=3.8 <3.12", NULL},
	{"pyproject.toml", "project.requires-python = \"==3.11.*\"", "==3.11.*", NULL},
	{"pyproject.toml", "project = {name = 'x', requires-python = '~=3.9'}", "~=3.9", NULL},
	{"pyproject.toml", "[tool.poetry.dependencies]\npython = \"^3.9\"", "^3.9", NULL},
	{"pyproject.toml", "[tool.poetry]\ndependencies.python = \"^3.10\"", "^3.10", NULL},
	{"pyproject.toml", "[project]\nname = 'x'\n[tool.poetry.dependencies]\npython = \"^3.9\"",
	 "", NULL},
	{"pyproject.toml", "[project]\nrequires-python = \">=3.8, !=3.9.7\"", "", NULL},
	{"pyproject.toml", "[tool.other]\nrequires-python = '3.9'", "", NULL},
	{"pyproject.toml", "", "", NULL},
	{"pyproject.toml",
	 "# a comment\n[build-system]\nrequires = [\n  \"setuptools\", # one\n  'wheel',\n]\n"
	 "[[tool.x]]\na = 1\n[project]\ndescription = \"\"\"\nrequires-python = '2'\n\"\"\"\n"
	 "version = 1.0\nauthors = [{name = \"[project]\"}]\n\"requires-python\" = \"3.\\u0031x\"",
	 "3.1x", NULL},
	{"pyproject.toml", "[project\n", NULL, "line 1: expected ']'"},
	{"pyproject.toml", "[project]\nname = \"x\nrequires-python = '3'", NULL,
	 "line 2: a string does not end"},
	{"pyproject.toml", "[project]\n= 3", NULL, "line 2: expected a key"},
	{"pyproject.toml", "a = \"\\x\"", NULL, "unknown escape"},
	{"pyproject.toml", "a = \"\\ud800\"", NULL, "names no character"},
	{"pyproject.toml", "a = [1 2", NULL, "expected a comma"},
	{"Pipfile", "[requires]\npython_version = \"3.13\"", "3.13", NULL},
	{"Pipfile", "[requires]\npython_full_version = \"3.13.0\"", "3.13.0", NULL},
	{"sub/Pipfile", "[packages]\nx = '*'\n", "", NULL},
};

static void test_files(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		auto_arena struct arena *a = arena_new();
		auto_strbuf struct strbuf found = STRBUF(4096);
		struct texts versions;
		struct err err = {0};

		if (python_file_parse(a, rows[i].name, rows[i].text, strlen(rows[i].text),
				      &versions, &err) < 0) {
			if (rows[i].found || !strstr(err.text, rows[i].error))
				fail_msg("row %zu: %s", i, err.text);
			assert_int_equal(err.kind, ERR_USAGE);
			continue;
		}
		for (size_t v = 0; v < versions.count; v++)
			strbuf_addf(&found, "%s%s", v ? "|" : "", versions.list[v]);
		if (!rows[i].found || strcmp(found.text, rows[i].found) != 0)
			fail_msg("row %zu: '%s'", i, found.text);
	}
}

static void test_too_deep(void **state)
{
	auto_arena struct arena *a = arena_new();
	auto_strbuf struct strbuf text = STRBUF(4096);
	struct texts versions;
	struct err err = {0};

	(void)state;
	strbuf_adds(&text, "a = ");
	for (int i = 0; i < 1000; i++)
		strbuf_addc(&text, '[');
	assert_int_equal(python_file_parse(a, "x.toml", text.text, text.len, &versions, &err), -1);
	assert_non_null(strstr(err.text, "too deep"));
	strbuf_clear(&text);
	for (int i = 0; i < 100; i++)
		strbuf_adds(&text, "a.");
	assert_int_equal(python_file_parse(a, "x.toml", text.text, text.len, &versions, &err), -1);
	assert_int_equal(python_file_parse(a, "x.toml", "a\0b", 3, &versions, &err), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_files),
		cmocka_unit_test(test_too_deep),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
