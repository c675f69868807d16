/* Actions and workflows of others: whether they can change under way, are too old, or fit what they are given. */
#include <string.h>

#include "stepcell/parse.h"
#include "workflow/lint.h"

#define COMMIT_DIGITS 40

/* ---- where they come from ---- */

/* GitHub's own are as trusted as the runner that serves them. */
static bool is_third_party(const char *uses)
{
	return uses[0] != '.' && strncmp(uses, "docker://", 9) != 0 &&
	       strncasecmp(uses, "actions/", 8) != 0 && strncasecmp(uses, "github/", 7) != 0;
}

static bool is_commit(const char *ref)
{
	return strlen(ref) == COMMIT_DIGITS &&
	       strspn(ref, "0123456789abcdefABCDEF") == COMMIT_DIGITS;
}

static void lint_pinned(struct lint *l, const struct node *uses, const char *ref)
{
	if (strncmp(uses->text, "docker://", 9) == 0 && !strstr(uses->text, "@sha256:"))
		diag_warn(l->checker.diags, uses->at, "unpinned-uses",
			  "'%.100s' can be another image tomorrow; pin its digest, @sha256:...",
			  uses->text);
	else if (ref && is_third_party(uses->text) && !is_commit(ref + 1))
		diag_warn(l->checker.diags, uses->at, "unpinned-uses",
			  "'%.100s' can be moved to other code by its owner", uses->text);
}

/* ---- how old they are ---- */

#define REFUSED "GitHub refuses it"
#define NODE    "it is made for a node that runners no longer have"
#define DROPPED "its makers no longer keep it up"

/* The first release that is not so. */
static const struct {
	const char *action;
	unsigned major;
	const char *fault;
} outdated[] = {
	{"actions/cache", 3, REFUSED},
	{"actions/cache", 4, NODE},
	{"actions/checkout", 4, NODE},
	{"actions/configure-pages", 4, NODE},
	{"actions/dependency-review-action", 4, NODE},
	{"actions/deploy-pages", 4, REFUSED},
	{"actions/download-artifact", 4, REFUSED},
	{"actions/github-script", 7, NODE},
	{"actions/labeler", 5, NODE},
	{"actions/setup-dotnet", 4, NODE},
	{"actions/setup-go", 5, NODE},
	{"actions/setup-java", 4, NODE},
	{"actions/setup-node", 4, NODE},
	{"actions/setup-python", 5, NODE},
	{"actions/stale", 9, NODE},
	{"actions/upload-artifact", 4, REFUSED},
	{"actions/upload-pages-artifact", 3, REFUSED},
	{"github/codeql-action", 3, DROPPED},
};

/* v3, v3.1.2, 3 */
static bool major_of(const char *ref, uint64_t *out)
{
	char digits[8] = "";
	size_t n;

	ref += *ref == 'v';
	n = strspn(ref, "0123456789");
	if (!n || n >= sizeof(digits) || (ref[n] && ref[n] != '.'))
		return false;
	memcpy(digits, ref, n);
	return parse_u64(digits, 0, 1000, out) == 0;
}

static void lint_age(struct lint *l, const struct node *uses, const char *ref)
{
	uint64_t major;

	if (!ref || !major_of(ref + 1, &major))
		return;
	for (size_t i = 0; i < COUNT(outdated); i++) {
		size_t len = strlen(outdated[i].action);

		if (strncasecmp(uses->text, outdated[i].action, len) != 0 ||
		    (uses->text[len] != '@' && uses->text[len] != '/') ||
		    major >= outdated[i].major)
			continue;
		diag_warn(l->checker.diags, uses->at, "outdated-action",
			  "'%.100s' is too old: %s; v%u is not", uses->text, outdated[i].fault,
			  outdated[i].major);
		return;
	}
}

void lint_uses(struct lint *l, const struct node *uses)
{
	const char *s = node_text(uses), *ref = s ? strrchr(s, '@') : NULL;

	if (!s || template_has_expr(s))
		return;
	lint_pinned(l, uses, ref);
	lint_age(l, uses, ref);
}

/* ---- what they are given ---- */

const struct action *lint_find_action(const struct lint *l, const char *uses)
{
	return l->world->action && uses && !template_has_expr(uses)
		       ? l->world->action(l->world->action_arg, uses)
		       : NULL;
}

/* Of an action in a container these two are the container's. */
static bool is_for_container(const struct action *action, const char *input)
{
	return action->kind == ACTION_DOCKER &&
	       (strcasecmp(input, "args") == 0 || strcasecmp(input, "entrypoint") == 0);
}

static void lint_given(struct lint *l, const struct action *action, const struct node *key)
{
	const struct node *declared =
		action->inputs ? lint_get(l, action->inputs, key->text) : NULL;
	const char *deprecated = node_text(node_get(declared, "deprecationMessage"));

	if (template_has_expr(key->text) || is_for_container(action, key->text))
		return;
	if (!declared)
		diag_warn(l->checker.diags, key->at, "action-inputs",
			  "the action has no input '%.100s'", key->text);
	else if (deprecated)
		diag_warn(l->checker.diags, key->at, "action-inputs",
			  "the input '%.100s' is deprecated: %.200s", key->text, deprecated);
}

static bool is_required(const struct node *input)
{
	const struct node *required = node_get(input, "required");

	return required && required->kind == NODE_BOOL && required->truth &&
	       !node_get(input, "default");
}

void lint_action_use(struct lint *l, const struct node *step)
{
	const struct node *uses = node_get(step, "uses"), *with = node_get(step, "with");
	const struct action *action = lint_find_action(l, node_text(uses));

	if (!action || (with && with->kind != NODE_MAP))
		return;
	for (size_t i = 0; with && i < with->count; i++)
		lint_given(l, action, with->pairs[i].key);
	for (size_t i = 0; action->inputs && i < action->inputs->count; i++) {
		const struct node_pair *p = &action->inputs->pairs[i];

		if (is_required(p->value) && !(with && lint_get(l, with, p->key->text)))
			diag_warn(l->checker.diags, uses->at, "action-inputs",
				  "the action requires the input '%.100s', which is not given",
				  p->key->text);
	}
}

/* Only a composite action's outputs are all declared. */
const char *lint_action_output(struct lint *l, const struct node *step, const char *name)
{
	const struct action *action = lint_find_action(l, node_text(node_get(step, "uses")));

	if (!action || action->kind != ACTION_COMPOSITE ||
	    (action->outputs && lint_get(l, action->outputs, name)))
		return NULL;
	return arena_printf(l->checker.arena, "the action '%.100s' has no output '%.100s'",
			    node_get(step, "uses")->text, name);
}
