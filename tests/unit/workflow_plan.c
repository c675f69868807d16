/* Triggers, matrices, and what a plan says of each job. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "stepcell/arena.h"
#include "stepcell/json.h"
#include "stepcell/limits.h"
#include "stepcell/util.h"
#include "stepcell/workflow.h"
#include "stepcell/yaml.h"
#include "workflow/matrix.h"

static struct workflow *load(struct arena *a, const char *text)
{
	struct diags diags = {.arena = a};
	struct workflow *w = workflow_load(a, "w.yml", text, strlen(text), &diags);

	if (!w)
		fail_msg("%s", diags.list[0].text);
	return w;
}

/* ---- triggers ---- */

static const char triggers[] = "on:\n"
			       "  push:\n"
			       "    branches: [main, 'release/**', '!release/old']\n"
			       "    paths-ignore: ['docs/**', '*.md']\n"
			       "  pull_request: {branches: main, paths: ['src/**']}\n"
			       "  pull_request_target: {types: [labeled]}\n"
			       "  release: {types: published}\n"
			       "  create:\n"
			       "jobs: {a: {runs-on: x, steps: [{run: 'true'}]}}\n";

static const char *const in_docs[] = {"docs/a/b.txt", "README.md"};
static const char *const in_src[] = {"docs/a.txt", "src/a.py"};

static const struct {
	struct event event;
	bool starts;
	const char *why;
} events[] = {
	{{.name = "push", .ref = "refs/heads/main"},
	 true,
	 "push of refs/heads/main starts this workflow"},
	{{.name = "push", .ref = "refs/heads/release/2"},
	 true,
	 "push of refs/heads/release/2 starts this workflow"},
	{{.name = "push", .ref = "refs/heads/release/old"},
	 false,
	 "push: the branch 'release/old' matches none of branches: main, release/**, !release/old"},
	{{.name = "push", .ref = "refs/tags/main"},
	 false,
	 "push: only branches are asked for, and this is a tag"},
	{{.name = "push", .ref = "refs/heads/main", .paths = in_docs, .path_count = 2},
	 false,
	 "push: every changed path matches paths-ignore: docs/**, *.md"},
	{{.name = "push", .ref = "refs/heads/main", .paths = in_src, .path_count = 2},
	 true,
	 "push of refs/heads/main starts this workflow"},
	{{.name = "pull_request", .action = "opened", .base_ref = "main"},
	 true,
	 "pull_request starts this workflow"},
	{{.name = "pull_request", .action = "opened", .base_ref = "dev"},
	 false,
	 "pull_request: the base branch 'dev' matches none of branches: main"},
	{{.name = "pull_request", .action = "closed", .base_ref = "main"},
	 false,
	 "pull_request: the activity 'closed' is not one of opened, synchronize, reopened"},
	{{.name = "pull_request",
	  .action = "opened",
	  .base_ref = "main",
	  .paths = in_docs,
	  .path_count = 2},
	 false,
	 "pull_request: no changed path matches paths: src/**"},
	{{.name = "pull_request_target", .action = "opened"},
	 false,
	 "pull_request_target: the activity 'opened' is not one of labeled"},
	{{.name = "release", .action = "published"}, true, "release starts this workflow"},
	{{.name = "release", .action = "created"},
	 false,
	 "release: the activity 'created' is not one of published"},
	{{.name = "fork"},
	 false,
	 "fork does not start this workflow; on: push, pull_request, pull_request_target, release, "
	 "create"},
};

static void test_triggers(void **state)
{
	auto_arena struct arena *a = arena_new();
	const struct workflow *w = load(a, triggers);

	(void)state;
	for (size_t i = 0; i < COUNT(events); i++) {
		const char *why = NULL;

		assert_int_equal(trigger_matches(a, w, &events[i].event, &why), events[i].starts);
		assert_string_equal(why, events[i].why);
	}
}

static void test_tags_alone_shut_out_branches(void **state)
{
	auto_arena struct arena *a = arena_new();
	const struct workflow *w = load(a, "on: {push: {tags: ['v*']}}\n"
					   "jobs: {a: {runs-on: x, steps: [{run: x}]}}\n");
	struct event e = {.name = "push", .ref = "refs/heads/v1"};
	const char *why;

	(void)state;
	assert_false(trigger_matches(a, w, &e, &why));
	e.ref = "refs/tags/v1";
	assert_true(trigger_matches(a, w, &e, &why));
	/* paths are not looked at for tags */
	e.paths = in_docs;
	e.path_count = 2;
	assert_true(trigger_matches(a, w, &e, &why));
}

/* ---- matrices ---- */

static const struct {
	const char *matrix;
	const char *result; /* LABEL=VALUES, ... or the mistake */
} matrices[] = {
	{"{a: [1, 2], b: [x, y]}", "1, x={\"a\":1,\"b\":\"x\"}|1, y={\"a\":1,\"b\":\"y\"}|"
				   "2, x={\"a\":2,\"b\":\"x\"}|2, y={\"a\":2,\"b\":\"y\"}|"},
	{"{a: [1, 2], b: [x, y], exclude: [{a: 1, b: y}, {a: 2}]}", "1, x={\"a\":1,\"b\":\"x\"}|"},
	/* what is included joins what it fits, never changes a vector's value */
	{"{a: [1, 2], include: [{c: 3}, {a: 2, c: 4}, {a: 9, d: 1}]}",
	 "1={\"a\":1,\"c\":3}|2={\"a\":2,\"c\":4}|9, 1={\"a\":9,\"d\":1}|"},
	/* the documented example */
	{"{fruit: [apple, pear], animal: [cat, dog], include: [{color: green}, "
	 "{color: pink, animal: cat}, {fruit: apple, shape: circle}, {fruit: banana}, "
	 "{fruit: banana, animal: cat}]}",
	 "apple, cat={\"fruit\":\"apple\",\"animal\":\"cat\",\"color\":\"pink\",\"shape\":"
	 "\"circle\"}|"
	 "apple, dog={\"fruit\":\"apple\",\"animal\":\"dog\",\"color\":\"green\",\"shape\":"
	 "\"circle\"}|"
	 "pear, cat={\"fruit\":\"pear\",\"animal\":\"cat\",\"color\":\"pink\"}|"
	 "pear, dog={\"fruit\":\"pear\",\"animal\":\"dog\",\"color\":\"green\"}|"
	 "banana={\"fruit\":\"banana\"}|"
	 "banana, cat={\"fruit\":\"banana\",\"animal\":\"cat\"}|"},
	{"{include: [{a: 1}, {a: 2, b: 3}]}", "1={\"a\":1}|2, 3={\"a\":2,\"b\":3}|"},
	/* leaf by leaf, as == compares */
	{"{v: [{n: 1, os: A}, {n: 2, os: A}], exclude: [{v: {n: '1'}}]}",
	 "2, A={\"v\":{\"n\":2,\"os\":\"A\"}}|"},
	{"{py: [3.10, '3.11'], exclude: [{py: 3.1}]}", "3.11={\"py\":\"3.11\"}|"},
	{"{a: [x], exclude: [{a: X}]}", ""},
	{"{a: []}", "matrix 'a' has no values, so no job would come of it"},
	{"{a: 1}", "matrix 'a': expected a list, found a number"},
	{"{}", "the matrix is empty: expected at least one list of values"},
	{"{a: [1], exclude: [{b: 1}]}", "exclude names 'b', which is no key of the matrix"},
	{"{a: [1], exclude: [{}]}", "an entry of exclude must be a map with at least one key"},
	{"{a: [1], include: [{}]}", "an entry of include must be a map with at least one key"},
	{"[1]", "expected the matrix to be a map, found a list"},
};

static const char *built(struct arena *a, const struct node *matrix)
{
	auto_strbuf struct strbuf out = STRBUF(10000);
	struct diags diags = {.arena = a};
	struct combination *list;
	size_t count;

	if (!matrix_build(a, matrix, (struct place){0}, &diags, &list, &count))
		return diags.list[0].text;
	for (size_t i = 0; i < count; i++) {
		strbuf_addf(&out, "%s=", list[i].label);
		json_write(&out, list[i].values);
		strbuf_addc(&out, '|');
	}
	return arena_strdup(a, out.text);
}

static void test_matrices(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(matrices); i++) {
		auto_arena struct arena *a = arena_new();
		struct diags diags = {.arena = a};
		const struct node *n = yaml_parse(a, "m.yml", matrices[i].matrix,
						  strlen(matrices[i].matrix), &diags);

		assert_non_null(n);
		assert_string_equal(built(a, n), matrices[i].result);
	}
}

static struct node *vector(struct arena *a, size_t count)
{
	struct node *list = node_list(a);

	for (size_t i = 0; i < count; i++)
		node_add(a, list, node_number(a, (double)i));
	return list;
}

static void test_matrix_limits(void **state)
{
	auto_arena struct arena *a = arena_new();
	struct node *m = node_map(a);

	(void)state;
	node_set(a, m, "a", vector(a, 256));
	assert_null(strstr(built(a, m), "more than"));
	node_set(a, m, "b", vector(a, 2));
	assert_string_equal(built(a, m), "more than 256 combinations; split the matrix");
	/* 10^9 combinations are not made one after another to find out */
	node_set(a, m, "b", vector(a, 1000));
	node_set(a, m, "c", vector(a, 4000));
	assert_non_null(strstr(built(a, m), "more than 65536 combinations"));
	assert_true(arena_used(a) < 8 * MIB);
}

/* ---- plans ---- */

static const char jobs[] =
	"on: push\n"
	"jobs:\n"
	"  build: {runs-on: x, steps: [{run: x}]}\n"
	"  test:\n"
	"    needs: build\n"
	"    strategy: {fail-fast: false, max-parallel: 2, matrix: {py: ['3.10', '3.11']}}\n"
	"    runs-on: x\n"
	"    steps: [{run: x}]\n"
	"  named:\n"
	"    needs: build\n"
	"    name: Test ${{ matrix.py }} (${{ strategy.job-index }})\n"
	"    strategy: {matrix: {py: [1, 2]}}\n"
	"    runs-on: x\n"
	"    steps: [{run: x}]\n"
	"  deploy:\n"
	"    needs: [test]\n"
	"    if: github.ref == 'refs/heads/main'\n"
	"    runs-on: x\n"
	"    steps: [{run: x}]\n"
	"  after: {needs: deploy, runs-on: x, steps: [{run: x}]}\n"
	"  later: {needs: after, if: inputs.x == 'y', runs-on: x, steps: [{run: x}]}\n"
	"  report: {needs: [deploy, test], if: always(), runs-on: x, steps: [{run: x}]}\n"
	"  alarm: {needs: test, if: failure(), runs-on: x, steps: [{run: x}]}\n"
	"  calm: {if: failure(), runs-on: x, steps: [{run: x}]}\n"
	"  outcome: {needs: test, if: needs.test.outputs.x == '1', runs-on: x, steps: [{run: x}]}\n"
	"  partly:\n"
	"    needs: test\n"
	"    if: needs.test.outputs.x == '1' && github.ref == 'refs/tags/v1'\n"
	"    runs-on: x\n"
	"    steps: [{run: x}]\n"
	"  behind: {needs: outcome, runs-on: x, steps: [{run: x}]}\n"
	"  dynamic:\n"
	"    needs: build\n"
	"    strategy: {matrix: '${{ fromJSON(needs.build.outputs.m) }}'}\n"
	"    runs-on: x\n"
	"    steps: [{run: x}]\n";

static const struct {
	const char *id, *name;
	enum runs runs;
	const char *why;
} planned[] = {
	{"build", "build", RUNS_YES, "no condition"},
	{"calm", "calm", RUNS_NO, "if: failure() is false"},
	{"test", "test (3.10)", RUNS_YES, "after build"},
	{"test.2", "test (3.11)", RUNS_YES, "after build"},
	{"named", "Test 1 (0)", RUNS_YES, "after build"},
	{"named.2", "Test 2 (1)", RUNS_YES, "after build"},
	{"dynamic", "dynamic", RUNS_YES, "after build"},
	{"deploy", "deploy", RUNS_NO,
	 "if: github.ref == 'refs/heads/main' is false (github.ref is 'refs/heads/dev')"},
	{"alarm", "alarm", RUNS_DEPENDS, "if: failure() is not known yet"},
	{"outcome", "outcome", RUNS_DEPENDS, "if: needs.test.outputs.x == '1' is not known yet"},
	{"partly", "partly", RUNS_NO,
	 "if: needs.test.outputs.x == '1' && github.ref == 'refs/tags/v1' is false (github.ref is "
	 "'refs/heads/dev')"},
	{"after", "after", RUNS_NO, "needs deploy, which is skipped"},
	{"report", "report", RUNS_YES, "if: always() is true"},
	{"behind", "behind", RUNS_DEPENDS, "needs outcome, which is not decided yet"},
	{"later", "later", RUNS_NO, "if: inputs.x == 'y' is false (inputs.x is not set)"},
};

static const struct node *contexts_for(struct arena *a, const char *ref)
{
	struct node *contexts = node_map(a), *github = node_map(a);

	node_set_text(a, github, "ref", ref);
	node_set(a, contexts, "github", github);
	node_set(a, contexts, "inputs", node_map(a));
	node_set(a, contexts, "vars", node_map(a));
	return contexts;
}

static void test_plan(void **state)
{
	auto_arena struct arena *a = arena_new();
	const struct workflow *w = load(a, jobs);
	struct diags diags = {.arena = a};
	struct plan plan;

	(void)state;
	assert_int_equal(plan_make(a, w, contexts_for(a, "refs/heads/dev"), NULL, 0, &plan, &diags),
			 0);
	assert_int_equal(plan.count, COUNT(planned));
	for (size_t i = 0; i < COUNT(planned); i++) {
		assert_string_equal(plan.jobs[i].id, planned[i].id);
		assert_string_equal(plan.jobs[i].name, planned[i].name);
		assert_string_equal(plan.jobs[i].why, planned[i].why);
		assert_int_equal(plan.jobs[i].runs, planned[i].runs);
	}
	assert_int_equal(plan.jobs[3].index, 1);
	assert_int_equal(plan.jobs[3].total, 2);
	assert_int_equal(plan.jobs[3].max_parallel, 2);
	assert_false(plan.jobs[3].fail_fast);
	assert_true(plan.jobs[4].fail_fast);
	assert_true(plan.jobs[6].matrix_depends);
}

static void test_only_brings_its_needs(void **state)
{
	static const char *const only[] = {"REPORT"}, *const none[] = {"nope"};
	auto_arena struct arena *a = arena_new();
	const struct workflow *w = load(a, jobs);
	struct diags diags = {.arena = a};
	struct plan plan;
	auto_strbuf struct strbuf ids = STRBUF(200);

	(void)state;
	assert_int_equal(
		plan_make(a, w, contexts_for(a, "refs/heads/main"), only, 1, &plan, &diags), 0);
	for (size_t i = 0; i < plan.count; i++)
		strbuf_addf(&ids, "%s ", plan.jobs[i].id);
	assert_string_equal(ids.text, "build test test.2 deploy report ");
	assert_int_equal(plan_make(a, w, contexts_for(a, "x"), none, 1, &plan, &diags), -1);
	assert_non_null(strstr(diags.list[0].text, "no job 'nope'; there are build, test"));
}

static void test_expand_when_outputs_are_there(void **state)
{
	auto_arena struct arena *a = arena_new();
	const struct workflow *w = load(a, jobs);
	struct node *contexts = node_map(a);
	struct diags diags = {.arena = a};
	struct err err = {0};
	struct planned_job *list;
	size_t count;
	static const char needs[] =
		"{\"build\": {\"outputs\": {\"m\": \"{\\\"x\\\": [1, 2, 3]}\"}}}";

	(void)state;
	node_set(a, contexts, "needs", json_parse(a, "needs", needs, strlen(needs), &err));
	assert_int_equal(
		plan_expand(a, &w->jobs[w->job_count - 1], contexts, &list, &count, &diags), 0);
	assert_int_equal(count, 3);
	assert_string_equal(list[2].id, "dynamic.3");
	assert_string_equal(list[2].name, "dynamic (3)");
	assert_false(list[2].matrix_depends);
}

/* ---- inputs ---- */

static const char dispatch[] = "on:\n"
			       "  workflow_dispatch:\n"
			       "    inputs:\n"
			       "      level: {type: choice, options: [low, high], default: low}\n"
			       "      dry: {type: boolean}\n"
			       "      count: {type: number, default: 3}\n"
			       "      who: {required: true}\n"
			       "jobs: {a: {runs-on: x, steps: [{run: x}]}}\n";

static const struct {
	const char *given, *result;
} inputs[] = {
	{"{\"who\": \"me\"}", "{\"level\":\"low\",\"dry\":false,\"count\":3,\"who\":\"me\"}"},
	{"{\"who\": \"me\", \"dry\": \"true\", \"COUNT\": \"0x10\", \"level\": \"high\"}",
	 "{\"level\":\"high\",\"dry\":true,\"count\":16,\"who\":\"me\"}"},
	{"{}", "input 'who' is required and was not given"},
	{"{\"who\": \"\", \"level\": \"mid\"}",
	 "input 'level': expected one of low, high, found 'mid'"},
	{"{\"who\": \"\", \"dry\": \"yes\"}", "input 'dry': expected true or false, found 'yes'"},
	{"{\"who\": \"\", \"x\": \"y\"}", "no input 'x' is declared"},
};

static void test_inputs(void **state)
{
	auto_arena struct arena *a = arena_new();
	const struct workflow *w = load(a, dispatch);

	(void)state;
	for (size_t i = 0; i < COUNT(inputs); i++) {
		auto_strbuf struct strbuf out = STRBUF(1000);
		struct diags diags = {.arena = a};
		struct err err = {0};
		const struct node *given =
			json_parse(a, "given", inputs[i].given, strlen(inputs[i].given), &err);
		const struct node *got = event_inputs(a, w, "workflow_dispatch", given, &diags);

		if (got)
			json_write(&out, got);
		else
			strbuf_adds(&out, diags.list[0].text);
		assert_string_equal(out.text, inputs[i].result);
	}
}

static void test_made_up_payloads(void **state)
{
	auto_arena struct arena *a = arena_new();
	const struct node *p = event_payload(a, "release", "refs/tags/v2", NULL);

	(void)state;
	assert_string_equal(node_text(node_get(p, "action")), "published");
	assert_string_equal(node_text(node_get(node_get(p, "release"), "tag_name")), "v2");
	p = event_payload(a, "pull_request", "refs/heads/fix", "dev");
	assert_string_equal(node_text(node_get(p, "action")), "opened");
	assert_string_equal(
		node_text(node_get(node_get(node_get(p, "pull_request"), "base"), "ref")), "dev");
	assert_string_equal(
		node_text(node_get(node_get(node_get(p, "pull_request"), "head"), "ref")), "fix");
	assert_null(event_default_action("push"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_triggers),
		cmocka_unit_test(test_tags_alone_shut_out_branches),
		cmocka_unit_test(test_matrices),
		cmocka_unit_test(test_matrix_limits),
		cmocka_unit_test(test_plan),
		cmocka_unit_test(test_only_brings_its_needs),
		cmocka_unit_test(test_expand_when_outputs_are_there),
		cmocka_unit_test(test_inputs),
		cmocka_unit_test(test_made_up_payloads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
