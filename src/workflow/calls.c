/* Jobs that call another workflow, held against what it asks for. */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "workflow/check.h"

/* Called workflows below one another, and calls in all: a tree of calls grows without end otherwise. */
#define CALL_DEPTH_MAX 10
#define CALLS_MAX      1000

#define SCOPES_MAX 32

enum level { LEVEL_NONE, LEVEL_READ, LEVEL_WRITE };
static const char *const level_names[] = {"none", "read", "write"};

struct rights {
	enum level of[SCOPES_MAX];
};

struct calls {
	struct arena *arena;
	struct diags *diags;
	workflow_find_fn *find;
	void *arg;
	size_t count;
};

/* ---- permissions ---- */

/* The most that a scope can be given, and not more than `level`. */
static enum level capped(const struct key *scope, enum level level)
{
	while (level > LEVEL_NONE) {
		const char *const *word = scope->type->words;

		while (*word && strcmp(*word, level_names[level]) != 0)
			word++;
		if (*word)
			break;
		level--;
	}
	return level;
}

static struct rights all_at(enum level level)
{
	struct rights r = {0};

	for (size_t i = 0; i < SCOPES_MAX && permission_keys[i].name; i++)
		r.of[i] = capped(&permission_keys[i], level);
	return r;
}

static enum level level_of(const struct node *n)
{
	for (size_t i = 0; node_text(n) && i < COUNT(level_names); i++)
		if (strcmp(level_names[i], n->text) == 0)
			return (enum level)i;
	return LEVEL_NONE;
}

static struct rights rights_of(const struct node *permissions)
{
	const char *word = node_text(permissions);
	struct rights r = {0};

	if (word && strcmp(word, "write-all") == 0)
		return all_at(LEVEL_WRITE);
	if (word && strcmp(word, "read-all") == 0)
		return all_at(LEVEL_READ);
	for (size_t i = 0; i < SCOPES_MAX && permission_keys[i].name; i++)
		r.of[i] = level_of(node_get(permissions, permission_keys[i].name));
	return r;
}

static struct rights default_rights(enum default_permissions def)
{
	struct rights r = def == PERMISSIONS_WRITE ? all_at(LEVEL_WRITE) : (struct rights){0};

	for (size_t i = 0; i < SCOPES_MAX && permission_keys[i].name; i++) {
		const char *name = permission_keys[i].name;

		if (strcmp(name, "id-token") == 0)
			r.of[i] = LEVEL_NONE;
		else if (def == PERMISSIONS_LIMITED_READ &&
			 (strcmp(name, "contents") == 0 || strcmp(name, "packages") == 0))
			r.of[i] = LEVEL_READ;
	}
	return r;
}

/* "actions: write, checks: read": what `asked` has beyond `allowed`; empty when nothing. */
static void add_excess(struct strbuf *out, const struct rights *asked, const struct rights *allowed,
		       const struct rights *shown)
{
	for (size_t i = 0; i < SCOPES_MAX && permission_keys[i].name; i++)
		if (asked->of[i] > allowed->of[i])
			strbuf_addf(out, "%s%s: %s", out->len ? ", " : "", permission_keys[i].name,
				    level_names[shown->of[i]]);
}

static void check_rights(struct calls *c, const struct job *caller, const char *who,
			 const struct rights *asked, const struct rights *allowed)
{
	auto_strbuf struct strbuf more = STRBUF(200);
	auto_strbuf struct strbuf have = STRBUF(200);

	add_excess(&more, asked, allowed, asked);
	add_excess(&have, asked, allowed, allowed);
	if (more.len)
		diag_error(c->diags, caller->at, "permissions",
			   "%s of '%s' asks for '%s', but this job allows only '%s'", who,
			   caller->uses, more.text, have.text);
}

static void check_permissions(struct calls *c, const struct job *caller,
			      const struct workflow *called, const struct rights *allowed)
{
	struct rights asked;

	if (called->permissions) {
		asked = rights_of(called->permissions);
		check_rights(c, caller, "the workflow", &asked, allowed);
	}
	for (size_t i = 0; i < called->job_count; i++) {
		const struct job *job = &called->jobs[i];

		if (!job->permissions)
			continue;
		asked = rights_of(job->permissions);
		check_rights(c, caller, arena_printf(c->arena, "job '%s'", job->id), &asked,
			     allowed);
	}
}

/* ---- inputs and secrets ---- */

static struct place uses_place(const struct job *job)
{
	const struct node *uses = node_get(job->as_written, "uses");

	return uses ? uses->at : job->at;
}

static bool is_required(const struct node *declared)
{
	const struct node *required = node_get(declared, "required");

	return required && required->kind == NODE_BOOL && required->truth;
}

/* What the called workflow requires and is not given; what it is given and does not know. */
static void check_names(struct calls *c, const struct job *job, const char *what,
			const struct node *declared, const struct node *given)
{
	for (size_t i = 0; declared && declared->kind == NODE_MAP && i < declared->count; i++) {
		const char *name = declared->pairs[i].key->text;

		if (is_required(declared->pairs[i].value) && !node_get_nocase(given, name))
			diag_error(c->diags, uses_place(job), "workflow-call",
				   "'%s' requires the %s '%s', which is not given", job->uses, what,
				   name);
	}
	for (size_t i = 0; given && given->kind == NODE_MAP && i < given->count; i++) {
		const struct node *key = given->pairs[i].key;

		if (!node_get_nocase(declared, key->text) && !template_has_expr(key->text))
			diag_error(c->diags, key->at, "workflow-call", "'%s' has no %s '%s'",
				   job->uses, what, key->text);
	}
}

/* A quoted number is a number, a quoted true is true. */
static bool can_be(const struct node *value, const char *type)
{
	const char *text = node_text(value);

	if (is_lone_expr(value))
		return true;
	if (strcmp(type, "boolean") == 0)
		return value->kind == NODE_BOOL ||
		       (text && (strcmp(text, "true") == 0 || strcmp(text, "false") == 0));
	if (strcmp(type, "number") == 0)
		return value->kind == NODE_NUMBER || (value->kind == NODE_STRING && *text &&
						      !isnan(text_number(text, strlen(text))));
	return value_is_primitive(value);
}

static void check_input_types(struct calls *c, const struct job *job, const struct node *declared)
{
	for (size_t i = 0; job->with && job->with->kind == NODE_MAP && i < job->with->count; i++) {
		const struct node *value = job->with->pairs[i].value;
		const char *name = job->with->pairs[i].key->text;
		const char *type = node_text(node_get(node_get_nocase(declared, name), "type"));

		if (type && !can_be(value, type))
			diag_error(c->diags, value->at, "workflow-call",
				   "the input '%s' is a %s, found %s", name, type,
				   node_kind_text(value->kind));
	}
}

/* ---- the tree of calls ---- */

/* A workflow, and those whose calls led to it. */
struct link {
	const struct workflow *workflow;
	const struct link *up;
	unsigned depth;
};

static void check_workflow(struct calls *c, const struct link *at, const struct rights *allowed);

static bool is_cycle(const struct link *at, const struct workflow *called)
{
	for (; at; at = at->up)
		if (at->workflow == called)
			return true;
	return false;
}

static void check_call(struct calls *c, const struct link *at, const struct job *job,
		       const struct rights *allowed)
{
	const struct workflow *called;
	const struct node *call;

	if (at->depth == CALL_DEPTH_MAX || ++c->count > CALLS_MAX) {
		diag_error(c->diags, uses_place(job), "workflow-call",
			   "calls are nested deeper than %d workflows, or more than %d in all",
			   CALL_DEPTH_MAX, CALLS_MAX);
		return;
	}
	called = c->find(c->arg, job->uses, uses_place(job));
	if (!called)
		return;
	call = node_get(called->on, "workflow_call");
	if (!call) {
		diag_error(c->diags, uses_place(job), "workflow-call",
			   "'%s' cannot be called: its 'on' has no workflow_call", job->uses);
		return;
	}
	if (is_cycle(at, called)) {
		diag_error(c->diags, uses_place(job), "workflow-call",
			   "'%s' calls itself: from here, and no end of it", job->uses);
		return;
	}
	check_names(c, job, "input", node_get(call, "inputs"), job->with);
	check_input_types(c, job, node_get(call, "inputs"));
	if (!node_text(job->secrets))
		check_names(c, job, "secret", node_get(call, "secrets"), job->secrets);
	check_permissions(c, job, called, allowed);
	check_workflow(c, &(struct link){called, at, at->depth + 1}, allowed);
}

/* What it gives is not all known. */
static bool is_faulty(const struct faults *f, const struct job *job)
{
	return faults_has(f, job->as_written) || faults_within(f, job->with) ||
	       faults_within(f, job->secrets) || faults_has(f, node_get(job->as_written, "uses"));
}

static void check_workflow(struct calls *c, const struct link *at, const struct rights *allowed)
{
	const struct workflow *w = at->workflow;
	struct rights own = w->permissions ? rights_of(w->permissions) : *allowed;

	for (size_t i = 0; i < w->job_count && c->count <= CALLS_MAX; i++) {
		const struct job *job = &w->jobs[i];
		struct rights of_job = job->permissions ? rights_of(job->permissions) : own;

		if (job->uses && !is_faulty(w->faults, job))
			check_call(c, at, job, &of_job);
	}
}

void workflow_check_calls(struct arena *a, const struct workflow *w, enum default_permissions def,
			  workflow_find_fn *find, void *arg, struct diags *diags)
{
	struct calls c = {.arena = a, .diags = diags, .find = find, .arg = arg};
	struct rights rights = default_rights(def);

	check_workflow(&c, &(struct link){.workflow = w}, &rights);
}
