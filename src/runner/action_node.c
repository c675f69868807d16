/*
 * JavaScript actions: pre, main and post, each run by the image's node in a
 * cell like any step. What they are told and what they say goes by GitHub's
 * toolkit: INPUT_* and STATE_* in, commands and files out.
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "runner/actions.h"
#include "stepcell/limits.h"
#include "stepcell/parse.h"
#include "stepcell/path.h"
#include "stepcell/util.h"

/* Asked for by their own paths: what a step puts into PATH is not what actions run on. */
static const char *const places[] = {"/usr/bin/node", "/usr/local/bin/node", "/usr/bin/nodejs"};

static const char *find_node(const struct image *image)
{
	for (size_t i = 0; i < COUNT(places); i++)
		if (image_has(image, places[i]))
			return places[i];
	return NULL;
}

int action_node_check(const struct image *image, struct err *err)
{
	if (find_node(image))
		return 0;
	if (strcmp(image->name, "host") == 0)
		return err_fail(err, ERR_SYSTEM,
				"JavaScript actions need node, and this host has none in /usr; "
				"'stepcell image build node' makes an image that has");
	return err_fail(err, ERR_SYSTEM,
			"JavaScript actions need node, and image '%s' has none; 'stepcell image "
			"build node' makes one that has, for --image node",
			image->name);
}

/* ---- its version ---- */

/* "v18.20.4" as "18.20.4"; "" when it does not say. */
static const char *ask_version(struct job_run *job, const char *node)
{
	const char *const argv[] = {node, "--version", NULL};
	auto_strbuf struct strbuf text = STRBUF(256);
	struct err ignored = {0};

	if (view_run(job, &(struct view_program){.argv = argv}, &text, &ignored) < 0 ||
	    text.text[0] != 'v')
		return "";
	return arena_strndup(job->run->arena, text.text + 1, strcspn(text.text + 1, "\n"));
}

/* Once a run, whatever the actions ask for: there is one node. */
static void tell_version(struct step_run *step, const char *node)
{
	struct run *run = step->job->run;
	const char *asked = node_text(node_get(step->use->action->runs, "using")) + strlen("node");
	size_t len = strlen(asked);

	if (run->node_told)
		return;
	if (!run->node_version)
		run->node_version = ask_version(step->job, node);
	if (!*run->node_version ||
	    (strncmp(run->node_version, asked, len) == 0 && run->node_version[len] == '.'))
		return;
	run->node_told = true;
	journal_begin(run->journal, "warning");
	journal_text(run->journal, "text",
		     arena_printf(run->arena,
				  "'%s' asks for node %s; JavaScript actions run on the node of "
				  "image '%s', which is %s",
				  step->step->uses, asked, run->image, run->node_version));
	(void)journal_end(run->journal, &run->fatal);
}

/* ---- its environment ---- */

/* "who to greet" is INPUT_WHO_TO_GREET; nothing else changes but the case. */
static const char *input_variable(struct arena *a, const char *name)
{
	char *variable = arena_printf(a, "INPUT_%s", name);

	for (char *c = variable; *c; c++)
		*c = *c == ' ' ? '_' : (char)toupper((unsigned char)*c);
	return variable;
}

static void add_inputs(struct arena *a, struct node *env, const struct node *inputs)
{
	for (size_t i = 0; i < inputs->count; i++)
		node_set_text(a, env, input_variable(a, inputs->pairs[i].key->text),
			      expr_text(a, inputs->pairs[i].value));
}

static void add_state(struct arena *a, struct node *env, const struct node *state)
{
	for (size_t i = 0; i < state->count; i++)
		node_set(a, env, arena_printf(a, "STATE_%s", state->pairs[i].key->text),
			 state->pairs[i].value);
}

void action_add_env(struct step_run *step, struct node *env, const struct node *inputs)
{
	if (inputs)
		add_inputs(step->job->arena, env, inputs);
	if (step->use)
		add_state(step->job->arena, env, step->use->state);
}

static struct node *make_env(struct step_run *step, struct err *err)
{
	struct job_run *job = step->job;
	struct node *env = launch_env(step);
	const struct node *inputs =
		action_inputs(job, step->frame, step, step->use->action, step->with, err);

	if (!inputs)
		return NULL;
	action_add_env(step, env, inputs);
	return files_prepare(step, job->in, env, err) < 0 ? NULL : env;
}

/* ---- its parts ---- */

const char *action_file(const struct action *action, enum stage stage)
{
	static const char *const keys[][2] = {
		[STAGE_MAIN] = {"main", "entrypoint"},
		[STAGE_PRE] = {"pre", "pre-entrypoint"},
		[STAGE_POST] = {"post", "post-entrypoint"},
	};

	return node_text(node_get(action->runs, keys[stage][action->kind == ACTION_DOCKER]));
}

int action_node(struct step_run *step, struct err *err)
{
	struct job_run *job = step->job;
	const struct action_use *use = step->use;
	const char *node = find_node(&job->image);
	const char *file = action_file(use->action, step->stage);
	const struct node *env;

	if (!node)
		return action_node_check(&job->image, err);
	if (!use->known && step->stage == STAGE_MAIN && action_file(use->action, STAGE_PRE))
		note_warning(step, "'pre' of an action in the workspace is not run, as on GitHub");
	env = make_env(step, err);
	if (!env)
		return -1;
	tell_version(step, node);
	if (step->stage != STAGE_POST)
		parts_push_post(job, step->use);

	const char *const argv[] = {node, arena_printf(job->arena, "%s/%s", use->path, file), NULL};

	return launch(step,
		      &(struct launch){
			      .argv = argv, .workdir = job->workspace, .in = job->in, .env = env},
		      err);
}
