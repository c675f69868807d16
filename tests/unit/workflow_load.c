/* Mistakes in workflow files, each with its place; and what the model holds of a sound one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "stepcell/arena.h"
#include "stepcell/limits.h"
#include "stepcell/util.h"
#include "stepcell/workflow.h"
#include "workflow/check.h"

#define HEAD  "on: push\njobs:\n  a:\n    runs-on: x\n"
#define STEPS "    steps:\n      - run: x\n"

/* The first mistake of each text. */
static const struct {
	const char *text, *error;
} mistakes[] = {
	{"", "w.yml:1:1: expected a map with 'on' and 'jobs', found nothing"},
	{"jobs: {}\non: push\n", "w.yml:1:7: jobs may not be empty"},
	{"jobs: {a: {runs-on: x}}\n", "w.yml:1:1: missing 'on' in a workflow"},
	{HEAD STEPS "on: pull_request\n", "w.yml:7:1: 'on' is already defined"},
	{"on: psuh\njobs: {a: {runs-on: x}}\n", "w.yml:1:5: unknown event 'psuh'"},
	{"on: {push: {branch: x}}\njobs: {a: {runs-on: x}}\n",
	 "w.yml:1:13: unknown key 'branch' of the event push; did you mean 'branches'?"},
	{"on: {push: {where: x}}\njobs: {a: {runs-on: x}}\n",
	 "w.yml:1:13: unknown key 'where' of the event push; expected one of branches, "
	 "branches-ignore, tags, tags-ignore, paths, paths-ignore"},
	{"on: {release: {types: [publish]}}\njobs: {a: {runs-on: x}}\n",
	 "w.yml:1:24: unknown activity type 'publish' of release; did you mean 'published'?"},
	{"on: {release: {types: [gone]}}\njobs: {a: {runs-on: x}}\n",
	 "w.yml:1:24: unknown activity type 'gone' of release; expected one of published, "
	 "unpublished, created, edited, deleted, prereleased, released"},
	{"on: {schedule: [{cron: '61 * * * *'}]}\njobs: {a: {runs-on: x}}\n",
	 "w.yml:1:24: '61 * * * *' is no schedule: wrong minute"},
	{"on: []\njobs: {a: {runs-on: x}}\n",
	 "w.yml:1:5: no event is given, so nothing starts this"},
	{HEAD STEPS "    concurrency: {group: g, queue: max, cancel-in-progress: true}\n",
	 "w.yml:7:36: 'queue: max' does not go with 'cancel-in-progress: true'"},
	{"on: push\njobs:\n  a: {runs-on: {group: x/y}}\n",
	 "w.yml:3:24: expected the name of a runner group, or organization/NAME or "
	 "enterprise/NAME"},
	/* jobs */
	{"on: push\njobs:\n  a:\n    steps:\n      - run: x\n",
	 "w.yml:4:5: missing 'runs-on' in a job"},
	{HEAD "    stpes: []\n", "w.yml:5:5: unknown key 'stpes' in a job; did you mean 'steps'?"},
	{HEAD "    after: x\n", "w.yml:5:5: unknown key 'after' in a job; expected one of name, "},
	{HEAD "    uses: o/r/.github/workflows/x.yml@v1\n",
	 "w.yml:5:5: 'uses' does not go with 'runs-on' in a job"},
	{HEAD STEPS "    needs: b\n", "w.yml:7:12: job 'a' needs 'b', which does not exist"},
	{HEAD STEPS "    needs: [a]\n  z: {runs-on: x}\n",
	 "w.yml:7:13: job 'a' needs 'a', which makes a cycle: a -> a"},
	{HEAD STEPS "    needs: c\n  b: {runs-on: x, needs: a, steps: []}\n"
		    "  c: {runs-on: x, needs: [b], steps: []}\n  z: {runs-on: x}\n",
	 "w.yml:7:12: job 'a' needs 'c', which makes a cycle: a -> c -> b -> a"},
	{"on: push\njobs:\n  a: {runs-on: x, needs: b}\n  b: {runs-on: x, needs: a}\n",
	 "w.yml:3:3: every job needs another, so none can be the first"},
	{HEAD STEPS "  A: {runs-on: x}\n",
	 "w.yml:7:3: 'A' is already defined at line 3 (case does not count)"},
	{"on: push\njobs:\n  1a: {runs-on: x}\n",
	 "w.yml:3:3: invalid id '1a' of a job: letters, digits, _ and -, first a letter or _"},
	{HEAD STEPS "    timeout-minutes: '5'\n", "w.yml:7:22: expected a number, found '5'"},
	{HEAD STEPS "    permissions: {contents: admin}\n",
	 "w.yml:7:29: expected read, write or none, found 'admin'"},
	{HEAD STEPS "    strategy: {matrix: {a: 1}}\n",
	 "w.yml:7:28: expected a list, found a number"},
	{HEAD STEPS "    env: [A]\n", "w.yml:7:10: expected a map, found a list"},
	/* steps */
	{HEAD "    steps:\n      - run: x\n        uses: o/r@v1\n",
	 "w.yml:7:9: 'uses' does not go with 'run' in a step"},
	{HEAD "    steps:\n      - name: x\n",
	 "w.yml:6:9: missing one of run, uses, wait, wait-all, cancel in a step"},
	{HEAD "    steps:\n      - shell: sh\n", "w.yml:6:9: missing 'run' in a step"},
	{HEAD "    steps:\n      - run: x\n        id: y\n      - {run: x, id: Y}\n",
	 "w.yml:8:22: the step id 'Y' is taken by line 7"},
	{HEAD "    steps:\n      - uses: checkout\n",
	 "w.yml:6:15: expected owner/repo@ref, owner/repo/path@ref, ./path or docker://image, "
	 "found "
	 "'checkout'"},
	/* expressions, at their place in the file */
	{HEAD "    steps:\n      - run: echo ${{ githb.ref }}\n",
	 "w.yml:6:23: unknown context 'githb'; did you mean 'github'?"},
	{HEAD "    steps:\n      - run: echo ${{ toJson(x.y) }} ${{ sucess() }}\n",
	 "w.yml:6:30: unknown context 'x'; available: github, inputs, vars, "},
	{HEAD STEPS "    if: sucess()\n",
	 "w.yml:7:9: unknown function 'sucess'; did you mean 'success'?"},
	{HEAD STEPS "    if: secrets.X == 'y'\n",
	 "w.yml:7:9: context 'secrets' is not available here; available: github, inputs, vars, "
	 "needs"},
	{HEAD "    steps:\n      - run: |\n          echo a\n          echo ${{ 1 + 2 }}\n",
	 "w.yml:8:22: unexpected symbol '+'"},
	{HEAD "    steps:\n      - run: >-\n          echo a\n          b ${{ github.x\n"
	      "          [0 }}\n",
	 "w.yml:9:14: unexpected end of the expression, expected ']'"},
	{HEAD "    steps:\n      - {if: \"x == \\\"y\\\"\", run: x}\n",
	 "w.yml:6:21: unexpected symbol"},
	{HEAD "    steps:\n      - {if: 'github.ref == ''a'' && nope()', run: x}\n",
	 "w.yml:6:38: unknown function 'nope'"},
	{HEAD "    steps:\n      - run: echo ${{ github.ref\n",
	 "w.yml:6:19: this ${{ is not closed by }}"},
	{HEAD "    steps:\n      - {if: success('a'), run: x}\n",
	 "w.yml:6:14: success() takes no argument here"},
	{HEAD "    steps:\n      - run: ${{ hashFiles() }}\n",
	 "w.yml:6:18: hashFiles() takes at least 1 argument, found 0"},
	{"name: ${{ github.ref }}\n" HEAD STEPS, "w.yml:1:7: an expression is not allowed here"},
};

static const char *first_error(struct arena *a, const char *text)
{
	struct diags diags = {.arena = a, .max = 100};
	struct workflow *w = workflow_load(a, "w.yml", text, strlen(text), &diags);
	const struct diag *first = NULL;

	assert_true(!w == (diags.errors > 0));
	for (size_t i = 0; i < diags.count; i++) {
		const struct diag *d = &diags.list[i];

		if (d->level == DIAG_ERROR &&
		    (!first || d->at.line < first->at.line ||
		     (d->at.line == first->at.line && d->at.col < first->at.col)))
			first = d;
	}
	return first ? arena_printf(a, "%s:%u:%u: %s", first->at.file, first->at.line,
				    first->at.col, first->text)
		     : "none";
}

static void test_mistakes(void **state)
{
	size_t bad = 0;

	(void)state;
	for (size_t i = 0; i < COUNT(mistakes); i++) {
		auto_arena struct arena *a = arena_new();
		const char *got = first_error(a, mistakes[i].text);

		/* a row may leave the end of a long list out */
		if (strncmp(got, mistakes[i].error, strlen(mistakes[i].error)) == 0)
			continue;
		print_error("%s\nis not\n%s\nof\n%s", got, mistakes[i].error, mistakes[i].text);
		bad++;
	}
	assert_int_equal(bad, 0);
}

/* ---- the model ---- */

static const char sound[] = "name: Sound\n"
			    "run-name: by ${{ github.actor }}\n"
			    "on: [push, pull_request]\n"
			    "env: {A: 1}\n"
			    "defaults: {run: {shell: bash}}\n"
			    "jobs:\n"
			    "  one:\n"
			    "    runs-on: [self-hosted, linux]\n"
			    "    if: always()\n"
			    "    outputs: {v: '${{ steps.s.outputs.v }}'}\n"
			    "    defaults: {run: {working-directory: sub}}\n"
			    "    steps:\n"
			    "      - uses: actions/checkout@v4\n"
			    "        with: {path: x}\n"
			    "      - {id: s, name: Say, run: echo, shell: sh, timeout-minutes: 3}\n"
			    "  two:\n"
			    "    needs: one\n"
			    "    uses: ./.github/workflows/x.yml\n"
			    "    with: {n: 1}\n"
			    "    secrets: inherit\n";

static void test_model(void **state)
{
	auto_arena struct arena *a = arena_new();
	struct diags diags = {.arena = a};
	const struct workflow *w = workflow_load(a, "w.yml", sound, strlen(sound), &diags);

	(void)state;
	assert_non_null(w);
	assert_string_equal(w->name, "Sound");
	assert_string_equal(w->run_name, "by ${{ github.actor }}");
	assert_int_equal(w->on->kind, NODE_MAP);
	assert_non_null(node_get(w->on, "pull_request"));
	assert_string_equal(w->defaults.shell, "bash");
	assert_int_equal(w->job_count, 2);
	assert_string_equal(w->jobs[0].condition, "always()");
	assert_string_equal(w->jobs[0].defaults.workdir, "sub");
	assert_int_equal(w->jobs[0].steps.count, 2);
	assert_string_equal(w->jobs[0].steps.list[0].uses, "actions/checkout@v4");
	assert_null(w->jobs[0].steps.list[0].run);
	assert_int_equal(w->jobs[0].steps.list[1].at.line, 15);
	assert_string_equal(w->jobs[0].steps.list[1].shell, "sh");
	assert_int_equal(w->jobs[0].steps.list[1].timeout_minutes->number, 3);
	assert_int_equal(w->jobs[1].need_count, 1);
	assert_string_equal(w->jobs[1].uses, "./.github/workflows/x.yml");
	assert_string_equal(node_text(w->jobs[1].secrets), "inherit");
}

static const char composite[] = "name: A\n"
				"inputs: {who: {default: you}}\n"
				"outputs: {o: {value: '${{ steps.s.outputs.o }}'}}\n"
				"runs:\n"
				"  using: composite\n"
				"  steps:\n"
				"    - {id: s, run: echo, shell: bash}\n";

static const struct {
	const char *text;
	enum action_kind kind;
	const char *error; /* NULL: sound */
} actions[] = {
	{composite, ACTION_COMPOSITE, NULL},
	{"name: N\nruns: {using: node20, main: i.js, post: p.js, post-if: success()}\n",
	 ACTION_NODE, NULL},
	{"name: D\nruns: {using: docker, image: Dockerfile, args: ['${{ inputs.x }}']}\n",
	 ACTION_DOCKER, NULL},
	{"- name: D\n", ACTION_NODE, "expected a map with 'name' and 'runs', found a list"},
	{"name: D\nruns: {using: docker}\n", ACTION_DOCKER, "missing 'image' in runs"},
	{"name: X\nruns: {using: cobol, main: x}\n", ACTION_NODE,
	 "expected node12, node16, node20 or node24, found 'cobol'"},
	{"name: X\nruns: {using: composite, steps: [{run: x}]}\n", ACTION_COMPOSITE,
	 "missing 'shell' in a step"},
	{"name: X\nruns: {using: composite, steps: [{run: '${{ secrets.X }}', shell: sh}]}\n",
	 ACTION_COMPOSITE, "context 'secrets' is not available here; available: github"},
};

static void test_actions(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(actions); i++) {
		auto_arena struct arena *a = arena_new();
		struct diags diags = {.arena = a};
		struct action *action = action_load(a, "action.yml", actions[i].text,
						    strlen(actions[i].text), &diags);

		if (actions[i].error) {
			assert_null(action);
			assert_memory_equal(diags.list[0].text, actions[i].error,
					    strlen(actions[i].error));
			continue;
		}
		assert_non_null(action);
		assert_int_equal(action->kind, actions[i].kind);
	}
}

/* ---- hostile ---- */

static void test_ten_thousand_jobs_in_a_cycle(void **state)
{
	auto_arena struct arena *a = arena_new();
	auto_strbuf struct strbuf text = STRBUF(MIB);
	struct diags diags = {.arena = a};

	(void)state;
	strbuf_adds(&text, "on: push\njobs:\n");
	for (size_t i = 0; i < LIMIT_JOBS; i++)
		strbuf_addf(&text, "  j%zu: {runs-on: x, needs: j%zu, steps: [{run: x}]}\n", i,
			    (i + 1) % LIMIT_JOBS);
	assert_false(text.full);
	assert_null(workflow_load(a, "w.yml", text.text, text.len, &diags));
	assert_non_null(strstr(diags.list[0].text, "makes a cycle: j0 -> j1 -> j2"));
	assert_true(arena_used(a) < 64 * MIB);
}

static void test_many_mistakes_in_one_value(void **state)
{
	auto_arena struct arena *a = arena_new();
	auto_strbuf struct strbuf text = STRBUF(MIB);
	struct diags diags = {.arena = a, .max = 1000};

	(void)state;
	strbuf_adds(&text, HEAD "    steps:\n");
	while (text.len < 900000) {
		strbuf_adds(&text, "      - run: ");
		for (size_t i = 0; i < 1000; i++)
			strbuf_adds(&text, "${{ x }}");
		strbuf_adds(&text, "\n");
	}
	assert_null(workflow_load(a, "w.yml", text.text, text.len, &diags));
	assert_true(diags.errors > 100000);
	assert_int_equal(diags.count, 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mistakes),
		cmocka_unit_test(test_model),
		cmocka_unit_test(test_actions),
		cmocka_unit_test(test_ten_thousand_jobs_in_a_cycle),
		cmocka_unit_test(test_many_mistakes_in_one_value),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
