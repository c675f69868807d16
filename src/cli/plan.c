/* stepcell plan: what would run, and why each job would or would not. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/plan_show.h"
#include "cli/select.h"
#include "stepcell/arena.h"
#include "stepcell/fd.h"
#include "stepcell/json.h"
#include "stepcell/limits.h"
#include "stepcell/runner.h"
#include "stepcell/util.h"

struct plan_options {
	struct select_options select;
	bool json, graph;
};

static const struct option_row rows[] = {
	SELECT_ROWS(struct plan_options, select),
	{0, "json", NULL, opt_flag, offsetof(struct plan_options, json), "print the plan as JSON"},
	{0, "graph", NULL, opt_flag, offsetof(struct plan_options, graph),
	 "print which job waits for which, as a tree"},
};

static const struct option_usage usage = {
	.synopsis = "stepcell plan [OPTION]...",
	.about = "Says which jobs an event would start, and why each would run or not.",
	.rows = rows,
	.count = COUNT(rows),
};

static const char *const runs_words[] = {
	[RUNS_YES] = "yes", [RUNS_NO] = "no", [RUNS_DEPENDS] = "depends"};

const char *plan_runs_word(enum runs runs)
{
	return runs_words[runs];
}

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

/* The checkout and the event, as a run of this workflow would see them. */
static int make_contexts(struct arena *a, const struct select_options *o, const struct workflow *w,
			 const struct node **out, struct err *err)
{
	const struct run_options run = {
		.dir = o->dir,
		.workflow = o->workflow,
		.event = o->event,
		.event_file = o->event_file,
		.ref = o->ref,
		.inputs = {o->inputs.list, o->inputs.count},
		.vars = {o->vars.list, o->vars.count},
	};

	return runner_contexts(a, &run, w->path, out, err);
}

static struct event event_of(struct arena *a, const struct node *given)
{
	const struct node *github = node_get(given, "github"), *paths = node_get(given, "paths");
	const char **list = arena_array(a, paths->count + 1, sizeof(*list));

	for (size_t i = 0; i < paths->count; i++)
		list[i] = paths->items[i]->text;
	return (struct event){
		.name = node_text(node_get(github, "event_name")),
		.action = node_text(node_get(node_get(github, "event"), "action")),
		.ref = node_text(node_get(github, "ref")),
		.base_ref = node_text(node_get(github, "base_ref")),
		.paths = paths->count ? list : NULL,
		.path_count = paths->count,
		.payload = node_get(github, "event"),
	};
}

static const struct node *with_workflow(struct arena *a, const struct node *github,
					const struct workflow *w)
{
	struct node *out = node_map(a);

	for (size_t i = 0; i < github->count; i++)
		node_set(a, out, github->pairs[i].key->text, github->pairs[i].value);
	node_set_text(a, out, "workflow", w->name ? w->name : w->path);
	return out;
}

/* The workflows that jobs call, held against what they ask for, and their jobs. */
static int plan_called_jobs(struct arena *a, const struct selection *s, const struct node *contexts,
			    struct plan *plan, struct diags *diags)
{
	const struct select_options *o = s->options;
	auto_fd int dir = open(o->dir ? o->dir : ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct called called = {
		.arena = a, .diags = diags, .dir = dir, .files = {o->files.list, o->files.count}};

	workflow_check_calls(a, plan->workflow, PERMISSIONS_WRITE, runner_called, &called, diags);
	return diags->errors ? -1 : plan_calls(a, plan, contexts, runner_called, &called, diags);
}

/* `given` is what runner_contexts() says: github, the inputs as they were given, vars. */
static int plan_workflow(struct arena *a, const struct selection *s, const struct workflow *w,
			 const struct node *given, struct plan *out, struct diags *diags)
{
	struct event event = event_of(a, given);
	struct node *contexts = node_map(a);
	const struct node *inputs;
	const char *why, **only;
	size_t only_count;

	only = select_jobs(a, s, w, &only_count);
	*out = (struct plan){.workflow = w};
	if (s->options->jobs.count && !only_count)
		return 0;
	if (!trigger_matches(a, w, &event, &why)) {
		plan_none(a, w, why, out);
		return 0;
	}
	inputs = event_inputs(a, w, event.name, node_get(given, "inputs"), diags);
	if (!inputs)
		return -1;
	node_set(a, contexts, "github", with_workflow(a, node_get(given, "github"), w));
	node_set(a, contexts, "inputs", inputs);
	node_set(a, contexts, "vars", node_get(given, "vars"));
	return plan_make(a, w, contexts, only, only_count, out, diags) < 0
		       ? -1
		       : plan_called_jobs(a, s, contexts, out, diags);
}

/* ---- JSON ---- */

/* As written, the nearest: its own, its workflow's, its caller's. There is no token they would limit. */
static const struct node *permissions_of(const struct plan *p, const struct planned_job *j)
{
	for (; j; j = j->caller)
		if (j->job->permissions)
			return j->job->permissions;
	return p->workflow->permissions ? p->workflow->permissions : node_null();
}

static const struct node *job_node(struct arena *a, const struct plan *p,
				   const struct planned_job *j)
{
	struct node *out = node_map(a), *needs = node_list(a);

	for (size_t i = 0; i < j->job->need_count; i++)
		node_add(a, needs, node_string(a, planned_need(a, j, i)));
	node_set_text(a, out, "id", j->id);
	node_set_text(a, out, "name", j->name);
	node_set_text(a, out, "runs", runs_words[j->runs]);
	node_set_text(a, out, "why", j->why);
	node_set_text(a, out, "if", j->job->condition);
	node_set(a, out, "needs", needs);
	node_set(a, out, "matrix", j->matrix ? j->matrix : node_null());
	node_set(a, out, "matrix_known", node_bool(!j->matrix_depends));
	node_set(a, out, "unknown", j->unknown ? j->unknown : node_list(a));
	node_set(a, out, "permissions", permissions_of(p, j));
	node_set_text(a, out, "caller", j->caller ? j->caller->id : NULL);
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

/* What a stranger's workflow says does not reach the terminal as it is. */
const char *plan_visible(struct arena *a, const char *text)
{
	auto_strbuf struct strbuf out = STRBUF(LIMIT_LOG_LINE);

	strbuf_add_visible(&out, text, strlen(text));
	return arena_strdup(a, out.text);
}

/* Its id is what -j and the others' needs call it: shown where the name does not. */
static const char *shown_name(struct arena *a, const struct planned_job *j)
{
	const char *id = j->job->id;

	return plan_visible(a, j->caller || strncmp(j->name, id, strlen(id)) == 0
				       ? j->name
				       : arena_printf(a, "%s: %s", id, j->name));
}

static int widest(struct arena *a, const struct selection *s, const struct plan *p)
{
	size_t width = 3;

	for (size_t i = 0; i < p->count; i++) {
		size_t len = strlen(shown_name(a, &p->jobs[i]));

		if (select_matrix(s, &p->jobs[i]) && len > width)
			width = len;
	}
	return width > 60 ? 60 : (int)width;
}

static const char *why_words(struct arena *a, const struct planned_job *j)
{
	auto_strbuf struct strbuf out = STRBUF(LIMIT_LOG_LINE);

	strbuf_adds(&out, j->why);
	if (j->matrix_depends)
		strbuf_adds(&out, "; its matrix is made when its needs are done");
	for (size_t i = 0; j->unknown && i < j->unknown->count; i++)
		strbuf_addf(&out, "%s%s", i ? ", " : "; waits for ", j->unknown->items[i]->text);
	return plan_visible(a, out.text);
}

static void print_head(struct arena *a, const struct plan *p, const struct event *e)
{
	(void)printf("%s (%s), %s of %s\n",
		     plan_visible(a, p->workflow->name ? p->workflow->name : p->workflow->path),
		     plan_visible(a, p->workflow->path), e->name,
		     plan_visible(a, e->ref ? e->ref : ""));
}

static void print_table(struct arena *a, const struct selection *s, const struct plan *p)
{
	int width = widest(a, s, p);

	(void)printf("  %-*s  %-7s  %s\n", width, "JOB", "RUNS", "WHY");
	for (size_t i = 0; i < p->count; i++) {
		const struct planned_job *j = &p->jobs[i];

		if (select_matrix(s, j))
			(void)printf("  %-*s  %-7s  %s\n", width, shown_name(a, j),
				     runs_words[j->runs], why_words(a, j));
	}
}

static bool is_shown(const void *selection, const struct planned_job *j)
{
	return select_matrix(selection, j);
}

static int plan_all(struct arena *a, const struct plan_options *o, struct err *err)
{
	struct selection s;
	const struct node *given;
	struct diags diags = {.arena = a};
	struct plan *plans;
	struct event event;

	if (select_load(a, &o->select, &s, err) < 0 ||
	    make_contexts(a, &o->select, s.workflows[0], &given, err) < 0)
		return -1;
	plans = arena_array(a, s.count + 1, sizeof(*plans));
	for (size_t i = 0; i < s.count; i++)
		if (plan_workflow(a, &s, s.workflows[i], given, &plans[i], &diags) < 0)
			return diags_fail(&diags, err);
	event = event_of(a, given);
	if (o->json)
		print_json(a, &s, plans);
	for (size_t i = 0; !o->json && i < s.count; i++) {
		if (!plans[i].count)
			continue;
		print_head(a, &plans[i], &event);
		if (o->graph)
			plan_print_graph(&plans[i], is_shown, &s);
		else
			print_table(a, &s, &plans[i]);
	}
	return 0;
}

int cmd_plan(int argc, char **argv, struct err *err)
{
	auto_arena struct arena *a = arena_new();
	struct plan_options o = {0};
	int at, got = options_decode(&usage, argc, argv, &o, &at, err);

	if (!got && argv[at])
		got = err_fail(err, ERR_USAGE, "unexpected '%s': %s", argv[at], usage.synopsis);
	if (!got)
		got = plan_all(a, &o, err);
	select_options_release(&o.select);
	return got < 0 ? -1 : 0;
}
