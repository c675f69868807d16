/*
 * The parts of JavaScript actions around their main one. Pre parts run before
 * the job's first step, in the order of the steps, those of composite actions
 * included; post parts after its last, the last one first.
 */
#include <string.h>

#include "runner/actions.h"
#include "stepcell/limits.h"

/* ---- post ---- */

void parts_push_post(struct job_run *job, struct action_use *use)
{
	if (use->posted || !action_file(use->action, STAGE_POST))
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
	const char *text =
		node_text(node_get(use->action->runs, stage == STAGE_PRE ? "pre-if" : "post-if"));

	if (!text || !*text)
		return "always()";
	return arena_printf(job->arena, "always() && (%s)", bare(job->arena, text));
}

/* ---- pre ---- */

int parts_collect(struct job_run *job, struct err *err)
{
	(void)job, (void)err;
	return 0;
}

struct action_use *parts_next_pre(struct job_run *job)
{
	return job->pre_next < job->pre_count ? job->pres[job->pre_next++] : NULL;
}
