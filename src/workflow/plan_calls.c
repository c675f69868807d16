/* The jobs of called workflows in a plan: their inputs, names and ids. */
#include <string.h>

#include "stepcell/digest.h"
#include "workflow/check.h"
#include "workflow/plan_parts.h"

#define ID_MAX_CHARS 100

/* ---- inputs ---- */

static void copy_pairs(struct arena *a, struct node *into, const struct node *from)
{
	for (size_t i = 0; from && from->kind == NODE_MAP && i < from->count; i++)
		node_set(a, into, from->pairs[i].key->text, from->pairs[i].value);
}

static bool add_given(struct arena *a, const struct job *job, const struct expr_scope *scope,
		      struct node *given, struct diags *diags)
{
	struct expr_err e;
	const struct node *with = job->with ? template_eval_tree(a, job->with, scope, &e) : NULL;

	if (job->with && !with) {
		diag_error(diags, job->with->at, "expression", "job '%s', with: %s", job->id,
			   e.text);
		return false;
	}
	copy_pairs(a, given, with);
	return true;
}

/* A default may be an expression of github, vars and the inputs before it. */
static bool add_defaults(struct arena *a, const struct node *declared, const struct node *contexts,
			 struct node *given, struct diags *diags)
{
	for (size_t i = 0; declared && declared->kind == NODE_MAP && i < declared->count; i++) {
		const char *name = declared->pairs[i].key->text;
		const struct node *value = node_get(declared->pairs[i].value, "default");
		struct node *seen = node_map(a);
		struct expr_scope scope = {.contexts = seen};
		struct expr_err e;

		if (!node_text(value) || !template_has_expr(value->text) ||
		    node_get_nocase(given, name))
			continue;
		node_set(a, seen, "github", node_get(contexts, "github"));
		node_set(a, seen, "vars", node_get(contexts, "vars"));
		node_set(a, seen, "inputs", given);
		value = template_eval(a, value->text, &scope, &e);
		if (!value) {
			diag_error(diags, declared->pairs[i].value->at, "expression",
				   "the default of '%s': %s", name, e.text);
			return false;
		}
		node_set(a, given, name, value);
	}
	return true;
}

const struct node *called_inputs(struct arena *a, const struct job *job,
				 const struct workflow *called, const struct expr_scope *scope,
				 struct diags *diags)
{
	const struct node *call = node_get(called->on, "workflow_call");
	struct node *given = node_map(a);

	if (!add_given(a, job, scope, given, diags) ||
	    !add_defaults(a, node_get(call, "inputs"), scope->contexts, given, diags))
		return NULL;
	return event_inputs(a, called, "workflow_call", given, diags);
}

/* ---- one call ---- */

/* A name for folders too, so long ones end in a hash of themselves. */
static const char *called_id(struct arena *a, const char *caller, const char *id)
{
	const char *whole = arena_printf(a, "%s.%s", caller, id);
	struct digest digest;

	if (strlen(whole) <= ID_MAX_CHARS)
		return whole;
	digest = digest_of(whole, strlen(whole));
	return arena_printf(a, "%.*s.%.16s", ID_MAX_CHARS - 17, whole, digest.hex);
}

const char *planned_need(struct arena *a, const struct planned_job *p, size_t j)
{
	return p->caller ? called_id(a, p->caller->id, p->job->needs[j]) : p->job->needs[j];
}

static void name_after(struct arena *a, const struct planned_job *caller, struct planned_job *j)
{
	j->caller = caller;
	j->id = called_id(a, caller->id, j->id);
	j->name = arena_printf(a, "%s / %s", caller->name, j->name);
	if (caller->runs != RUNS_DEPENDS || j->runs != RUNS_YES)
		return;
	j->runs = RUNS_DEPENDS;
	j->why = arena_printf(a, "called by %s, which is not decided yet", caller->id);
}

int plan_called(struct arena *a, const struct planned_job *caller, const struct workflow *called,
		const struct node *contexts, struct plan *out, struct diags *diags)
{
	if (plan_make(a, called, contexts, NULL, 0, out, diags) < 0)
		return -1;
	for (size_t i = 0; i < out->count; i++)
		name_after(a, caller, &out->jobs[i]);
	return 0;
}

/* ---- all calls ---- */

struct flattening {
	struct arena *arena;
	struct diags *diags;
	workflow_find_fn *find;
	void *arg;
	struct planned_job *list;
	size_t count;
};

static bool add_jobs(struct flattening *f, const struct plan *plan, const struct node *contexts);

/* What is known of the called workflow's contexts: inputs only when all of `with` is. */
static const struct node *contexts_of_call(struct flattening *f, const struct planned_job *caller,
					   const struct workflow *called,
					   const struct node *contexts)
{
	struct node *own = node_map(f->arena), *seen = node_map(f->arena);
	struct expr_scope scope = {.contexts = seen};
	const struct node *inputs;

	copy_pairs(f->arena, seen, contexts);
	if (!caller->matrix_depends)
		node_set(f->arena, seen, "matrix", caller->matrix ? caller->matrix : node_null());
	node_set(f->arena, own, "github", node_get(contexts, "github"));
	node_set(f->arena, own, "vars", node_get(contexts, "vars"));
	if (caller->job->with && plan_uses_unknown(f->arena, caller->job->with, seen))
		return own;
	inputs = called_inputs(f->arena, caller->job, called, &scope, f->diags);
	if (!inputs)
		return NULL;
	node_set(f->arena, own, "inputs", inputs);
	return own;
}

static bool add_call(struct flattening *f, const struct planned_job *caller,
		     const struct node *contexts)
{
	const struct node *uses = node_get(caller->job->as_written, "uses"), *own;
	const struct workflow *called = f->find(f->arg, caller->job->uses, uses->at);
	struct plan plan;

	if (!called) {
		diag_error(f->diags, uses->at, "workflow-call",
			   "job '%s' calls '%s', which is not at hand; give it with --file "
			   "'%s=PATH'",
			   caller->id, caller->job->uses, caller->job->uses);
		return false;
	}
	own = contexts_of_call(f, caller, called, contexts);
	return own && plan_called(f->arena, caller, called, own, &plan, f->diags) == 0 &&
	       add_jobs(f, &plan, own);
}

static bool add_jobs(struct flattening *f, const struct plan *plan, const struct node *contexts)
{
	bool ok = true;

	for (size_t i = 0; ok && i < plan->count; i++) {
		const struct planned_job *j = &plan->jobs[i];

		if (f->count > LIMIT_JOBS) {
			diag_error(f->diags, j->job->at, "workflow-call",
				   "more than %d jobs with those of called workflows", LIMIT_JOBS);
			return false;
		}
		f->list = arena_grow(f->arena, f->list, f->count, sizeof(*f->list));
		f->list[f->count++] = *j;
		if (j->job->uses && j->runs != RUNS_NO)
			ok = add_call(f, j, contexts);
	}
	return ok;
}

int plan_calls(struct arena *a, struct plan *plan, const struct node *contexts,
	       workflow_find_fn *find, void *arg, struct diags *diags)
{
	struct flattening f = {.arena = a, .diags = diags, .find = find, .arg = arg};

	if (!add_jobs(&f, plan, contexts))
		return -1;
	plan->jobs = f.list;
	plan->count = f.count;
	return 0;
}
