/* The functions of expressions. */
#include <string.h>

#include "stepcell/json.h"
#include "workflow/expr.h"
#include "workflow/nearest.h"

static struct value of(const struct node *node)
{
	return (struct value){.node = node};
}

static const struct node *arg(struct eval *ev, const struct expr_node *call, size_t i)
{
	return expr_eval_node(ev, call->kids[i]).node;
}

/* Texts are charged as GitHub does, two bytes a character: the same limit is met at the same
 * place. */
static bool charge(struct eval *ev, const struct expr_node *at, size_t text_len)
{
	size_t cost = text_len > SIZE_MAX / 4 ? SIZE_MAX / 2 : 26 + 2 * text_len;

	if (cost <= ev->budget) {
		ev->budget -= cost;
		return true;
	}
	(void)eval_fail(ev, at, "the result passes the limit on memory");
	return false;
}

static struct value text_result(struct eval *ev, const struct expr_node *at, struct strbuf *text)
{
	if (text->full) {
		text->len = ev->budget;
		text->len++;
	}
	if (!charge(ev, at, text->len))
		return of(NULL);
	return of(node_string(ev->arena, text->text));
}

#define RESULT_BUF(ev) STRBUF((ev)->budget / 2 + 1)

/* ---- texts ---- */

static struct value fn_contains(struct eval *ev, const struct expr_node *call)
{
	const struct node *in = arg(ev, call, 0);
	const struct node *what = in ? arg(ev, call, 1) : NULL;
	bool found = false;

	if (!what)
		return of(NULL);
	if (in->kind == NODE_LIST) {
		for (size_t i = 0; i < in->count && !found; i++)
			found = value_equal(in->items[i], what);
	} else if (value_is_primitive(in) && value_is_primitive(what)) {
		found = fold_contains(expr_text(ev->arena, in), expr_text(ev->arena, what));
	}
	return of(node_bool(found));
}

static struct value compare_ends(struct eval *ev, const struct expr_node *call,
				 bool (*test)(const char *, const char *))
{
	const struct node *text = arg(ev, call, 0);
	const struct node *part = text ? arg(ev, call, 1) : NULL;

	if (!part)
		return of(NULL);
	if (!value_is_primitive(text) || !value_is_primitive(part))
		return of(node_bool(false));
	return of(node_bool(test(expr_text(ev->arena, text), expr_text(ev->arena, part))));
}

static struct value fn_starts_with(struct eval *ev, const struct expr_node *call)
{
	return compare_ends(ev, call, fold_starts);
}

static struct value fn_ends_with(struct eval *ev, const struct expr_node *call)
{
	return compare_ends(ev, call, fold_ends);
}

static struct value fn_join(struct eval *ev, const struct expr_node *call)
{
	const struct node *list = arg(ev, call, 0);
	const struct node *by = list && call->count > 1 ? arg(ev, call, 1) : node_null();
	const char *separator = ",";
	auto_strbuf struct strbuf out = RESULT_BUF(ev);

	if (!list || !by)
		return of(NULL);
	if (call->count > 1 && value_is_primitive(by))
		separator = expr_text(ev->arena, by);
	if (list->kind == NODE_LIST) {
		for (size_t i = 0; i < list->count && !out.full; i++) {
			if (i)
				strbuf_adds(&out, separator);
			strbuf_adds(&out, expr_text(ev->arena, list->items[i]));
		}
	} else if (list->kind != NODE_MAP) {
		strbuf_adds(&out, expr_text(ev->arena, list));
	}
	return text_result(ev, call, &out);
}

/* ---- format ---- */

struct format {
	struct eval *ev;
	const struct expr_node *call;
	const char *text;
	const char **args; /* texts of those that were used */
};

static struct value format_invalid(const struct format *f)
{
	return eval_fail(f->ev, f->call,
			 "not a format: '%s' (a brace that stands for itself is doubled)", f->text);
}

/* {N}: appends the argument. NULL when it is malformed or failed. */
static const char *format_argument(struct format *f, const char *s, struct strbuf *out)
{
	size_t index = 0, digits = 0;

	for (; *s >= '0' && *s <= '9'; s++, digits++)
		if (index < 1000)
			index = index * 10 + (size_t)(*s - '0');
	if (!digits || *s != '}') {
		(void)format_invalid(f);
		return NULL;
	}
	if (index + 1 >= f->call->count) {
		(void)eval_fail(f->ev, f->call, "'%s' asks for argument {%zu}, %zu %s given",
				f->text, index, f->call->count - 1,
				f->call->count == 2 ? "is" : "are");
		return NULL;
	}
	if (!f->args[index]) {
		const struct node *v = arg(f->ev, f->call, index + 1);

		if (!v)
			return NULL;
		f->args[index] = expr_text(f->ev->arena, v);
	}
	strbuf_adds(out, f->args[index]);
	return s + 1;
}

static struct value fn_format(struct eval *ev, const struct expr_node *call)
{
	const struct node *format = arg(ev, call, 0);
	struct format f = {.ev = ev, .call = call};
	auto_strbuf struct strbuf out = RESULT_BUF(ev);

	if (!format)
		return of(NULL);
	f.text = expr_text(ev->arena, format);
	f.args = arena_array(ev->arena, call->count, sizeof(*f.args));
	for (const char *s = f.text; *s && !out.full;) {
		size_t plain = strcspn(s, "{}");

		strbuf_add(&out, s, plain);
		s += plain;
		if (!*s)
			break;
		if (s[0] == s[1]) {
			strbuf_addc(&out, *s);
			s += 2;
		} else if (*s == '{') {
			s = format_argument(&f, s + 1, &out);
			if (!s)
				return of(NULL);
		} else {
			return format_invalid(&f);
		}
	}
	return text_result(ev, call, &out);
}

/* ---- JSON ---- */

static struct value fn_to_json(struct eval *ev, const struct expr_node *call)
{
	const struct node *v = arg(ev, call, 0);
	auto_strbuf struct strbuf out = RESULT_BUF(ev);

	if (!v)
		return of(NULL);
	json_write_pretty(&out, v);
	return text_result(ev, call, &out);
}

static struct value fn_from_json(struct eval *ev, const struct expr_node *call)
{
	const struct node *v = arg(ev, call, 0), *parsed;
	const char *text;
	struct err err = {0};

	if (!v)
		return of(NULL);
	text = expr_text(ev->arena, v);
	if (strlen(text) > LIMIT_OUTPUTS_JOB)
		return eval_fail(ev, call, "fromJSON(): more than %llu bytes",
				 (unsigned long long)LIMIT_OUTPUTS_JOB);
	if (!charge(ev, call, strlen(text)))
		return of(NULL);
	parsed = json_parse(ev->arena, "fromJSON()", text, strlen(text), &err);
	if (!parsed)
		return eval_fail(ev, call, "%s", err.text);
	return of(parsed);
}

/* ---- choice ---- */

static struct value fn_case(struct eval *ev, const struct expr_node *call)
{
	size_t i = 0;

	if (call->count % 2 == 0)
		return eval_fail(ev, call,
				 "case() takes pairs of a condition and a value, then the default");
	for (; i + 1 < call->count; i += 2) {
		const struct node *condition = arg(ev, call, i);

		if (!condition)
			return of(NULL);
		if (condition->kind != NODE_BOOL)
			return eval_fail(ev, call->kids[i],
					 "a condition of case() must be a boolean, found %s",
					 node_kind_text(condition->kind));
		if (condition->truth)
			return expr_eval_node(ev, call->kids[i + 1]);
	}
	return expr_eval_node(ev, call->kids[i]);
}

/* ---- those that ask the scope ---- */

static const struct node **all_args(struct eval *ev, const struct expr_node *call)
{
	const struct node **args = arena_array(ev->arena, call->count + 1, sizeof(*args));

	for (size_t i = 0; i < call->count; i++) {
		args[i] = arg(ev, call, i);
		if (!args[i])
			return NULL;
	}
	return args;
}

static struct value fn_status(struct eval *ev, const struct expr_node *call)
{
	const struct node **args = all_args(ev, call);
	char lower[16] = "";

	if (!args)
		return of(NULL);
	if (!ev->scope->status)
		return eval_fail(ev, call, "%s() is not known here", call->function->name);
	for (size_t i = 0; call->function->name[i] && i + 1 < sizeof(lower); i++)
		lower[i] = (char)fold_char((unsigned char)call->function->name[i]) | 0x20;
	return of(node_bool(ev->scope->status(ev->scope->arg, lower, args, call->count)));
}

static struct value fn_hash_files(struct eval *ev, const struct expr_node *call)
{
	const struct node **args = all_args(ev, call);
	const char **patterns;
	char hex[65] = "", why[400] = "";

	if (!args)
		return of(NULL);
	if (!ev->scope->hash_files)
		return eval_fail(ev, call, "hashFiles() is not known here");
	patterns = arena_array(ev->arena, call->count + 1, sizeof(*patterns));
	for (size_t i = 0; i < call->count; i++)
		patterns[i] = expr_text(ev->arena, args[i]);
	if (ev->scope->hash_files(ev->scope->arg, patterns, call->count, hex, why, sizeof(why)) < 0)
		return eval_fail(ev, call, "hashFiles(): %s", why);
	return of(node_string(ev->arena, hex));
}

static const struct function functions[] = {
	{"contains", 2, 2, 0, fn_contains},
	{"startsWith", 2, 2, 0, fn_starts_with},
	{"endsWith", 2, 2, 0, fn_ends_with},
	{"format", 1, 255, 0, fn_format},
	{"join", 1, 2, 0, fn_join},
	{"toJSON", 1, 1, 0, fn_to_json},
	{"fromJSON", 1, 1, 0, fn_from_json},
	{"case", 3, 255, 0, fn_case},
	{"hashFiles", 1, 255, FUNCTION_SCOPED, fn_hash_files},
	{"success", 0, 255, FUNCTION_SCOPED | FUNCTION_STATUS, fn_status},
	{"failure", 0, 255, FUNCTION_SCOPED | FUNCTION_STATUS, fn_status},
	{"always", 0, 0, FUNCTION_SCOPED | FUNCTION_STATUS, fn_status},
	{"cancelled", 0, 0, FUNCTION_SCOPED | FUNCTION_STATUS, fn_status},
};

const struct function *function_find(const char *name)
{
	for (size_t i = 0; i < COUNT(functions); i++)
		if (strcasecmp(functions[i].name, name) == 0)
			return &functions[i];
	return NULL;
}

const char *function_nearest(const char *name)
{
	struct nearest near = {.word = name};

	for (size_t i = 0; i < COUNT(functions); i++)
		nearest_try(&near, functions[i].name);
	return near.name;
}
