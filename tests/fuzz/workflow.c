/* A whole workflow or action: read, checked and, when it is sound, planned. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "stepcell/arena.h"
#include "stepcell/workflow.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void plan(struct arena *a, const struct workflow *w)
{
	const struct event event = {.name = "push", .ref = "refs/heads/main", .base_ref = "main"};
	struct node *contexts = node_map(a), *github = node_map(a);
	struct diags diags = {.arena = a};
	struct plan out;
	const char *why = NULL;

	(void)trigger_matches(a, w, &event, &why);
	if (!why)
		abort();
	node_set_text(a, github, "ref", event.ref);
	node_set(a, contexts, "github", github);
	node_set(a, contexts, "vars", node_map(a));
	node_set(a, contexts, "inputs", node_map(a));
	if (plan_make(a, w, contexts, NULL, 0, &out, &diags) < 0) {
		if (!diags.errors)
			abort();
		return;
	}
	if (out.count < w->job_count)
		abort();
	for (size_t i = 0; i < out.count; i++)
		if (!out.jobs[i].why || !out.jobs[i].name || !out.jobs[i].id)
			abort();
}

/* Every call is one of the workflow itself: as deep as calls go. */
static const struct workflow *find_self(void *arg, const char *uses, struct place at)
{
	(void)uses, (void)at;
	return arg;
}

static const struct action *find_action(void *arg, const char *uses)
{
	(void)uses;
	return arg;
}

/* Whatever is found has a rule, and comments answer for every line. */
static void check_findings(struct arena *a, const char *text, size_t len, struct diags *diags)
{
	struct lint_comments *comments = lint_comments(a, "w.yml", text, len);
	const struct diag **sorted = diags_sorted(diags);

	for (size_t i = 0; i < diags->count; i++) {
		if (!lint_rule_find(sorted[i]->rule))
			abort();
		(void)lint_silences(comments, sorted[i]->at.line, sorted[i]->rule);
	}
	lint_comments_check(comments, diags);
}

/* The second look is given what was refused as well. */
static void lint_faulty(struct arena *a, const char *text, size_t size, const void *sound,
			const struct lint_world *world)
{
	struct diags diags = {.arena = a, .max = 1000}, again = {.arena = a};
	const struct workflow *w = workflow_load_faulty(a, "w.yml", text, size, &diags);
	const struct action *action = action_load_faulty(a, "action.yml", text, size, &again);

	if ((sound && !w) || !sound != (diags.errors > 0))
		abort();
	if (w) {
		workflow_lint(a, w, text, size, world, &diags);
		workflow_check_calls(a, w, PERMISSIONS_WRITE, find_self, (void *)sound, &diags);
	}
	if (action)
		action_lint(a, action, text, size, world, &again);
	check_findings(a, text, size, &diags);
	check_findings(a, text, size, &again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *a = arena_new();
	const char *text = (const char *)data;
	struct diags diags = {.arena = a, .max = 1000}, again = {.arena = a};
	const struct workflow *w = workflow_load(a, "w.yml", text, size, &diags);
	const struct action *action = action_load(a, "action.yml", text, size, &again);
	const struct lint_world world = {.action = find_action,
					 .workflow = find_self,
					 .action_arg = (void *)action,
					 .workflow_arg = (void *)w};

	if (!w != (diags.errors > 0))
		abort();
	if (w) {
		workflow_lint(a, w, text, size, &world, &diags);
		workflow_check_calls(a, w, PERMISSIONS_WRITE, find_self, (void *)w, &diags);
		plan(a, w);
	}
	if (action)
		action_lint(a, action, text, size, &world, &again);
	check_findings(a, text, size, &diags);
	check_findings(a, text, size, &again);
	lint_faulty(a, text, size, w, &world);
	arena_free(&a);
	return 0;
}
