/* What is made up for an event that nobody described, and its inputs. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "workflow/expr.h"

static const char *branch_of(const char *ref)
{
	if (strncmp(ref, "refs/heads/", 11) == 0)
		return ref + 11;
	return strncmp(ref, "refs/tags/", 10) == 0 ? ref + 10 : ref;
}

typedef void payload_fn(struct arena *a, struct node *event, const char *ref, const char *base_ref);

static void push_payload(struct arena *a, struct node *event, const char *ref, const char *base_ref)
{
	(void)base_ref;
	node_set_text(a, event, "ref", ref);
	node_set(a, event, "created", node_bool(false));
	node_set(a, event, "deleted", node_bool(false));
	node_set(a, event, "forced", node_bool(false));
	node_set(a, event, "commits", node_list(a));
}

static const struct node *side(struct arena *a, const char *ref)
{
	struct node *map = node_map(a);

	node_set_text(a, map, "ref", branch_of(ref));
	return map;
}

static void pull_request_payload(struct arena *a, struct node *event, const char *ref,
				 const char *base_ref)
{
	struct node *pr = node_map(a);

	node_set(a, event, "number", node_number(a, 1));
	node_set(a, pr, "number", node_number(a, 1));
	node_set_text(a, pr, "state", "open");
	node_set_text(a, pr, "title", "");
	node_set_text(a, pr, "body", "");
	node_set(a, pr, "draft", node_bool(false));
	node_set(a, pr, "merged", node_bool(false));
	node_set(a, pr, "labels", node_list(a));
	node_set(a, pr, "head", side(a, ref));
	node_set(a, pr, "base", side(a, base_ref ? base_ref : "main"));
	node_set(a, event, "pull_request", pr);
}

static void release_payload(struct arena *a, struct node *event, const char *ref,
			    const char *base_ref)
{
	struct node *release = node_map(a);
	const char *tag = strncmp(ref, "refs/tags/", 10) == 0 ? ref + 10 : "v0.0.0";

	node_set_text(a, release, "tag_name", tag);
	node_set_text(a, release, "name", tag);
	node_set_text(a, release, "target_commitish", base_ref ? branch_of(base_ref) : "main");
	node_set_text(a, release, "body", "");
	node_set(a, release, "draft", node_bool(false));
	node_set(a, release, "prerelease", node_bool(false));
	node_set(a, event, "release", release);
}

/* One that passed, on the branch of the ref. Which workflow it was is not known. */
static void run_payload(struct arena *a, struct node *event, const char *ref, const char *base_ref)
{
	struct node *run = node_map(a);

	(void)base_ref;
	node_set_text(a, run, "event", "push");
	node_set_text(a, run, "status", "completed");
	node_set_text(a, run, "conclusion", "success");
	node_set_text(a, run, "head_branch", branch_of(ref));
	node_set(a, event, "workflow_run", run);
}

static void ref_payload(struct arena *a, struct node *event, const char *ref, const char *base_ref)
{
	(void)base_ref;
	node_set_text(a, event, "ref", ref);
}

static const struct {
	const char *event;
	const char *action;
	payload_fn *make;
} payloads[] = {
	{"push", NULL, push_payload},
	{"pull_request", "opened", pull_request_payload},
	{"pull_request_target", "opened", pull_request_payload},
	{"pull_request_review", "submitted", pull_request_payload},
	{"pull_request_review_comment", "created", pull_request_payload},
	{"release", "published", release_payload},
	{"workflow_dispatch", NULL, ref_payload},
	{"create", NULL, ref_payload},
	{"delete", NULL, ref_payload},
	{"branch_protection_rule", "created", NULL},
	{"check_run", "completed", NULL},
	{"check_suite", "completed", NULL},
	{"discussion", "created", NULL},
	{"discussion_comment", "created", NULL},
	{"issue_comment", "created", NULL},
	{"issues", "opened", NULL},
	{"label", "created", NULL},
	{"merge_group", "checks_requested", NULL},
	{"milestone", "created", NULL},
	{"registry_package", "published", NULL},
	{"watch", "started", NULL},
	{"workflow_run", "completed", run_payload},
};

const char *event_default_action(const char *name)
{
	for (size_t i = 0; i < COUNT(payloads); i++)
		if (strcmp(payloads[i].event, name) == 0)
			return payloads[i].action;
	return NULL;
}

const struct node *event_payload(struct arena *a, const char *name, const char *ref,
				 const char *base_ref)
{
	struct node *event = node_map(a);

	for (size_t i = 0; i < COUNT(payloads); i++) {
		if (strcmp(payloads[i].event, name) != 0)
			continue;
		if (payloads[i].action)
			node_set_text(a, event, "action", payloads[i].action);
		if (payloads[i].make)
			payloads[i].make(a, event, ref ? ref : "refs/heads/main", base_ref);
	}
	return event;
}

/* ---- inputs ---- */

struct inputs {
	struct arena *arena;
	struct diags *diags;
	const struct node *declared; /* may be NULL */
};

static const struct node *wrong_input(struct inputs *in, struct place at, const char *name,
				      const char *expected, const char *found)
{
	diag_error(in->diags, at, "events", "input '%s': expected %s, found '%s'", name, expected,
		   found);
	return NULL;
}

static const struct node *choose_input(struct inputs *in, const struct node *declared,
				       const char *name, const char *text)
{
	const struct node *options = node_get(declared, "options");
	auto_strbuf struct strbuf known = STRBUF(300);

	for (size_t i = 0; options && options->kind == NODE_LIST && i < options->count; i++) {
		const char *option = node_text(options->items[i]);

		if (option && strcmp(option, text) == 0)
			return node_string(in->arena, text);
		strbuf_addf(&known, "%s%s", i ? ", " : "one of ", option ? option : "");
	}
	return wrong_input(in, declared->at, name, known.text, text);
}

/* A text as the type that the input was declared with. */
static const struct node *type_input(struct inputs *in, const struct node *declared,
				     const char *name, const char *text)
{
	const char *type = node_text(node_get(declared, "type"));
	double number;

	if (type && strcmp(type, "boolean") == 0) {
		if (strcmp(text, "true") != 0 && strcmp(text, "false") != 0)
			return wrong_input(in, declared->at, name, "true or false", text);
		return node_bool(text[0] == 't');
	}
	if (type && strcmp(type, "number") == 0) {
		number = text_number(text, strlen(text));
		return isnan(number) ? wrong_input(in, declared->at, name, "a number", text)
				     : node_number(in->arena, number);
	}
	if (type && strcmp(type, "choice") == 0)
		return choose_input(in, declared, name, text);
	return node_string(in->arena, text);
}

/* What an input is when it was not given. */
static const struct node *absent_input(struct inputs *in, const struct node *declared,
				       const char *name)
{
	const struct node *value = node_get(declared, "default"),
			  *required = node_get(declared, "required");
	const char *type = node_text(node_get(declared, "type"));

	if (value && value->kind != NODE_NULL)
		return type_input(in, declared, name, expr_text(in->arena, value));
	if (required && required->kind == NODE_BOOL && required->truth) {
		diag_error(in->diags, declared->at, "events",
			   "input '%s' is required and was not given", name);
		return NULL;
	}
	if (type && strcmp(type, "boolean") == 0)
		return node_bool(false);
	if (type && strcmp(type, "number") == 0)
		return node_number(in->arena, 0);
	return node_string(in->arena, "");
}

static bool check_given(struct inputs *in, const struct node *on, const struct node *given)
{
	bool ok = true;

	for (size_t i = 0; given && i < given->count; i++) {
		if (node_get_nocase(in->declared, given->pairs[i].key->text))
			continue;
		diag_error(in->diags, on->at, "events", "no input '%s' is declared",
			   given->pairs[i].key->text);
		ok = false;
	}
	return ok;
}

const struct node *event_inputs(struct arena *a, const struct workflow *w, const char *event,
				const struct node *given, struct diags *diags)
{
	const struct node *on = node_get(w->on, event);
	struct inputs in = {.arena = a, .diags = diags, .declared = node_get(on, "inputs")};
	struct node *out = node_map(a);
	bool ok;

	if (!on || (strcmp(event, "workflow_dispatch") != 0 && strcmp(event, "workflow_call") != 0))
		return out;
	ok = check_given(&in, on, given);
	for (size_t i = 0; in.declared && in.declared->kind == NODE_MAP && i < in.declared->count;
	     i++) {
		const char *name = in.declared->pairs[i].key->text;
		const struct node *declared = in.declared->pairs[i].value,
				  *value = node_get_nocase(given, name);

		value = value ? type_input(&in, declared, name, expr_text(a, value))
			      : absent_input(&in, declared, name);
		if (value)
			node_set(a, out, name, value);
		else
			ok = false;
	}
	return ok ? out : NULL;
}
