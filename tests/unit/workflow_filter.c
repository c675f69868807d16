/* Filter patterns of branches, tags and paths. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "stepcell/util.h"
#include "stepcell/workflow.h"
#include "workflow/filter.h"

static const struct {
	const char *pattern, *text;
	bool matches;
} rows[] = {
	{"main", "main", true},
	{"main", "mains", false},
	{"main", "Main", false},
	{"*", "main", true},
	{"*", "a/b", false},
	{"*", "", true},
	{"**", "a/b/c", true},
	{"releases/*", "releases/v1", true},
	{"releases/*", "releases/v1/x", false},
	{"releases/**", "releases/v1/x", true},
	{"releases/**", "releases", false},
	{"v2*", "v2.9", true},
	{"v[12].[0-9]+.[0-9]+", "v1.10.1", true},
	{"v[12].[0-9]+.[0-9]+", "v3.1.1", false},
	{"v[12].[0-9]+.[0-9]+", "v1..1", false},
	{"*.jsx?", "page.js", true},
	{"*.jsx?", "page.jsx", true},
	{"*.jsx?", "page.jsxx", false},
	{"*.jsx?", "a/page.js", false},
	{"**.js", "src/js/app.js", true},
	{"docs/**/*.md", "docs/README.md", true},
	{"docs/**/*.md", "docs/a/b.md", true},
	{"docs/**/*.md", "docsx.md", false},
	{"**/README.md", "README.md", true},
	{"**/README.md", "js/README.md", true},
	{"**/README.md", "jsREADME.md", false},
	{"**/*-post.md", "path/my-post.md", true},
	{"**/migrate-*.sql", "db/sept/migrate-v1.sql", true},
	{"fo+", "fooo", true},
	{"fo+", "f", false},
	{"a[bc]?d", "ad", true},
	{"a[bc]?d", "acd", true},
	{"a[bc]+d", "abcbd", true},
	{"a\\*b", "a*b", true},
	{"a\\*b", "axb", false},
	{"[CB]at", "Bat", true},
	{"[1-2]00", "200", true},
	{"[1-2]00", "300", false},
	{"[a-", "[a-", true}, /* no set without its end */
	{"[-a]", "-", true},
	{"über", "über", true},
};

static void test_one_pattern(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		if (filter_pattern_match(rows[i].pattern, rows[i].text) != rows[i].matches)
			fail_msg("'%s' on '%s' is not %d", rows[i].pattern, rows[i].text,
				 rows[i].matches);
}

#define LIST(...)                                                                                  \
	{                                                                                          \
		__VA_ARGS__, NULL                                                                  \
	}

static const struct {
	const char *patterns[5];
	const char *text;
	bool matches;
} lists[] = {
	{LIST("main", "dev"), "dev", true},
	{LIST("releases/**", "!releases/**-alpha"), "releases/10", true},
	{LIST("releases/**", "!releases/**-alpha"), "releases/10-alpha", false},
	{LIST("!releases/**-alpha", "releases/**"), "releases/10-alpha", true},
	{LIST("*.md", "!README.md", "README*"), "README.md", true},
	{LIST("!main"), "dev", false}, /* nothing was taken in */
	{{NULL}, "dev", false},
};

static void test_the_last_match_wins(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(lists); i++) {
		size_t count = 0;

		while (lists[i].patterns[count])
			count++;
		assert_int_equal(filter_match(lists[i].patterns, count, lists[i].text),
				 lists[i].matches);
	}
}

static const struct {
	const char *pattern, *fault;
} faults[] = {
	{"v[0-9]+", NULL},
	{"[z-a]", "has a range in [ ] that runs backwards"},
	{"[]", "has an empty [ ]"},
	{"[a", "has a [ without ]"},
	{"+a", "begins with ? or +, which repeat what is before them"},
	{"**?", "has ? or + behind *, where they have nothing to repeat"},
};

static void test_faults(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(faults); i++) {
		const char *fault = filter_pattern_fault(faults[i].pattern);

		if (!faults[i].fault)
			assert_null(fault);
		else
			assert_string_equal(fault, faults[i].fault);
	}
}

/* Each of these takes a backtracking matcher longer than the age of the universe. */
static void test_no_pattern_is_slow(void **state)
{
	char pattern[900] = "", text[4000];

	(void)state;
	for (size_t i = 0; i + 2 < sizeof(pattern); i += 2)
		memcpy(pattern + i, "*a", 3);
	memset(text, 'a', sizeof(text));
	text[sizeof(text) - 2] = 'b';
	text[sizeof(text) - 1] = '\0';
	assert_false(filter_pattern_match(pattern, text));
	for (size_t i = 0; i + 4 < sizeof(pattern); i += 4)
		memcpy(pattern + i, "**/a", 5);
	assert_false(filter_pattern_match(pattern, text));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_pattern),
		cmocka_unit_test(test_the_last_match_wins),
		cmocka_unit_test(test_faults),
		cmocka_unit_test(test_no_pattern_is_slow),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
