#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "runner/defaults.h"
#include "stepcell/json.h"

static const struct node *parse(struct arena *a, const char *text)
{
	struct err err;
	const struct node *node = json_parse(a, "test", text, strlen(text), &err);

	assert_non_null(node);
	return node;
}

static void test_default_env(void **state)
{
	auto_arena struct arena *a = arena_new();
	auto_strbuf struct strbuf got = STRBUF(4096);
	struct node *env = node_map(a);

	(void)state;
	node_set_text(a, env, "GITHUB_REF", "forged");
	node_set_text(a, env, "MINE", "kept");
	default_env(a,
		    parse(a, "{\"ref\":\"refs/heads/main\",\"token\":\"secret\",\"sha\":null,"
			     "\"event\":{\"a\":1},\"ref_protected\":false,\"run_number\":7,"
			     "\"base_ref\":\"\",\"repositoryUrl\":\"git://x\"}"),
		    parse(a, "{\"os\":\"Linux\",\"tool_cache\":\"/opt/t\",\"debug\":null}"), env);
	json_write(&got, env);
	assert_string_equal(got.text, "{\"GITHUB_REF\":\"refs/heads/main\",\"MINE\":\"kept\","
				      "\"GITHUB_BASE_REF\":\"\",\"GITHUB_REF_PROTECTED\":\"false\","
				      "\"GITHUB_RUN_NUMBER\":\"7\",\"RUNNER_OS\":\"Linux\","
				      "\"RUNNER_TOOL_CACHE\":\"/opt/t\",\"CI\":\"true\","
				      "\"GITHUB_ACTIONS\":\"true\"}");
}

static void test_ci_can_be_set(void **state)
{
	auto_arena struct arena *a = arena_new();
	struct node *env = node_map(a);

	(void)state;
	node_set_text(a, env, "CI", "mine");
	node_set_text(a, env, "GITHUB_ACTIONS", "mine");
	default_env(a, NULL, NULL, env);
	assert_string_equal(node_text(node_get(env, "CI")), "mine");
	assert_string_equal(node_text(node_get(env, "GITHUB_ACTIONS")), "true");
	assert_int_equal(env->count, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_default_env),
		cmocka_unit_test(test_ci_can_be_set),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
