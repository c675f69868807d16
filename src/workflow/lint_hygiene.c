/* What works, and had better not be done: warnings. */
#include <string.h>

#include "workflow/lint.h"

#define COMMIT_DIGITS 40

/* ---- actions and workflows of others ---- */

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

void lint_pinned(struct lint *l, const struct node *uses)
{
	const char *s = node_text(uses), *ref = s ? strrchr(s, '@') : NULL;

	if (ref && !template_has_expr(s) && is_third_party(s) && !is_commit(ref + 1))
		diag_warn(l->checker.diags, uses->at, "unpinned-uses",
			  "'%.100s' can be moved to other code by its owner; pin the full commit "
			  "and keep the tag in a comment",
			  s);
}

/* ---- commands ---- */

static const struct {
	const char *name, *text, *instead;
} old_commands[] = {
	{"set-output", "::set-output name=", "append NAME=VALUE to \"$GITHUB_OUTPUT\""},
	{"save-state", "::save-state name=", "append NAME=VALUE to \"$GITHUB_STATE\""},
	{"set-env", "::set-env name=", "append NAME=VALUE to \"$GITHUB_ENV\""},
	{"add-path", "::add-path::", "append the directory to \"$GITHUB_PATH\""},
};

/* The first of each kind in a script: one is mended as the next is. */
void lint_commands(struct lint *l, const struct node *script)
{
	const char *s = node_text(script);

	for (size_t i = 0; s && i < COUNT(old_commands); i++) {
		const char *at = strstr(s, old_commands[i].text);

		if (at)
			diag_warn(l->checker.diags,
				  place_inside(&l->checker, script, (size_t)(at - s)),
				  "deprecated-commands", "::%s is deprecated; %s",
				  old_commands[i].name, old_commands[i].instead);
	}
}

/* ---- permissions ---- */

void lint_permissions(struct lint *l, const struct node *permissions)
{
	const char *s = node_text(permissions);

	if (s && strcmp(s, "write-all") == 0)
		diag_warn(l->checker.diags, permissions->at, "excessive-permissions",
			  "every scope of the token can be written; name the scopes that are "
			  "needed");
}
