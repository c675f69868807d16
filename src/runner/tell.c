/* The run as its journal tells it: what begins, and what came of it. */
#include "runner/actions.h"
#include "runner/run.h"

static const struct node *job_row(struct run *run, const struct job_run *job)
{
	struct node *row = node_map(run->arena);
	/* a run that broke off has jobs that never began: nobody may take them for passed */
	enum result result = job->state == JOB_ENDED ? job->result : RESULT_CANCELLED;

	node_set_text(run->arena, row, "id", job->plan->id);
	node_set_text(run->arena, row, "name", job->plan->name);
	node_set_text(run->arena, row, "verdict", result_name(result));
	if (job->state == JOB_ENDED && result != RESULT_SKIPPED)
		node_set(run->arena, row, "seconds",
			 node_number(run->arena, (double)(job->ended_ms - job->started_ms) / 1000));
	if (job->peak_memory)
		node_set(run->arena, row, "peak_memory",
			 node_number(run->arena, (double)job->peak_memory));
	if (job->artifacts)
		node_set(run->arena, row, "artifacts", job->artifacts);
	if (job->why)
		node_set_text(run->arena, row, "why", job->why);
	return row;
}

enum result tell_verdict(const struct run *run)
{
	enum result all = run->cancelled ? RESULT_CANCELLED : RESULT_SUCCESS;

	for (size_t i = 0; i < run->job_count; i++) {
		const struct job_run *job = run->jobs[i];

		if (job->result == RESULT_FAILURE && !job->forgiven && all == RESULT_SUCCESS)
			all = RESULT_FAILURE;
		if (job->result == RESULT_CANCELLED && all == RESULT_SUCCESS)
			all = RESULT_CANCELLED;
	}
	for (size_t i = 0; i < run->job_count && all == RESULT_CANCELLED && !run->cancelled; i++)
		if (run->jobs[i]->result == RESULT_FAILURE)
			all = RESULT_FAILURE;
	return all;
}

/* The jobs of a workflow; in a caller's place those that it called. */
static void add_rows(struct run *run, const struct call *call, struct node *rows)
{
	for (size_t i = 0; i < run->job_count; i++) {
		if (run->jobs[i]->call != call)
			continue;
		if (run->jobs[i]->called)
			add_rows(run, run->jobs[i]->called, rows);
		else
			node_add(run->arena, rows, job_row(run, run->jobs[i]));
	}
}

int tell_end(struct run *run, uint64_t started_ms, enum result verdict, struct err *err)
{
	struct node *rows = node_list(run->arena);

	add_rows(run, &run->call, rows);
	journal_begin(run->journal, "run-ended");
	journal_text(run->journal, "verdict", result_name(verdict));
	journal_number(run->journal, "seconds", (double)(now_ms() - started_ms) / 1000);
	journal_node(run->journal, "jobs", rows);
	return journal_end(run->journal, err);
}

static const struct node *plan_rows(struct run *run)
{
	struct node *rows = node_list(run->arena);

	for (size_t i = 0; i < run->plan.count; i++) {
		const struct planned_job *p = &run->plan.jobs[i];
		struct node *row = node_map(run->arena), *needs = node_list(run->arena);

		if (p->job->uses && p->runs != RUNS_NO)
			continue; /* its jobs come behind it */
		for (size_t j = 0; j < p->job->need_count; j++)
			node_add(run->arena, needs,
				 node_string(run->arena, planned_need(run->arena, p, j)));
		node_set_text(run->arena, row, "id", p->id);
		node_set_text(run->arena, row, "name", p->name);
		node_set(run->arena, row, "needs", needs);
		node_add(run->arena, rows, row);
	}
	return rows;
}

/* Which trees the stored actions of the plan are. */
static const struct node *action_trees(struct run *run)
{
	struct node *map = node_map(run->arena);

	for (size_t i = 0; i < run->action_count; i++) {
		const struct stored_action *stored = &run->actions[i]->stored;

		if (stored->root)
			node_set_text(
				run->arena, map,
				arena_printf(run->arena, "%s@%s", stored->repository, stored->ref),
				arena_printf(run->arena, "sha256:%s", stored->tree.hex));
	}
	return map;
}

/* run-name, made of what is known before any job has run. */
static int run_name(struct run *run, const char **out, struct err *err)
{
	const struct expr_scope scope = {.contexts = run_contexts(run)};

	return scope_text(run->arena, &scope, "run-name", run->workflow->run_name, out, err);
}

int tell_start(struct run *run, struct err *err)
{
	struct journal *j = run->journal;
	const char *name = NULL;

	if (run_name(run, &name, err) < 0)
		return -1;

	journal_begin(j, "run-started");
	journal_text(j, "run", journal_id(j));
	journal_text(j, "workflow", run->workflow->name ? run->workflow->name : run->workflow_path);
	journal_text(j, "name", name && *name ? name : NULL);
	journal_text(j, "event", node_text(node_get(run->github, "event_name")));
	journal_text(j, "ref", node_text(node_get(run->github, "ref")));
	journal_text(j, "sha", run->source.sha);
	journal_text(j, "run_id", node_text(node_get(run->github, "run_id")));
	journal_text(j, "run_number", node_text(node_get(run->github, "run_number")));
	journal_text(j, "policy", run->policy->name);
	journal_text(j, "image", run->image);
	if (run->action_count)
		journal_node(j, "actions", action_trees(run));
	run->told = true;
	if (journal_end(j, err) < 0)
		return -1;
	journal_begin(j, "plan");
	journal_node(j, "jobs", plan_rows(run));
	return journal_end(j, err);
}
