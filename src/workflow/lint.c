/*
 * The second look at a workflow that has been loaded. Loading refuses what
 * GitHub refuses; here is what it takes although it cannot work (an error), or
 * had better not be done (a warning).
 */
#include "workflow/lint.h"

#include <math.h>
#include <string.h>

#include "workflow/matrix.h"

/* ---- expressions ---- */

static void say(struct lint *l, const struct node *n, size_t offset, const char *rule,
		const char *text)
{
	if (text)
		diag_error(l->checker.diags, place_inside(&l->checker, n, offset), rule, "%s",
			   text);
}

/*
 * GitHub gives what is not there as nothing. Pasted into a script that changes
 * the command, and where an output or a default is declared it is all there is:
 * an error. Elsewhere an empty value may be meant: a warning.
 */
static void lint_path(struct lint *l, const struct node *n, size_t start, const struct expr_node *x,
		      const struct lint_path *path)
{
	size_t at = start + x->position - 1;
	const char *missing = lint_reference(l, path);

	if (missing && (l->script || l->declares))
		say(l, n, at, "undefined-name", missing);
	else if (missing)
		diag_warn(l->checker.diags, place_inside(&l->checker, n, at), "undefined-name",
			  "%s", missing);
}

static void lint_tree(struct lint *l, const struct node *n, size_t start, const struct expr_node *x)
{
	struct lint_path path;
	size_t at = start + x->position - 1;
	const char *wrong = lint_constant(l, x);

	say(l, n, at, "expression", lint_operator(l, x));
	say(l, n, at, "expression", wrong);
	if (wrong)
		return;
	if (lint_path_of(x, &path)) {
		lint_path(l, n, start, x, &path);
		return;
	}
	for (size_t i = 0; i < x->count; i++)
		lint_tree(l, n, start, x->kids[i]);
}

/* Within text, a list or a map becomes the word Array or Object. */
static void lint_in_text(struct lint *l, const struct node *n, size_t start,
			 const struct expr *expr)
{
	enum node_kind kind = lint_kind(l, expr->root);

	if (kind == NODE_LIST || kind == NODE_MAP || kind == NODE_NULL)
		say(l, n, start + expr->root->position - 1, "expression",
		    arena_printf(l->checker.arena,
				 "%s has no text; use toJSON(), join() or one of its values",
				 node_kind_text(kind)));
}

/* One expression, its tree thrown away behind it: a hostile file has tens of thousands. */
static void lint_expr(struct lint *l, const struct node *n, size_t start, size_t len, bool in_text)
{
	auto_arena struct arena *scratch = arena_new();
	struct arena *own = l->checker.arena;
	struct expr_err e;
	const struct expr *expr = expr_parse(scratch, n->text + start, len, &e);

	if (faults_has(l->faults, n->text + start)) {
		l->reads_all = true;
		return;
	}
	l->checker.arena = scratch;
	if (expr)
		lint_tree(l, n, start, expr->root);
	if (expr && l->script)
		lint_taint(l, n, start, expr->root);
	if (expr)
		lint_note_read(l, expr->root);
	if (expr && in_text)
		lint_in_text(l, n, start, expr);
	l->checker.arena = own;
}

/* What was refused may have read anything. An alias is looked at again where other values are seen. */
static bool is_to_look_at(struct lint *l, const struct node *n)
{
	const struct once_key key = {
		.node = n,
		.job = l->job,
		.step = l->step ? l->step : l->inputs,
		.where = l->inputs_before << 3 | (size_t)l->script << 2 | (size_t)l->declares << 1 |
			 l->with_dispatch,
	};

	if (faults_has(l->faults, n)) {
		l->reads_all = true;
		return false;
	}
	return once_first(l->checker.arena, &l->checker.once, key);
}

static void lint_template(struct lint *l, const struct node *n)
{
	size_t len = strlen(n->text), next = 0;
	struct template_part part;

	if (!is_to_look_at(l, n))
		return;
	while (template_next(n->text, len, &next, &part) > 0)
		if (part.is_expr)
			lint_expr(l, n, part.start, part.len, l->script || !is_lone_expr(n));
}

static void lint_condition(struct lint *l, const struct node *n)
{
	if (n->kind != NODE_STRING)
		return;
	if (!template_has_expr(n->text)) {
		if (is_to_look_at(l, n))
			lint_expr(l, n, 0, strlen(n->text), false);
		return;
	}
	if (!is_lone_expr(n))
		diag_error(l->checker.diags, n->at, "if-cond",
			   "text around ${{ }} makes this a string, which is always true");
	lint_template(l, n);
}

/* ---- values ---- */

static void lint_env(struct lint *l, const struct node *env)
{
	lint_plain(l, env);
	for (size_t i = 0; env->kind == NODE_MAP && i < env->count; i++) {
		const struct node *key = env->pairs[i].key;

		if (!template_has_expr(key->text) && strpbrk(key->text, "&= "))
			diag_error(
				l->checker.diags, key->at, "env-var",
				"'%.100s' cannot be the name of a variable: it has a space, = or &",
				key->text);
	}
}

static bool on_windows(const struct lint *l)
{
	const struct node *runs_on = l->job ? l->job->runs_on : NULL;
	const char *text = node_text(runs_on);

	for (size_t i = 0; runs_on && runs_on->kind == NODE_LIST && i < runs_on->count; i++)
		if (node_text(runs_on->items[i]) && strcasestr(runs_on->items[i]->text, "windows"))
			return true;
	return text && strcasestr(text, "windows");
}

/* A label that an expression gives can be any system. */
static bool is_known_runner(const struct lint *l)
{
	return l->job && node_text(l->job->runs_on) && !template_has_expr(l->job->runs_on->text);
}

static void lint_shell(struct lint *l, const struct node *shell)
{
	static const char *const unix_shells[] = {"bash", "sh", "python", "pwsh"};
	static const char *const windows_shells[] = {"bash", "cmd", "powershell", "python", "pwsh"};
	const char *s = node_text(shell);
	bool known = false, windows = on_windows(l);

	if (!s || template_has_expr(s) || strstr(s, "{0}"))
		return;
	s = arena_strndup(l->checker.arena, s, strcspn(s, " "));
	for (size_t i = 0; (windows || !is_known_runner(l)) && i < COUNT(windows_shells); i++)
		known |= strcasecmp(s, windows_shells[i]) == 0;
	for (size_t i = 0; (!windows || !is_known_runner(l)) && i < COUNT(unix_shells); i++)
		known |= strcasecmp(s, unix_shells[i]) == 0;
	if (!known)
		diag_error(l->checker.diags, shell->at, "shell-name",
			   "no shell '%.100s' on this system; expected %s, or a command with {0} "
			   "for the script",
			   s,
			   windows ? "bash, cmd, powershell, python or pwsh"
				   : "bash, sh, python or pwsh");
}

static void lint_defaults(struct lint *l, const struct node *defaults)
{
	const struct node *shell = node_get(node_get(defaults, "run"), "shell");

	if (shell)
		lint_shell(l, shell);
}

/* Keys whose value, when it is one ${{ }}, must come to something else than text. */
static const struct {
	const char *key;
	unsigned kinds; /* bits */
	const char *expected;
} typed_keys[] = {
	{"continue-on-error", 1 << NODE_BOOL, "true or false"},
	{"fail-fast", 1 << NODE_BOOL, "true or false"},
	{"cancel-in-progress", 1 << NODE_BOOL, "true or false"},
	{"timeout-minutes", 1 << NODE_NUMBER, "a number"},
	{"max-parallel", 1 << NODE_NUMBER, "a number"},
	{"strategy", 1 << NODE_MAP, "a map"},
	{"matrix", 1 << NODE_MAP, "a map"},
	{"include", 1 << NODE_LIST, "a list"},
	{"exclude", 1 << NODE_LIST, "a list"},
	{"runs-on", 1 << NODE_STRING | 1 << NODE_LIST, "a string or a list"},
};

static void lint_typed(struct lint *l, const char *key, const struct node *v)
{
	enum node_kind kind;

	if (faults_has(l->faults, v))
		return;
	for (size_t i = 0; i < COUNT(typed_keys); i++) {
		if (strcmp(typed_keys[i].key, key) != 0 || !is_lone_expr(v))
			continue;
		kind = lint_kind_of_text(l, v);
		if (kind != NODE_KIND_COUNT && !(typed_keys[i].kinds & 1U << kind))
			diag_error(l->checker.diags, v->at, "expression",
				   "'%s': expected %s, this is %s", key, typed_keys[i].expected,
				   node_kind_text(kind));
	}
	if (v->kind == NODE_NUMBER && strcmp(key, "timeout-minutes") == 0 && !(v->number > 0))
		diag_warn(l->checker.diags, v->at, "no-effect",
			  "a timeout of no minutes is no timeout");
	if (v->kind == NODE_NUMBER && strcmp(key, "max-parallel") == 0 &&
	    (v->number < 1 || v->number != floor(v->number)))
		diag_error(l->checker.diags, v->at, "syntax-check",
			   "max-parallel must be a whole number, 1 or more");
}

/* Any tree: its expressions. */
void lint_any(struct lint *l, const struct node *n)
{
	if (!n)
		return;
	if (n->kind == NODE_STRING)
		lint_template(l, n);
	for (size_t i = 0; n->kind == NODE_LIST && i < n->count; i++)
		lint_any(l, n->items[i]);
	for (size_t i = 0; n->kind == NODE_MAP && i < n->count; i++)
		lint_any(l, n->pairs[i].value);
}

static void lint_script(struct lint *l, const struct node *n)
{
	l->script = true;
	lint_any(l, n);
	l->script = false;
}

/* ---- steps ---- */

static void lint_with(struct lint *l, const struct node *with)
{
	const char *uses = node_text(node_get(l->step, "uses"));

	for (size_t i = 0; with->kind == NODE_MAP && i < with->count; i++) {
		const struct node_pair *p = &with->pairs[i];

		if (uses && lint_is_script_input(uses, p->key->text))
			lint_script(l, p->value);
		else
			lint_any(l, p->value);
		lint_version(l, p->key->text, p->value);
	}
	lint_plain(l, with);
}

static void lint_if(struct lint *l, const struct node *n)
{
	lint_condition(l, n);
	lint_step_reach(l, n);
}

static void lint_run(struct lint *l, const struct node *n)
{
	if (n->kind == NODE_LIST || n->kind == NODE_MAP)
		return;
	if (!node_text(n) || !n->text[strspn(n->text, " \t\r\n")])
		diag_warn(l->checker.diags, n->at, "no-effect", "the script is empty");
	lint_script(l, n);
	lint_commands(l, n);
	lint_plain_text(l, n);
}

static void lint_step_env(struct lint *l, const struct node *n)
{
	lint_any(l, n);
	lint_env(l, n);
}

static void lint_step_shell(struct lint *l, const struct node *n)
{
	lint_any(l, n);
	lint_shell(l, n);
}

static void lint_parallel(struct lint *l, const struct node *n);

typedef void lint_fn(struct lint *l, const struct node *n);

/* Keys of a step that are looked at for more than their expressions. */
static const struct {
	const char *key;
	lint_fn *lint;
} step_keys[] = {
	{"if", lint_if},
	{"run", lint_run},
	{"with", lint_with},
	{"env", lint_step_env},
	{"shell", lint_step_shell},
	{"uses", lint_uses},
	{"parallel", lint_parallel},
};

static lint_fn *step_key(const char *key)
{
	for (size_t i = 0; i < COUNT(step_keys); i++)
		if (strcmp(step_keys[i].key, key) == 0)
			return step_keys[i].lint;
	return lint_any;
}

static void lint_step(struct lint *l, const struct node *step)
{
	const struct node *around = l->step;

	l->step = step;
	for (size_t i = 0; step->kind == NODE_MAP && i < step->count; i++) {
		const char *key = step->pairs[i].key->text;

		lint_typed(l, key, step->pairs[i].value);
		step_key(key)(l, step->pairs[i].value);
	}
	lint_action_use(l, step);
	lint_known_inputs(l, step);
	lint_handed_on(l, step);
	lint_checkout(l, step);
	l->step = around;
}

static void lint_parallel(struct lint *l, const struct node *n)
{
	for (size_t i = 0; n->kind == NODE_LIST && i < n->count; i++)
		lint_step(l, n->items[i]);
}

static void lint_steps(struct lint *l)
{
	for (size_t i = 0; i < l->steps->count; i++) {
		l->steps_before = i;
		lint_step(l, l->steps->list[i].as_written);
	}
}

/* ---- jobs ---- */

static bool is_written_out(const struct node *n)
{
	if (n->kind == NODE_STRING)
		return !template_has_expr(n->text);
	for (size_t i = 0; i < n->count; i++)
		if (!is_written_out(n->kind == NODE_LIST ? n->items[i] : n->pairs[i].value))
			return false;
	return true;
}

static void lint_matrix(struct lint *l, const struct node *matrix)
{
	struct combination *list;
	size_t count;

	if (!matrix || !is_written_out(matrix) || lint_matrix_is_unsure(l))
		return;
	if (matrix_build(l->checker.arena, matrix, matrix->at, l->checker.diags, &list, &count))
		lint_matrix_effect(l, matrix);
}

static void lint_strategy(struct lint *l, const struct node *strategy)
{
	for (size_t i = 0; strategy && strategy->kind == NODE_MAP && i < strategy->count; i++)
		lint_typed(l, strategy->pairs[i].key->text, strategy->pairs[i].value);
	lint_matrix(l, node_get(strategy, "matrix"));
	lint_matrix_versions(l, strategy);
}

static void lint_containers(struct lint *l, const struct job *job)
{
	const struct node *services = job->services;

	lint_credentials(l, job->container);
	for (size_t i = 0; services && services->kind == NODE_MAP && i < services->count; i++)
		lint_credentials(l, services->pairs[i].value);
}

static void lint_job_keys(struct lint *l, const struct job *job)
{
	for (size_t i = 0; i < job->as_written->count; i++) {
		const char *key = job->as_written->pairs[i].key->text;
		const struct node *v = job->as_written->pairs[i].value;

		lint_typed(l, key, v);
		if (strcmp(key, "if") == 0)
			lint_condition(l, v);
		else if (strcmp(key, "steps") != 0)
			lint_any(l, v);
	}
}

static void lint_job(struct lint *l, const struct job *job)
{
	l->job = job;
	l->steps = &job->steps;
	l->steps_before = job->steps.count;
	lint_index_steps(l);
	lint_job_keys(l, job);
	lint_uses(l, node_get(job->as_written, "uses"));
	lint_handed_on(l, job->as_written);
	lint_permissions(l, job->permissions);
	if (job->env)
		lint_env(l, job->env);
	lint_defaults(l, node_get(job->as_written, "defaults"));
	lint_strategy(l, job->strategy);
	lint_labels(l, job->runs_on);
	lint_containers(l, job);
	lint_steps(l);
	l->job = NULL;
	l->steps = NULL;
}

/* ---- the whole ---- */

static const struct lint_world no_world = {0};

static void lint_head(struct lint *l)
{
	const struct workflow *w = l->workflow;

	l->declares = true;
	lint_on(l);
	l->declares = false;
	lint_permissions(l, w->permissions);
	lint_token(l);
	if (w->env)
		lint_env(l, w->env);
	lint_any(l, w->env);
	lint_any(l, w->concurrency);
	lint_defaults(l, node_get(w->as_written, "defaults"));
}

void workflow_lint(struct arena *a, const struct workflow *w, const char *text, size_t len,
		   const struct lint_world *world, struct diags *diags)
{
	struct graph graph;
	struct lint l = {
		.checker = {.arena = a, .diags = diags, .text = text, .len = len},
		.world = world ? world : &no_world,
		.workflow = w,
		.graph = &graph,
		.faults = w->faults,
	};

	graph_build(a, w, &graph);
	lint_find_faults(&l);
	lint_expect_reads(&l);
	lint_head(&l);
	for (size_t i = 0; i < w->job_count; i++)
		lint_job(&l, &w->jobs[i]);
	lint_reach(&l);
	lint_unread(&l);
}

/* ---- actions ---- */

/* Runners know these names, and run them all with the one node that they have. */
static void lint_runtime(struct lint *l, const struct node *using)
{
	const char *s = node_text(using);

	if (s && strncmp(s, "node", 4) == 0 && strcmp(s, "node24") != 0)
		diag_warn(l->checker.diags, using->at, "deprecated-runtime",
			  "runners have no %s any longer", s);
}

void action_lint(struct arena *a, const struct action *action, const char *text, size_t len,
		 const struct lint_world *world, struct diags *diags)
{
	struct lint l = {
		.checker = {.arena = a, .diags = diags, .text = text, .len = len},
		.world = world ? world : &no_world,
		.action = action,
		.steps = &action->steps,
		.inputs = action->inputs,
		.faults = action->faults,
	};

	lint_find_faults(&l);
	if (action->inputs && action->inputs->kind == NODE_MAP)
		l.inputs_before = action->inputs->count;
	lint_runtime(&l, node_get(action->runs, "using"));
	lint_index_steps(&l);
	lint_steps(&l);
	l.steps_before = action->steps.count;
	l.declares = true;
	lint_any(&l, action->outputs);
}
