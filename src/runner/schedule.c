/*
 * The one loop: it starts jobs whose needs are done, reads what steps say,
 * ends steps whose cells have ended, and sees to time and signals. Only here
 * does the state of jobs change.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runner/check.h"
#include "runner/run.h"
#include "stepcell/fd.h"
#include "stepcell/stops.h"
#include "stepcell/util.h"

/* ---- what jobs come to for those that need them ---- */

/* Of two results of one job's matrix, the one that counts: failure, cancelled, success, skipped. */
enum result result_worse(enum result a, enum result b)
{
	static const int rank[] = {[RESULT_SKIPPED] = 0,
				   [RESULT_SUCCESS] = 1,
				   [RESULT_CANCELLED] = 2,
				   [RESULT_FAILURE] = 3};

	return rank[a] >= rank[b] ? a : b;
}

bool is_cancelled(const struct job_run *job)
{
	for (; job->call->caller; job = job->call->caller)
		if (job->cancelled)
			return true;
	return job->cancelled || job->run->cancelled;
}

/* Is it the job that another of the same workflow calls `id`? */
static bool is_named(const struct job_run *job, const struct call *call, const char *id)
{
	return job->call == call && strcasecmp(job->plan->job->id, id) == 0;
}

enum result needs_result(const struct job_run *of, const char *id, bool *ended)
{
	const struct run *run = of->run;
	enum result all = RESULT_SKIPPED;
	bool every = true;

	for (size_t i = 0; i < run->job_count; i++) {
		const struct job_run *job = run->jobs[i];

		if (!is_named(job, of->call, id))
			continue;
		every &= job->state == JOB_ENDED;
		if (job->state == JOB_ENDED)
			all = result_worse(all, job->forgiven ? RESULT_SUCCESS : job->result);
	}
	if (ended)
		*ended = every;
	return all;
}

/* Of ancestors, one that failed outweighs one that was skipped, and that one success. */
static enum result darker(enum result a, enum result b)
{
	static const int rank[] = {[RESULT_SUCCESS] = 0,
				   [RESULT_SKIPPED] = 1,
				   [RESULT_CANCELLED] = 2,
				   [RESULT_FAILURE] = 3};

	return rank[a] >= rank[b] ? a : b;
}

enum result needs_lineage(const struct job_run *of, enum result own)
{
	const struct job *job = of->plan->job;
	const struct run *run = of->run;

	for (size_t i = 0; i < job->need_count; i++)
		for (size_t j = 0; j < run->job_count; j++)
			if (is_named(run->jobs[j], of->call, job->needs[i]))
				own = darker(own, run->jobs[j]->lineage);
	return own;
}

/* ---- starting ---- */

static bool needs_ended(const struct job_run *job)
{
	for (size_t i = 0; i < job->plan->job->need_count; i++) {
		bool ended;

		(void)needs_result(job, job->plan->job->needs[i], &ended);
		if (!ended)
			return false;
	}
	return true;
}

static void merge_outputs(struct node *into, const struct job_run *of, const char *id)
{
	const struct run *run = of->run;

	for (size_t i = 0; i < run->job_count; i++) {
		const struct job_run *job = run->jobs[i];

		if (!is_named(job, of->call, id) || !job->outputs)
			continue;
		for (size_t j = 0; j < job->outputs->count; j++)
			node_set(of->arena, into, job->outputs->pairs[j].key->text,
				 job->outputs->pairs[j].value);
	}
}

static const struct node *needs_context(struct job_run *job)
{
	struct arena *a = job->arena;
	struct node *needs = node_map(a);

	for (size_t i = 0; i < job->plan->job->need_count; i++) {
		const char *id = job->plan->job->needs[i];
		struct node *one = node_map(a), *outputs = node_map(a);

		merge_outputs(outputs, job, id);
		node_set_text(a, one, "result", result_name(needs_result(job, id, NULL)));
		node_set(a, one, "outputs", outputs);
		node_set(a, needs, id, one);
	}
	return needs;
}

static const char *why_skipped(struct job_run *job)
{
	const char *condition = job->plan->job->condition;

	for (size_t i = 0; i < job->plan->job->need_count; i++) {
		const char *id = job->plan->job->needs[i];
		enum result r = needs_result(job, id, NULL);

		if (r == RESULT_FAILURE || r == RESULT_CANCELLED || r == RESULT_SKIPPED)
			return arena_printf(job->arena, "needs %s, which %s", id,
					    r == RESULT_FAILURE     ? "failed"
					    : r == RESULT_CANCELLED ? "was cancelled"
								    : "was skipped");
	}
	if (needs_lineage(job, RESULT_SUCCESS) != RESULT_SUCCESS && !condition)
		return "a job that its needs depend on did not succeed";
	return arena_printf(job->arena, "if: %s is false", condition ? condition : "success()");
}

/* 1 to start, 0 to skip, -1 when the condition is in error. */
static int decide(struct job_run *job, struct err *err)
{
	struct scope_arg arg = {job, NULL};
	struct expr_scope scope;
	struct expr_err e = {0};
	bool go = false;

	if (job->plan->runs == RUNS_NO)
		return 0;
	job->needs = needs_context(job);
	scope = scope_make(&arg, context_job_level(job));
	if (condition_eval(job->arena, job->plan->job->condition, &scope, &go, &e) < 0)
		return err_fail(err, ERR_USAGE, "if: %s", e.text);
	return go;
}

static int start(struct job_run *job, struct err *err)
{
	if (job->plan->job->uses)
		return call_start(job, err);
	return environment_check(job->run, job->plan->job, context_job_level(job), err) < 0
		       ? -1
		       : job_start(job, err);
}

/* False while it waits for its concurrency group. */
static bool start_or_skip(struct job_run *job)
{
	struct err err = {0};
	int go = decide(job, &err);

	if (go > 0) {
		enum group_state group = concurrency_ask(job, &err);

		if (group == GROUP_PENDING)
			return false;
		if (group == GROUP_CANCELLED && err.kind == ERR_NONE) {
			cancel_waiting(job, "a newer one of its concurrency group took its place");
			return true;
		}
		go = err.kind == ERR_NONE ? 1 : -1;
	}
	if (go == 0) {
		job_skip(job, is_cancelled(job)            ? "the run was cancelled"
			      : job->plan->runs == RUNS_NO ? job->plan->why
							   : why_skipped(job));
		return true;
	}
	if (go < 0 || start(job, &err) < 0) {
		job->run->refused |= err.kind == ERR_POLICY;
		/* a host that cannot give what the run was promised ends the run, not the job alone */
		if (err.kind == ERR_SYSTEM && job->run->fatal.kind == ERR_NONE)
			job->run->fatal = err;
		job_finish(job, RESULT_FAILURE, arena_strdup(job->arena, err.text));
		return true;
	}
	if (!job->called)
		job_advance(job);
	return true;
}

struct job_run *schedule_add(struct run *run, const struct planned_job *plan, struct call *call)
{
	struct job_run *job = arena_alloc(run->arena, sizeof(*job));

	job->run = run;
	job->plan = plan;
	job->call = call;
	job->arena = run->arena;
	job->image.lock = -1;
	run->jobs = arena_grow(run->arena, run->jobs, run->job_count, sizeof(struct job_run *));
	run->jobs[run->job_count++] = job;
	return job;
}

/* A matrix that was made of outputs: now they are there. The first of its jobs takes this one's place. */
static void expand(struct run *run, size_t at)
{
	struct job_run *job = run->jobs[at];
	struct diags diags = {.arena = run->arena};
	struct planned_job *jobs = NULL;
	size_t count = 0, kept = 0;
	struct err err = {0};
	int go = decide(job, &err);

	if (go <= 0) {
		(void)start_or_skip(job);
		return;
	}
	if (plan_expand(run->arena, job->plan->job, context_job_level(job), &jobs, &count, &diags) <
	    0) {
		(void)diags_fail(&diags, &err);
		job_finish(job, RESULT_FAILURE, arena_strdup(run->arena, err.text));
		return;
	}
	for (size_t i = 0; i < count; i++)
		if (planned_agrees(&jobs[i], run->options->matrix.list, run->options->matrix.count))
			jobs[kept++] = jobs[i];
	count = kept;
	if (count == 0) {
		job_skip(job, "--matrix leaves nothing of its matrix");
		return;
	}
	job->plan = &jobs[0];
	for (size_t i = 1; i < count; i++)
		(void)schedule_add(run, &jobs[i], job->call);
}

/* Of one matrix. */
static bool are_siblings(const struct job_run *a, const struct job_run *b)
{
	return a->call == b->call && a->plan->job == b->plan->job;
}

/* Jobs of the matrix of `only`, or all that have steps. */
static size_t running(const struct run *run, const struct job_run *only)
{
	size_t n = 0;

	for (size_t i = 0; i < run->job_count; i++)
		n += run->jobs[i]->state == JOB_RUNNING &&
		     (only ? are_siblings(run->jobs[i], only) : !run->jobs[i]->called);
	return n;
}

static bool has_slot(const struct run *run, const struct job_run *job)
{
	if (job->plan->max_parallel && running(run, job) >= job->plan->max_parallel)
		return false;
	return job->plan->job->uses || running(run, NULL) < run->parallel;
}

/* fail-fast: the siblings of a matrix job that failed are cancelled. */
static bool sibling_failed(const struct job_run *job)
{
	for (size_t i = 0; job->plan->fail_fast && i < job->run->job_count; i++) {
		const struct job_run *other = job->run->jobs[i];

		if (other != job && are_siblings(other, job) && other->state == JOB_ENDED &&
		    other->result == RESULT_FAILURE && !other->forgiven)
			return true;
	}
	return false;
}

/* Start what can start; true when anything changed, for then more may be possible. */
static bool start_jobs(struct run *run)
{
	bool changed = false;

	for (size_t i = 0; i < run->job_count; i++) {
		struct job_run *job = run->jobs[i];

		if (job->state == JOB_RUNNING && job->called && call_over(job)) {
			call_finish(job);
			changed = true;
			continue;
		}
		if (job->state != JOB_WAITING || !concurrency_open(job->call) || !needs_ended(job))
			continue;
		if (sibling_failed(job))
			cancel_waiting(job, "a job of its matrix failed (fail-fast)");
		else if (has_slot(run, job) && job->plan->matrix_depends)
			expand(run, i);
		else if (!has_slot(run, job) || !start_or_skip(job))
			continue;
		changed = true;
	}
	return changed;
}

/* ---- the loop ---- */

#define POLL_MS 250

static void see_to_stages(struct step_run *step, uint64_t now)
{
	if (step->job->cancelled && now >= step->job->cancel_end_ms)
		cell_kill(step->cell, CELL_CANCELLED);
	if (step->timeout_at_ms && now >= step->timeout_at_ms)
		step_time_out(step);
	if (step->cancel_ms && now >= step->cancel_ms)
		step_cancel(step);
}

/* What is due of a running step: its limits, its time, what it says. True when its cell has ended. */
static bool see_to_step(struct step_run *step, uint64_t now)
{
	bool ended = false;
	struct err err = {0};

	see_to_stages(step, now);
	(void)output_drain(step, false);
	if (cell_poll(step->cell, &ended, &err) < 0) {
		cell_kill(step->cell, CELL_SETUP_FAILED);
		ended = true;
	}
	return ended;
}

static void see_to_time(struct job_run *job, uint64_t now)
{
	if (!job->called && job->deadline_ms && now >= job->deadline_ms)
		cancel_job(job, "the job's time is over");
	if (sibling_failed(job))
		cancel_job(job, "a job of its matrix failed (fail-fast)");
	services_see(job, now);
	reach_hear(job);
}

static void see_to_job(struct job_run *job, uint64_t now)
{
	struct step_run *step = job->step;

	if (job->state != JOB_RUNNING)
		return;
	see_to_time(job, now);
	if (!step && !job->called) /* it was waiting for its services, or its turn was over */
		job_advance(job);
	if (!step || !see_to_step(step, now))
		return;
	step_cell_ended(step);
	job_advance(job);
}

void schedule_meanwhile(struct run *run)
{
	for (size_t i = 0; i < run->job_count; i++) {
		struct job_run *job = run->jobs[i];

		if (job->state != JOB_RUNNING)
			continue;
		see_to_time(job, now_ms());
		if (job->step && job->step->cell)
			(void)see_to_step(job->step, now_ms());
	}
}

/* For a view that waits for its reader: nothing here may say anything, for that would wait too. */
static void keep_limits(void *arg)
{
	struct run *run = arg;
	const uint64_t now = now_ms();

	for (size_t i = 0; i < run->job_count; i++) {
		struct job_run *job = run->jobs[i];
		struct step_run *step = job->step;
		struct err ignored = {0};
		bool ended;

		services_keep(job);
		if (job->state != JOB_RUNNING || !step || !step->cell)
			continue;
		see_to_stages(step, now);
		(void)cell_poll(step->cell, &ended, &ignored);
	}
}

static size_t collect_fds(struct run *run, struct pollfd *fds, int signals)
{
	size_t n = 0;

	fds[n++] = (struct pollfd){.fd = signals, .events = POLLIN};
	for (size_t i = 0; i < run->job_count; i++) {
		const struct step_run *step = run->jobs[i]->step;

		if (run->jobs[i]->state != JOB_RUNNING)
			continue;
		n += services_fds(run->jobs[i], fds + n);
		if (!step)
			continue;
		fds[n++] = (struct pollfd){.fd = cell_fd(step->cell), .events = POLLIN};
		fds[n++] = (struct pollfd){.fd = step->log, .events = POLLIN};
	}
	return n;
}

static size_t count_fds(const struct run *run)
{
	size_t n = 1;

	for (size_t i = 0; i < run->job_count; i++)
		n += 2 + SERVICE_FDS * run->jobs[i]->service_count;
	return n;
}

/* Until something is due that no descriptor tells. */
static int poll_time(const struct run *run)
{
	uint64_t now = now_ms(), due = now + POLL_MS;

	for (size_t i = 0; i < run->job_count; i++) {
		uint64_t next = run->jobs[i]->turn_over ? now : services_due(run->jobs[i]);

		if (next < due)
			due = next;
	}
	return due > now ? (int)(due - now) : 0;
}

static bool all_ended(const struct run *run)
{
	for (size_t i = 0; i < run->job_count; i++)
		if (run->jobs[i]->state != JOB_ENDED)
			return false;
	return true;
}

static int loop(struct run *run, int signals, struct err *err)
{
	while (!all_ended(run) && run->fatal.kind == ERR_NONE) {
		struct pollfd *fds;
		size_t n;

		while (start_jobs(run))
			;
		if (all_ended(run))
			break;
		fds = calloc(count_fds(run), sizeof(*fds));
		if (!fds)
			return err_sys(err, "no memory");
		n = collect_fds(run, fds, signals);
		if (poll(fds, (nfds_t)n, poll_time(run)) < 0 && errno != EINTR) {
			free(fds);
			return err_sys(err, "cannot poll");
		}
		free(fds);
		schedule_signals(run);
		concurrency_see(run);
		for (size_t i = 0; i < run->job_count; i++)
			see_to_job(run->jobs[i], now_ms());
		if (run->tick)
			run->tick(run->tick_arg);
	}
	return 0;
}

/* What still runs when the run cannot go on dies with it. */
static void abandon(struct run *run)
{
	for (size_t i = 0; i < run->job_count; i++) {
		struct job_run *job = run->jobs[i];

		group_leave(&job->group);
		if (job->called)
			group_leave(&job->called->group);
		if (job->state != JOB_RUNNING)
			continue;
		if (job->step) {
			cell_release(&job->step->cell);
			output_close(job->step);
			job->step = NULL;
		}
		job_finish(job, RESULT_CANCELLED, "the run could not go on");
	}
}

int schedule_run(struct run *run, struct err *err)
{
	sigset_t set, old;
	int ok;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGINT);
	(void)sigaddset(&set, SIGTERM);
	(void)sigaddset(&set, SIGHUP);
	stops_add(&set);
	(void)sigprocmask(SIG_BLOCK, &set, &old);

	auto_fd int signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);

	if (signals < 0)
		return err_sys(err, "cannot make a signalfd");
	run->signals = signals;
	if (run->keeper)
		*run->keeper = (struct run_keeper){keep_limits, run};
	for (size_t i = 0; i < run->plan.count; i++)
		if (!run->plan.jobs[i].caller)
			(void)schedule_add(run, &run->plan.jobs[i], &run->call);
	ok = loop(run, signals, err);
	abandon(run);
	run->signals = -1;
	if (run->keeper)
		*run->keeper = (struct run_keeper){0};
	for (size_t i = 0; i < run->removal_count; i++)
		(void)waitpid(run->removals[i], NULL, 0);
	(void)sigprocmask(SIG_SETMASK, &old, NULL);
	if (ok == 0 && run->fatal.kind != ERR_NONE) {
		*err = run->fatal;
		return -1;
	}
	return ok;
}
