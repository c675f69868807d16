/* The text of an expression to tokens. */
#include <math.h>
#include <string.h>

#include "workflow/expr.h"

struct lexer {
	struct arena *arena;
	struct expr_err *err;
	const char *text;
	size_t len, at;
	struct token *list;
	size_t count;
};

static bool is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Where a keyword or a number ends. */
static bool is_boundary(char c)
{
	static const bool ends[256] = {
		[' '] = true,  ['\t'] = true, ['\n'] = true, ['\v'] = true, ['\f'] = true,
		['\r'] = true, ['('] = true,  [')'] = true,  ['['] = true,  [']'] = true,
		[','] = true,  ['.'] = true,  ['!'] = true,  ['>'] = true,  ['<'] = true,
		['='] = true,  ['&'] = true,  ['|'] = true,
	};

	return ends[(unsigned char)c];
}

static size_t scan(const struct lexer *lx, size_t from, bool over_dots)
{
	while (from < lx->len &&
	       (!is_boundary(lx->text[from]) || (over_dots && lx->text[from] == '.')))
		from++;
	return from;
}

static bool add(struct lexer *lx, struct token t, size_t len)
{
	t.position = (unsigned)lx->at + 1;
	t.len = (unsigned)len;
	lx->list = arena_grow(lx->arena, lx->list, lx->count, sizeof(*lx->list));
	lx->list[lx->count++] = t;
	lx->at += len;
	return true;
}

static bool unexpected(struct lexer *lx, size_t end)
{
	expr_fail(lx->err, EXPR_LEXING, (unsigned)lx->at + 1, "unexpected symbol '%.*s'",
		  (int)(end - lx->at), lx->text + lx->at);
	return false;
}

static bool lex_string(struct lexer *lx)
{
	char *out = arena_alloc(lx->arena, lx->len - lx->at + 1);
	size_t n = 0;

	for (size_t i = lx->at + 1; i < lx->len; i++) {
		if (lx->text[i] != '\'') {
			out[n++] = lx->text[i];
			continue;
		}
		if (i + 1 < lx->len && lx->text[i + 1] == '\'') {
			out[n++] = lx->text[i++];
			continue;
		}
		out[n] = '\0';
		return add(
			lx,
			(struct token){.kind = TOKEN_LITERAL, .value = node_string(lx->arena, out)},
			i + 1 - lx->at);
	}
	return unexpected(lx, lx->len);
}

static bool lex_number(struct lexer *lx)
{
	size_t end = scan(lx, lx->at + 1, true);
	double number = text_number(lx->text + lx->at, end - lx->at);

	if (isnan(number))
		return unexpected(lx, end);
	return add(lx,
		   (struct token){.kind = TOKEN_LITERAL, .value = node_number(lx->arena, number)},
		   end - lx->at);
}

static bool is_keyword(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		char c = text[i];
		bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';

		if (!letter && (i == 0 || (!is_digit(c) && c != '-')))
			return false;
	}
	return len > 0;
}

static const struct node *constant(struct arena *a, const char *word)
{
	static const struct {
		const char *word;
		enum node_kind kind;
		double number;
	} constants[] = {
		{"null", NODE_NULL, 0},
		{"true", NODE_BOOL, 1},
		{"false", NODE_BOOL, 0},
		{"NaN", NODE_NUMBER, NAN},
		{"Infinity", NODE_NUMBER, INFINITY},
	};

	for (size_t i = 0; i < COUNT(constants); i++) {
		if (strcmp(constants[i].word, word) != 0)
			continue;
		if (constants[i].kind == NODE_NUMBER)
			return node_number(a, constants[i].number);
		return constants[i].kind == NODE_NULL ? node_null()
						      : node_bool(constants[i].number != 0);
	}
	return NULL;
}

static bool lex_keyword(struct lexer *lx)
{
	size_t end = scan(lx, lx->at, false);
	size_t len = end - lx->at;
	struct token t = {.kind = TOKEN_NAME};

	if (!is_keyword(lx->text + lx->at, len))
		return unexpected(lx, end > lx->at ? end : end + 1);
	t.text = arena_strndup(lx->arena, lx->text + lx->at, len);
	if (lx->count && lx->list[lx->count - 1].kind == TOKEN_DOT)
		t.kind = TOKEN_PROPERTY;
	else if ((t.value = constant(lx->arena, t.text)))
		t.kind = TOKEN_LITERAL;
	return add(lx, t, len);
}

/* A dot starts a number where an operand is awaited, else it is a dereference. */
static bool dot_is_number(const struct lexer *lx)
{
	if (!lx->count)
		return true;
	switch (lx->list[lx->count - 1].kind) {
	case TOKEN_LITERAL:
	case TOKEN_NAME:
	case TOKEN_PROPERTY:
	case TOKEN_STAR:
	case TOKEN_CLOSE:
	case TOKEN_CLOSE_INDEX:
	case TOKEN_DOT:
		return false;
	default:
		return true;
	}
}

static const struct {
	char text[3];
	enum token_kind kind;
} symbols[] = {
	/* the longer first */
	{"!=", TOKEN_NE},         {"==", TOKEN_EQ},   {"<=", TOKEN_LE},   {">=", TOKEN_GE},
	{"&&", TOKEN_AND},        {"||", TOKEN_OR},   {"!", TOKEN_NOT},   {"<", TOKEN_LT},
	{">", TOKEN_GT},          {"(", TOKEN_OPEN},  {")", TOKEN_CLOSE}, {"[", TOKEN_OPEN_INDEX},
	{"]", TOKEN_CLOSE_INDEX}, {",", TOKEN_COMMA}, {"*", TOKEN_STAR},  {".", TOKEN_DOT},
};

static bool lex_symbol(struct lexer *lx, bool *found)
{
	char first = lx->text[lx->at];
	char second = lx->at + 1 < lx->len ? lx->text[lx->at + 1] : '\0';

	*found = true;
	for (size_t i = 0; i < COUNT(symbols); i++) {
		const char *s = symbols[i].text;

		if (s[0] == first && (!s[1] || s[1] == second))
			return add(lx, (struct token){.kind = symbols[i].kind}, s[1] ? 2 : 1);
	}
	*found = false;
	return true;
}

static bool lex_one(struct lexer *lx)
{
	char c = lx->text[lx->at];
	bool found;

	if (c == '\'')
		return lex_string(lx);
	if (c == '-' || c == '+' || is_digit(c) || (c == '.' && dot_is_number(lx)))
		return lex_number(lx);
	if (!lex_symbol(lx, &found) || found)
		return found;
	if (c == '=' || c == '&' || c == '|')
		return unexpected(lx, scan(lx, lx->at + 1, false));
	return lex_keyword(lx);
}

const struct token *expr_lex(struct arena *a, const char *text, size_t len, struct expr_err *e)
{
	struct lexer lx = {.arena = a, .err = e, .text = text, .len = len};

	for (;;) {
		while (lx.at < len && is_space(text[lx.at]))
			lx.at++;
		if (lx.at >= len)
			break;
		if (!lex_one(&lx))
			return NULL;
	}
	(void)add(&lx, (struct token){.kind = TOKEN_END}, 0);
	return lx.list;
}
