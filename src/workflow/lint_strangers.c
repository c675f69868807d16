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
	"github.event.workflow_run.pull_requests.*.head.ref",
	"github.event.changes.title.from",
	"github.event.changes.body.from",
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

/* As JSON all that is below a name becomes text. */
static bool holds_untrusted(const struct lint_path *path)
{
	for (size_t i = 0; i < COUNT(untrusted); i++)
		if (match(path, untrusted[i]))
			return true;
	return false;
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

static bool json_is_untrusted(struct lint *l, const struct lint_path *path)
{
	return lint_is_untrusted(l, path) || holds_untrusted(path);
}

/* Only asked of, and not handed on: comparisons, contains(), success(). */
static bool is_question(struct lint *l, const struct expr_node *x)
{
	return x->op == OP_NOT || (x->op >= OP_EQ && x->op <= OP_GE) ||
	       (x->op == OP_CALL && (lint_kind(l, x) == NODE_BOOL || x->function->flags));
}

static bool is_to_json(const struct expr_node *x)
{
	return x->op == OP_CALL && strcmp(x->function->name, "toJSON") == 0;
}

/* The first name in it that is wanted, and whose value it gives; NULL: none. */
static const struct expr_node *giver(struct lint *l, const struct expr_node *x, path_fn *wanted)
{
	const struct expr_node *found = NULL;
	struct lint_path path;

	if (is_question(l, x))
		return NULL;
	if (lint_path_of(x, &path))
		return wanted(l, &path) ? x : NULL;
	if (is_to_json(x) && wanted == lint_is_untrusted)
		wanted = json_is_untrusted;
	for (size_t i = 0; i < x->count && !found; i++)
		found = giver(l, x->kids[i], wanted);
	return found;
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

		if (expr && giver(l, expr->root, wanted))
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
	const struct expr_node *from = giver(l, x, lint_is_untrusted);

	if (from)
		diag_error(l->checker.diags,
			   place_inside(&l->checker, n, start + from->position - 1),
			   "untrusted-input",
			   "strangers write this, and it becomes part of the script");
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

/* ---- what is handed on ---- */

static bool is_the_input(struct lint *l, const struct lint_path *path)
{
	return path->count == 2 && is(path->parts[0], "inputs") && is(path->parts[1], l->input);
}

static bool script_has_input(struct lint *l, const struct node *n)
{
	return node_text(n) && lint_afford(l, strlen(n->text)) &&
	       text_gives(l, n->text, is_the_input);
}

/* The script that an input becomes a part of; NULL: none. */
static const struct node *script_with(struct lint *l, const struct steps *steps)
{
	if (!lint_afford(l, steps->count))
		return NULL;
	for (size_t i = 0; i < steps->count; i++) {
		const struct step *step = &steps->list[i];
		const struct node *run = node_get(step->as_written, "run");

		if (script_has_input(l, run))
			return run;
		for (size_t k = 0; step->uses && step->with && step->with->kind == NODE_MAP &&
				   k < step->with->count;
		     k++)
			if (lint_is_script_input(step->uses, step->with->pairs[k].key->text) &&
			    script_has_input(l, step->with->pairs[k].value))
				return step->with->pairs[k].value;
	}
	return NULL;
}

static const struct node *script_of_called(struct lint *l, const struct node *uses)
{
	const struct action *action = lint_find_action(l, uses->text);
	const struct workflow *called =
		l->step || !l->world->workflow
			? NULL
			: l->world->workflow(l->world->workflow_arg, uses->text, uses->at);
	const struct node *script = action && l->step ? script_with(l, &action->steps) : NULL;

	for (size_t i = 0; called && !script && i < called->job_count; i++)
		script = script_with(l, &called->jobs[i].steps);
	return script;
}

void lint_handed_on(struct lint *l, const struct node *caller)
{
	const struct node *uses = node_get(caller, "uses"), *with = node_get(caller, "with");

	for (size_t i = 0; node_text(uses) && with && with->kind == NODE_MAP && i < with->count;
	     i++) {
		const struct node *value = with->pairs[i].value, *script;

		if (value->kind != NODE_STRING || !lint_is_tainted(l, value->text))
			continue;
		l->input = with->pairs[i].key->text;
		script = script_of_called(l, uses);
		if (script)
			diag_error(l->checker.diags, value->at, "untrusted-input",
				   "strangers write this, and '%.100s' makes it part of the "
				   "script at line %u of %s",
				   uses->text, script->at.line, script->at.file);
	}
}
