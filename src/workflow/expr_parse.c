/*
 * Tokens to a tree. Precedence climbing; && and || keep a chain in one node,
 * so that only real nesting counts against the depth that GitHub allows.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "workflow/expr.h"

/* Parentheses make no node; this bounds the parser's own stack. */
#define NESTING_MAX 1000

struct parser {
	struct arena *arena;
	struct expr_err *err;
	const char *text;
	const struct token *tokens;
	size_t at;
	unsigned nesting;
	struct expr *expr;
	struct expr_use *uses;
};

void expr_fail(struct expr_err *e, enum expr_fault fault, unsigned position, const char *fmt, ...)
{
	va_list args;

	*e = (struct expr_err){.fault = fault, .position = position};
	va_start(args, fmt);
	(void)vsnprintf(e->text, sizeof(e->text), fmt, args);
	va_end(args);
}

/* Not all of it: the text is half a kilobyte, and a million expressions pass here. */
void expr_begin(struct expr_err *e)
{
	e->fault = EXPR_OK;
	e->position = 0;
	e->text[0] = '\0';
}

static const struct expr_node *fail_at(struct parser *p, const struct token *t, const char *what)
{
	if (t->kind == TOKEN_END)
		expr_fail(p->err, EXPR_PARSING, t->position, "unexpected end of the expression%s",
			  what);
	else
		expr_fail(p->err, EXPR_PARSING, t->position, "unexpected symbol '%.*s'%s",
			  (int)t->len, p->text + t->position - 1, what);
	return NULL;
}

static const struct token *peek(const struct parser *p)
{
	return &p->tokens[p->at];
}

static bool accept(struct parser *p, enum token_kind kind)
{
	if (peek(p)->kind != kind)
		return false;
	p->at++;
	return true;
}

static const struct expr_node *make(struct parser *p, struct expr_node n)
{
	struct expr_node *out;

	for (size_t i = 0; i < n.count; i++)
		if (n.kids[i]->depth > n.depth)
			n.depth = n.kids[i]->depth;
	if (++n.depth > LIMIT_EXPR_DEPTH) {
		expr_fail(p->err, EXPR_PARSING, n.position, "deeper than %d levels",
			  LIMIT_EXPR_DEPTH);
		return NULL;
	}
	out = arena_alloc(p->arena, sizeof(*out));
	*out = n;
	return out;
}

static void kid_add(struct parser *p, struct expr_node *n, const struct expr_node *kid)
{
	n->kids = arena_grow(p->arena, n->kids, n->count, sizeof(*n->kids));
	n->kids[n->count++] = kid;
}

static void use_add(struct parser *p, struct expr_use use)
{
	p->uses = arena_grow(p->arena, p->uses, p->expr->use_count, sizeof(*p->uses));
	p->uses[p->expr->use_count++] = use;
}

static const struct expr_node *parse_binary(struct parser *p, int level);

static const struct expr_node *parse_whole(struct parser *p)
{
	const struct expr_node *n;

	if (++p->nesting > NESTING_MAX) {
		expr_fail(p->err, EXPR_PARSING, peek(p)->position,
			  "more than %d parentheses or brackets within each other", NESTING_MAX);
		return NULL;
	}
	n = parse_binary(p, 0);
	p->nesting--;
	return n;
}

static bool check_arity(struct parser *p, const struct expr_node *n)
{
	const struct function *f = n->function;

	if (n->count >= f->min && n->count <= f->max)
		return true;
	if (f->min == f->max)
		expr_fail(p->err, EXPR_PARSING, n->position, "%s() takes %u argument%s, found %zu",
			  f->name, f->min, f->min == 1 ? "" : "s", n->count);
	else if (n->count < f->min)
		expr_fail(p->err, EXPR_PARSING, n->position,
			  "%s() takes at least %u argument%s, found %zu", f->name, f->min,
			  f->min == 1 ? "" : "s", n->count);
	else
		expr_fail(p->err, EXPR_PARSING, n->position,
			  "%s() takes at most %u argument%s, found %zu", f->name, f->max,
			  f->max == 1 ? "" : "s", n->count);
	return false;
}

static void unknown_function(struct parser *p, const struct token *name)
{
	const char *meant = function_nearest(name->text);

	expr_fail(p->err, EXPR_PARSING, name->position, "unknown function '%s'%s%s%s", name->text,
		  meant ? "; did you mean '" : "", meant ? meant : "", meant ? "'?" : "");
}

static const struct expr_node *parse_call(struct parser *p, const struct token *name)
{
	struct expr_node n = {.op = OP_CALL, .position = name->position, .name = name->text};

	n.function = function_find(name->text);
	if (!n.function) {
		unknown_function(p, name);
		return NULL;
	}
	if (!accept(p, TOKEN_CLOSE)) {
		do {
			const struct expr_node *arg = parse_whole(p);

			if (!arg)
				return NULL;
			kid_add(p, &n, arg);
		} while (accept(p, TOKEN_COMMA));
		if (!accept(p, TOKEN_CLOSE))
			return fail_at(p, peek(p), ", expected ',' or ')'");
	}
	if (!check_arity(p, &n))
		return NULL;
	if (n.function->flags & FUNCTION_SCOPED)
		use_add(p, (struct expr_use){n.function->name, name->position, true, n.count});
	if (n.function->flags & FUNCTION_STATUS)
		p->expr->has_status = true;
	return make(p, n);
}

static const struct expr_node *parse_operand(struct parser *p)
{
	const struct token *t = peek(p);
	const struct expr_node *inner;

	p->at++;
	switch (t->kind) {
	case TOKEN_LITERAL:
		return make(p, (struct expr_node){.op = OP_LITERAL,
						  .position = t->position,
						  .literal = t->value});
	case TOKEN_NAME:
		if (accept(p, TOKEN_OPEN))
			return parse_call(p, t);
		use_add(p, (struct expr_use){.name = t->text, .position = t->position});
		return make(p, (struct expr_node){
				       .op = OP_NAME, .position = t->position, .name = t->text});
	case TOKEN_OPEN:
		inner = parse_whole(p);
		if (inner && !accept(p, TOKEN_CLOSE))
			return fail_at(p, peek(p), ", expected ')'");
		return inner;
	default:
		p->at--;
		return fail_at(p, t, "");
	}
}

/* What follows a dot: a property or a star. */
static const struct expr_node *parse_property(struct parser *p, const struct expr_node *of)
{
	const struct token *t = peek(p);
	struct expr_node n = {.op = OP_INDEX, .position = of->position};

	kid_add(p, &n, of);
	if (accept(p, TOKEN_STAR)) {
		n.op = OP_STAR;
		return make(p, n);
	}
	if (!accept(p, TOKEN_PROPERTY))
		return fail_at(p, t, ", expected a property's name or '*'");
	kid_add(p, &n,
		make(p, (struct expr_node){.op = OP_LITERAL,
					   .position = t->position,
					   .literal = node_string(p->arena, t->text)}));
	return make(p, n);
}

static const struct expr_node *parse_index(struct parser *p, const struct expr_node *of)
{
	struct expr_node n = {.op = OP_INDEX, .position = of->position};
	const struct expr_node *which;

	kid_add(p, &n, of);
	if (accept(p, TOKEN_STAR)) {
		n.op = OP_STAR;
	} else {
		which = parse_whole(p);
		if (!which)
			return NULL;
		kid_add(p, &n, which);
	}
	if (!accept(p, TOKEN_CLOSE_INDEX))
		return fail_at(p, peek(p), ", expected ']'");
	return make(p, n);
}

static const struct expr_node *parse_postfix(struct parser *p)
{
	bool literal = peek(p)->kind == TOKEN_LITERAL;
	const struct expr_node *n = parse_operand(p);

	while (n && !literal) {
		if (accept(p, TOKEN_DOT))
			n = parse_property(p, n);
		else if (accept(p, TOKEN_OPEN_INDEX))
			n = parse_index(p, n);
		else
			break;
	}
	return n;
}

static const struct expr_node *parse_not(struct parser *p)
{
	unsigned first = peek(p)->position;
	size_t count = 0;
	const struct expr_node *n;

	while (accept(p, TOKEN_NOT))
		count++;
	n = parse_postfix(p);
	while (n && count--) {
		struct expr_node not = {.op = OP_NOT, .position = first};

		kid_add(p, &not, n);
		n = make(p, not );
	}
	return n;
}

static const struct {
	enum token_kind token;
	enum expr_op op;
	int level;
} operators[] = {
	{TOKEN_OR, OP_OR, 0}, {TOKEN_AND, OP_AND, 1}, {TOKEN_EQ, OP_EQ, 2}, {TOKEN_NE, OP_NE, 2},
	{TOKEN_LT, OP_LT, 3}, {TOKEN_LE, OP_LE, 3},   {TOKEN_GT, OP_GT, 3}, {TOKEN_GE, OP_GE, 3},
};
#define LEVELS 4

static int accept_operator(struct parser *p, int level)
{
	for (size_t i = 0; i < COUNT(operators); i++)
		if (operators[i].level == level && accept(p, operators[i].token))
			return (int)operators[i].op;
	return -1;
}

/* a && b && c: one node. */
static const struct expr_node *parse_chain(struct parser *p, int level)
{
	struct expr_node n = {.position = peek(p)->position};
	const struct expr_node *kid = parse_binary(p, level + 1);
	int op;

	if (!kid)
		return NULL;
	kid_add(p, &n, kid);
	while ((op = accept_operator(p, level)) >= 0) {
		n.op = (enum expr_op)op;
		kid = parse_binary(p, level + 1);
		if (!kid)
			return NULL;
		kid_add(p, &n, kid);
	}
	return n.count == 1 ? n.kids[0] : make(p, n);
}

static const struct expr_node *parse_binary(struct parser *p, int level)
{
	const struct expr_node *left, *right;
	int op;

	if (level == LEVELS)
		return parse_not(p);
	if (level < 2)
		return parse_chain(p, level);
	left = parse_binary(p, level + 1);
	while (left) {
		struct expr_node n = {.position = peek(p)->position};

		op = accept_operator(p, level);
		if (op < 0)
			break;
		right = parse_binary(p, level + 1);
		if (!right)
			return NULL;
		n.op = (enum expr_op)op;
		kid_add(p, &n, left);
		kid_add(p, &n, right);
		left = make(p, n);
	}
	return left;
}

const struct expr *expr_parse(struct arena *a, const char *text, size_t len, struct expr_err *e)
{
	struct expr *expr = arena_alloc(a, sizeof(*expr));
	struct parser p = {.arena = a, .err = e, .text = text, .expr = expr};

	expr_begin(e);
	if (len > LIMIT_EXPR_TEXT) {
		expr_fail(e, EXPR_PARSING, 1, "longer than %d characters", LIMIT_EXPR_TEXT);
		return NULL;
	}
	p.tokens = expr_lex(a, text, len, e);
	if (!p.tokens)
		return NULL;
	if (p.tokens[0].kind == TOKEN_END) {
		expr_fail(e, EXPR_PARSING, 1, "an expression is expected, found nothing");
		return NULL;
	}
	expr->root = parse_whole(&p);
	if (expr->root && peek(&p)->kind != TOKEN_END)
		(void)fail_at(&p, peek(&p), "");
	expr->uses = p.uses;
	return e->fault == EXPR_OK ? expr : NULL;
}

bool expr_has_status(const struct expr *expr)
{
	return expr->has_status;
}

const char *expr_fault_name(enum expr_fault fault)
{
	static const char *const names[] = {
		[EXPR_OK] = "ok",
		[EXPR_LEXING] = "lexing",
		[EXPR_PARSING] = "parsing",
		[EXPR_EVALUATION] = "evaluation",
	};

	return names[fault];
}
