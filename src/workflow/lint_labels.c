/* The labels of runs-on: runners that GitHub has, those it had, and those of one's own. */
#include <string.h>

#include "workflow/lint.h"

enum machine { LINUX = 1, WINDOWS = 2, MACOS = 4, OWN = 8 };

/* Without regard to case, as runners are looked up. A suffix is one of `with`, or -N-cores. */
static const struct {
	const char *name;
	enum machine machine;
	const char *with; /* what may stand behind it, each between spaces */
	const char *gone; /* what to use since there are no such runners; NULL: there are */
} labels[] = {
	{"ubuntu-latest", LINUX, NULL, NULL},
	{"ubuntu-slim", LINUX, NULL, NULL},
	{"ubuntu-26.04", LINUX, " -arm ", NULL},
	{"ubuntu-24.04", LINUX, " -arm ", NULL},
	{"ubuntu-22.04", LINUX, " -arm ", NULL},
	{"ubuntu-20.04", LINUX, NULL, "ubuntu-24.04"},
	{"ubuntu-18.04", LINUX, NULL, "ubuntu-24.04"},
	{"ubuntu-16.04", LINUX, NULL, "ubuntu-24.04"},
	{"windows-latest", WINDOWS, NULL, NULL},
	{"windows-2025", WINDOWS, " -vs2026 ", NULL},
	{"windows-2022", WINDOWS, NULL, NULL},
	{"windows-11-arm", WINDOWS, NULL, NULL},
	{"windows-2019", WINDOWS, NULL, "windows-2025"},
	{"windows-2016", WINDOWS, NULL, "windows-2025"},
	{"macos-latest", MACOS, " -large -xlarge ", NULL},
	{"macos-26", MACOS, " -large -xlarge -intel ", NULL},
	{"macos-15", MACOS, " -large -xlarge -intel ", NULL},
	{"macos-14", MACOS, " -large -xlarge ", NULL},
	{"macos-13", MACOS, " -large -xlarge ", "macos-15-intel"},
	{"macos-12", MACOS, " -large -xlarge ", "macos-15"},
	{"macos-11", MACOS, NULL, "macos-15"},
	{"macos-10.15", MACOS, NULL, "macos-15"},
	{"linux", LINUX, NULL, NULL},
	{"windows", WINDOWS, NULL, NULL},
	{"macos", MACOS, NULL, NULL},
	{"self-hosted", OWN, NULL, NULL},
	{"x64", OWN, NULL, NULL},
	{"arm", OWN, NULL, NULL},
	{"arm64", OWN, NULL, NULL},
};

static bool is_size(const char *s)
{
	size_t digits = *s == '-' ? strspn(s + 1, "0123456789") : 0;

	return digits && strcmp(s + 1 + digits, "-cores") == 0;
}

static bool takes_suffix(size_t i, const char *suffix)
{
	const char *at = *suffix && labels[i].with ? strcasestr(labels[i].with, suffix) : NULL;

	return !*suffix || is_size(suffix) || (at && at[-1] == ' ' && at[strlen(suffix)] == ' ');
}

/* SIZE_MAX: GitHub has none. */
static size_t find(const char *label)
{
	for (size_t i = 0; i < COUNT(labels); i++) {
		size_t len = strlen(labels[i].name);

		if (strncasecmp(labels[i].name, label, len) == 0 && takes_suffix(i, label + len))
			return i;
	}
	return SIZE_MAX;
}

static bool is_operators(const struct lint *l, const char *label)
{
	const struct node *own = l->world->labels;

	for (size_t i = 0; own && i < own->count; i++)
		if (node_text(own->items[i]) && strcasecmp(own->items[i]->text, label) == 0)
			return true;
	return false;
}

/* What one label says of the machine; 0 where nothing is known. */
static unsigned lint_label(struct lint *l, const struct node *n, bool self_hosted)
{
	const char *label = node_text(n);
	size_t i = label ? find(label) : SIZE_MAX;

	if (!label || template_has_expr(label) || is_operators(l, label))
		return 0;
	if (i == SIZE_MAX) {
		if (!self_hosted)
			diag_warn(l->checker.diags, n->at, "runner-label",
				  "GitHub has no runner '%.100s'", label);
		return 0;
	}
	if (labels[i].gone && !self_hosted)
		diag_warn(l->checker.diags, n->at, "runner-label",
			  "GitHub has no runner '%.100s' any longer; there is %s", label,
			  labels[i].gone);
	return labels[i].machine;
}

static bool has_self_hosted(const struct node *list)
{
	for (size_t i = 0; i < list->count; i++)
		if (node_text(list->items[i]) &&
		    strcasecmp(list->items[i]->text, "self-hosted") == 0)
			return true;
	return false;
}

static void lint_list(struct lint *l, const struct node *list)
{
	bool self_hosted = has_self_hosted(list);
	unsigned machines = 0;

	for (size_t i = 0; i < list->count; i++) {
		unsigned machine = lint_label(l, list->items[i], self_hosted) & ~(unsigned)OWN;

		if (machine && machines && !(machine & machines)) {
			diag_warn(l->checker.diags, list->items[i]->at, "runner-label",
				  "no runner has the label '%.100s' and those before it",
				  list->items[i]->text);
			return;
		}
		machines |= machine;
	}
}

/* ${{ matrix.NAME }}: the values that the vector, and what is included, give it. */
static const char *matrix_key(struct lint *l, const struct node *n)
{
	auto_arena struct arena *scratch = arena_new();
	struct template_part part;
	struct lint_path path;
	struct expr_err e;
	const struct expr *expr;
	size_t next = 0;

	if (!is_lone_expr(n))
		return NULL;
	(void)template_next(n->text, strlen(n->text), &next, &part);
	expr = expr_parse(scratch, n->text + part.start, part.len, &e);
	if (!expr || !lint_path_of(expr->root, &path) || path.count != 2 ||
	    strcasecmp(path.parts[0], "matrix") != 0)
		return NULL;
	return arena_strdup(l->checker.arena, path.parts[1]);
}

static void lint_value(struct lint *l, const struct node *value)
{
	if (value && value->kind == NODE_LIST)
		lint_list(l, value);
	else if (value && value->kind == NODE_STRING)
		(void)lint_label(l, value, false);
}

static void lint_vector(struct lint *l, const char *key)
{
	const struct node *matrix = l->job ? node_get(l->job->strategy, "matrix") : NULL;
	const struct node *vector = node_get_nocase(matrix, key);
	const struct node *include = node_get_nocase(matrix, "include");

	for (size_t i = 0; vector && vector->kind == NODE_LIST && i < vector->count; i++)
		lint_value(l, vector->items[i]);
	for (size_t i = 0; include && include->kind == NODE_LIST && i < include->count; i++)
		lint_value(l, node_get_nocase(include->items[i], key));
}

/* A group names runners of one's own, whatever their labels are. */
void lint_labels(struct lint *l, const struct node *runs_on)
{
	const char *key = runs_on ? matrix_key(l, runs_on) : NULL;

	if (!runs_on || runs_on->kind == NODE_MAP)
		return;
	if (key)
		lint_vector(l, key);
	else
		lint_value(l, runs_on);
}
