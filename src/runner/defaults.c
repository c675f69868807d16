#include "runner/defaults.h"

#include <ctype.h>

#include "stepcell/json.h"
#include "stepcell/util.h"

/* The rest of the context stays out of the environment: `token` and `event` above all. */
static const char *const github_names[] = {
	"action",
	"action_path",
	"action_ref",
	"action_repository",
	"actor",
	"actor_id",
	"api_url",
	"base_ref",
	"env",
	"event_name",
	"event_path",
	"graphql_url",
	"head_ref",
	"job",
	"output",
	"path",
	"ref",
	"ref_name",
	"ref_protected",
	"ref_type",
	"repository",
	"repository_id",
	"repository_owner",
	"repository_owner_id",
	"retention_days",
	"run_attempt",
	"run_id",
	"run_number",
	"server_url",
	"sha",
	"state",
	"step_summary",
	"triggering_actor",
	"workflow",
	"workflow_ref",
	"workflow_sha",
	"workspace",
};

/* A scalar as the text of a variable, or NULL. */
static const char *scalar_text(struct arena *a, const struct node *value)
{
	auto_strbuf struct strbuf text = STRBUF(64);

	if (!value)
		return NULL;
	switch (value->kind) {
	case NODE_STRING:
		return value->text;
	case NODE_BOOL:
		return value->truth ? "true" : "false";
	case NODE_NUMBER:
		number_write(&text, value->number);
		return arena_strndup(a, text.text, text.len);
	default:
		return NULL;
	}
}

static void set_variable(struct arena *a, struct node *env, const char *prefix, const char *name,
			 const struct node *value)
{
	const char *text = scalar_text(a, value);
	char *variable;

	if (!text)
		return;
	variable = arena_printf(a, "%s%s", prefix, name);
	for (char *c = variable; *c; c++)
		*c = (char)toupper((unsigned char)*c);
	node_set_text(a, env, variable, text);
}

void default_env(struct arena *a, const struct node *github, const struct node *runner,
		 struct node *env)
{
	for (size_t i = 0; i < COUNT(github_names); i++)
		set_variable(a, env, "GITHUB_", github_names[i], node_get(github, github_names[i]));
	for (size_t i = 0; runner && runner->kind == NODE_MAP && i < runner->count; i++)
		set_variable(a, env, "RUNNER_", runner->pairs[i].key->text, runner->pairs[i].value);
	if (!node_get(env, "CI"))
		node_set_text(a, env, "CI", "true");
	node_set_text(a, env, "GITHUB_ACTIONS", "true");
}
