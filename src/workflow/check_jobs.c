/* What the grammar cannot say about jobs: ids, needs, cycles. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "workflow/check.h"
#include "workflow/graph.h"

bool check_id(struct checker *c, const struct node *id, const char *what)
{
	static const char rest[] = "-0123456789"
				   "_abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
	const char *first = rest + 11;
	const char *s = id->text;

	if (template_has_expr(s)) {
		diag_error(c->diags, id->at, "syntax-check", "an expression is not allowed here");
		return false;
	}
	if (!strspn(s, first) || s[strspn(s, rest)]) {
		diag_error(
			c->diags, id->at, "id",
			"invalid id '%.100s' of %s: letters, digits, _ and -, first a letter or _",
			s, what);
		return false;
	}
	if (strlen(s) >= LIMIT_ID) {
		diag_error(c->diags, id->at, "id",
			   "the id of %s is %zu characters long; at most %d are allowed", what,
			   strlen(s), LIMIT_ID - 1);
		return false;
	}
	if (strncmp(s, "__", 2) == 0) {
		diag_error(c->diags, id->at, "id", "invalid id '%s' of %s: __ in front is reserved",
			   s, what);
		return false;
	}
	return true;
}

/* ---- steps ---- */

static int by_text(const void *a, const void *b)
{
	const struct node *const *x = a, *const *y = b;
	int texts = strcasecmp((*x)->text, (*y)->text);

	return texts ? texts : (*x)->at.line < (*y)->at.line ? -1 : 1;
}

void check_step_ids(struct checker *c, const struct steps *steps)
{
	const struct node **ids = arena_array(c->arena, steps->count + 1, sizeof(*ids));
	size_t count = 0;

	for (size_t i = 0; i < steps->count; i++) {
		const struct node *id = node_get(steps->list[i].as_written, "id");

		if (node_text(id) && check_id(c, id, "a step"))
			ids[count++] = id;
	}
	qsort(ids, count, sizeof(*ids), by_text);
	for (size_t i = 1; i < count; i++)
		if (strcasecmp(ids[i - 1]->text, ids[i]->text) == 0)
			diag_error(c->diags, ids[i]->at, "id",
				   "the step id '%s' is taken by line %u", ids[i]->text,
				   ids[i - 1]->at.line);
}

/* ---- needs ---- */

static struct place need_place(const struct job *job, size_t index)
{
	const struct node *needs = node_get(job->as_written, "needs");

	if (needs->kind == NODE_LIST && index < needs->count)
		return needs->items[index]->at;
	return needs->at;
}

static void check_known(struct checker *c, const struct graph *g, size_t i)
{
	const struct job *job = &g->workflow->jobs[i];

	for (size_t k = 0; k < job->need_count; k++)
		if (g->needs[i][k] == SIZE_MAX)
			diag_error(c->diags, need_place(job, k), "job-needs",
				   "job '%s' needs '%s', which does not exist", job->id,
				   job->needs[k]);
}

/* Follow needs that are not ordered until a job comes again: the cycle is what lies between. */
static size_t walk_cycle(const struct graph *g, const bool *ordered, size_t start, size_t *path,
			 size_t *seen)
{
	size_t len = 0, job = start;

	while (!seen[job]) {
		size_t next = SIZE_MAX;

		seen[job] = ++len;
		path[len - 1] = job;
		for (size_t k = 0; k < g->workflow->jobs[job].need_count; k++)
			if (g->needs[job][k] != SIZE_MAX && !ordered[g->needs[job][k]])
				next = g->needs[job][k];
		if (next == SIZE_MAX)
			return 0;
		job = next;
	}
	/* path[seen[job] - 1 .. len) is the cycle, if this walk made the mark */
	if (seen[job] > len || path[seen[job] - 1] != job)
		return 0;
	memmove(path, path + seen[job] - 1, (len - (seen[job] - 1)) * sizeof(*path));
	return len - (seen[job] - 1);
}

static void report_cycle(struct checker *c, const struct graph *g, const size_t *path, size_t len)
{
	const struct job *jobs = g->workflow->jobs;
	auto_strbuf struct strbuf names = STRBUF(300);

	for (size_t i = 0; i < len; i++)
		strbuf_addf(&names, "%s -> ", jobs[path[i]].id);
	strbuf_adds(&names, jobs[path[0]].id);
	for (size_t i = 0; i < len; i++) {
		const struct job *job = &jobs[path[i]];
		size_t next = path[(i + 1) % len];

		for (size_t k = 0; k < job->need_count; k++)
			if (g->needs[path[i]][k] == next)
				diag_error(c->diags, need_place(job, k), "job-needs",
					   "job '%s' needs '%s', which makes a cycle: %s", job->id,
					   jobs[next].id, names.text);
	}
}

static void check_cycles(struct checker *c, const struct graph *g)
{
	size_t count = g->workflow->job_count;
	bool *ordered = arena_array(c->arena, count + 1, sizeof(*ordered));
	size_t *seen = arena_array(c->arena, count + 1, sizeof(*seen));
	size_t *path = arena_array(c->arena, count + 1, sizeof(*path));

	for (size_t i = 0; i < g->ordered; i++)
		ordered[g->order[i]] = true;
	for (size_t i = 0; i < count; i++) {
		size_t len = ordered[i] || seen[i] ? 0 : walk_cycle(g, ordered, i, path, seen);

		if (len)
			report_cycle(c, g, path, len);
	}
}

void check_jobs(struct checker *c, const struct workflow *w, const struct node *jobs)
{
	struct graph g;

	if (w->job_count > LIMIT_JOBS) {
		diag_error(c->diags, jobs->at, "syntax-check", "more than %d jobs", LIMIT_JOBS);
		return;
	}
	for (size_t i = 0; i < w->job_count; i++) {
		(void)check_id(c, jobs->pairs[i].key, "a job");
		check_step_ids(c, &w->jobs[i].steps);
		if (!w->jobs[i].uses && !w->jobs[i].steps.count && w->jobs[i].runs_on &&
		    !faults_has(c->faults, w->jobs[i].as_written) &&
		    !faults_has(c->faults, node_get(w->jobs[i].as_written, "steps")))
			diag_warn(c->diags, w->jobs[i].at, "no-effect",
				  "job '%s' has no steps: it does nothing", w->jobs[i].id);
	}
	graph_build(c->arena, w, &g);
	for (size_t i = 0; i < w->job_count; i++)
		check_known(c, &g, i);
	check_cycles(c, &g);
	if (w->job_count && !g.ordered)
		diag_error(c->diags, jobs->at, "job-needs",
			   "every job needs another, so none can be the first");
}
