/*
 * The parts of JavaScript actions around their main one. Pre parts run before
 * the job's first step, in the order of the steps, those of composite actions
 * included; post parts after its last, the last one first.
 */
#include <string.h>

#include "runner/actions.h"
#include "stepcell/limits.h"

/* ---- post ---- */

static bool has_post(const struct action_use *use)
{
	if (use->builtin)
		return use->builtin->post;
	return action_file(use->action, STAGE_POST);
}

void parts_push_post(struct job_run *job, struct action_use *use)
{
	if (use->posted || !has_post(use))
		return;
	use->posted = true;
	job->posts = arena_grow(job->arena, job->posts, job->post_count, sizeof(use));
	job->posts[job->post_count++] = use;
}

struct action_use *parts_next_post(struct job_run *job)
{
	return job->post_count ? job->posts[--job->post_count] : NULL;
}

/* ---- both ---- */

struct frame *parts_frame(struct job_run *job, struct action_use *use)
{
	struct frame *frame = arena_alloc(job->arena, sizeof(*frame));

	*frame = *use->frame;
	frame->outside = true;
	frame->deadline_ms = 0;
	return frame;
}

/* ${{ }} around a whole condition says nothing. */
static const char *bare(struct arena *a, const char *text)
{
	size_t len;

	text += strspn(text, " \t\r\n");
	len = strlen(text);
	while (len && strchr(" \t\r\n", text[len - 1]))
		len--;
	if (len > 5 && strncmp(text, "${{", 3) == 0 && strncmp(text + len - 2, "}}", 2) == 0 &&
	    !strstr(text + 3, "${{"))
		return arena_strndup(a, text + 3, len - 5);
	return arena_strndup(a, text, len);
}

/* success() is not implied in an action's own conditions. */
const char *parts_condition(struct job_run *job, const struct action_use *use, enum stage stage)
{
	const char *text = use->builtin
				   ? "success()"
				   : node_text(node_get(use->action->runs,
							stage == STAGE_PRE ? "pre-if" : "post-if"));

	if (!text || !*text)
		return "always()";
	return arena_printf(job->arena, "always() && (%s)", bare(job->arena, text));
}

/* ---- pre ---- */

static int collect(struct job_run *job, struct frame *frame, struct err *err);

/* The frame of a composite action as far as it is known before its step begins. */
static int collect_inside(struct job_run *job, struct action_use *use, struct err *err)
{
	struct arena *a = job->arena;
	struct frame *around = use->frame, *frame = arena_alloc(a, sizeof(*frame));
	struct scope_arg arg = {job, around};
	struct expr_scope scope = scope_make(&arg, context_step(job, around, NULL));
	const struct node *with = NULL;

	*frame = (struct frame){
		.up = around,
		.action = use->action,
		.steps = &use->action->steps,
		.results = node_map(a),
		.ids = node_map(a),
		.use = use,
	};
	if (scope_variables(a, &scope, "with", use->step->with, &with, err) < 0 ||
	    scope_variables(a, &scope, "env", use->step->env, &frame->env, err) < 0)
		return -1;
	frame->inputs = action_inputs(job, around, NULL, use->action, with, err);
	return frame->inputs ? collect(job, frame, err) : -1;
}

static int collect_step(struct job_run *job, struct frame *frame, const struct step *step,
			struct err *err)
{
	struct known_action *k;
	struct action_use *use;
	struct uses uses;

	if (!step->uses || uses_parse(job->arena, step->uses, &uses, err) < 0 ||
	    uses.kind != USES_REPOSITORY || action_builtin(&uses))
		return 0;
	k = action_known(job->run, &uses, step->uses);
	if (!k->action || !k->pre)
		return 0;
	if (job->use_count >= LIMIT_ACTION_USES)
		return err_fail(err, ERR_USAGE, "its steps use more than %d actions",
				LIMIT_ACTION_USES);
	use = action_use_of(job, frame, step);
	use->known = k;
	use->action = k->action;
	if (k->action->kind == ACTION_COMPOSITE)
		return collect_inside(job, use, err);
	job->pres = arena_grow(job->arena, job->pres, job->pre_count, sizeof(use));
	job->pres[job->pre_count++] = use;
	return 0;
}

static int collect(struct job_run *job, struct frame *frame, struct err *err)
{
	for (size_t i = 0; i < frame->steps->count; i++)
		if (collect_step(job, frame, &frame->steps->list[i], err) < 0)
			return err_wrap(err, "%s", frame->steps->list[i].uses);
	return 0;
}

int parts_collect(struct job_run *job, struct err *err)
{
	return collect(job, job->frame, err);
}

struct action_use *parts_next_pre(struct job_run *job)
{
	return job->pre_next < job->pre_count ? job->pres[job->pre_next++] : NULL;
}
