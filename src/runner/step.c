/*
 * One step, in GitHub's order: env, condition, timeout, run, what it wrote to
 * its files, continue-on-error, and the job's status. An error in the
 * condition fails the step; a false one skips it.
 */
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "runner/actions.h"
#include "runner/run.h"
#include "stepcell/fd.h"
#include "stepcell/limits.h"
#include "stepcell/log.h"
#include "stepcell/utf8.h"
#include "stepcell/util.h"

/* ---- names ---- */

static const char *first_line(struct arena *a, const char *text)
{
	text += strspn(text, " \t\r\n");
	return arena_strndup(a, text, strcspn(text, "\r\n"));
}

static const char *const part_names[] = {
	[STAGE_MAIN] = "",
	[STAGE_PRE] = "Pre ",
	[STAGE_POST] = "Post ",
};
static_assert(COUNT(part_names) == STAGE_COUNT, "name every part");

/* What an expression gave may have ten MiB, and stands in every line about the step. */
#define STEP_NAME_MAX 1000

/* Masked before it is cut: half a secret is found by nobody. */
static const char *shown_name(struct step_run *step, const char *name)
{
	auto_strbuf struct strbuf out = STRBUF(STEP_NAME_MAX + 3);
	const char *masked = output_masked(step->job->run, name);
	const size_t len = strlen(masked);

	if (utf8_clean(masked, len, STEP_NAME_MAX, true, &out) < len)
		strbuf_adds(&out, "...");
	return arena_strdup(step->job->arena, out.text);
}

/* hashFiles() is asked only for a name that somebody wrote, of a step that runs. */
static const char *step_name(struct step_run *step, bool runs)
{
	struct job_run *job = step->job;
	struct scope_arg arg = {job, step->frame};
	struct expr_scope scope = scope_make(&arg, context_step(job, step->frame, step));
	const char *source = step->step->name ? step->step->name : step->step->run;
	const char *name = NULL, *part = part_names[step->stage];
	struct err ignored = {0};

	if (!runs || !step->step->name)
		scope.hash_files = NULL;
	if (step->step->uses && !step->step->name)
		return arena_printf(job->arena, "%sRun %s", part, step->step->uses);
	if (scope_text(job->arena, &scope, "name", source, &name, &ignored) < 0)
		name = source;
	name = first_line(job->arena, name ? name : "step");
	return arena_printf(job->arena, "%s%s%s", part, step->step->name ? "" : "Run ", name);
}

/* What is longer says no more of an action, and would leave no room for a number. */
#define ID_BASE_MAX 160

/*
 * __run, __run_2; for an action __owner_repo or __self: what GITHUB_ACTION says of a step without id.
 * The last number of each is kept, for a workflow may have tens of thousands of steps.
 */
static const char *generated_id(struct step_run *step)
{
	auto_strbuf struct strbuf id = STRBUF(ID_BASE_MAX);
	struct arena *a = step->job->arena;
	struct node *ids = step->frame->ids;
	const char *uses = step->step->uses, *name;
	const struct node *last;
	double n;

	if (uses && strchr(".$", *uses)) /* of this repository: its path is not said */
		uses = "self";
	strbuf_adds(&id, "__");
	for (const char *p = uses ? uses : "run"; *p && *p != '@'; p++)
		strbuf_addc(&id, strchr("/.", *p) ? '_' : *p);
	last = node_get(ids, id.text);
	if (!last) {
		node_set(a, ids, id.text, node_number(a, 1));
		return arena_strdup(a, id.text);
	}
	n = last->number;
	do
		name = arena_printf(a, "%s_%.0f", id.text, ++n);
	while (node_get(ids, name));
	node_set(a, ids, id.text, node_number(a, n));
	return name;
}

static struct step_run *step_new(struct job_run *job, struct frame *frame, const struct step *model)
{
	struct step_run *step = arena_alloc(job->arena, sizeof(*step));

	*step = (struct step_run){
		.job = job,
		.frame = frame,
		.step = model,
		.number = ++job->step_count,
		.uppers = job->step_count,
		.env = node_map(job->arena),
		.outputs = node_map(job->arena),
		.log = -1,
		.log_file = -1,
		.started_ms = now_ms(),
	};
	step->id = model->id ? model->id : generated_id(step);
	(void)snprintf(step->dir, sizeof(step->dir), "%.*s/%u", PATH_MAX - 16, job->dir,
		       step->number);
	return step;
}

/* ---- the end ---- */

static void journal_result(struct step_run *step, const char *verdict, enum result conclusion,
			   const char *why, const struct cell_result *r)
{
	struct run *run = step->job->run;
	struct journal *j = run->journal;

	journal_begin(j, conclusion == RESULT_SKIPPED ? "step-skipped" : "step-ended");
	journal_text(j, "job", step->job->plan->id);
	journal_number(j, "step", step->number);
	journal_text(j, "name", step->name);
	journal_text(j, "why", why);
	if (conclusion != RESULT_SKIPPED) {
		journal_text(j, "verdict", verdict);
		journal_text(j, "conclusion", result_name(conclusion));
		journal_number(j, "seconds", (double)(now_ms() - step->started_ms) / 1000);
		journal_node(j, "annotations", note_counts(step));
		journal_text(j, "log", step->log_path);
	}
	if (r)
		usage_write(j, step->job->arena, r);
	(void)journal_end(j, &run->fatal);
}

static enum result conclude(struct step_run *step, enum result outcome, const char **why)
{
	struct job_run *job = step->job;
	const struct node *flag = step->step->continue_on_error;
	struct scope_arg arg = {job, step->frame};
	struct expr_scope scope = scope_make(&arg, context_step(job, step->frame, step));
	const struct node *value = NULL;
	struct err err = {0};

	if (outcome != RESULT_FAILURE || !flag)
		return outcome;
	if (scope_tree(job->arena, &scope, "continue-on-error", flag, &value, &err) < 0) {
		*why = arena_strdup(job->arena, err.text);
		return outcome;
	}
	return expr_truthy(value) ? RESULT_SUCCESS : outcome;
}

/* Into the steps context, under the step's id. */
static void keep_result(struct step_run *step, enum result outcome, enum result conclusion)
{
	struct arena *a = step->job->arena;
	struct node *map = node_map(a);

	if (step->stage != STAGE_MAIN || !step->step->id)
		return; /* nobody can ask by a name that was made up */
	node_set(a, map, "outputs", step->outputs);
	node_set_text(a, map, "outcome", result_name(outcome));
	node_set_text(a, map, "conclusion", result_name(conclusion));
	node_set(a, step->frame->results, step->id, map);
}

/* What a step comes to, the job and the actions around it come to. */
static void spread(struct step_run *step, enum result conclusion, const char *why)
{
	struct job_run *job = step->job;

	if (conclusion == RESULT_SUCCESS || conclusion == RESULT_SKIPPED)
		return;
	if (frame_inside(step->frame)) {
		step->frame->status = conclusion;
		if (!step->frame->why)
			step->frame->why = why;
		return;
	}
	if (job->status == RESULT_SUCCESS || conclusion == RESULT_CANCELLED) {
		job->status = conclusion;
		if (!job->why)
			job->why = arena_printf(job->arena, "step '%s': %s", step->name, why);
	}
}

void step_end(struct step_run *step, enum result outcome, const char *why,
	      const struct cell_result *result)
{
	struct job_run *job = step->job;
	enum result conclusion = conclude(step, outcome, &why);
	const char *verdict = result                        ? cell_verdict_name(result->verdict)
			      : outcome == RESULT_SUCCESS   ? "passed"
			      : outcome == RESULT_CANCELLED ? "cancelled"
							    : "failed";

	why = output_masked(job->run, why);
	if (outcome == RESULT_FAILURE && why)
		output_say(step, "error: %s", why);
	output_close(step);
	keep_result(step, outcome, conclusion);
	spread(step, conclusion, why);
	if (result && result->usage.peak_memory > job->peak_memory)
		job->peak_memory = result->usage.peak_memory;
	journal_result(step, verdict, conclusion, why, result);
	if (job->step == step)
		job->step = NULL;
}

static void fail_step(struct step_run *step, const struct err *err)
{
	step_end(step, err->kind == ERR_INTERRUPTED ? RESULT_CANCELLED : RESULT_FAILURE,
		 arena_strdup(step->job->arena, err->text), NULL);
}

/* ---- the beginning ---- */

static void journal_start(struct step_run *step)
{
	struct run *run = step->job->run;

	journal_begin(run->journal, "step-started");
	journal_text(run->journal, "job", step->job->plan->id);
	journal_number(run->journal, "step", step->number);
	journal_text(run->journal, "name", step->name);
	(void)journal_end(run->journal, &run->fatal);
}

static int evaluate_env(struct step_run *step, struct err *err)
{
	struct job_run *job = step->job;
	struct scope_arg arg = {job, step->frame};
	struct expr_scope scope = scope_make(&arg, context_step(job, step->frame, step));
	const struct node *env = NULL;

	if (scope_variables(job->arena, &scope, "env", step->step->env, &env, err) < 0)
		return -1;
	for (size_t i = 0; env && env->kind == NODE_MAP && i < env->count; i++)
		node_set_text(job->arena, step->env, env->pairs[i].key->text,
			      expr_text(job->arena, env->pairs[i].value));
	return 0;
}

static const char *condition_of(const struct step_run *step)
{
	return step->stage == STAGE_MAIN ? step->step->condition
					 : parts_condition(step->job, step->use, step->stage);
}

/* 1 to run, 0 to skip. */
static int evaluate_condition(struct step_run *step, struct err *err)
{
	struct job_run *job = step->job;
	struct scope_arg arg = {job, step->frame};
	struct expr_scope scope = scope_make(&arg, context_step(job, step->frame, step));
	struct expr_err e = {0};
	bool run = false;

	if (condition_eval(job->arena, condition_of(step), &scope, &run, &e) < 0)
		return err_fail(err, ERR_USAGE, "if: %s", e.text);
	return run;
}

static int evaluate_rest(struct step_run *step, struct err *err)
{
	struct job_run *job = step->job;
	struct scope_arg arg = {job, step->frame};
	struct expr_scope scope = scope_make(&arg, context_step(job, step->frame, step));
	const struct node *minutes = NULL;
	uint64_t ms;

	if (scope_variables(job->arena, &scope, "with", step->step->with, &step->with, err) < 0 ||
	    scope_tree(job->arena, &scope, "timeout-minutes", step->step->timeout_minutes, &minutes,
		       err) < 0)
		return -1;
	if (step->frame->deadline_ms) {
		const uint64_t left = ms_left(step->frame->deadline_ms);

		step->timeout_ms = left ? left : 1; /* 0 would be no limit */
	}
	if (!minutes)
		return 0;
	if (minutes->kind != NODE_NUMBER || !(minutes->number > 0) || minutes->number > 1e6)
		return err_fail(err, ERR_USAGE, "timeout-minutes: expected a number above 0");
	ms = (uint64_t)ceil(minutes->number * 60000);
	if (!step->timeout_ms || ms < step->timeout_ms)
		step->timeout_ms = ms;
	return 0;
}

static const struct builtin *builtin_of(struct step_run *step)
{
	struct uses uses;
	struct err ignored;

	if (!step->step->uses ||
	    uses_parse(step->job->arena, step->step->uses, &uses, &ignored) < 0)
		return NULL;
	return action_builtin(&uses);
}

/* 1 when a cell runs or an action was entered, 0 when the step is done. */
static int start(struct step_run *step, struct err *err)
{
	step->builtin = builtin_of(step);
	if (step->builtin)
		return step->stage == STAGE_POST ? step->builtin->post(step, err)
						 : step->builtin->start(step, err);
	if (step->step->uses)
		return action_start(step, err);
	return launch_script(step, err) < 0 ? -1 : 1;
}

static void skip(struct step_run *step)
{
	const char *condition = condition_of(step);

	keep_result(step, RESULT_SKIPPED, RESULT_SKIPPED);
	journal_result(step, NULL, RESULT_SKIPPED,
		       step->job->cancelled ? "the job was cancelled"
		       : condition          ? arena_printf(step->job->arena, "if: %s",
							   first_line(step->job->arena, condition))
					    : "an earlier step failed",
		       NULL);
}

static void begin(struct step_run *step)
{
	struct job_run *job = step->job;
	struct err err = {0};
	int go = evaluate_env(step, &err);

	if (go == 0)
		go = evaluate_condition(step, &err);
	step->name = shown_name(step, step_name(step, go != 0));
	if (go == 0) {
		skip(step);
		return;
	}
	journal_start(step);
	if (output_open(step, &job->run->fatal) < 0 || go < 0 || evaluate_rest(step, &err) < 0) {
		fail_step(step, err.kind ? &err : &job->run->fatal);
		return;
	}
	go = start(step, &err);
	if (go < 0)
		fail_step(step, &err);
	else if (go == 0)
		step_end(step, RESULT_SUCCESS, NULL, NULL);
	else if (step->cell)
		job->step = step;
}

void step_begin(struct job_run *job, struct frame *frame, const struct step *model)
{
	begin(step_new(job, frame, model));
}

void step_begin_part(struct job_run *job, struct action_use *use, enum stage stage)
{
	struct step_run *step = step_new(job, parts_frame(job, use), use->step);

	step->stage = stage;
	step->use = use;
	if (use->id)
		step->id = use->id;
	begin(step);
}

/* ---- when its cell has ended ---- */

static const char *size_text(struct arena *a, uint64_t bytes)
{
	return bytes >= GIB && bytes % GIB == 0
		       ? arena_printf(a, "%llu GiB", (unsigned long long)(bytes / GIB))
		       : arena_printf(a, "%llu MiB", (unsigned long long)(bytes / MIB));
}

static const char *explain(struct step_run *step, const struct cell_result *r)
{
	struct arena *a = step->job->arena;
	const struct policy_limits *l = &step->job->run->policy->limits;
	uint64_t ms = step->timeout_ms && (!l->step_ms || step->timeout_ms < l->step_ms)
			      ? step->timeout_ms
			      : l->step_ms;

	switch (r->verdict) {
	case CELL_FAILED:
		return arena_printf(
			a, "exit code %d%s", r->exit_code,
			r->pids_refused ? " (forks were refused by the limit of processes)" : "");
	case CELL_SIGNALLED:
		return arena_printf(a, "killed by signal %d (%s)", r->signal, strsignal(r->signal));
	case CELL_TIMEOUT:
		return arena_printf(a, "timeout: it ran longer than %g seconds", (double)ms / 1000);
	case CELL_OUT_OF_MEMORY:
		return arena_printf(a, "out-of-memory: it needed more than %s",
				    size_text(a, l->memory));
	case CELL_PIDS_LIMIT:
		return arena_printf(a, "pids-limit: it needed more than %llu processes",
				    (unsigned long long)l->pids);
	case CELL_DISK_LIMIT:
		return arena_printf(a,
				    "disk-limit: it wrote more than %s or %llu files, or folders "
				    "too deep to count",
				    size_text(a, l->disk), (unsigned long long)l->files);
	case CELL_LOG_LIMIT:
		return arena_printf(a, "log-limit: it said more than %s", size_text(a, l->log));
	case CELL_CANCELLED:
		return "cancelled";
	default:
		return cell_verdict_name(r->verdict);
	}
}

static enum result outcome_of(const struct cell_result *r)
{
	return r->verdict == CELL_PASSED      ? RESULT_SUCCESS
	       : r->verdict == CELL_CANCELLED ? RESULT_CANCELLED
					      : RESULT_FAILURE;
}

/* What the step left, after every process of it is dead; -1 when that fails it. */
static int collect(struct step_run *step, const struct cell_result *r, struct err *err)
{
	int ok = step->builtin && step->builtin->finish ? step->builtin->finish(step, err) : 0;

	layers_end(step);
	if (!step->builtin && files_collect(step, err) < 0)
		ok = -1;
	if (step->refused && ok == 0)
		ok = err_fail(err, ERR_USAGE, "%s", step->refused);
	(void)r;
	return ok;
}

/* Every process of it is dead; its cgroups may stay until the next step runs. */
static void retire(struct step_run *step)
{
	struct job_run *job = step->job;

	cell_release(&job->ended);
	job->ended = step->cell;
	step->cell = NULL;
}

/* An action of ours may have another cell to run. */
static bool goes_on(struct step_run *step, enum result *outcome, const char **why)
{
	struct err err = {0};
	int more;

	if (!step->builtin || !step->builtin->next || step->cancel_stage)
		return false;
	more = step->builtin->next(step, &err);
	if (more < 0) {
		*outcome = RESULT_FAILURE;
		*why = arena_strdup(step->job->arena, err.text);
	}
	return more > 0;
}

void step_cell_ended(struct step_run *step)
{
	struct cell_result result = {0};
	struct err err = {0};
	enum result outcome;
	const char *why = NULL;
	bool dead;
	int ok;

	/* while the cell can still be asked for a file that its last words name */
	(void)output_drain(step, true);
	dead = cell_wait(step->cell, &result, &err) == 0;

	if (!dead)
		result.verdict = CELL_SETUP_FAILED;
	refused_write(step);
	reach_tell(step);
	if (dead)
		retire(step);
	cell_release(&step->cell);
	if (step->timed_out)
		result.verdict = CELL_TIMEOUT;
	else if (step->job->cancelled && step->cancel_stage && result.verdict != CELL_PASSED)
		result.verdict = CELL_CANCELLED;
	outcome = outcome_of(&result);
	if (outcome != RESULT_SUCCESS)
		why = err.kind ? arena_strdup(step->job->arena, err.text) : explain(step, &result);
	err_clear(&err);
	ok = collect(step, &result, &err);
	if (ok < 0 && (outcome == RESULT_SUCCESS || result.verdict == CELL_FAILED || step->mute)) {
		outcome = RESULT_FAILURE;
		why = arena_strdup(step->job->arena, err.text);
	}
	if (outcome == RESULT_SUCCESS && goes_on(step, &outcome, &why))
		return;
	if (result.survivors)
		output_say(step, "%u processes outlived the step and were killed",
			   result.survivors);
	step_end(step, outcome, why, &result);
}

/* ---- composite actions ---- */

static int action_outputs(struct job_run *job, struct frame *frame, struct err *err)
{
	const struct node *outputs = frame->action->outputs;
	struct scope_arg arg = {job, frame};
	struct expr_scope scope = scope_make(&arg, context_step(job, frame, NULL));

	for (size_t i = 0; outputs && i < outputs->count; i++) {
		const char *name = outputs->pairs[i].key->text, *text = NULL;

		if (scope_text(job->arena, &scope, name,
			       node_text(node_get(outputs->pairs[i].value, "value")), &text,
			       err) < 0)
			return err_wrap(err, "outputs");
		node_set_text(job->arena, frame->owner->outputs, name, text ? text : "");
	}
	return 0;
}

void frame_end(struct job_run *job)
{
	struct frame *frame = job->frame;
	struct err err = {0};

	if (action_outputs(job, frame, &err) < 0 && frame->status == RESULT_SUCCESS) {
		frame->status = RESULT_FAILURE;
		frame->why = arena_strdup(job->arena, err.text);
	}
	job->frame = frame->up;
	step_end(frame->owner, frame->status, frame->why, NULL);
}

/* ---- cancellation: SIGINT, 7.5 s later SIGTERM, 2.5 s later the end, as GitHub does it ---- */

void step_cancel(struct step_run *step)
{
	static const struct {
		int signal;
		uint64_t wait_ms;
	} stages[] = {{SIGINT, 7500}, {SIGTERM, 2500}};
	struct err ignored;

	if (step->cancel_stage < (int)COUNT(stages)) {
		(void)cell_signal(step->cell, stages[step->cancel_stage].signal, &ignored);
		step->cancel_ms = now_ms() + stages[step->cancel_stage].wait_ms;
	} else {
		cell_kill(step->cell, CELL_CANCELLED);
		step->cancel_ms = 0;
	}
	step->cancel_stage++;
}

void step_time_out(struct step_run *step)
{
	step->timeout_at_ms = 0;
	if (step->cancel_stage)
		return; /* it is ending */
	step->timed_out = true;
	step_cancel(step);
}
