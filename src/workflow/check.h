/* check: a tree of nodes held against the grammar. */
#pragma once

#include "stepcell/diag.h"
#include "workflow/expr.h"
#include "workflow/faults.h"
#include "workflow/grammar.h"
#include "workflow/once.h"

struct checker {
	struct arena *arena;
	struct diags *diags;
	const char *text; /* of the file, to find the place inside a value */
	size_t len;
	struct faults *faults; /* what is refused; NULL: nobody asks */
	struct once once;      /* values whose expressions have been looked at */
};

void check_node(struct checker *c, const struct type *t, unsigned offers, const struct node *n);

/* The expressions of a string: a template, or with `condition` an expression without ${{ }}. */
void check_expressions(struct checker *c, const struct node *n, unsigned offers, bool condition);

/* Keys that are alike but for case: none may be. */
void check_twins(struct checker *c, const struct node *map);

/* An id of a job or a step; false when it was refused. */
bool check_id(struct checker *c, const struct node *id, const char *what);

/* A whole value is one ${{ }}: its type is not known before it has run. */
bool is_lone_expr(const struct node *n);

/* The place of byte `offset` of a string's value. */
struct place place_inside(const struct checker *c, const struct node *n, size_t offset);

void check_step_ids(struct checker *c, const struct steps *steps);

/* What the decoded model says beyond the grammar: ids, needs, cycles, matrices. */
void check_jobs(struct checker *c, const struct workflow *w, const struct node *jobs);
