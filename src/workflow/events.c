/* The events that start a workflow: what each can be filtered by, and the checks of `on`. */
#include <string.h>

#include "stepcell/util.h"
#include "workflow/check.h"
#include "workflow/nearest.h"

#define NAMES(...) ((const char *const[]){__VA_ARGS__, NULL})

static const char *const pull_request_types[] = {
	"assigned",
	"unassigned",
	"labeled",
	"unlabeled",
	"opened",
	"edited",
	"closed",
	"reopened",
	"synchronize",
	"converted_to_draft",
	"locked",
	"unlocked",
	"enqueued",
	"dequeued",
	"milestoned",
	"demilestoned",
	"ready_for_review",
	"review_requested",
	"review_request_removed",
	"auto_merge_enabled",
	"auto_merge_disabled",
	"stacked",
	NULL,
};

static const char *const issue_types[] = {
	"opened", "edited",   "deleted",    "transferred",  "pinned",      "unpinned",
	"closed", "reopened", "assigned",   "unassigned",   "labeled",     "unlabeled",
	"locked", "unlocked", "milestoned", "demilestoned", "field_added", "field_removed",
	"typed",  "untyped",  NULL,
};

static const char *const discussion_types[] = {
	"created",   "edited", "deleted",  "transferred",      "pinned",   "unpinned",   "labeled",
	"unlabeled", "locked", "unlocked", "category_changed", "answered", "unanswered", NULL,
};

#define CREATED_EDITED_DELETED NAMES("created", "edited", "deleted")

const struct event_kind events[] = {
	{"branch_protection_rule", CREATED_EDITED_DELETED, FILTER_TYPES},
	{"check_run", NAMES("completed", "created", "rerequested", "requested_action"),
	 FILTER_TYPES},
	{"check_suite", NAMES("completed"), FILTER_TYPES},
	{"create", NULL, 0},
	{"delete", NULL, 0},
	{"deployment", NULL, 0},
	{"deployment_status", NULL, 0},
	{"discussion", discussion_types, FILTER_TYPES},
	{"discussion_comment", CREATED_EDITED_DELETED, FILTER_TYPES},
	{"fork", NULL, 0},
	{"gollum", NULL, 0},
	{"image_version", NAMES("created", "ready", "deleted"), FILTER_TYPES | FILTER_VERSIONS},
	{"issue_comment", CREATED_EDITED_DELETED, FILTER_TYPES},
	{"issues", issue_types, FILTER_TYPES},
	{"label", CREATED_EDITED_DELETED, FILTER_TYPES},
	{"merge_group", NAMES("checks_requested"), FILTER_TYPES | FILTER_BRANCHES},
	{"milestone", NAMES("created", "closed", "opened", "edited", "deleted"), FILTER_TYPES},
	{"page_build", NULL, 0},
	{"project", NAMES("created", "closed", "reopened", "edited", "deleted"), FILTER_TYPES},
	{"project_card", NAMES("created", "moved", "converted", "edited", "deleted"), FILTER_TYPES},
	{"project_column", NAMES("created", "updated", "moved", "deleted"), FILTER_TYPES},
	{"public", NULL, 0},
	{"pull_request", pull_request_types, FILTER_TYPES | FILTER_BRANCHES | FILTER_PATHS},
	{"pull_request_comment", CREATED_EDITED_DELETED, FILTER_TYPES},
	{"pull_request_review", NAMES("submitted", "edited", "dismissed"), FILTER_TYPES},
	{"pull_request_review_comment", CREATED_EDITED_DELETED, FILTER_TYPES},
	{"pull_request_target", pull_request_types, FILTER_TYPES | FILTER_BRANCHES | FILTER_PATHS},
	{"push", NULL, FILTER_BRANCHES | FILTER_TAGS | FILTER_PATHS},
	{"registry_package", NAMES("published", "updated"), FILTER_TYPES},
	{"release",
	 NAMES("published", "unpublished", "created", "edited", "deleted", "prereleased",
	       "released"),
	 FILTER_TYPES},
	{"repository_dispatch", NULL, FILTER_TYPES},
	{"schedule", NULL, FILTER_CRON},
	{"status", NULL, 0},
	{"watch", NAMES("started"), FILTER_TYPES},
	{"workflow_call", NULL, FILTER_CALL},
	{"workflow_dispatch", NULL, FILTER_DISPATCH},
	{"workflow_run", NAMES("requested", "completed", "in_progress"),
	 FILTER_TYPES | FILTER_BRANCHES | FILTER_WORKFLOWS},
	{0},
};

const struct event_kind *event_find(const char *name)
{
	for (size_t i = 0; events[i].name; i++)
		if (strcmp(events[i].name, name) == 0)
			return &events[i];
	return NULL;
}

const char *const *event_default_types(const char *event)
{
	static const char *const pull_request[] = {"opened", "synchronize", "reopened", NULL};

	return strncmp(event, "pull_request", 12) == 0 &&
			       (event[12] == '\0' || strcmp(event + 12, "_target") == 0)
		       ? pull_request
		       : NULL;
}

/* ---- what an event can be filtered by ---- */

static const struct type text = {.kind = TYPE_STRING};
static const struct type filled = {.kind = TYPE_STRING, .filled = true};
static const struct type flag = {.kind = TYPE_BOOL};
static const struct type number = {.kind = TYPE_NUMBER};
static const struct type null = {.kind = TYPE_NULL};
static const struct type scalar = {
	.kind = TYPE_CHOICE, .choices = (const struct type *const[]){&text, &flag, &number, NULL}};
static const struct type texts = {.kind = TYPE_LIST, .other = &filled};
#define TEXT_OR_TEXTS                                                                              \
	.choices = (const struct type *const[])                                                    \
	{                                                                                          \
		&filled, &texts, NULL                                                              \
	}
static const struct type names = {.kind = TYPE_CHOICE, TEXT_OR_TEXTS};

static const struct type cron = {.kind = TYPE_STRING, .filled = true, .check = check_cron};
static const struct key schedule_keys[] = {NEED("cron", cron), KEY("timezone", filled), {0}};
static const struct type schedule = {.kind = TYPE_MAP, .what = "a schedule", .keys = schedule_keys};
const struct type type_schedules = {.kind = TYPE_LIST, .other = &schedule};

#define OR_NULL(of)                                                                                \
	{                                                                                          \
		.kind = TYPE_CHOICE, .choices = (const struct type *const[])                       \
		{                                                                                  \
			&null, &(of), NULL                                                         \
		}                                                                                  \
	}

static const struct type dispatch_type = {
	.kind = TYPE_STRING,
	.words = NAMES("string", "boolean", "number", "environment", "choice")};
static const struct type options = {.kind = TYPE_LIST, .other = &text};
static const struct key dispatch_keys[] = {
	KEY("description", text),
	KEY("type", dispatch_type),
	KEY("required", flag),
	KEY("default", scalar),
	KEY("options", options),
	KEY("deprecationMessage", text),
	{0},
};
static const struct type dispatch_input = {
	.kind = TYPE_MAP, .what = "an input", .loose = true, .keys = dispatch_keys};
static const struct type dispatch_input_or_null = OR_NULL(dispatch_input);
static const struct type dispatch_input_map = {
	.kind = TYPE_MAP, .what = "inputs", .other = &dispatch_input_or_null};
static const struct type dispatch_inputs = OR_NULL(dispatch_input_map);

static const struct type call_default = {
	.kind = TYPE_CHOICE,
	.offers = OFFERS_WORKFLOW,
	.choices = (const struct type *const[]){&text, &flag, &number, NULL}};
static const struct type call_type = {.kind = TYPE_STRING,
				      .words = NAMES("string", "boolean", "number")};
static const struct key call_input_keys[] = {
	KEY("description", text),
	NEED("type", call_type),
	KEY("required", flag),
	KEY("default", call_default),
	{0},
};
static const struct type call_input = {
	.kind = TYPE_MAP, .what = "an input", .keys = call_input_keys};
static const struct type call_input_map = {
	.kind = TYPE_MAP, .what = "inputs", .other = &call_input};
static const struct type call_inputs = OR_NULL(call_input_map);
static const struct key secret_keys[] = {KEY("description", text), KEY("required", flag), {0}};
static const struct type secret = {.kind = TYPE_MAP, .what = "a secret", .keys = secret_keys};
static const struct type secret_or_null = OR_NULL(secret);
static const struct type secret_map = {
	.kind = TYPE_MAP, .what = "secrets", .other = &secret_or_null};
static const struct type secrets = OR_NULL(secret_map);
static const struct type output_value = {.kind = TYPE_STRING,
					 .offers = OFFERS_WORKFLOW | OFFER_JOBS};
static const struct key output_keys[] = {
	KEY("description", text), NEED("value", output_value), {0}};
static const struct type output = {.kind = TYPE_MAP, .what = "an output", .keys = output_keys};
static const struct type output_map = {.kind = TYPE_MAP, .what = "outputs", .other = &output};
static const struct type outputs = OR_NULL(output_map);

const struct filter_key filter_keys[] = {
	{"types", FILTER_TYPES, &names},
	{"branches", FILTER_BRANCHES, &names},
	{"branches-ignore", FILTER_BRANCHES, &names},
	{"tags", FILTER_TAGS, &names},
	{"tags-ignore", FILTER_TAGS, &names},
	{"paths", FILTER_PATHS, &names},
	{"paths-ignore", FILTER_PATHS, &names},
	{"workflows", FILTER_WORKFLOWS, &names},
	{"names", FILTER_VERSIONS, &names},
	{"versions", FILTER_VERSIONS, &names},
	{"inputs", FILTER_DISPATCH, &dispatch_inputs},
	{"inputs", FILTER_CALL, &call_inputs},
	{"secrets", FILTER_CALL, &secrets},
	{"outputs", FILTER_CALL, &outputs},
	{0},
};

/* ---- checks ---- */

/* What somebody may have meant, or else `known`. */
static const char *did_you_mean(struct arena *a, const struct nearest *near, const char *known)
{
	return near->name ? arena_printf(a, "; did you mean '%s'?", near->name) : known;
}

static void check_type_name(struct checker *c, const struct event_kind *e, const struct node *n)
{
	auto_strbuf struct strbuf known = STRBUF(400);
	struct nearest near = {.word = n->text};

	for (size_t i = 0; e->types && e->types[i] && n->text; i++) {
		if (strcmp(e->types[i], n->text) == 0)
			return;
		nearest_try(&near, e->types[i]);
		strbuf_addf(&known, "%s%s", i ? ", " : "; expected one of ", e->types[i]);
	}
	if (e->types && n->text)
		diag_error(c->diags, n->at, "events", "unknown activity type '%s' of %s%s", n->text,
			   e->name, did_you_mean(c->arena, &near, known.text));
}

static void check_filter(struct checker *c, const struct event_kind *e, const struct node_pair *p)
{
	auto_strbuf struct strbuf known = STRBUF(400);
	struct nearest near = {.word = p->key->text};

	for (size_t i = 0; filter_keys[i].key; i++) {
		if (!(e->filters & filter_keys[i].filter))
			continue;
		if (strcmp(filter_keys[i].key, p->key->text) != 0) {
			nearest_try(&near, filter_keys[i].key);
			strbuf_addf(&known, "%s%s", known.len ? ", " : "; expected one of ",
				    filter_keys[i].key);
			continue;
		}
		check_node(c, filter_keys[i].type, 0, p->value);
		if (filter_keys[i].filter == FILTER_TYPES && p->value->kind == NODE_LIST)
			for (size_t k = 0; k < p->value->count; k++)
				check_type_name(c, e, p->value->items[k]);
		else if (filter_keys[i].filter == FILTER_TYPES)
			check_type_name(c, e, p->value);
		return;
	}
	/* GitHub passes over what it does not know of a dispatch */
	if (e->filters & FILTER_DISPATCH)
		diag_warn(c->diags, p->key->at, "no-effect",
			  "unknown key '%s' of the event %s, which is passed over", p->key->text,
			  e->name);
	else
		diag_error(c->diags, p->key->at, "events", "unknown key '%s' of the event %s%s",
			   p->key->text, e->name,
			   did_you_mean(c->arena, &near,
					known.len ? known.text : "; expected no key"));
}

static void check_pairs(struct checker *c, const struct node *filters)
{
	static const char *const pairs[][2] = {
		{"branches", "branches-ignore"},
		{"tags", "tags-ignore"},
		{"paths", "paths-ignore"},
	};

	for (size_t i = 0; i < COUNT(pairs); i++) {
		const struct node *ignore = node_get(filters, pairs[i][1]);

		if (ignore && node_get(filters, pairs[i][0]))
			diag_error(
				c->diags, ignore->at, "events",
				"'%s' and '%s' cannot be used together; use '%s' with ! patterns",
				pairs[i][0], pairs[i][1], pairs[i][0]);
	}
}

static void unknown_event(struct checker *c, const struct node *n)
{
	struct nearest near = {.word = n->text ? n->text : ""};

	for (size_t i = 0; events[i].name && c->diags->errors < 100; i++)
		nearest_try(&near, events[i].name);
	diag_error(c->diags, n->at, "events", "unknown event '%s'%s", near.word,
		   did_you_mean(c->arena, &near, ""));
}

static const struct event_kind *check_event_name(struct checker *c, const struct node *n)
{
	const struct event_kind *e = node_text(n) ? event_find(n->text) : NULL;

	if (!e && n->text && strstr(n->text, "${{"))
		diag_error(c->diags, n->at, "syntax-check", "an expression is not allowed here");
	else if (!e)
		unknown_event(c, n);
	return e;
}

static void check_event(struct checker *c, const struct node_pair *p)
{
	const struct event_kind *e = check_event_name(c, p->key);
	const struct node *v = p->value;
	size_t before;

	if (!e)
		return;
	if (e->filters & FILTER_CRON) {
		check_node(c, &type_schedules, 0, v);
		return;
	}
	if (v->kind == NODE_NULL)
		return;
	if (v->kind != NODE_MAP) {
		diag_error(c->diags, v->at, "events",
			   "expected the filters of %s as a map, found %s", e->name,
			   node_kind_text(v->kind));
		return;
	}
	if (!e->filters && v->count == 0)
		return;
	before = c->diags->errors;
	for (size_t i = 0; i < v->count; i++)
		check_filter(c, e, &v->pairs[i]);
	if (c->diags->errors != before)
		faults_add(c->arena, c->faults, v);
	check_pairs(c, v);
}

void check_on(struct checker *c, const struct type *type, const struct node *on)
{
	(void)type;
	if ((on->kind == NODE_LIST || on->kind == NODE_MAP) && !on->count)
		diag_error(c->diags, on->at, "events", "no event is given, so nothing starts this");
	switch (on->kind) {
	case NODE_STRING:
		(void)check_event_name(c, on);
		break;
	case NODE_LIST:
		for (size_t i = 0; i < on->count; i++)
			(void)check_event_name(c, on->items[i]);
		break;
	case NODE_MAP:
		for (size_t i = 0; i < on->count; i++)
			check_event(c, &on->pairs[i]);
		break;
	default:
		diag_error(c->diags, on->at, "events",
			   "expected an event, a list or a map of events, found %s",
			   node_kind_text(on->kind));
	}
}
