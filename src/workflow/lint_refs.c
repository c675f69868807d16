/* What contexts have: needs, steps, inputs, jobs, matrix, secrets. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "workflow/lint.h"

bool lint_path_of(const struct expr_node *n, struct lint_path *out)
{
	const char *part = "*";

	if (n->op == OP_NAME) {
		out->parts[0] = n->name;
		out->count = 1;
		return true;
	}
	if (n->op != OP_INDEX && n->op != OP_STAR)
		return false;
	if (!lint_path_of(n->kids[0], out) || out->count == PATH_PARTS_MAX)
		return false;
	if (n->op == OP_INDEX) {
		const struct node *which = n->kids[1]->literal;

		if (n->kids[1]->op != OP_LITERAL ||
		    (which->kind != NODE_STRING && which->kind != NODE_NUMBER))
			return false;
		part = which->kind == NODE_NUMBER ? LINT_ITEM : which->text;
	}
	out->parts[out->count++] = part;
	return true;
}

#define WORK_MAX 20000000

bool lint_afford(struct lint *l, size_t names)
{
	l->work += names;
	return l->work < WORK_MAX;
}

const struct node *lint_get(struct lint *l, const struct node *map, const char *key)
{
	if (!map)
		return NULL;
	if (!lint_afford(l, map->count))
		return node_null();
	return node_get_nocase(map, key);
}

static bool is(const char *part, const char *name)
{
	return strcasecmp(part, name) == 0;
}

/* "; there are a, b" */
static const char *there_are(struct lint *l, const char *const *names, size_t count)
{
	auto_strbuf struct strbuf out = STRBUF(200);

	for (size_t i = 0; i < count; i++)
		strbuf_addf(&out, "%s%s", i ? ", " : "", names[i]);
	return count ? arena_printf(l->checker.arena, "; there %s %s", count == 1 ? "is" : "are",
				    out.text)
		     : "";
}

static const char *no_key(struct lint *l, const char *what, const char *name,
			  const struct node *map, size_t count)
{
	const char **names = arena_array(l->checker.arena, count + 1, sizeof(*names));

	for (size_t i = 0; i < count; i++)
		names[i] = map->pairs[i].key->text;
	return arena_printf(l->checker.arena, "no %s '%s'%s", what, name,
			    there_are(l, names, count));
}

static bool has_template_key(const struct node *map)
{
	for (size_t i = 0; i < map->count; i++)
		if (template_has_expr(map->pairs[i].key->text))
			return true;
	return false;
}

/* ---- jobs and their outputs ---- */

/* Of the workflow that a job calls, when it is at hand. */
static const char *call_output(struct lint *l, const struct job *job, const char *name)
{
	const struct node *uses = node_get(job->as_written, "uses");
	const struct workflow *called =
		l->world->workflow && lint_afford(l, l->workflow->job_count)
			? l->world->workflow(l->world->workflow_arg, job->uses, uses->at)
			: NULL;
	const struct node *call = called ? node_get(called->on, "workflow_call") : NULL;
	const struct node *outputs = node_get(call, "outputs");

	if (!call || (outputs && lint_get(l, outputs, name)))
		return NULL;
	return arena_printf(l->checker.arena, "the workflow that '%s' calls has no output '%s'",
			    job->id, name);
}

static const char *output_reference(struct lint *l, const struct job *job, const char *name)
{
	const struct node *outputs = job->outputs;

	if (is(name, "*"))
		return NULL;
	if (job->uses)
		return call_output(l, job, name);
	if (!outputs)
		return arena_printf(l->checker.arena, "job '%s' has no outputs", job->id);
	if (outputs->kind != NODE_MAP || lint_get(l, outputs, name) || has_template_key(outputs))
		return NULL;
	return no_key(l, arena_printf(l->checker.arena, "output of job '%s' named", job->id), name,
		      outputs, outputs->count);
}

static const char *job_reference(struct lint *l, const struct lint_path *p)
{
	size_t i = graph_find(l->graph, p->parts[1]);
	const struct job *job;

	if (i == SIZE_MAX)
		return arena_printf(l->checker.arena, "no job '%s'", p->parts[1]);
	job = &l->workflow->jobs[i];
	if (p->count > 2 && !is(p->parts[2], "outputs") && !is(p->parts[2], "result"))
		return arena_printf(l->checker.arena, "a job has outputs and result, not '%s'",
				    p->parts[2]);
	return p->count > 3 && is(p->parts[2], "outputs") ? output_reference(l, job, p->parts[3])
							  : NULL;
}

static const char *needs_reference(struct lint *l, const struct lint_path *p)
{
	if (l->job && !lint_afford(l, l->job->need_count))
		return NULL;
	for (size_t i = 0; l->job && i < l->job->need_count; i++)
		if (is(l->job->needs[i], p->parts[1]))
			return job_reference(l, p);
	return arena_printf(l->checker.arena, "'%s' is not in the needs of this job%s", p->parts[1],
			    l->job ? there_are(l, l->job->needs, l->job->need_count) : "");
}

/* ---- steps ---- */

static void index_step(struct lint *l, const struct node *step, size_t index)
{
	const char *id = node_text(node_get(step, "id"));
	const struct node *list = node_get(step, "parallel");

	if (id) {
		l->step_ids = arena_grow(l->checker.arena, l->step_ids, l->step_id_count,
					 sizeof(*l->step_ids));
		l->step_ids[l->step_id_count++] = (struct step_id){id, step, index};
	}
	for (size_t i = 0; list && list->kind == NODE_LIST && i < list->count; i++)
		index_step(l, list->items[i], index);
}

static int by_step_id(const void *a, const void *b)
{
	const struct step_id *x = a, *y = b;

	return strcasecmp(x->id, y->id);
}

void lint_index_steps(struct lint *l)
{
	l->step_ids = NULL;
	l->step_id_count = 0;
	for (size_t i = 0; i < l->steps->count; i++)
		index_step(l, l->steps->list[i].as_written, i);
	if (l->step_id_count)
		qsort(l->step_ids, l->step_id_count, sizeof(*l->step_ids), by_step_id);
}

static const char *steps_reference(struct lint *l, const struct lint_path *p)
{
	const struct step_id wanted = {.id = p->parts[1]}, *found = NULL;

	if (!l->steps)
		return NULL;
	if (l->step_id_count)
		found = bsearch(&wanted, l->step_ids, l->step_id_count, sizeof(wanted), by_step_id);
	if (!found && lint_steps_are_unsure(l))
		return NULL;
	if (!found)
		return arena_printf(l->checker.arena, "no step with the id '%s' in this %s",
				    p->parts[1], l->job ? "job" : "action");
	if (found->index >= l->steps_before)
		return arena_printf(l->checker.arena, "step '%s' has not run yet here",
				    p->parts[1]);
	if (p->count > 2 && !is(p->parts[2], "outputs") && !is(p->parts[2], "outcome") &&
	    !is(p->parts[2], "conclusion") && !is(p->parts[2], "*"))
		return arena_printf(l->checker.arena,
				    "a step has outputs, outcome and conclusion, not '%s'",
				    p->parts[2]);
	return p->count > 3 && is(p->parts[2], "outputs") && !is(p->parts[3], "*")
		       ? lint_action_output(l, found->step, p->parts[3])
		       : NULL;
}

/* ---- inputs and secrets ---- */

static const char *inputs_reference(struct lint *l, const struct lint_path *p)
{
	if (l->with_dispatch && l->dispatch_inputs && lint_get(l, l->dispatch_inputs, p->parts[1]))
		return NULL;
	if (!lint_afford(l, l->inputs_before))
		return NULL;
	for (size_t i = 0; i < l->inputs_before; i++)
		if (is(l->inputs->pairs[i].key->text, p->parts[1]))
			return NULL;
	if (l->with_dispatch && l->dispatch_inputs)
		return arena_printf(l->checker.arena, "no input '%s'", p->parts[1]);
	return no_key(l, "input", p->parts[1], l->inputs, l->inputs_before);
}

static const char *event_inputs_reference(struct lint *l, const char *name)
{
	const struct node *declared = l->dispatch_inputs;

	if (!declared || declared->kind != NODE_MAP || lint_get(l, declared, name))
		return NULL;
	return no_key(l, "input", name, declared, declared->count);
}

/* Secrets are declared only where nothing else starts the workflow. */
static const char *secrets_reference(struct lint *l, const struct lint_path *p)
{
	static const char *const always[] = {"GITHUB_TOKEN", "ACTIONS_STEP_DEBUG",
					     "ACTIONS_RUNNER_DEBUG"};
	const struct node *on = l->workflow ? l->workflow->on : NULL;
	const struct node *secrets = node_get(node_get(on, "workflow_call"), "secrets");

	if (!on || on->count != 1 || !secrets || secrets->kind != NODE_MAP ||
	    lint_get(l, secrets, p->parts[1]))
		return NULL;
	for (size_t i = 0; i < COUNT(always); i++)
		if (is(always[i], p->parts[1]))
			return NULL;
	return no_key(l, "secret", p->parts[1], secrets, secrets->count);
}

/* ---- matrix ---- */

static bool include_has(struct lint *l, const struct node *include, const char *key)
{
	if (!include)
		return false;
	if (include->kind != NODE_LIST || !lint_afford(l, include->count))
		return true;
	for (size_t i = 0; i < include->count; i++)
		if (include->items[i]->kind == NODE_STRING ||
		    node_get_nocase(include->items[i], key))
			return true;
	return false;
}

static const char *matrix_reference(struct lint *l, const struct lint_path *p)
{
	const struct node *strategy = l->job ? l->job->strategy : NULL;
	const struct node *matrix = node_get(strategy, "matrix");

	if (!l->job || (strategy && strategy->kind != NODE_MAP) ||
	    (matrix && matrix->kind != NODE_MAP))
		return NULL;
	if (!matrix)
		return "this job has no matrix";
	if (lint_get(l, matrix, p->parts[1]) || has_template_key(matrix) ||
	    include_has(l, node_get_nocase(matrix, "include"), p->parts[1]))
		return NULL;
	return arena_printf(l->checker.arena, "the matrix has no '%s'", p->parts[1]);
}

/* ---- all ---- */

typedef const char *reference_fn(struct lint *l, const struct lint_path *p);

static const struct {
	const char *context;
	reference_fn *check;
} contexts[] = {
	{"needs", needs_reference},   {"steps", steps_reference},     {"jobs", job_reference},
	{"inputs", inputs_reference}, {"secrets", secrets_reference}, {"matrix", matrix_reference},
};

const char *lint_reference(struct lint *l, const struct lint_path *path)
{
	if (lint_is_unsure(l, path))
		return NULL;
	if (path->count > 3 && is(path->parts[0], "github") && is(path->parts[1], "event") &&
	    is(path->parts[2], "inputs"))
		return event_inputs_reference(l, path->parts[3]);
	for (size_t i = 0; i < COUNT(contexts); i++)
		if (is(contexts[i].context, path->parts[0]))
			return path->count > 1 && !is(path->parts[1], "*")
				       ? contexts[i].check(l, path)
				       : NULL;
	return NULL;
}
