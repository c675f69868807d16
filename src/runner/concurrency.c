/* The concurrency keys of jobs and workflows: which group, and what follows from it. */
#include <string.h>
#include <strings.h>

#include "runner/run.h"
#include "stepcell/log.h"

#define GROUP_MAX_CHARS 400

/* What the key comes to once evaluated: a name, or a map with one. */
static int read_wish(const struct node *value, struct arena *a, struct group_wish *out,
		     struct err *err)
{
	const struct node *name = value->kind == NODE_MAP ? node_get(value, "group") : value;
	const char *queue = node_text(node_get(value, "queue"));
	const struct node *cancel = node_get(value, "cancel-in-progress");
	const char *text = name ? expr_text(a, name) : "";

	if (!*text || strlen(text) >= GROUP_MAX_CHARS)
		return err_fail(err, ERR_USAGE,
				"concurrency: expected the name of a group, of less than %d "
				"characters",
				GROUP_MAX_CHARS);
	*out = (struct group_wish){
		.name = text,
		.cancel = cancel && expr_truthy(cancel),
		.queue = queue && strcmp(queue, "max") == 0,
	};
	return 0;
}

/* A group that the run, or a job around this one, is in already would never come free. */
static bool waits_for_itself(const struct call *call, const char *name)
{
	for (; call; call = call->caller ? call->caller->call : NULL)
		if ((call->group_name && strcasecmp(call->group_name, name) == 0) ||
		    (call->caller && call->caller->group_name &&
		     strcasecmp(call->caller->group_name, name) == 0))
			return true;
	return false;
}

/*
 * A checkout's own configuration names its repository, so a stranger's could
 * name anybody's, and cancel what runs there. What its policy is the checkout
 * does not say: groups of one are out of another's reach.
 */
static int enter(struct run *run, const struct call *call, const struct group_wish *wish,
		 struct group **out, struct err *err)
{
	const char *among = arena_printf(run->arena, "%s\n%s", run->policy->name,
					 node_text(node_get(run->github, "repository")));

	if (waits_for_itself(call, wish->name))
		return err_fail(err, ERR_USAGE,
				"concurrency: the group '%s' is held by what this is part of, so "
				"it would wait for ever",
				wish->name);
	if (group_enter(run->home, among, wish, out, err) < 0)
		return -1;
	if (group_poll(*out) == GROUP_PENDING)
		log_note("waiting for the concurrency group '%s'", wish->name);
	return 0;
}

int concurrency_enter(struct run *run, struct call *call, const struct node *contexts,
		      struct err *err)
{
	const struct expr_scope scope = {.contexts = contexts};
	const struct node *value = NULL;
	struct group_wish wish;

	if (!call->workflow->concurrency)
		return 0;
	if (scope_tree(run->arena, &scope, "concurrency", call->workflow->concurrency, &value,
		       err) < 0 ||
	    read_wish(value, run->arena, &wish, err) < 0 ||
	    enter(run, call, &wish, &call->group, err) < 0)
		return -1;
	call->group_name = wish.name;
	return 0;
}

enum group_state concurrency_ask(struct job_run *job, struct err *err)
{
	const struct node *key = job->plan->job->concurrency, *value = NULL;
	struct scope_arg arg = {job, NULL};
	struct expr_scope scope;
	struct group_wish wish;

	if (!key || job->group)
		return job->group ? group_poll(job->group) : GROUP_RUNNING;
	scope = scope_make(&arg, context_job_level(job));
	if (scope_tree(job->arena, &scope, "concurrency", key, &value, err) < 0 ||
	    read_wish(value, job->arena, &wish, err) < 0 ||
	    enter(job->run, job->call, &wish, &job->group, err) < 0)
		return GROUP_CANCELLED;
	job->group_name = wish.name;
	return group_poll(job->group);
}

bool concurrency_open(struct call *call)
{
	if (!call->open)
		call->open = !call->group || group_poll(call->group) == GROUP_RUNNING;
	return call->open;
}

static const char why[] = "a newer one of its concurrency group put an end to it";

static bool is_over(const struct run *run, const struct call *call)
{
	return run->cancelled || (call->caller && is_cancelled(call->caller));
}

/* Of a workflow that never had its turn no job runs, whatever its if: says. */
static void drop_jobs(struct run *run, const struct call *call)
{
	for (size_t i = 0; i < run->job_count; i++)
		if (run->jobs[i]->call == call && run->jobs[i]->state == JOB_WAITING)
			cancel_waiting(run->jobs[i],
				       is_over(run, call) ? "the run was cancelled" : why);
}

static void see_call(struct run *run, struct call *call)
{
	bool replaced = call->group && group_poll(call->group) == GROUP_CANCELLED;

	if (!call->open && (replaced || is_over(run, call)))
		drop_jobs(run, call);
	if (!replaced)
		return;
	if (call->caller)
		cancel_job(call->caller, why);
	else
		cancel_run(run, why);
}

void concurrency_see(struct run *run)
{
	see_call(run, &run->call);
	for (size_t i = 0; i < run->job_count; i++) {
		struct job_run *job = run->jobs[i];

		if (job->state != JOB_RUNNING)
			continue;
		if (job->called)
			see_call(run, job->called);
		if (job->group && !job->cancelled && group_poll(job->group) == GROUP_CANCELLED)
			cancel_job(job, why);
	}
}
