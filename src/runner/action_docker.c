/*
 * Docker actions, and steps that name an image: one command in a cell whose
 * root is that image. Of the job it has the workspace, the files of commands,
 * and the network where the job has services; what it writes elsewhere goes
 * with it, as a container does.
 */
#include <string.h>

#include "runner/actions.h"
#include "runner/shell.h"
#include "stepcell/fd.h"
#include "stepcell/util.h"

/* What one command in an image needs. */
struct docker_command {
	const char *image, *entrypoint;
	struct texts args;
	const struct node *inputs, *env;
};

/* ---- images of a job ---- */

/* Each is looked for once, and in use until the job ends. */
static const struct image *image_of(struct job_run *job, const char *ref, struct err *err)
{
	struct job_image *kept = NULL;

	for (size_t i = 0; i < job->image_count; i++)
		if (strcmp(job->images[i].ref, ref) == 0)
			return &job->images[i].image;
	job->images = arena_grow(job->arena, job->images, job->image_count, sizeof(*kept));
	kept = &job->images[job->image_count];
	kept->ref = ref;
	if (container_image(job->run, ref, &kept->image, err) < 0)
		return NULL;
	job->image_count++;
	return &kept->image;
}

int action_image_check(struct run *run, const char *ref, struct err *err)
{
	struct image image;

	if (container_image(run, ref, &image, err) < 0)
		return -1;
	image_release(&image);
	return 0;
}

/* ---- running it ---- */

static int run_command(struct step_run *step, const struct docker_command *c, struct err *err)
{
	struct job_run *job = step->job;
	struct arena *a = job->arena;
	const struct container box = {.image = c->image};
	const struct image *image = image_of(job, c->image, err);
	const char *const *argv =
		image ? container_argv(a, image, c->entrypoint, &c->args, err) : NULL;
	struct node *env;

	if (!argv)
		return -1;
	env = launch_env_in(step, image, &box);
	for (size_t i = 0; c->env && i < c->env->count; i++)
		if (!node_get(env, c->env->pairs[i].key->text))
			node_set_text(a, env, c->env->pairs[i].key->text,
				      expr_text(a, c->env->pairs[i].value));
	action_add_env(step, env, c->inputs);
	if (files_prepare(step, job->in, env, err) < 0 || layers_box(step, image, &box, err) < 0)
		return -1;
	return launch(step,
		      &(struct launch){.argv = argv,
				       .workdir = job->workspace,
				       .in = job->in,
				       .image = c->image,
				       .env = env,
				       .container = arena_alloc(a, sizeof(box))},
		      err);
}

/* ---- uses: docker://image ---- */

static struct texts words_of(const struct step_run *step, const char *input)
{
	return shell_words(step->job->arena, action_input(step, input));
}

int action_image(struct step_run *step, const char *ref, struct err *err)
{
	const char *entrypoint = action_input(step, "entrypoint");

	return run_command(step,
			   &(struct docker_command){.image = ref,
						    .entrypoint = *entrypoint ? entrypoint : NULL,
						    .args = words_of(step, "args"),
						    .inputs = step->with},
			   err);
}

/* ---- an action.yml that says docker ---- */

const char *action_docker_image(const struct action *action, const struct known_action *known)
{
	const char *image = node_text(node_get(action->runs, "image"));

	if (strncmp(image, "docker://", 9) == 0)
		return image + 9;
	return known ? known->image : NULL;
}

int action_docker_check(struct run *run, const struct action *action,
			const struct known_action *known, struct err *err)
{
	const char *image = action_docker_image(action, known);

	if (image)
		return action_image_check(run, image, err);
	return err_fail(
		err, ERR_USAGE,
		"its image is made by '%s', and nothing here builds one; build it elsewhere, "
		"put it into the store, and map the action to docker://IMAGE in %s",
		node_text(node_get(action->runs, "image")),
		arena_printf(run->arena, "%s/policies/actions/mapping.yml", run->data));
}

/* Its args and env see its inputs, and nothing else of its own. */
static int evaluate(struct step_run *step, const struct action *action, struct docker_command *c,
		    struct err *err)
{
	struct job_run *job = step->job;
	struct scope_arg arg = {job, step->frame};
	struct node *contexts = node_map(job->arena);
	struct expr_scope scope;
	const struct node *all = context_step(job, step->frame, step), *args = NULL;

	for (size_t i = 0; i < all->count; i++)
		node_set(job->arena, contexts, all->pairs[i].key->text, all->pairs[i].value);
	node_set(job->arena, contexts, "inputs", c->inputs);
	scope = scope_make(&arg, contexts);
	if (scope_tree(job->arena, &scope, "args", node_get(action->runs, "args"), &args, err) <
		    0 ||
	    scope_variables(job->arena, &scope, "env", node_get(action->runs, "env"), &c->env,
			    err) < 0)
		return -1;
	for (size_t i = 0; args && args->kind == NODE_LIST && i < args->count; i++) {
		texts_add(job->arena, &c->args, expr_text(job->arena, args->items[i]));
	}
	return 0;
}

/* What the step gives is for what the action leaves open, as on GitHub. */
static void take_with(struct step_run *step, struct docker_command *c)
{
	const char *entrypoint = action_input(step, "entrypoint");

	if (!c->entrypoint && *entrypoint)
		c->entrypoint = entrypoint;
	if (!node_get(step->use->action->runs, "args"))
		c->args = words_of(step, "args");
}

int action_docker(struct step_run *step, struct err *err)
{
	const struct action_use *use = step->use;
	struct docker_command c = {
		.image = action_docker_image(use->action, use->known),
		.entrypoint = action_file(use->action, step->stage),
		.inputs = action_inputs(step->job, step->frame, step, use->action, step->with, err),
	};

	if (!c.image)
		return action_docker_check(step->job->run, use->action, use->known, err);
	if (!c.inputs || evaluate(step, use->action, &c, err) < 0)
		return -1;
	take_with(step, &c);
	if (step->stage != STAGE_POST)
		parts_push_post(step->job, step->use);
	return run_command(step, &c, err);
}
