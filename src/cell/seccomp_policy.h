/* seccomp_policy: the text of a policy to a checked list of rules. Pure. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "stepcell/decode.h"
#include "stepcell/diag.h"
#include "stepcell/node.h"

#define SECCOMP_ARGS 6

/* The kernel looks at the low 32 bits of the arguments that we judge, and so do we. */
struct seccomp_condition {
	uint64_t arg;  /* 0 to 5 */
	uint32_t mask; /* bits that are compared */
	bool negated;
	uint32_t *values; /* any of them; none twice */
	size_t count;
};

struct seccomp_rule {
	const char *why;
	uint32_t action; /* as in a filter's return value */
	struct texts calls;
	struct place at;
	struct seccomp_condition *conditions; /* all must hold */
	size_t condition_count;
};

struct seccomp_policy {
	const char *include; /* a file beside this one; a call named here replaces its rules */
	uint32_t unknown;    /* for calls that no rule names */
	struct seccomp_rule *rules;
	size_t count;
};

/* False when a diag was added. Everything lives in the arena. */
bool seccomp_policy_decode(struct arena *a, const struct node *root, struct seccomp_policy *out,
			   struct diags *diags);

/*
 * The number of a call by its name on this machine: -1 when other machines have
 * it, -2 when nobody has.
 */
int seccomp_call_number(const char *name);

/* A set of values as (mask, value) pairs of which any may match: what libseccomp can compare. */
struct seccomp_match {
	uint32_t mask, value;
};

/* Fills `out` and returns how many; SIZE_MAX when they are more than `max`. */
size_t seccomp_condition_matches(const struct seccomp_condition *c, struct seccomp_match *out,
				 size_t max);
