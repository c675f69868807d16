/* What strangers write, and the ways by which it becomes code. */
#include <string.h>

#include "workflow/lint.h"

static bool is(const char *part, const char *name)
{
	return strcasecmp(part, name) == 0;
}

/* ---- paths ---- */

static const char *const untrusted[] = {
	"github.event.issue.title",
	"github.event.issue.body",
	"github.event.pull_request.title",
	"github.event.pull_request.body",
	"github.event.pull_request.head.ref",
	"github.event.pull_request.head.label",
	"github.event.pull_request.head.repo.default_branch",
	"github.event.comment.body",
	"github.event.review.body",
	"github.event.review_comment.body",
	"github.event.discussion.title",
	"github.event.discussion.body",
	"github.event.pages.*.page_name",
	"github.event.commits.*.message",
	"github.event.commits.*.author.email",
	"github.event.commits.*.author.name",
	"github.event.head_commit.message",
	"github.event.head_commit.author.email",
	"github.event.head_commit.author.name",
	"github.event.workflow_run.head_branch",
	"github.event.workflow_run.head_commit.message",
	"github.event.workflow_run.display_title",
	"github.head_ref",
};

static bool part_matches(const char *part, const char *pattern, size_t len)
{
	if (is(part, "*"))
		return true;
	if (*pattern == '*')
		return is(part, LINT_ITEM);
	return strlen(part) == len && strncasecmp(part, pattern, len) == 0;
}

/* How much of the pattern is left behind the path; NULL when they part. */
static const char *match(const struct lint_path *path, const char *pattern)
{
	for (size_t k = 0; k < path->count; k++) {
		size_t len = strcspn(pattern, ".");

		if (!*pattern || !part_matches(path->parts[k], pattern, len))
			return NULL;
		pattern += len + (pattern[len] == '.');
	}
	return pattern;
}

/* ---- variables ---- */

#define ENV_DEPTH 5 /* variables that are set to others */

/* The nearest value that env gives a variable. */
static const char *env_text(const struct lint *l, const char *name)
{
	const struct node *const maps[] = {
		node_get(l->step, "env"),
		l->job ? l->job->env : NULL,
		l->workflow ? l->workflow->env : NULL,
	};

	for (size_t i = 0; i < COUNT(maps); i++) {
		const struct node *value = node_get_nocase(maps[i], name);

		if (value)
			return node_text(value);
	}
	return NULL;
}

static bool env_is_tainted(struct lint *l, const char *name)
{
	const char *text = env_text(l, name);
	bool tainted;

	if (!text || l->env_depth == ENV_DEPTH || !lint_afford(l, strlen(text)))
		return false;
	l->env_depth++;
	tainted = lint_is_tainted(l, text);
	l->env_depth--;
	return tainted;
}

bool lint_is_untrusted(struct lint *l, const struct lint_path *path)
{
	if (path->count == 2 && is(path->parts[0], "env"))
		return env_is_tainted(l, path->parts[1]);
	for (size_t i = 0; i < COUNT(untrusted); i++) {
		const char *rest = match(path, untrusted[i]);

		if (rest && !*rest)
			return true;
	}
	return false;
}

/* ---- expressions ---- */

typedef bool path_fn(struct lint *l, const struct lint_path *path);

/* Through values, not through what is asked of them. */
static bool gives(struct lint *l, const struct expr_node *x, path_fn *wanted)
{
	struct lint_path path;

	if (x->op == OP_NOT || (x->op >= OP_EQ && x->op <= OP_GE) ||
	    (x->op == OP_CALL && (lint_kind(l, x) == NODE_BOOL || x->function->flags)))
		return false;
	if (lint_path_of(x, &path))
		return wanted(l, &path);
	for (size_t i = 0; i < x->count; i++)
		if (gives(l, x->kids[i], wanted))
			return true;
	return false;
}

static bool text_gives(struct lint *l, const char *text, path_fn *wanted)
{
	auto_arena struct arena *scratch = arena_new();
	size_t len = strlen(text), next = 0;
	struct template_part part;
	struct expr_err e;

	while (template_next(text, len, &next, &part) > 0) {
		const struct expr *expr =
			part.is_expr ? expr_parse(scratch, text + part.start, part.len, &e) : NULL;

		if (expr && gives(l, expr->root, wanted))
			return true;
	}
	return false;
}

bool lint_is_tainted(struct lint *l, const char *text)
{
	return text_gives(l, text, lint_is_untrusted);
}

void lint_taint(struct lint *l, const struct node *n, size_t start, const struct expr_node *x)
{
	struct lint_path path;

	if (x->op == OP_NOT || (x->op >= OP_EQ && x->op <= OP_GE) ||
	    (x->op == OP_CALL && (lint_kind(l, x) == NODE_BOOL || x->function->flags)))
		return;
	if (lint_path_of(x, &path)) {
		if (lint_is_untrusted(l, &path))
			diag_error(l->checker.diags,
				   place_inside(&l->checker, n, start + x->position - 1),
				   "untrusted-input",
				   "strangers write this, and it becomes part of the script");
		return;
	}
	for (size_t i = 0; i < x->count; i++)
		lint_taint(l, n, start, x->kids[i]);
}

/* ---- checkouts ---- */

/* Events that run with the rights of the repository although strangers cause them. */
static const char *const privileged[] = {"pull_request_target", "workflow_run", "issue_comment"};

/* What names a stranger's code, or the number of their pull request. */
static const char *const heads[] = {
	"github.head_ref",
	"github.event.number",
	"github.event.issue.number",
	"github.event.pull_request.number",
	"github.event.pull_request.merge_commit_sha",
	"github.event.pull_request.head",
	"github.event.workflow_run.head_sha",
	"github.event.workflow_run.head_branch",
	"github.event.workflow_run.head_repository",
};

/* Also what is below such a name. */
static bool is_head(struct lint *l, const struct lint_path *path)
{
	(void)l;
	for (size_t i = 0; i < COUNT(heads); i++) {
		struct lint_path upper = *path;

		for (; upper.count > 1; upper.count--) {
			const char *rest = match(&upper, heads[i]);

			if (rest && !*rest)
				return true;
		}
	}
	return false;
}

static const char *privileged_event(const struct lint *l)
{
	for (size_t i = 0; l->workflow && i < COUNT(privileged); i++)
		if (node_get(l->workflow->on, privileged[i]))
			return privileged[i];
	return NULL;
}

void lint_checkout(struct lint *l, const struct node *step)
{
	static const char *const keys[] = {"ref", "repository"};
	const char *uses = node_text(node_get(step, "uses")), *event = privileged_event(l);

	if (!event || !uses || strncasecmp(uses, "actions/checkout@", 17) != 0)
		return;
	for (size_t i = 0; i < COUNT(keys); i++) {
		const struct node *value = node_get_nocase(node_get(step, "with"), keys[i]);

		if (!node_text(value) || !text_gives(l, value->text, is_head))
			continue;
		diag_warn(l->checker.diags, value->at, "untrusted-checkout",
			  "strangers write this code, and %s runs with the repository's token and "
			  "secrets",
			  event);
		return;
	}
}

/* ---- scripts ---- */

/* Inputs of actions that are run, and not only read. */
static const struct {
	const char *action; /* NULL: of any */
	const char *input;
} scripts[] = {
	{NULL, "script"},
	{NULL, "inlineScript"},
	{"azure/powershell", "inlineScript"},
	{"nick-fields/retry", "command"},
	{"nick-invision/retry", "command"},
	{"addnab/docker-run-action", "run"},
	{"reactivecircus/android-emulator-runner", "script"},
	{"mikefarah/yq", "cmd"},
};

bool lint_is_script_input(const char *uses, const char *input)
{
	for (size_t i = 0; i < COUNT(scripts); i++) {
		size_t len = scripts[i].action ? strlen(scripts[i].action) : 0;

		if (is(input, scripts[i].input) &&
		    (!len || (strncasecmp(uses, scripts[i].action, len) == 0 && uses[len] == '@')))
			return true;
	}
	return false;
}
