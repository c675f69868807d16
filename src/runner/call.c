/*
 * Jobs that call a workflow: what is asked for before anything starts, what
 * the called workflow gets to see, and what comes back.
 */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "runner/run.h"
#include "stepcell/fd.h"
#include "stepcell/limits.h"
#include "stepcell/log.h"
#include "stepcell/util.h"

/* ---- before anything starts ---- */

int calls_check(struct run *run, const struct node *contexts, struct err *err)
{
	const struct source *s = &run->source;
	auto_fd int dir =
		open(*s->tree_layer ? s->tree_layer : s->dir, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (dir < 0)
		return err_sys(err, "cannot open the checkout '%s'", s->dir);
	run->called.arena = run->arena;
	run->called.diags = &run->diags;
	run->called.files = run->options->files;
	run->called.dir = dir;
	workflow_check_calls(run->arena, run->workflow, PERMISSIONS_WRITE, runner_called,
			     &run->called, &run->diags);
	if (run->diags.errors || plan_calls(run->arena, &run->plan, contexts, runner_called,
					    &run->called, &run->diags) < 0)
		return diags_fail(&run->diags, err);
	return 0;
}

/* ---- the beginning ---- */

/* No more than the caller has: all of it with `inherit`, else what it hands on, by name. */
static int secrets_for(struct job_run *job, const struct expr_scope *scope, const struct node **out,
		       struct err *err)
{
	const struct node *given = job->plan->job->secrets, *values = NULL;
	struct node *secrets = node_map(job->arena);

	*out = secrets;
	if (node_text(given)) {
		*out = job->call->secrets;
		return 0;
	}
	if (scope_tree(job->arena, scope, "secrets", given, &values, err) < 0)
		return -1;
	for (size_t i = 0; values && values->kind == NODE_MAP && i < values->count; i++) {
		const char *text = expr_text(job->arena, values->pairs[i].value);

		if (*text && mask_add_secret(job->run->mask, text, err) < 0)
			return -1;
		node_set_text(job->arena, secrets, values->pairs[i].key->text, text);
	}
	return 0;
}

static const struct node *contexts_for(struct job_run *job, const struct call *call)
{
	struct node *contexts = node_map(job->arena);

	node_set(job->arena, contexts, "github", job->run->github);
	node_set(job->arena, contexts, "vars", job->run->vars);
	node_set(job->arena, contexts, "inputs", call->inputs);
	return contexts;
}

int call_start(struct job_run *job, struct err *err)
{
	struct run *run = job->run;
	const struct job *model = job->plan->job;
	struct scope_arg arg = {job, NULL};
	struct expr_scope scope = scope_make(&arg, context_job_level(job));
	struct call *call = arena_alloc(run->arena, sizeof(*call));
	struct diags diags = {.arena = run->arena};
	struct plan plan = {0};

	call->caller = job;
	call->workflow = runner_called(&run->called, model->uses, model->at);
	if (!call->workflow)
		return err_fail(err, ERR_USAGE, "'%s' is not at hand", model->uses);
	if (secrets_for(job, &scope, &call->secrets, err) < 0)
		return -1;
	call->inputs = called_inputs(run->arena, model, call->workflow, &scope, &diags);
	if (!call->inputs || plan_called(run->arena, job->plan, call->workflow,
					 contexts_for(job, call), &plan, &diags) < 0)
		return diags_fail(&diags, err);
	if (run->job_count + plan.count > LIMIT_JOBS)
		return err_fail(err, ERR_USAGE, "more than %d jobs", LIMIT_JOBS);
	if (concurrency_enter(run, call, contexts_for(job, call), err) < 0)
		return -1;
	for (size_t i = 0; i < plan.count; i++)
		if (planned_agrees(&plan.jobs[i], run->options->matrix.list,
				   run->options->matrix.count))
			(void)schedule_add(run, &plan.jobs[i], call);
	job->called = call;
	job->state = JOB_RUNNING;
	job->started_ms = now_ms();
	job->outputs = node_map(job->arena);
	return 0;
}

/* ---- the end ---- */

bool call_over(const struct job_run *job)
{
	for (size_t i = 0; i < job->run->job_count; i++)
		if (job->run->jobs[i]->call == job->called && job->run->jobs[i]->state != JOB_ENDED)
			return false;
	return true;
}

/* The jobs context: result and outputs of each; a matrix is one, its last outputs win. */
static const struct node *jobs_context(const struct job_run *caller)
{
	struct arena *a = caller->arena;
	struct node *jobs = node_map(a);

	for (size_t i = 0; i < caller->run->job_count; i++) {
		const struct job_run *job = caller->run->jobs[i];
		const char *id = job->plan->job->id;
		const struct node *before = job->call == caller->called ? node_get(jobs, id) : NULL;
		struct node *one = node_map(a), *outputs = node_map(a);
		const struct node *maps[] = {node_get(before, "outputs"), job->outputs};

		if (job->call != caller->called)
			continue;
		for (size_t m = 0; m < COUNT(maps); m++)
			for (size_t k = 0; maps[m] && k < maps[m]->count; k++)
				node_set(a, outputs, maps[m]->pairs[k].key->text,
					 maps[m]->pairs[k].value);
		node_set_text(a, one, "result", result_name(needs_result(job, id, NULL)));
		node_set(a, one, "outputs", outputs);
		node_set(a, jobs, id, one);
	}
	return jobs;
}

static void keep_outputs(struct job_run *job)
{
	struct node *contexts = node_map(job->arena);
	const struct expr_scope scope = {.contexts = contexts};
	const struct node *call = node_get(job->called->workflow->on, "workflow_call");
	const struct node *outputs = node_get(call, "outputs");

	node_set(job->arena, contexts, "github", job->run->github);
	node_set(job->arena, contexts, "vars", job->run->vars);
	node_set(job->arena, contexts, "inputs", job->called->inputs);
	node_set(job->arena, contexts, "jobs", jobs_context(job));
	for (size_t i = 0; outputs && outputs->kind == NODE_MAP && i < outputs->count; i++) {
		const char *name = outputs->pairs[i].key->text, *text = NULL;
		const char *value = node_text(node_get(outputs->pairs[i].value, "value"));
		struct err err = {0};

		if (scope_text(job->arena, &scope, name, value, &text, &err) < 0)
			log_warn("output '%s' of job '%s': %s", name, job->plan->id, err.text);
		else if (text)
			job_keep_output(job, name, text);
	}
}

void call_finish(struct job_run *job)
{
	job->result = RESULT_SKIPPED;
	for (size_t i = 0; i < job->run->job_count; i++) {
		const struct job_run *inner = job->run->jobs[i];

		if (inner->call == job->called)
			job->result = result_worse(job->result, inner->forgiven ? RESULT_SUCCESS
										: inner->result);
	}
	if (job->cancelled && job->result != RESULT_FAILURE)
		job->result = RESULT_CANCELLED;
	keep_outputs(job);
	job->state = JOB_ENDED;
	job->ended_ms = now_ms();
	job->lineage = needs_lineage(job, job->result);
	group_leave(&job->called->group);
	group_leave(&job->group);
}
