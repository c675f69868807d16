/* expr: what the files of the expression language share. */
#pragma once

#include "stepcell/limits.h"
#include "stepcell/util.h"
#include "stepcell/workflow.h"

enum token_kind {
	TOKEN_END,
	TOKEN_LITERAL,
	TOKEN_NAME,     /* a keyword that starts an operand: a context or a function */
	TOKEN_PROPERTY, /* a keyword behind a dot */
	TOKEN_DOT,
	TOKEN_STAR,
	TOKEN_COMMA,
	TOKEN_OPEN,
	TOKEN_CLOSE,
	TOKEN_OPEN_INDEX,
	TOKEN_CLOSE_INDEX,
	TOKEN_NOT,
	TOKEN_EQ,
	TOKEN_NE,
	TOKEN_LT,
	TOKEN_LE,
	TOKEN_GT,
	TOKEN_GE,
	TOKEN_AND,
	TOKEN_OR,
};

struct token {
	enum token_kind kind;
	unsigned position; /* from 1 */
	unsigned len;
	const struct node *value; /* of a literal */
	const char *text;         /* of a keyword */
};

/* All tokens, TOKEN_END last; NULL with the reason in `e`. */
const struct token *expr_lex(struct arena *a, const char *text, size_t len, struct expr_err *e);

enum expr_op {
	OP_LITERAL,
	OP_NAME,
	OP_INDEX, /* kids: what, which */
	OP_STAR,  /* kids: what */
	OP_CALL,
	OP_NOT,
	OP_EQ,
	OP_NE,
	OP_LT,
	OP_LE,
	OP_GT,
	OP_GE,
	OP_AND, /* as many kids as were chained */
	OP_OR,
};

struct function;

struct expr_node {
	enum expr_op op;
	unsigned depth; /* of the tree below, itself included */
	unsigned position;
	const struct node *literal;
	const char *name;
	const struct function *function;
	const struct expr_node **kids;
	size_t count;
};

/* A use of something that the place of the expression may not offer. */
struct expr_use {
	const char *name;
	unsigned position;
	bool call;
	size_t args;
};

struct expr {
	const struct expr_node *root;
	const struct expr_use *uses; /* contexts, and the functions that ask the scope */
	size_t use_count;
	bool has_status;
};

/* Values. `filtered` marks what .* made: an index then applies to each item. */
struct value {
	const struct node *node; /* NULL: failed */
	bool filtered;
};

struct eval {
	struct arena *arena;
	const struct expr_scope *scope;
	struct expr_err *err;
	size_t budget; /* arena_used() may not pass it */
};

struct value expr_eval_node(struct eval *ev, const struct expr_node *n);

typedef struct value function_fn(struct eval *ev, const struct expr_node *call);

enum function_flags { FUNCTION_STATUS = 1, FUNCTION_SCOPED = 2 };

struct function {
	const char *name; /* as GitHub writes it */
	unsigned min, max;
	unsigned flags;
	function_fn *call;
};

const struct function *function_find(const char *name);
const char *function_nearest(const char *name); /* what may have been meant, or NULL */

/* Always false/NULL values, so that a caller can return them. */
struct value eval_fail(struct eval *ev, const struct expr_node *at, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void expr_begin(struct expr_err *e); /* no fault */
void expr_fail(struct expr_err *e, enum expr_fault fault, unsigned position, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* Coercions and comparisons. */
bool value_is_primitive(const struct node *v);
double value_number(const struct node *v); /* NaN where there is none */
bool value_equal(const struct node *a, const struct node *b);
/* -1, 0, 1; or 2 when they cannot be ordered */
int value_compare(const struct node *a, const struct node *b);
double text_number(const char *s, size_t len);

/* Text as GitHub compares it: upper case by Unicode's simple mapping, dotless i left alone. */
unsigned fold_char(unsigned c);
int fold_compare(const char *a, const char *b);
bool fold_contains(const char *text, const char *part);
bool fold_starts(const char *text, const char *part);
bool fold_ends(const char *text, const char *part);

/*
 * The parts of a template, one after another: literal text, then expressions.
 * `next` is where to go on. Returns 1 for a part, 0 at the end, -1 when a
 * ${{ is not closed (`start` is its offset).
 */
struct template_part {
	bool is_expr;
	size_t start, len; /* of the literal, or of what is between ${{ and }} */
};
bool template_has_expr(const char *text);
/* Whether any of its expressions calls success, failure, always or cancelled. */
bool template_has_status(struct arena *a, const char *text, struct expr_err *e);
int template_next(const char *text, size_t len, size_t *next, struct template_part *part);
