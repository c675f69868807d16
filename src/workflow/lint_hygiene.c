/* Commands that files have replaced, and tokens that may do too much. */
#include <string.h>

#include "workflow/lint.h"

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
			  "every scope of the token can be written");
}

/* Events that anybody with an account can cause, and whose runs have the rights of the repository. */
static const char *const by_strangers[] = {
	"pull_request_target", "issue_comment",      "issues",
	"discussion",          "discussion_comment", "workflow_run"};

/* Nobody said what the token may do: it has whatever the repository's settings give. */
void lint_token(struct lint *l)
{
	const struct workflow *w = l->workflow;
	bool open = !w->permissions;

	for (size_t i = 0; open && i < w->job_count; i++)
		if (!w->jobs[i].permissions)
			break;
		else if (i + 1 == w->job_count)
			open = false;
	for (size_t i = 0; open && i < COUNT(by_strangers); i++)
		if (node_get(w->on, by_strangers[i])) {
			diag_warn(l->checker.diags, w->on->at, "excessive-permissions",
				  "strangers can start this by %s, and nothing limits its token",
				  by_strangers[i]);
			return;
		}
}
