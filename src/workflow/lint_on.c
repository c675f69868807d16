/* The second look at `on`: patterns that match nothing, events that never come, inputs. */
#include <string.h>

#include "stepcell/parse.h"
#include "workflow/filter.h"
#include "workflow/lint.h"

/* ---- patterns ---- */

typedef const char *fault_fn(const char *pattern);

static const char *ref_fault(const char *s)
{
	if (strpbrk(s, " ~^:\t"))
		return "has a character that no ref can have (space ~ ^ :)";
	if (s[0] == '/' || (*s && s[strlen(s) - 1] == '/'))
		return "begins or ends with /, which no ref does";
	return strstr(s, "//") || strstr(s, "..") ? "has // or .., which no ref has" : NULL;
}

static const char *path_fault(const char *s)
{
	if (strncmp(s, "./", 2) == 0 || strncmp(s, "../", 3) == 0)
		return "begins with ./ or ../, but paths are matched from the top of the "
		       "repository";
	return *s == ' ' || (*s && s[strlen(s) - 1] == ' ') ? "begins or ends with a space" : NULL;
}

static void check_pattern(struct checker *c, const struct node *n, fault_fn *own)
{
	const char *s = node_text(n), *fault;

	if (!s || !*s)
		return;
	s += *s == '!';
	fault = *s ? filter_pattern_fault(s) : "is empty behind its !";
	if (!fault)
		fault = own(s);
	if (fault)
		diag_error(c->diags, n->at, "glob", "the pattern '%.200s' %s", n->text, fault);
}

static void check_patterns(struct checker *c, const struct node *n, fault_fn *own)
{
	if (n->kind != NODE_LIST) {
		check_pattern(c, n, own);
		return;
	}
	for (size_t i = 0; i < n->count; i++)
		check_pattern(c, n->items[i], own);
}

static const struct {
	const char *key;
	fault_fn *fault; /* NULL: no patterns */
} filters[] = {
	{"branches", ref_fault}, {"branches-ignore", ref_fault},
	{"tags", ref_fault},     {"tags-ignore", ref_fault},
	{"paths", path_fault},   {"paths-ignore", path_fault},
	{"types", NULL},         {"workflows", NULL},
	{"names", NULL},         {"versions", NULL},
};

static void lint_filters(struct lint *l, const struct node *event)
{
	for (size_t i = 0; i < COUNT(filters); i++) {
		const struct node *n = node_get(event, filters[i].key);

		if (n && n->kind == NODE_LIST && !n->count)
			diag_error(l->checker.diags, n->at, "events",
				   "'%s' is empty, so nothing matches it", filters[i].key);
		else if (n && filters[i].fault)
			check_patterns(&l->checker, n, filters[i].fault);
	}
}

/* ---- inputs ---- */

#define DISPATCH_INPUTS_MAX 25

static bool has_option(const struct node *options, const char *text)
{
	for (size_t i = 0; i < options->count; i++)
		if (node_text(options->items[i]) && strcmp(options->items[i]->text, text) == 0)
			return true;
	return false;
}

static void lint_choice(struct lint *l, const struct node *input)
{
	const struct node *options = node_get(input, "options"),
			  *value = node_get(input, "default");
	const char *type = node_text(node_get(input, "type"));

	if (!type || strcmp(type, "choice") != 0) {
		if (options)
			diag_error(l->checker.diags, options->at, "events",
				   "only an input of the type choice has options");
		return;
	}
	if (faults_has(l->faults, input) || faults_within(l->faults, options))
		return;
	if (!options || options->kind != NODE_LIST || !options->count)
		diag_error(l->checker.diags, input->at, "events",
			   "a choice needs options to choose from");
	else if (node_text(value) && !has_option(options, value->text))
		diag_error(l->checker.diags, value->at, "events",
			   "the default '%s' is none of the options", value->text);
}

static void lint_default(struct lint *l, const struct node *input)
{
	static const struct {
		const char *type;
		enum node_kind kind;
	} types[] = {{"boolean", NODE_BOOL}, {"number", NODE_NUMBER}, {"string", NODE_STRING}};
	const char *type = node_text(node_get(input, "type"));
	const struct node *value = node_get(input, "default");
	enum node_kind kind;

	if (!value || value->kind == NODE_NULL)
		return;
	kind = is_lone_expr(value) ? lint_kind_of_text(l, value) : value->kind;
	for (size_t i = 0; type && kind != NODE_KIND_COUNT && i < COUNT(types); i++)
		if (strcmp(type, types[i].type) == 0 && kind != types[i].kind)
			diag_error(l->checker.diags, value->at, "events",
				   "the default of a %s is %s, found %s", type,
				   node_kind_text(types[i].kind), node_kind_text(kind));
}

/* Of a call; whoever dispatches by hand finds the default filled in. */
static void lint_required(struct lint *l, const struct node *input)
{
	const struct node *required = node_get(input, "required"),
			  *value = node_get(input, "default");

	if (value && required && required->kind == NODE_BOOL && required->truth)
		diag_warn(l->checker.diags, value->at, "no-effect",
			  "the default of an input that is required is never used");
}

/* A default may use the inputs before it. */
static void lint_inputs(struct lint *l, const struct node *inputs, bool dispatch)
{
	if (!inputs || inputs->kind != NODE_MAP)
		return;
	if (dispatch && inputs->count > DISPATCH_INPUTS_MAX)
		diag_error(l->checker.diags, inputs->at, "events", "more than %d inputs",
			   DISPATCH_INPUTS_MAX);
	for (size_t i = 0; i < inputs->count; i++) {
		const struct node *input = inputs->pairs[i].value;

		l->inputs = inputs;
		l->inputs_before = i;
		lint_default(l, input);
		if (dispatch && input->kind == NODE_MAP)
			lint_choice(l, input);
		else if (!dispatch)
			lint_required(l, input);
		lint_any(l, node_get(input, "default"));
	}
}

/* ---- schedules ---- */

#define MINUTES_BETWEEN 5

/* The minutes of an entry that has been checked: "*", or with a step behind. */
static bool is_too_often(const char *cron)
{
	char digits[4] = "";
	uint64_t step = 1;
	size_t n = 0;

	cron += strspn(cron, " \t");
	if (*cron != '*')
		return false;
	if (cron[1] == '/')
		n = strspn(cron + 2, "0123456789");
	if (n && n < sizeof(digits)) {
		memcpy(digits, cron + 2, n);
		(void)parse_u64(digits, 1, 59, &step);
	}
	return strchr(" \t", cron[n ? n + 2 : 1]) && step < MINUTES_BETWEEN;
}

static void lint_schedule(struct lint *l, const struct node *list)
{
	for (size_t i = 0; list->kind == NODE_LIST && i < list->count; i++) {
		const struct node *cron = node_get(list->items[i], "cron");

		if (node_text(cron) && is_too_often(cron->text))
			diag_warn(l->checker.diags, cron->at, "no-effect",
				  "GitHub starts nothing more often than every %d minutes",
				  MINUTES_BETWEEN);
	}
}

/* ---- events ---- */

static void lint_event(struct lint *l, const struct node_pair *p)
{
	if (p->value->kind == NODE_MAP)
		lint_filters(l, p->value);
	if (faults_has(l->faults, p->value))
		return;
	if (strcmp(p->key->text, "schedule") == 0 &&
	    (p->value->kind != NODE_LIST || !p->value->count))
		diag_error(l->checker.diags, l->workflow->on->at, "events",
			   "schedule needs a list of cron entries, else it never comes");
	if (strcmp(p->key->text, "schedule") == 0)
		lint_schedule(l, p->value);
	if (strcmp(p->key->text, "workflow_run") == 0 && p->value->kind == NODE_MAP &&
	    !node_get(p->value, "workflows"))
		diag_error(l->checker.diags, p->value->at, "events",
			   "workflow_run needs the names of workflows, else it never comes");
}

void lint_on(struct lint *l)
{
	const struct node *on = l->workflow->on;
	const struct node *dispatch = node_get(on, "workflow_dispatch");

	for (size_t i = 0; i < on->count; i++)
		lint_event(l, &on->pairs[i]);
	l->dispatch_inputs =
		dispatch && dispatch->kind == NODE_MAP ? node_get(dispatch, "inputs") : NULL;
	lint_inputs(l, node_get(node_get(on, "workflow_call"), "inputs"), false);
	lint_inputs(l, l->dispatch_inputs, true);
	l->inputs = node_get(node_get(on, "workflow_call"), "inputs");
	l->inputs_before = l->inputs && l->inputs->kind == NODE_MAP ? l->inputs->count : 0;
	l->with_dispatch = true;
	lint_any(l, node_get(node_get(on, "workflow_call"), "outputs"));
}
