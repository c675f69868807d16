/* What cannot be known, because the text that says it was refused. */
#include <stdint.h>
#include <string.h>

#include "workflow/lint.h"
#include "workflow/nearest.h"

/* Of a job, or of an action: does a name that is not there mean anything? */
struct unsure {
	bool needs, outputs, matrix, steps;
};

/* Has a map that was refused a key that was meant to be this one? */
static bool has_meant(const struct lint *l, const struct node *map, const char *key)
{
	if (!map || map->kind != NODE_MAP || !faults_has(l->faults, map))
		return false;
	for (size_t i = 0; i < map->count; i++) {
		struct nearest near = {.word = map->pairs[i].key->text};

		nearest_try(&near, key);
		if (near.name)
			return true;
	}
	return !map->count;
}

static bool key_is_unsure(const struct lint *l, const struct node *map, const char *key)
{
	const struct node *value = node_get(map, key);

	return value ? faults_within(l->faults, value) : has_meant(l, map, key);
}

static bool id_is_unsure(const struct lint *l, const struct node *step)
{
	const struct node *list = node_get(step, "parallel");

	if (step->kind != NODE_MAP || key_is_unsure(l, step, "id"))
		return true;
	for (size_t i = 0; list && list->kind == NODE_LIST && i < list->count; i++)
		if (id_is_unsure(l, list->items[i]))
			return true;
	return false;
}

static bool steps_are_unsure(const struct lint *l, const struct node *map,
			     const struct steps *steps)
{
	const struct node *list = node_get(map, "steps");

	if (list ? faults_has(l->faults, list) : has_meant(l, map, "steps"))
		return true;
	for (size_t i = 0; i < steps->count; i++)
		if (id_is_unsure(l, steps->list[i].as_written))
			return true;
	return false;
}

static struct unsure unsure_of(const struct lint *l, const struct job *job)
{
	const struct node *map = job->as_written;

	return (struct unsure){
		.needs = key_is_unsure(l, map, "needs"),
		.outputs = key_is_unsure(l, map, "outputs"),
		.matrix = key_is_unsure(l, map, "strategy"),
		.steps = steps_are_unsure(l, map, &job->steps),
	};
}

static bool inputs_are_unsure(const struct lint *l)
{
	static const char *const callers[] = {"workflow_call", "workflow_dispatch"};
	const struct node *on = l->workflow->on;
	bool there = false;

	for (size_t i = 0; i < COUNT(callers); i++) {
		there |= node_get(on, callers[i]) != NULL;
		if (faults_within(l->faults, node_get(on, callers[i])))
			return true;
	}
	return !there && faults_has(l->faults, on);
}

void lint_find_faults(struct lint *l)
{
	const struct workflow *w = l->workflow;

	if (!l->faults || !l->faults->count)
		return;
	l->unsure = arena_array(l->checker.arena, w ? w->job_count + 1 : 1, sizeof(*l->unsure));
	if (!w) {
		l->unsure[0].steps = steps_are_unsure(l, l->action->runs, l->steps);
		l->unsure_inputs =
			!l->action->inputs || faults_within(l->faults, l->action->inputs);
		return;
	}
	for (size_t i = 0; i < w->job_count; i++)
		l->unsure[i] = unsure_of(l, &w->jobs[i]);
	l->unsure_inputs = inputs_are_unsure(l);
}

bool lint_steps_are_unsure(const struct lint *l)
{
	return l->unsure && l->unsure[l->job ? l->job - l->workflow->jobs : 0].steps;
}

bool lint_matrix_is_unsure(const struct lint *l)
{
	return l->unsure && l->job && l->unsure[l->job - l->workflow->jobs].matrix;
}

static bool is(const char *part, const char *name)
{
	return strcasecmp(part, name) == 0;
}

bool lint_is_unsure(const struct lint *l, const struct lint_path *p)
{
	const struct unsure *own = l->unsure;
	size_t other;

	if (!own)
		return false;
	if (l->job)
		own += l->job - l->workflow->jobs;
	if (is(p->parts[0], "inputs") || is(p->parts[0], "secrets") || is(p->parts[0], "github"))
		return l->unsure_inputs;
	if (is(p->parts[0], "matrix"))
		return own->matrix;
	other = l->graph && p->count > 1 ? graph_find(l->graph, p->parts[1]) : SIZE_MAX;
	return (is(p->parts[0], "needs") && own->needs) ||
	       (other != SIZE_MAX && l->unsure[other].outputs);
}
