/* Cancelling: what of a job, a call or a run still wants to run, and what ends now. */
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "runner/run.h"
#include "stepcell/stops.h"

void cancel_waiting(struct job_run *job, const char *why)
{
	job_skip(job, why);
	job->result = job->lineage = RESULT_CANCELLED;
}

/* GitHub's hard end of a cancelled job: five minutes, unless the workflow says otherwise. */
static uint64_t cancel_time(struct job_run *job)
{
	const struct node *tree = node_get(job->plan->job->as_written, "cancel-timeout-minutes");
	struct scope_arg arg = {job, NULL};
	struct expr_scope scope = scope_make(&arg, context_job_level(job));
	const struct node *m = NULL;
	struct err ignored;

	(void)scope_tree(job->arena, &scope, "cancel-timeout-minutes", tree, &m, &ignored);
	return m && m->kind == NODE_NUMBER && m->number > 0 && m->number < 5
		       ? (uint64_t)(m->number * 60000)
		       : UINT64_C(5) * 60000;
}

/* Does a step that has begun still want to run, as with always()? */
static bool stays(struct job_run *job, struct step_run *step)
{
	struct scope_arg arg = {job, step->frame};
	struct expr_scope scope = scope_make(&arg, context_step(job, step->frame, step));
	struct expr_err e;
	bool yes = false;

	(void)condition_eval(job->arena, step->step->condition, &scope, &yes, &e);
	return yes;
}

/* From the outermost action inwards: each is asked as its caller stands then. */
static void cancel_frames(struct job_run *job, struct frame *frame)
{
	if (!frame->up)
		return;
	cancel_frames(job, frame->up);
	frame->cancelled = frame->up->cancelled || !stays(job, frame->owner);
}

/* A running job whose own if: is true even now, as with always(), is left alone. */
static bool goes_on(struct job_run *job)
{
	struct scope_arg arg = {job, NULL};
	struct expr_scope scope = scope_make(&arg, context_job_level(job));
	struct expr_err e;
	bool yes = false;

	(void)condition_eval(job->arena, job->plan->job->condition, &scope, &yes, &e);
	return yes;
}

/* Jobs of the call that have not begun see it as they see a cancelled run. */
static void cancel_called(const struct job_run *caller, const char *why)
{
	for (size_t i = 0; i < caller->run->job_count; i++) {
		struct job_run *job = caller->run->jobs[i];

		if (job->call == caller->called && job->state == JOB_RUNNING && !goes_on(job))
			cancel_job(job, why);
	}
}

void cancel_job(struct job_run *job, const char *why)
{
	if (job->cancelled)
		return;
	job->cancelled = true;
	job->cancel_end_ms = now_ms() + cancel_time(job);
	job->status = RESULT_CANCELLED;
	if (!job->why)
		job->why = why;
	if (job->called) {
		cancel_called(job, why);
		return;
	}
	cancel_frames(job, job->frame);
	if (job->step && !stays(job, job->step))
		step_cancel(job->step);
}

void cancel_run(struct run *run, const char *why)
{
	if (run->cancelled)
		return;
	run->cancelled = true;
	for (size_t i = 0; i < run->job_count; i++)
		if (run->jobs[i]->state == JOB_RUNNING && !goes_on(run->jobs[i]))
			cancel_job(run->jobs[i], why);
}

/* The second interrupt does not ask. */
static void kill_run(struct run *run)
{
	for (size_t i = 0; i < run->job_count; i++) {
		struct job_run *job = run->jobs[i];

		if (job->state == JOB_RUNNING && job->step) {
			job->step->cancel_stage++;
			cell_kill(job->step->cell, CELL_CANCELLED);
		}
	}
	if (run->fatal.kind == ERR_NONE)
		(void)err_fail(&run->fatal, ERR_INTERRUPTED, "interrupted twice");
}

void schedule_signals(struct run *run)
{
	struct signalfd_siginfo info;

	while (read(run->signals, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		if (stops_told(info.ssi_signo))
			continue;
		if (run->interrupts++ == 0)
			cancel_run(run, "the run was interrupted");
		else
			kill_run(run);
	}
}
