/* stepcell plan: what would run, and why each job would or would not. */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/select.h"
#include "stepcell/arena.h"
#include "stepcell/json.h"
#include "stepcell/limits.h"
#include "stepcell/util.h"

struct plan_options {
	struct select_options select;
	bool json;
};

static const struct option_row rows[] = {
	SELECT_ROWS(struct plan_options, select),
	{0, "json", NULL, opt_flag, offsetof(struct plan_options, json), "print the plan as JSON"},
};

static const struct option_usage usage = {
	.synopsis = "stepcell plan [OPTION]...",
	.about = "Says which jobs an event would start, and why each would run or not.",
	.rows = rows,
	.count = COUNT(rows),
};

static const char *const runs_words[] = {
	[RUNS_YES] = "yes", [RUNS_NO] = "no", [RUNS_DEPENDS] = "depends"};

/* A workflow that the event does not start: all its jobs, with the reason. */
static void plan_none(struct arena *a, const struct workflow *w, const char *why, struct plan *out)
{
	out->workflow = w;
	out->count = w->job_count;
	out->jobs = arena_array(a, w->job_count + 1, sizeof(*out->jobs));
	for (size_t i = 0; i < w->job_count; i++)
		out->jobs[i] = (struct planned_job){
			.job = &w->jobs[i],
			.id = w->jobs[i].id,
			.name = w->jobs[i].id,
			.total = 1,
			.runs = RUNS_NO,
			.why = why,
		};
}

static int plan_workflow(struct arena *a, const struct selection *s, const struct workflow *w,
			 struct plan *out, struct diags *diags)
{
	struct node *contexts = node_map(a);
	const struct node *inputs;
	const char *why, **only;
	size_t only_count;

	only = select_jobs(a, s, w, &only_count);
	if (s->options->jobs.count && !only_count) {
		*out = (struct plan){.workflow = w};
		return 0;
	}
	if (!trigger_matches(a, w, &s->event, &why)) {
		plan_none(a, w, why, out);
		return 0;
	}
	inputs = event_inputs(a, w, s->event.name, s->inputs, diags);
	if (!inputs)
		return -1;
	node_set(a, contexts, "github", select_github(a, s, w));
	node_set(a, contexts, "inputs", inputs);
	node_set(a, contexts, "vars", s->vars);
	return plan_make(a, w, contexts, only, only_count, out, diags);
}

/* ---- JSON ---- */

static const struct node *job_node(struct arena *a, const struct plan *p,
				   const struct planned_job *j)
{
	struct node *out = node_map(a), *needs = node_list(a);

	for (size_t i = 0; i < j->job->need_count; i++)
		node_add(a, needs, node_string(a, j->job->needs[i]));
	node_set_text(a, out, "id", j->id);
	node_set_text(a, out, "name", j->name);
	node_set_text(a, out, "runs", runs_words[j->runs]);
	node_set_text(a, out, "why", j->why);
	node_set(a, out, "needs", needs);
	node_set(a, out, "matrix", j->matrix ? j->matrix : node_null());
	node_set_text(a, out, "job", j->job->id);
	node_set_text(a, out, "workflow", p->workflow->path);
	return out;
}

static void print_json(struct arena *a, const struct selection *s, const struct plan *plans)
{
	auto_strbuf struct strbuf text = STRBUF(256 * MIB);
	struct node *out = node_map(a), *jobs = node_list(a);

	for (size_t i = 0; i < s->count; i++)
		for (size_t k = 0; k < plans[i].count; k++)
			if (select_matrix(s, &plans[i].jobs[k]))
				node_add(a, jobs, job_node(a, &plans[i], &plans[i].jobs[k]));
	node_set(a, out, "jobs", jobs);
	json_write_pretty(&text, out);
	(void)puts(text.text);
}

/* ---- the table ---- */

static int widest(const struct selection *s, const struct plan *p)
{
	size_t width = 3;

	for (size_t i = 0; i < p->count; i++)
		if (select_matrix(s, &p->jobs[i]) && strlen(p->jobs[i].name) > width)
			width = strlen(p->jobs[i].name);
	return width > 60 ? 60 : (int)width;
}

static void print_table(const struct selection *s, const struct plan *p)
{
	int width = widest(s, p);

	(void)printf("%s (%s), %s of %s\n",
		     p->workflow->name ? p->workflow->name : p->workflow->path, p->workflow->path,
		     s->event.name, s->event.ref);
	(void)printf("  %-*s  %-7s  %s\n", width, "JOB", "RUNS", "WHY");
	for (size_t i = 0; i < p->count; i++) {
		const struct planned_job *j = &p->jobs[i];

		if (!select_matrix(s, j))
			continue;
		(void)printf("  %-*s  %-7s  %s%s\n", width, j->name, runs_words[j->runs], j->why,
			     j->matrix_depends ? "; its matrix is made when its needs are done"
					       : "");
	}
}

int cmd_plan(int argc, char **argv, struct err *err)
{
	auto_arena struct arena *a = arena_new();
	struct plan_options o = {0};
	struct selection s = {0};
	struct plan *plans = NULL;
	struct diags diags = {.arena = a};
	int at, got = options_decode(&usage, argc, argv, &o, &at, err);

	if (!got && argv[at])
		got = err_fail(err, ERR_USAGE, "unexpected '%s': %s", argv[at], usage.synopsis);
	if (!got)
		got = select_load(a, &o.select, &s, err);
	if (!got)
		plans = arena_array(a, s.count + 1, sizeof(*plans));
	for (size_t i = 0; !got && i < s.count; i++)
		if (plan_workflow(a, &s, s.workflows[i], &plans[i], &diags) < 0)
			got = diags_fail(&diags, err);
	if (!got && o.json)
		print_json(a, &s, plans);
	for (size_t i = 0; !got && !o.json && i < s.count; i++)
		if (plans[i].count)
			print_table(&s, &plans[i]);
	select_options_release(&o.select);
	return got < 0 ? -1 : 0;
}
