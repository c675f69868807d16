/* Expressions: values, faults with their place, conditions and templates. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "stepcell/arena.h"
#include "stepcell/json.h"
#include "workflow/expr.h"

static const char contexts_json[] =
	"{\"github\": {\"ref\": \"refs/heads/main\", \"Event_Name\": \"push\","
	"  \"event\": {\"labels\": [{\"name\": \"bug\"}, {\"name\": \"ci\"}, {\"id\": 3}]}},"
	" \"matrix\": {\"python\": 3.1, \"os\": \"ubuntu\"}, \"env\": {}, \"nothing\": null,"
	" \"list\": [[1, 2], [3], 4]}";

static const struct node *contexts(struct arena *a)
{
	struct err err = {0};
	const struct node *n =
		json_parse(a, "contexts", contexts_json, strlen(contexts_json), &err);

	assert_non_null(n);
	return n;
}

/* What the scope's functions were asked. */
struct asked {
	const char *status; /* the one that is true */
	size_t hashes;
};

static bool status(void *arg, const char *name, const struct node *const *args, size_t count)
{
	const struct asked *asked = arg;

	(void)args, (void)count;
	return asked->status && strcmp(asked->status, name) == 0;
}

static int hash_files(void *arg, const char *const *patterns, size_t count, char out[65], char *why,
		      size_t why_size)
{
	struct asked *asked = arg;

	(void)why, (void)why_size;
	asked->hashes += count;
	memset(out, patterns[0][0], 64);
	out[64] = '\0';
	return 0;
}

static const char *evaluated(struct arena *a, const char *text, const struct expr_scope *scope)
{
	auto_strbuf struct strbuf out = STRBUF(4096);
	struct expr_err e;
	const struct expr *expr = expr_parse(a, text, strlen(text), &e);
	const struct node *v = expr ? expr_eval(a, expr, scope, &e) : NULL;

	if (!v)
		return arena_printf(a, "%s at %u: %s", expr_fault_name(e.fault), e.position,
				    e.text);
	assert_int_equal(e.fault, EXPR_OK);
	json_write(&out, v);
	return arena_strdup(a, out.text);
}

static const struct {
	const char *expr, *result;
} rows[] = {
	/* literals and operators */
	{"1 + 1", "lexing at 3: unexpected symbol '+'"},
	{"'it''s'", "\"it's\""},
	{"0x1F", "31"},
	{"-1.5e1", "-15"},
	{"!''", "true"},
	{"1 && 'x' || 'y'", "\"x\""},
	{"0 && 'x' || 'y'", "\"y\""},
	{"'B' == 'b'", "true"},
	{"'10' < 9", "false"},
	{"null == ''", "true"},
	{"true == 'true'", "false"},
	{"'straße' == 'STRASSE'", "false"},
	{"'ÄÖÜ' == 'äöü'", "true"},
	{"(1 < 2) == true", "true"},
	/* contexts */
	{"github.REF", "\"refs/heads/main\""},
	{"github.event_name", "\"push\""},
	{"github['ref']", "\"refs/heads/main\""},
	{"github.no.such.thing", "null"},
	{"list[0][1]", "2"},
	{"list[9]", "null"},
	{"list.*.*", "[1,2,3]"},
	{"list[*][0]", "[1,3]"},
	{"github.event.labels.*.name", "[\"bug\",\"ci\"]"},
	{"nothing.*", "[]"},
	{"github == github", "true"},
	{"fromJSON('{}') == fromJSON('{}')", "false"},
	/* functions */
	{"CONTAINS(github.event.labels.*.name, 'CI')", "true"},
	{"contains('', '')", "true"},
	{"startsWith(github.ref, 'refs/tags/')", "false"},
	{"endsWith('abc', 'BC')", "true"},
	{"format('{1}-{0}-{{}}', 'a', 2)", "\"2-a-{}\""},
	{"format('{2}', 1)", "evaluation at 1: '{2}' asks for argument {2}, 1 is given"},
	{"join(list, '-')", "\"Array-Array-4\""},
	{"toJSON(matrix)", "\"{\\n  \\\"python\\\": 3.1,\\n  \\\"os\\\": \\\"ubuntu\\\"\\n}\""},
	{"fromJSON('[1, {\"a\": null}]')[1]", "{\"a\":null}"},
	{"case(false, 1, 1 > 2, 2, 3)", "3"},
	{"case(true, 1, 2, 3)",
	 "evaluation at 1: case() takes pairs of a condition and a value, then "
	 "the default"},
	/* hashes come from the scope, and only when asked for */
	{"false && hashFiles('x')", "false"},
	{"startsWith(hashFiles('a', 'b'), 'aaa')", "true"},
	{"success()", "true"},
	{"failure() || cancelled()", "false"},
	/* faults have the byte where they are */
	{"", "parsing at 1: an expression is expected, found nothing"},
	{"github.",
	 "parsing at 8: unexpected end of the expression, expected a property's name or '*'"},
	{"(1", "parsing at 3: unexpected end of the expression, expected ')'"},
	{"1 )", "parsing at 3: unexpected symbol ')'"},
	{"list[1", "parsing at 7: unexpected end of the expression, expected ']'"},
	{"contains('a')", "parsing at 1: contains() takes 2 arguments, found 1"},
	{"join()", "parsing at 1: join() takes at least 1 argument, found 0"},
	{"always(1)", "parsing at 1: always() takes 0 arguments, found 1"},
	{"1 == nope(2)", "parsing at 6: unknown function 'nope'"},
	{"true || nope.x", "parsing at 9: unknown context 'nope'"},
	{"'open", "lexing at 1: unexpected symbol ''open'"},
	{"a = b", "lexing at 3: unexpected symbol '='"},
};

static void test_values(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		auto_arena struct arena *a = arena_new();
		struct asked asked = {.status = "success"};
		struct expr_scope scope = {contexts(a), status, hash_files, &asked, 0};

		assert_string_equal(evaluated(a, rows[i].expr, &scope), rows[i].result);
		assert_int_equal(asked.hashes, strstr(rows[i].expr, "'b')") ? 2 : 0);
	}
}

static void test_functions_that_the_scope_lacks(void **state)
{
	auto_arena struct arena *a = arena_new();
	struct expr_scope scope = {.contexts = contexts(a)};

	(void)state;
	assert_string_equal(evaluated(a, "false && success()", &scope),
			    "parsing at 10: function 'success' is not available here");
	assert_string_equal(evaluated(a, "hashFiles('x')", &scope),
			    "parsing at 1: function 'hashFiles' is not available here");
}

/* ---- limits ---- */

static char *repeated(struct arena *a, const char *before, const char *part, size_t times,
		      const char *after)
{
	auto_strbuf struct strbuf out = STRBUF(1 << 20);

	strbuf_adds(&out, before);
	for (size_t i = 0; i < times; i++)
		strbuf_adds(&out, part);
	strbuf_adds(&out, after);
	return arena_strdup(a, out.text);
}

static void test_depth_and_length(void **state)
{
	auto_arena struct arena *a = arena_new();
	struct expr_scope scope = {.contexts = contexts(a)};

	(void)state;
	assert_string_equal(evaluated(a, repeated(a, "", "!", 49, "1"), &scope), "false");
	assert_string_equal(evaluated(a, repeated(a, "", "!", 50, "1"), &scope),
			    "parsing at 1: deeper than 50 levels");
	assert_string_equal(evaluated(a, repeated(a, "1", " && 1", 4000, ""), &scope), "1");
	assert_non_null(strstr(evaluated(a, repeated(a, "", "(", 20999, "1"), &scope),
			       "more than 1000 parentheses or brackets"));
	assert_non_null(strstr(evaluated(a, repeated(a, "'", "a", 21000, "'"), &scope),
			       "longer than 21000 characters"));
	assert_non_null(strstr(evaluated(a, repeated(a, "list", "[list", 4000, ""), &scope),
			       "more than 1000 parentheses or brackets"));
}

static void test_memory(void **state)
{
	auto_arena struct arena *a = arena_new();
	struct expr_scope scope = {.contexts = contexts(a)};
	char *format = repeated(a, "format('", "{0}{0}{0}{0}{0}{0}{0}{0}{0}{0}", 30, "', ");
	char *bomb = arena_printf(a, "%s%s%s%s'x'))))", format, format, format, format);
	size_t before = arena_used(a);

	(void)state;
	assert_non_null(strstr(evaluated(a, bomb, &scope), "passes the limit on memory"));
	assert_true(arena_used(a) - before < 32 * MIB);
}

static void test_search_is_not_quadratic(void **state)
{
	auto_arena struct arena *a = arena_new();
	struct node *map = node_map(a);
	struct expr_scope scope = {.contexts = map};

	(void)state;
	node_set_text(a, map, "text", repeated(a, "", "a", 1000000, ""));
	node_set_text(a, map, "part", repeated(a, "", "a", 500000, "b"));
	/* tried at every start this would take hours */
	assert_string_equal(evaluated(a, "contains(text, part)", &scope), "false");
	assert_string_equal(evaluated(a, "contains(text, 'A')", &scope), "true");
}

/* ---- texts ---- */

static const struct {
	const char *number;
	const char *text;
} numbers[] = {
	{"0.1", "0.1"},
	{"3.10", "3.1"},
	{"-0", "0"},
	{"1e21", "1e+21"},
	{"123456789012", "123456789012"},
	{"0.1234567890123456", "0.123456789012346"},
	{"NaN", "NaN"},
	{"-Infinity", "-Infinity"},
};

static void test_numbers_as_text(void **state)
{
	auto_arena struct arena *a = arena_new();
	struct expr_scope scope = {.contexts = node_map(a)};
	struct expr_err e;

	(void)state;
	for (size_t i = 0; i < COUNT(numbers); i++) {
		const struct node *v = template_eval(
			a, arena_printf(a, "${{ %s }}", numbers[i].number), &scope, &e);

		assert_non_null(v);
		assert_int_equal(v->kind, NODE_NUMBER);
		assert_string_equal(expr_text(a, v), numbers[i].text);
	}
}

static const struct {
	const char *template, *result; /* JSON */
} templates[] = {
	{"plain", "\"plain\""},
	{"", "\"\""},
	{"${{ 1 }}", "1"},
	{"${{ 1 }} ", "\"1 \""},
	{"a ${{ github.ref }} b ${{ null }}.", "\"a refs/heads/main b .\""},
	{"${{ '}}' }}", "\"}}\""},
	{"${{ 'a''}}' }}${{ 2 }}", "\"a'}}2\""},
	{"$ { {{ }}", "\"$ { {{ }}\""},
	{"${{ list }}", "[[1,2],[3],4]"},
	{"is ${{ list }}", "\"is Array\""},
	{"x ${{ 1", "parsing at 3: ${{ is not closed by }}"},
	{"x ${{ 1 2 }}", "parsing at 9: unexpected symbol '2'"},
};

static void test_templates(void **state)
{
	auto_arena struct arena *a = arena_new();
	struct expr_scope scope = {.contexts = contexts(a)};

	(void)state;
	for (size_t i = 0; i < COUNT(templates); i++) {
		auto_strbuf struct strbuf out = STRBUF(4096);
		struct expr_err e;
		const struct node *v = template_eval(a, templates[i].template, &scope, &e);

		if (v)
			json_write(&out, v);
		else
			strbuf_addf(&out, "%s at %u: %s", expr_fault_name(e.fault), e.position,
				    e.text);
		assert_string_equal(out.text, templates[i].result);
	}
}

/* The contexts are github, matrix and some more; needs and steps are not among them. */
static const struct {
	const char *template;
	bool known;
} knowns[] = {
	{"plain", true},
	{"", true},
	{"${{ '3.12' }}", true},
	{"${{ matrix.os }} on ${{ github.ref }}", true},
	{"${{ MATRIX.os || 'x' }}", true},
	{"${{ format('{0}', matrix.os) }}", true},
	{"${{ matrix.os || steps.a.outputs.b }}", false},
	{"${{ needs.a.outputs.b }}", false},
	{"${{ success() && matrix.os }}", false},
	{"${{ hashFiles('x') }}", false},
	{"x ${{ 1", false},
	{"${{ 1 2 }}", false},
};

static void test_what_is_known(void **state)
{
	auto_arena struct arena *a = arena_new();

	(void)state;
	for (size_t i = 0; i < COUNT(knowns); i++)
		if (template_is_known(a, knowns[i].template, contexts(a)) != knowns[i].known)
			fail_msg("'%s'", knowns[i].template);
}

/* ---- conditions ---- */

static const struct {
	const char *condition;
	const char *status; /* the function that is true */
	bool result;
} conditions[] = {
	{NULL, "success", true},
	{NULL, "failure", false},
	{"  ", "success", true},
	{"true", "success", true},
	{"true", "failure", false}, /* success() && is implied */
	{"${{ true }}", "failure", false},
	{"failure()", "failure", true},
	{"always()", "always", true},
	{"!cancelled() && matrix.os == 'ubuntu'", "failure", true},
	{"false", "success", false},
	{"true && ${{ false }}", "success", true}, /* a text, and not an empty one */
	{"${{ failure() }} ", "failure", true},
};

static void test_conditions(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(conditions); i++) {
		auto_arena struct arena *a = arena_new();
		struct asked asked = {.status = conditions[i].status};
		struct expr_scope scope = {contexts(a), status, NULL, &asked, 0};
		struct expr_err e;
		bool out = !conditions[i].result;

		assert_int_equal(condition_eval(a, conditions[i].condition, &scope, &out, &e), 0);
		assert_int_equal(out, conditions[i].result);
	}
}

static void test_condition_that_cannot_be(void **state)
{
	auto_arena struct arena *a = arena_new();
	struct asked asked = {.status = "success"};
	struct expr_scope scope = {contexts(a), status, NULL, &asked, 0};
	struct expr_err e;
	bool out;

	(void)state;
	assert_int_equal(condition_eval(a, "fromJSON('')", &scope, &out, &e), -1);
	assert_int_equal(e.fault, EXPR_EVALUATION);
	/* not looked at: success() is false */
	asked.status = NULL;
	assert_int_equal(condition_eval(a, "fromJSON('')", &scope, &out, &e), 0);
	assert_false(out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_functions_that_the_scope_lacks),
		cmocka_unit_test(test_depth_and_length),
		cmocka_unit_test(test_memory),
		cmocka_unit_test(test_search_is_not_quadratic),
		cmocka_unit_test(test_numbers_as_text),
		cmocka_unit_test(test_templates),
		cmocka_unit_test(test_what_is_known),
		cmocka_unit_test(test_conditions),
		cmocka_unit_test(test_condition_that_cannot_be),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
