/* Checked nodes to the model. Decoding looks only where the grammar has a key; what is wrong there
 * has been said. */
#include <string.h>

#include "stepcell/texts.h"
#include "stepcell/yaml.h"
#include "workflow/check.h"

/* A member: where a key's value goes, and as what. */
enum member_kind { MEMBER_NODE, MEMBER_TEXT };

struct member {
	const char *key;
	enum member_kind kind;
	size_t offset;
};

#define MEMBER(of, key, kind, member)                                                              \
	{                                                                                          \
		key, MEMBER_##kind, offsetof(struct of, member)                                    \
	}

static void fill(void *out, const struct node *map, const struct member *members, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct node *v = node_get(map, members[i].key);
		void *at = (char *)out + members[i].offset;

		if (v && members[i].kind == MEMBER_NODE)
			*(const struct node **)at = v;
		else if (v)
			*(const char **)at = node_text(v);
	}
}

static struct run_defaults load_defaults(const struct node *defaults)
{
	const struct node *run = node_get(defaults, "run");

	return (struct run_defaults){
		.shell = node_text(node_get(run, "shell")),
		.workdir = node_text(node_get(run, "working-directory")),
	};
}

/* ---- steps ---- */

static const struct member step_members[] = {
	MEMBER(step, "id", TEXT, id),
	MEMBER(step, "name", TEXT, name),
	MEMBER(step, "if", TEXT, condition),
	MEMBER(step, "run", TEXT, run),
	MEMBER(step, "uses", TEXT, uses),
	MEMBER(step, "shell", TEXT, shell),
	MEMBER(step, "working-directory", TEXT, workdir),
	MEMBER(step, "env", NODE, env),
	MEMBER(step, "with", NODE, with),
	MEMBER(step, "continue-on-error", NODE, continue_on_error),
	MEMBER(step, "timeout-minutes", NODE, timeout_minutes),
};

static struct steps load_steps(struct arena *a, const struct node *list)
{
	struct steps steps = {0};

	if (!list || list->kind != NODE_LIST)
		return steps;
	steps.list = arena_array(a, list->count + 1, sizeof(*steps.list));
	steps.count = list->count;
	for (size_t i = 0; i < list->count; i++) {
		steps.list[i] =
			(struct step){.at = list->items[i]->at, .as_written = list->items[i]};
		fill(&steps.list[i], list->items[i], step_members, COUNT(step_members));
		/* `run:` with nothing behind it is an empty script, as on GitHub */
		if (!steps.list[i].run && node_get(list->items[i], "run"))
			steps.list[i].run = "";
	}
	return steps;
}

/* ---- jobs ---- */

static const struct member job_members[] = {
	MEMBER(job, "name", TEXT, name),
	MEMBER(job, "if", TEXT, condition),
	MEMBER(job, "uses", TEXT, uses),
	MEMBER(job, "runs-on", NODE, runs_on),
	MEMBER(job, "strategy", NODE, strategy),
	MEMBER(job, "env", NODE, env),
	MEMBER(job, "outputs", NODE, outputs),
	MEMBER(job, "environment", NODE, environment),
	MEMBER(job, "concurrency", NODE, concurrency),
	MEMBER(job, "permissions", NODE, permissions),
	MEMBER(job, "container", NODE, container),
	MEMBER(job, "services", NODE, services),
	MEMBER(job, "continue-on-error", NODE, continue_on_error),
	MEMBER(job, "timeout-minutes", NODE, timeout_minutes),
	MEMBER(job, "with", NODE, with),
	MEMBER(job, "secrets", NODE, secrets),
};

/* In the place of what should have been a map: nobody knows what it has. */
static const struct node *nothing(struct arena *a, struct faults *f)
{
	const struct node *map = node_map(a);

	faults_add(a, f, map);
	return map;
}

static void load_jobs(struct arena *a, struct workflow *w, const struct node *jobs,
		      struct faults *f)
{
	if (!jobs || jobs->kind != NODE_MAP)
		return;
	w->jobs = arena_array(a, jobs->count + 1, sizeof(*w->jobs));
	w->job_count = jobs->count;
	for (size_t i = 0; i < jobs->count; i++) {
		struct job *job = &w->jobs[i];
		const struct node *map = jobs->pairs[i].value;
		struct texts needs;

		*job = (struct job){.at = jobs->pairs[i].key->at,
				    .id = jobs->pairs[i].key->text,
				    .as_written = map->kind == NODE_MAP ? map : nothing(a, f)};
		fill(job, map, job_members, COUNT(job_members));
		needs = texts_of_node(a, node_get(map, "needs"));
		job->needs = needs.list;
		job->need_count = needs.count;
		job->defaults = load_defaults(node_get(map, "defaults"));
		job->steps = load_steps(a, node_get(map, "steps"));
	}
}

/* ---- the workflow ---- */

static const struct member workflow_members[] = {
	MEMBER(workflow, "name", TEXT, name),
	MEMBER(workflow, "run-name", TEXT, run_name),
	MEMBER(workflow, "env", NODE, env),
	MEMBER(workflow, "permissions", NODE, permissions),
	MEMBER(workflow, "concurrency", NODE, concurrency),
};

static const struct node *normal_on(struct arena *a, const struct node *on)
{
	struct node *map;

	if (!on || on->kind == NODE_MAP)
		return on;
	map = node_map(a);
	map->at = on->at;
	for (size_t i = 0; on->kind == NODE_LIST && i < on->count; i++)
		if (node_text(on->items[i]))
			node_set(a, map, on->items[i]->text, node_null());
	if (node_text(on))
		node_set(a, map, on->text, node_null());
	return map;
}

/* A document of the grammar; with `f`, one that has errors too. */
static const struct node *read_document(struct checker *c, const char *path,
					const struct type *grammar, struct faults *f)
{
	const struct node *root =
		(f ? yaml_parse_twins : yaml_parse)(c->arena, path, c->text, c->len, c->diags);

	if (!root)
		return NULL;
	if (root->kind != NODE_MAP) {
		diag_error(c->diags, root->at, "syntax-check", "expected a map with %s, found %s",
			   grammar == &type_action ? "'name' and 'runs'" : "'on' and 'jobs'",
			   root->kind == NODE_NULL ? "nothing" : node_kind_text(root->kind));
		return NULL;
	}
	c->faults = f;
	check_node(c, grammar, 0, root);
	return root;
}

/* No more is refused by the grammar. What is wrong in `on` is wrong in its normal form. */
static void settle(struct checker *c, struct faults *f, const struct node *on,
		   const struct node *normal)
{
	if (!f)
		return;
	faults_sort(f);
	if (on == normal || !faults_has(f, on))
		return;
	faults_add(c->arena, f, normal);
	faults_sort(f);
}

/* With `f`, what has errors is loaded all the same. */
static struct workflow *load(struct checker *c, const char *path, struct faults *f)
{
	const struct node *root = read_document(c, path, &type_workflow, f);
	const struct node *on;
	struct workflow *w;

	if (!root)
		return NULL;
	w = arena_alloc(c->arena, sizeof(*w));
	*w = (struct workflow){
		.path = arena_strdup(c->arena, path), .as_written = root, .faults = f};
	fill(w, root, workflow_members, COUNT(workflow_members));
	w->defaults = load_defaults(node_get(root, "defaults"));
	on = node_get(root, "on");
	w->on = on ? normal_on(c->arena, on) : nothing(c->arena, f);
	load_jobs(c->arena, w, node_get(root, "jobs"), f);
	settle(c, f, on, w->on);
	check_jobs(c, w, node_get(root, "jobs"));
	return w;
}

struct workflow *workflow_load(struct arena *a, const char *path, const char *text, size_t len,
			       struct diags *diags)
{
	struct checker c = {.arena = a, .diags = diags, .text = text, .len = len};
	size_t before = diags->errors;
	struct workflow *w = load(&c, path, NULL);

	return diags->errors != before ? NULL : w;
}

struct workflow *workflow_load_faulty(struct arena *a, const char *path, const char *text,
				      size_t len, struct diags *diags)
{
	struct checker c = {.arena = a, .diags = diags, .text = text, .len = len};

	return load(&c, path, arena_alloc(a, sizeof(struct faults)));
}

/* ---- actions ---- */

static enum action_kind kind_of(const struct node *runs)
{
	const char *using = node_text(node_get(runs, "using"));

	if (using && strcmp(using, "composite") == 0)
		return ACTION_COMPOSITE;
	return using && strcmp(using, "docker") == 0 ? ACTION_DOCKER : ACTION_NODE;
}

static struct action *load_action(struct checker *c, const char *path, struct faults *f)
{
	const struct node *root = read_document(c, path, &type_action, f);
	struct action *action;

	if (!root)
		return NULL;
	action = arena_alloc(c->arena, sizeof(*action));
	action->name = node_text(node_get(root, "name"));
	action->description = node_text(node_get(root, "description"));
	action->inputs = node_get(root, "inputs");
	action->outputs = node_get(root, "outputs");
	action->runs = node_get(root, "runs");
	action->kind = kind_of(action->runs);
	action->steps = load_steps(c->arena, node_get(action->runs, "steps"));
	action->faults = f;
	if (f)
		faults_sort(f);
	check_step_ids(c, &action->steps);
	return action;
}

struct action *action_load(struct arena *a, const char *path, const char *text, size_t len,
			   struct diags *diags)
{
	struct checker c = {.arena = a, .diags = diags, .text = text, .len = len};
	size_t before = diags->errors;
	struct action *action = load_action(&c, path, NULL);

	return diags->errors != before ? NULL : action;
}

struct action *action_load_faulty(struct arena *a, const char *path, const char *text, size_t len,
				  struct diags *diags)
{
	struct checker c = {.arena = a, .diags = diags, .text = text, .len = len};
	size_t before = diags->errors;
	struct action *action = load_action(&c, path, arena_alloc(a, sizeof(struct faults)));

	if (action)
		action->faulty = diags->errors != before;
	return action;
}
