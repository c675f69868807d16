/* reach: what a job may reach beyond itself, as its policy grants it. */
#include <string.h>

#include "runner/run.h"
#include "stepcell/proxy.h"

int runner_proxy(const struct policy *p, const char *state, struct cell_owner *owner,
		 unsigned require, struct proxy **out, struct err *err)
{
	const struct proxy_spec spec = {
		.name = "proxy",
		.state = state,
		.owner = owner,
		.require = require,
		.rules = {p->network_allow.list, p->network_allow.count, p->network_internal.list,
			  p->network_internal.count},
	};

	return p->network == POLICY_NET_PROXY ? proxy_open(&spec, out, err) : 0;
}

int reach_open(struct job_run *job, struct err *err)
{
	const struct run *run = job->run;

	return runner_proxy(run->policy, run->home, job->owner, run->require, &job->proxy, err);
}

enum cell_network reach_network(const struct job_run *job)
{
	if (job->run->policy->network == POLICY_NET_FULL)
		return CELL_NET_FULL;
	return job->proxy || job->service_count ? CELL_NET_SHARED : CELL_NET_NONE;
}

void reach_env(const struct job_run *job, struct node *env)
{
	for (const char *const *pair = proxy_env; job->proxy && *pair; pair++) {
		const char *value = strchr(*pair, '=') + 1;

		node_set_text(job->arena, env,
			      arena_strndup(job->arena, *pair, (size_t)(value - *pair) - 1), value);
	}
}

/* ---- what was reached ---- */

void reach_hear(struct job_run *job)
{
	if (job->proxy)
		proxy_hear(job->proxy);
}

static const struct node *allowed_node(struct arena *a, const struct proxy_decision *d)
{
	struct node *map = node_map(a);

	node_set_text(a, map, "host", d->endpoint);
	node_set(a, map, "count", node_number(a, (double)d->count));
	return map;
}

/* As a refused call is told: the rest of a reason may hold what the job sent. */
static const struct node *refused_node(struct arena *a, const struct run *run,
				       const struct proxy_decision *d)
{
	struct node *map = node_map(a);

	node_set_text(a, map, "call", "connect");
	if (*d->endpoint)
		node_set_text(a, map, "arguments",
			      run ? output_masked(run, d->endpoint) : d->endpoint);
	node_set_text(a, map, "answer", run ? output_masked(run, d->why) : d->why);
	node_set(a, map, "count", node_number(a, (double)d->count));
	return map;
}

static void add_others(struct arena *a, struct node *list, uint64_t count)
{
	struct node *map = node_map(a);

	if (!count)
		return;
	node_set_text(a, map, "call", "others");
	node_set(a, map, "count", node_number(a, (double)count));
	node_add(a, list, map);
}

static void sort_out(struct arena *a, const struct run *run, struct proxy *proxy,
		     struct node *allowed, struct node *refused)
{
	struct proxy_decisions *d = arena_alloc(a, sizeof(*d));

	proxy_take(proxy, d);
	for (size_t i = 0; i < d->count; i++)
		if (!*d->rows[i].why)
			node_add(a, allowed, allowed_node(a, &d->rows[i]));
		else
			node_add(a, refused, refused_node(a, run, &d->rows[i]));
	add_others(a, refused, d->others);
}

void runner_reached(struct arena *a, struct proxy *proxy, struct node *refused)
{
	sort_out(a, NULL, proxy, node_list(a), refused);
}

void reach_tell(struct step_run *step)
{
	struct run *run = step->job->run;
	struct arena *a = step->job->arena;
	struct node *allowed = node_list(a), *refused = node_list(a);

	if (!step->job->proxy)
		return;
	sort_out(a, run, step->job->proxy, allowed, refused);
	if (!allowed->count && !refused->count)
		return;
	journal_begin(run->journal, "network");
	journal_text(run->journal, "job", step->job->plan->id);
	journal_number(run->journal, "step", step->number);
	journal_node(run->journal, "allowed", allowed);
	journal_node(run->journal, "refused", refused);
	(void)journal_end(run->journal, &run->fatal);
}
