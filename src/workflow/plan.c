/*
 * The jobs that an event starts, in an order in which needs come first, each
 * with what is known of it before anything has run.
 */
#include <stdint.h>
#include <string.h>

#include "workflow/expr.h"
#include "workflow/graph.h"
#include "workflow/matrix.h"
#include "workflow/plan_if.h"
#include "workflow/plan_parts.h"

#define NAME_MAX_CHARS 100

struct decision {
	enum runs runs;
	const char *why;
	bool skipped_before; /* it or an ancestor is skipped */
	bool depends_before;
	bool runs_before; /* it or an ancestor may run */
};

struct planner {
	struct arena *arena;
	struct diags *diags;
	const struct node *contexts;
	struct planned_job *list;
	size_t count;
};

static void expr_diag(struct planner *p, const struct job *job, struct place at, const char *what,
		      const struct expr_err *e)
{
	diag_error(p->diags, at.line ? at : job->at, "expression", "job '%s', %s: %s", job->id,
		   what, e->text);
}

/* ---- expressions that must wait ---- */

bool plan_uses_unknown(struct arena *a, const struct node *n, const struct node *contexts)
{
	size_t next = 0, len;
	struct template_part part;

	for (size_t i = 0; i < n->count; i++)
		if (plan_uses_unknown(a, n->kind == NODE_LIST ? n->items[i] : n->pairs[i].value,
				      contexts))
			return true;
	if (n->kind != NODE_STRING)
		return false;
	len = strlen(n->text);
	while (template_next(n->text, len, &next, &part) > 0) {
		struct expr_err e;
		const struct expr *expr =
			part.is_expr ? expr_parse(a, n->text + part.start, part.len, &e) : NULL;

		for (size_t i = 0; expr && i < expr->use_count; i++)
			if (!node_get_nocase(contexts, expr->uses[i].name))
				return true;
	}
	return false;
}

/* ---- names ---- */

static const struct node *job_contexts(struct planner *p, const struct planned_job *j)
{
	struct node *out = node_map(p->arena), *strategy = node_map(p->arena);

	for (size_t i = 0; i < p->contexts->count; i++)
		node_set(p->arena, out, p->contexts->pairs[i].key->text,
			 p->contexts->pairs[i].value);
	node_set(p->arena, out, "matrix", j->matrix ? j->matrix : node_null());
	node_set(p->arena, strategy, "fail-fast", node_bool(j->fail_fast));
	node_set(p->arena, strategy, "job-index", node_number(p->arena, (double)j->index));
	node_set(p->arena, strategy, "job-total", node_number(p->arena, (double)j->total));
	node_set(p->arena, strategy, "max-parallel",
		 node_number(p->arena, (double)(j->max_parallel ? j->max_parallel : j->total)));
	node_set(p->arena, out, "strategy", strategy);
	return out;
}

/* A hundred characters at most, cut between characters. */
static const char *shorten(struct arena *a, const char *name)
{
	size_t chars = 0, keep = 0;

	for (size_t i = 0; name[i]; i++) {
		if (((unsigned char)name[i] & 0xc0) == 0x80)
			continue;
		if (chars == NAME_MAX_CHARS - 3)
			keep = i;
		if (++chars > NAME_MAX_CHARS)
			return arena_printf(a, "%.*s...", (int)keep, name);
	}
	return name;
}

static const char *job_name(struct planner *p, const struct planned_job *j, const char *label)
{
	const char *name = j->job->name && *j->job->name ? j->job->name : j->job->id;
	struct expr_scope scope = {0};
	struct expr_err e;
	const struct node *value;

	if (j->job->name && template_has_expr(j->job->name)) {
		scope.contexts = job_contexts(p, j);
		/* a matrix that is not known yet would leave holes in it */
		value = j->matrix_depends ? NULL
					  : template_eval(p->arena, j->job->name, &scope, &e);
		if (value)
			return shorten(p->arena, expr_text(p->arena, value));
		name = j->job->id;
	}
	return shorten(p->arena,
		       label && *label ? arena_printf(p->arena, "%s (%s)", name, label) : name);
}

/* ---- strategy ---- */

/* A key of the strategy as a value: NULL when it is not there, or must wait. */
static const struct node *strategy_value(struct planner *p, const struct job *job,
					 const struct node *strategy, const char *key)
{
	const struct node *n = node_get(strategy, key), *value;
	struct expr_scope scope = {.contexts = p->contexts};
	struct expr_err e;

	if (!n || plan_uses_unknown(p->arena, n, p->contexts))
		return NULL;
	value = template_eval_tree(p->arena, n, &scope, &e);
	if (!value)
		expr_diag(p, job, n->at, key, &e);
	return value;
}

static void add_planned(struct planner *p, struct planned_job j, const char *label)
{
	/* no id of a workflow holds a dot, so none can be the same */
	j.id = j.index ? arena_printf(p->arena, "%s.%zu", j.job->id, j.index + 1) : j.job->id;
	j.name = job_name(p, &j, label);
	j.unknown = plan_unknown(p->arena, &j, p->contexts);
	p->list = arena_grow(p->arena, p->list, p->count, sizeof(*p->list));
	p->list[p->count++] = j;
}

/* One job, or one for each combination. `waits` keeps a matrix that needs outputs for later. */
static bool expand(struct planner *p, const struct job *job, struct planned_job j)
{
	const struct node *strategy = job->strategy, *matrix, *v;
	struct expr_scope scope = {.contexts = p->contexts};
	struct combination *list = NULL;
	size_t count = 0, errors = p->diags->errors;
	struct expr_err e;

	j.total = 1;
	j.fail_fast = true;
	if (strategy && strategy->kind == NODE_STRING &&
	    !plan_uses_unknown(p->arena, strategy, p->contexts)) {
		strategy = template_eval(p->arena, strategy->text, &scope, &e);
		if (!strategy)
			expr_diag(p, job, job->strategy->at, "strategy", &e);
	}
	v = strategy_value(p, job, strategy, "fail-fast");
	j.fail_fast = !v || expr_truthy(v);
	v = strategy_value(p, job, strategy, "max-parallel");
	j.max_parallel = v && v->kind == NODE_NUMBER && v->number >= 1 ? (uint64_t)v->number : 0;
	matrix = node_get(strategy, "matrix");
	j.matrix_depends = (strategy && strategy->kind == NODE_STRING) ||
			   (matrix && plan_uses_unknown(p->arena, matrix, p->contexts));
	if (!matrix || j.matrix_depends) {
		add_planned(p, j, NULL);
		return p->diags->errors == errors;
	}
	matrix = strategy_value(p, job, strategy, "matrix");
	if (!matrix || !job->strategy ||
	    !matrix_build(p->arena, matrix, job->strategy->at, p->diags, &list, &count))
		return false;
	for (j.index = 0, j.total = count; j.index < count; j.index++) {
		j.matrix = list[j.index].values;
		add_planned(p, j, list[j.index].label);
	}
	return p->diags->errors == errors;
}

/* ---- decisions ---- */

static enum ancestry ancestry_of(const struct job *job, const struct decision *before)
{
	if (before->skipped_before)
		return before->runs_before ? ANCESTRY_SKIPPED : ANCESTRY_IDLE;
	if (before->depends_before)
		return ANCESTRY_DEPENDS;
	return job->need_count ? ANCESTRY_RUN : ANCESTRY_NONE;
}

static const char *need_list(struct arena *a, const struct job *job)
{
	auto_strbuf struct strbuf out = STRBUF(300);

	for (size_t i = 0; i < job->need_count; i++)
		strbuf_addf(&out, "%s%s", i ? ", " : "", job->needs[i]);
	return arena_strdup(a, out.text);
}

static const char *why_runs(struct arena *a, const struct job *job, const char *words)
{
	if (words)
		return words;
	return job->need_count ? arena_printf(a, "after %s", need_list(a, job)) : "no condition";
}

/* Without a status function of its own, a job follows what it needs. */
static struct decision follow_needs(struct planner *p, const struct graph *g,
				    const struct decision *all, size_t i,
				    const struct decision *before)
{
	const struct job *job = &g->workflow->jobs[i];

	for (size_t k = 0; k < job->need_count; k++)
		if (all[g->needs[i][k]].runs == RUNS_NO)
			return (struct decision){
				RUNS_NO,
				arena_printf(p->arena, "needs %s, which is skipped", job->needs[k]),
				.skipped_before = true};
	if (before->skipped_before)
		return (struct decision){RUNS_NO, "a job that its needs need is skipped",
					 .skipped_before = true};
	for (size_t k = 0; k < job->need_count; k++)
		if (all[g->needs[i][k]].runs == RUNS_DEPENDS)
			return (struct decision){RUNS_DEPENDS,
						 arena_printf(p->arena,
							      "needs %s, which is not decided yet",
							      job->needs[k]),
						 .depends_before = true};
	return (struct decision){.runs = RUNS_YES};
}

static bool has_condition(const struct job *job)
{
	return job->condition && job->condition[strspn(job->condition, " \t\r\n")];
}

static struct decision decide_job(struct planner *p, const struct graph *g,
				  const struct decision *all, size_t i)
{
	static const enum runs runs_of[] = {
		[TRI_NO] = RUNS_NO, [TRI_YES] = RUNS_YES, [TRI_UNKNOWN] = RUNS_DEPENDS};
	const struct job *job = &g->workflow->jobs[i];
	struct decision before = {0}, out;
	struct verdict v = {.tri = TRI_YES};
	struct expr_err e;

	for (size_t k = 0; k < job->need_count; k++) {
		before.skipped_before |= all[g->needs[i][k]].skipped_before;
		before.depends_before |= all[g->needs[i][k]].depends_before;
		before.runs_before |= all[g->needs[i][k]].runs_before;
	}
	if (has_condition(job) &&
	    !plan_condition(p->arena, job, p->contexts, ancestry_of(job, &before), &v, &e)) {
		expr_diag(p, job, node_get(job->as_written, "if")->at, "if", &e);
		return before;
	}
	if (!v.has_status && v.tri != TRI_NO) {
		out = follow_needs(p, g, all, i, &before);
		out.runs_before = before.runs_before || out.runs == RUNS_DEPENDS;
		if (out.runs != RUNS_YES)
			return out;
	}
	out = (struct decision){.runs = runs_of[v.tri], .why = why_runs(p->arena, job, v.words)};
	out.skipped_before = before.skipped_before || out.runs == RUNS_NO;
	out.depends_before = before.depends_before || out.runs == RUNS_DEPENDS;
	out.runs_before = before.runs_before || out.runs != RUNS_NO;
	return out;
}

/* ---- the wanted ---- */

static bool mark_wanted(struct planner *p, const struct graph *g, const char *const *only,
			size_t count, bool *wanted)
{
	auto_strbuf struct strbuf known = STRBUF(300);
	bool ok = true;

	for (size_t i = 0; i < g->workflow->job_count; i++)
		strbuf_addf(&known, "%s%s", i ? ", " : "", g->workflow->jobs[i].id);
	for (size_t i = 0; i < count; i++) {
		size_t job = graph_find(g, only[i]);

		if (job != SIZE_MAX) {
			wanted[job] = true;
			continue;
		}
		diag_error(p->diags, (struct place){.file = g->workflow->path}, "syntax-check",
			   "no job '%s'; there are %s", only[i], known.text);
		ok = false;
	}
	/* the order has needs first, so backwards every job is met before its needs */
	for (size_t i = g->ordered; i-- > 0;)
		for (size_t k = 0;
		     wanted[g->order[i]] && k < g->workflow->jobs[g->order[i]].need_count; k++)
			wanted[g->needs[g->order[i]][k]] = true;
	return ok;
}

static bool plan_job(struct planner *p, const struct graph *g, struct decision *all, size_t i)
{
	const struct job *job = &g->workflow->jobs[i];
	struct planned_job j = {.job = job};
	size_t errors = p->diags->errors;

	all[i] = decide_job(p, g, all, i);
	j.runs = all[i].runs;
	j.why = all[i].why;
	if (p->diags->errors != errors)
		return false;
	if (p->count > LIMIT_JOBS) {
		diag_error(p->diags, job->at, "matrix", "more than %d jobs with their matrices",
			   LIMIT_JOBS);
		return false;
	}
	if (j.runs != RUNS_NO)
		return expand(p, job, j);
	/* a skipped job is one job: its matrix is not looked at */
	j.total = 1;
	j.fail_fast = true;
	add_planned(p, j, NULL);
	return true;
}

int plan_make(struct arena *a, const struct workflow *w, const struct node *contexts,
	      const char *const *only, size_t only_count, struct plan *out, struct diags *diags)
{
	struct planner p = {.arena = a, .diags = diags, .contexts = contexts};
	bool *wanted = arena_array(a, w->job_count + 1, sizeof(*wanted));
	struct decision *all = arena_array(a, w->job_count + 1, sizeof(*all));
	struct graph g;
	bool ok = true;

	graph_build(a, w, &g);
	for (size_t i = 0; i < w->job_count; i++)
		wanted[i] = !only_count;
	if (only_count && !mark_wanted(&p, &g, only, only_count, wanted))
		return -1;
	for (size_t i = 0; i < g.ordered; i++)
		if (wanted[g.order[i]])
			ok &= plan_job(&p, &g, all, g.order[i]);
	*out = (struct plan){.workflow = w, .jobs = p.list, .count = p.count};
	return ok ? 0 : -1;
}

int plan_expand(struct arena *a, const struct job *job, const struct node *contexts,
		struct planned_job **out, size_t *count, struct diags *diags)
{
	struct planner p = {.arena = a, .diags = diags, .contexts = contexts};
	struct planned_job j = {.job = job, .runs = RUNS_YES, .why = "its needs are done"};

	if (!expand(&p, job, j))
		return -1;
	*out = p.list;
	*count = p.count;
	return 0;
}

/* KEY:VALUE or KEY=VALUE: how long the key is. */
static size_t key_length(const char *wanted)
{
	return strcspn(wanted, ":=");
}

bool planned_agrees(const struct planned_job *j, const char *const *wanted, size_t count)
{
	auto_arena struct arena *a = arena_new();

	for (size_t i = 0; i < count; i++) {
		size_t len = key_length(wanted[i]);
		const struct node *v = node_get_nocase(j->matrix, arena_strndup(a, wanted[i], len));
		bool agrees = !v;

		for (size_t k = 0; k < count && !agrees; k++)
			agrees = key_length(wanted[k]) == len &&
				 strncasecmp(wanted[k], wanted[i], len) == 0 &&
				 strcmp(wanted[k] + len + 1, expr_text(a, v)) == 0;
		if (!agrees)
			return false;
	}
	return true;
}
