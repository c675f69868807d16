/* A job: its owner, image and layers; its steps one after another; its outputs. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runner/actions.h"
#include "runner/run.h"
#include "stepcell/fd.h"
#include "stepcell/limits.h"
#include "stepcell/log.h"
#include "stepcell/path.h"
#include "stepcell/proxy.h"
#include "stepcell/util.h"

static int evaluate_env(struct job_run *job, const struct node *tree, struct err *err)
{
	struct scope_arg arg = {job, NULL};
	struct expr_scope scope = scope_make(&arg, context_job_level(job));
	const struct node *env = NULL;

	if (scope_variables(job->arena, &scope, "env", tree, &env, err) < 0)
		return -1;
	for (size_t i = 0; env && env->kind == NODE_MAP && i < env->count; i++)
		node_set_text(job->arena, job->env, env->pairs[i].key->text,
			      expr_text(job->arena, env->pairs[i].value));
	return 0;
}

static int make_env(struct job_run *job, struct err *err)
{
	const struct node *extra = context_pairs(job->arena, &job->run->options->env);

	job->env = node_map(job->arena);
	for (size_t i = 0; i < extra->count; i++)
		node_set(job->arena, job->env, extra->pairs[i].key->text, extra->pairs[i].value);
	return evaluate_env(job, job->call->workflow->env, err) < 0 ||
			       evaluate_env(job, job->plan->job->env, err) < 0
		       ? -1
		       : 0;
}

/* job timeout: the workflow's minutes (GitHub's default is 360), and never more than the policy's. */
static int make_deadline(struct job_run *job, struct err *err)
{
	const struct node *tree = job->plan->job->timeout_minutes, *minutes = NULL;
	struct scope_arg arg = {job, NULL};
	struct expr_scope scope = scope_make(&arg, context_job_level(job));
	uint64_t limit = job->run->policy->limits.job_ms;
	uint64_t ms = UINT64_C(360) * 60000;

	if (scope_tree(job->arena, &scope, "timeout-minutes", tree, &minutes, err) < 0)
		return -1;
	if (minutes &&
	    (minutes->kind != NODE_NUMBER || !(minutes->number > 0) || minutes->number > 1e6))
		return err_fail(err, ERR_USAGE, "timeout-minutes: expected a number above 0");
	if (minutes)
		ms = (uint64_t)(minutes->number * 60000);
	job->deadline_ms = job->started_ms + (limit && limit < ms ? limit : ms);
	return 0;
}

static int read_container(struct job_run *job, struct err *err)
{
	const struct node *written = job->plan->job->container;
	struct scope_arg arg = {job, NULL};
	struct expr_scope scope = scope_make(&arg, context_job_level(job));
	struct container *c = arena_alloc(job->arena, sizeof(*c));

	if (!written)
		return 0;
	if (container_read(job->run, &scope, written, NULL, true, c, err) < 0)
		return err_wrap(err, "container");
	job->container = c->image ? c : NULL;
	return 0;
}

/* container:, or the run's image. Without a `shell:` a container's steps get sh, as on GitHub. */
static int open_image(struct job_run *job, struct err *err)
{
	struct run *run = job->run;

	if (job->container)
		return container_image(run, job->container->image, &job->image, err) < 0
			       ? err_wrap(err, "container")
			       : 0;
	if (image_find(run->store, job->arena, run->image, &job->image, err) < 0 ||
	    image_admit(run, &job->image, err) < 0)
		return -1;
	job->have_bash =
		image_has(&job->image, "/bin/bash") || image_has(&job->image, "/usr/bin/bash");
	return 0;
}

static int open_places(struct job_run *job, struct err *err)
{
	struct run *run = job->run;
	auto_strbuf struct strbuf dir = STRBUF(PATH_MAX - 64);

	strbuf_addf(&dir, "%s/", run->work);
	name_make_safe(job->plan->id, &dir);
	if (dir.full)
		return err_fail(err, ERR_USAGE, "path too long: '%s'", dir.text);
	(void)snprintf(job->dir, sizeof(job->dir), "%s", dir.text);
	if (mkdir_all(job->dir, 0700, err) < 0 || open_image(job, err) < 0 ||
	    services_read(job, err) < 0 || cell_owner_open(run->home, &job->owner, err) < 0 ||
	    layers_open(job, err) < 0 || reach_open(job, err) < 0)
		return -1;
	return services_start(job, err);
}

static void journal_start(struct job_run *job)
{
	struct journal *j = job->run->journal;

	journal_begin(j, "job-started");
	journal_text(j, "job", job->plan->id);
	journal_text(j, "name", job->plan->name);
	journal_text(j, "image", job->container ? job->container->image : job->run->image);
	(void)journal_end(j, &job->run->fatal);
}

int job_start(struct job_run *job, struct err *err)
{
	bool ok;

	job->state = JOB_RUNNING;
	job->started_ms = now_ms();
	job->outputs = node_map(job->arena);
	job->artifacts = node_list(job->arena);
	job->workspace = node_text(node_get(job->run->github, "workspace"));
	job->frame = arena_alloc(job->arena, sizeof(*job->frame));
	job->frame->steps = &job->plan->job->steps;
	job->frame->results = node_map(job->arena);
	job->frame->ids = node_map(job->arena);
	ok = make_env(job, err) == 0 && read_container(job, err) == 0;
	journal_start(job);
	return !ok || make_deadline(job, err) < 0 || open_places(job, err) < 0 ||
			       parts_collect(job, err) < 0
		       ? -1
		       : 0;
}

void job_prepend_path(struct job_run *job, const char *dir)
{
	struct texts all = {arena_array(job->arena, job->path.count + 1, sizeof(const char *)), 0};

	all.list[all.count++] = dir;
	for (size_t i = 0; i < job->path.count; i++)
		if (strcmp(job->path.list[i], dir) != 0)
			all.list[all.count++] = job->path.list[i];
	job->path = all;
}

/* An action that ran out of time between two of its steps. */
static void check_time(struct job_run *job, struct frame *frame)
{
	if (!frame->deadline_ms || now_ms() < frame->deadline_ms ||
	    frame->status != RESULT_SUCCESS || frame->next == frame->steps->count)
		return;
	frame->status = RESULT_FAILURE;
	frame->why = arena_printf(job->arena, "timeout: it ran longer than %g seconds",
				  (double)frame->owner->timeout_ms / 1000);
}

/* Cancelled, and what wants to run all the same has had its time. */
static void give_up(struct job_run *job)
{
	while (job->frame->up)
		job->frame = job->frame->up;
	job_finish(job, RESULT_CANCELLED, job->why);
}

/* Tens of thousands of steps may be skipped without a cell: other jobs have theirs to see to. */
#define TURN_MS 50

void job_advance(struct job_run *job)
{
	const uint64_t turn_ends = now_ms() + TURN_MS;

	job->turn_over = false;
	while (job->state == JOB_RUNNING && !job->step && job->run->fatal.kind == ERR_NONE) {
		struct frame *frame = job->frame;
		struct action_use *use;

		job->turn_over = now_ms() >= turn_ends;
		if (job->turn_over)
			break;
		schedule_signals(job->run);
		check_time(job, frame);
		if (job->run->fatal.kind != ERR_NONE || !services_ready(job))
			break;
		if (job->cancelled && now_ms() >= job->cancel_end_ms)
			give_up(job);
		else if ((use = parts_next_pre(job)))
			step_begin_part(job, use, STAGE_PRE);
		else if (frame->next < frame->steps->count)
			step_begin(job, frame, &frame->steps->list[frame->next++]);
		else if (frame->up)
			frame_end(job);
		else if ((use = parts_next_post(job)))
			step_begin_part(job, use, STAGE_POST);
		else if (!services_stopped(job))
			break;
		else
			job_finish(job, job->cancelled ? RESULT_CANCELLED : job->status, job->why);
	}
}

/* ---- the end ---- */

static void warn(struct job_run *job, const char *text)
{
	struct journal *j = job->run->journal;

	journal_begin(j, "warning");
	journal_text(j, "text", output_masked(job->run, text));
	(void)journal_end(j, &job->run->fatal);
}

static void drop_output(struct job_run *job, const char *name, const char *why)
{
	warn(job, arena_printf(job->arena, "output '%s' of job '%s' is dropped: %s", name,
			       job->plan->id, why));
}

static bool may_hold_secret(const struct job_run *job, const char *text)
{
	auto_strbuf struct strbuf masked = STRBUF(4 * LIMIT_OUTPUTS_JOB);

	mask_line(job->run->mask, text, strlen(text), &masked);
	return masked.full || strcmp(masked.text, text) != 0;
}

/* As GitHub counts them: in UTF-16. */
static uint64_t size_of(const char *text)
{
	uint64_t units = 0;

	for (; *text; text++)
		units += ((unsigned char)*text & 0xc0) != 0x80
				 ? (unsigned char)*text >= 0xf0 ? 2 : 1
				 : 0;
	return 2 * units;
}

void job_keep_output(struct job_run *job, const char *name, const char *text)
{
	uint64_t size = size_of(text);

	if (job->output_bytes + size > LIMIT_OUTPUTS_JOB ||
	    job->run->output_bytes + size > LIMIT_OUTPUTS_RUN) {
		drop_output(job, name, "the outputs of a job are 1 MiB at most, those of a run 50");
		return;
	}
	if (may_hold_secret(job, text)) {
		drop_output(job, name, "it may hold a secret");
		return;
	}
	job->output_bytes += size;
	job->run->output_bytes += size;
	node_set_text(job->run->arena, job->outputs, name, text);
}

static void evaluate_outputs(struct job_run *job)
{
	const struct node *outputs = job->plan->job->outputs;
	struct scope_arg arg = {job, job->frame};
	struct expr_scope scope = scope_make(&arg, context_step(job, job->frame, NULL));

	for (size_t i = 0; outputs && outputs->kind == NODE_MAP && i < outputs->count; i++) {
		const char *name = outputs->pairs[i].key->text, *text = NULL;
		struct err err = {0};

		if (scope_text(job->arena, &scope, name, node_text(outputs->pairs[i].value), &text,
			       &err) < 0) {
			drop_output(job, name, err.text);
			continue;
		}
		if (text)
			job_keep_output(job, name, text);
	}
}

/*
 * Where its environment is to be seen, as the steps say. As on GitHub one with
 * a secret in it goes nowhere, and one that says nothing sensible fails the job.
 */
static int evaluate_url(struct job_run *job, struct err *err)
{
	const struct node *url = node_get(job->plan->job->environment, "url");
	struct scope_arg arg = {job, job->frame};
	struct expr_scope scope = scope_make(&arg, context_step(job, job->frame, NULL));
	const char *text = NULL;

	if (scope_text(job->arena, &scope, "environment.url", node_text(url), &text, err) < 0)
		return -1;
	if (text && strlen(text) > LIMIT_ENVIRONMENT_URL)
		return err_fail(err, ERR_USAGE, "environment.url: longer than %d bytes",
				LIMIT_ENVIRONMENT_URL);
	if (text && may_hold_secret(job, text))
		warn(job, arena_printf(job->arena,
				       "the url of the environment of job '%s' is dropped: it may "
				       "hold a secret",
				       job->plan->id));
	else if (text && *text)
		job->url = text;
	return 0;
}

static void evaluate_end(struct job_run *job, enum result *result, const char **why)
{
	struct err err = {0};

	if (job->state != JOB_RUNNING || !job->frame)
		return;
	evaluate_outputs(job);
	if (evaluate_url(job, &err) == 0 || *result != RESULT_SUCCESS)
		return;
	*result = RESULT_FAILURE;
	*why = arena_strdup(job->arena, err.text);
}

/* A job that may fail: continue-on-error. */
static bool forgiven(struct job_run *job)
{
	const struct node *flag = job->plan->job->continue_on_error, *value = NULL;
	struct scope_arg arg = {job, NULL};
	struct expr_scope scope = scope_make(&arg, context_job_level(job));
	struct err ignored;

	return flag &&
	       scope_tree(job->arena, &scope, "continue-on-error", flag, &value, &ignored) == 0 &&
	       expr_truthy(value);
}

/* Removing a job's layers takes longer than most steps: a process of its own does it. */
static void remove_aside(struct job_run *job)
{
	pid_t pid = fork();

	if (pid == 0) {
		layers_remove(job);
		_exit(0);
	}
	if (pid < 0) {
		layers_remove(job);
		return;
	}
	job->run->removals = arena_grow(job->run->arena, job->run->removals,
					job->run->removal_count, sizeof(pid_t));
	job->run->removals[job->run->removal_count++] = pid;
}

static void close_places(struct job_run *job)
{
	problems_free(&job->problems);
	if (!job->dir[0]) /* it never began, or calls a workflow */
		return;
	for (size_t i = 0; i < job->lock_count; i++)
		fd_close(&job->locks[i]);
	cell_release(&job->ended);
	services_release(job);
	proxy_close(&job->proxy);
	cell_owner_close(&job->owner);
	image_release(&job->image);
	for (size_t i = 0; i < job->image_count; i++)
		image_release(&job->images[i].image);
	remove_aside(job);
}

static void journal_end_of(struct job_run *job)
{
	struct journal *j = job->run->journal;

	journal_begin(j, "job-ended");
	journal_text(j, "job", job->plan->id);
	journal_text(j, "name", job->plan->name);
	journal_text(j, "verdict", result_name(job->result));
	journal_number(j, "seconds", (double)(job->ended_ms - job->started_ms) / 1000);
	journal_text(j, "why", job->why);
	if (job->peak_memory)
		journal_number(j, "peak_memory", (double)job->peak_memory);
	journal_text(j, "url", job->url);
	if (job->artifacts) /* it began */
		journal_node(j, "artifacts", job->artifacts);
	(void)journal_end(j, &job->run->fatal);
}

void job_finish(struct job_run *job, enum result result, const char *why)
{
	evaluate_end(job, &result, &why);
	job->state = JOB_ENDED;
	job->ended_ms = now_ms();
	if (!job->started_ms)
		job->started_ms = job->ended_ms;
	job->result = result;
	job->why = output_masked(job->run, why);
	job->forgiven = result == RESULT_FAILURE && forgiven(job);
	job->lineage = needs_lineage(job, job->forgiven ? RESULT_SUCCESS : result);
	close_places(job);
	group_leave(&job->group);
	journal_end_of(job);
}

void job_skip(struct job_run *job, const char *why)
{
	struct journal *j = job->run->journal;

	group_leave(&job->group);
	job->state = JOB_ENDED;
	job->result = RESULT_SKIPPED;
	job->lineage = needs_lineage(job, RESULT_SKIPPED);
	job->why = why;
	journal_begin(j, "job-skipped");
	journal_text(j, "job", job->plan->id);
	journal_text(j, "name", job->plan->name);
	journal_text(j, "why", why);
	(void)journal_end(j, &job->run->fatal);
}
