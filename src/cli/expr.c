/* stepcell expr: one expression, evaluated. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/input.h"
#include "cli/options.h"
#include "stepcell/arena.h"
#include "stepcell/json.h"
#include "stepcell/limits.h"
#include "stepcell/util.h"
#include "stepcell/workflow.h"

/* What GitHub's evaluator allows when nobody says otherwise. */
#define MEMORY_DEFAULT MIB

struct expr_options {
	const char *context;
};

static const struct option_row rows[] = {
	{0, "context", "FILE", opt_text, offsetof(struct expr_options, context),
	 "JSON: a map of contexts, such as {\"github\": {\"ref\": \"refs/heads/main\"}}"},
};

static const struct option_usage usage = {
	.synopsis = "stepcell expr [--context FILE] [--] EXPR",
	.about = "Evaluates one expression, written without ${{ }}, and prints its value as JSON.",
	.rows = rows,
	.count = COUNT(rows),
};

static const struct node *load_contexts(struct arena *a, const char *path, struct err *err)
{
	auto_strbuf struct strbuf text = STRBUF(LIMIT_EVENT_BYTES);

	if (!path)
		return node_map(a);
	if (input_read(path, &text, err) < 0)
		return NULL;
	return json_parse(a, path, text.text, text.len, err);
}

static const char *kind_name(enum node_kind kind)
{
	static const char *const names[] = {
		[NODE_NULL] = "Null",     [NODE_BOOL] = "Boolean", [NODE_NUMBER] = "Number",
		[NODE_STRING] = "String", [NODE_LIST] = "Array",   [NODE_MAP] = "Object",
	};

	return names[kind];
}

static int print_value(struct arena *a, const struct node *value)
{
	auto_strbuf struct strbuf out = STRBUF(2 * LIMIT_EXPR_RESULT);

	if (value->kind == NODE_NUMBER && !isfinite(value->number))
		strbuf_adds(&out, expr_text(a, value));
	else
		json_write(&out, value);
	(void)printf("{\"kind\": \"%s\", \"value\": %s}\n", kind_name(value->kind), out.text);
	return 0;
}

static int print_fault(const struct expr_err *e)
{
	auto_strbuf struct strbuf out = STRBUF(sizeof(e->text) * 8);
	char text[sizeof(e->text) + 32];

	(void)snprintf(text, sizeof(text), "%s (at %u)", e->text, e->position);
	json_write_text(&out, text);
	(void)printf("{\"err\": {\"kind\": \"%s\", \"value\": %s}}\n", expr_fault_name(e->fault),
		     out.text);
	return 1;
}

int cmd_expr(int argc, char **argv, struct err *err)
{
	auto_arena struct arena *a = arena_new();
	struct expr_options options = {0};
	struct expr_scope scope = {.memory = MEMORY_DEFAULT};
	const struct expr *expr;
	const struct node *value;
	struct expr_err e;
	int at, got = options_decode(&usage, argc, argv, &options, &at, err);

	if (got)
		return got < 0 ? -1 : 0;
	if (!argv[at] || argv[at + 1])
		return err_fail(err, ERR_USAGE, "expected one expression: %s", usage.synopsis);
	scope.contexts = load_contexts(a, options.context, err);
	if (!scope.contexts)
		return -1;
	expr = expr_parse(a, argv[at], strlen(argv[at]), &e);
	value = expr ? expr_eval(a, expr, &scope, &e) : NULL;
	return value ? print_value(a, value) : print_fault(&e);
}
