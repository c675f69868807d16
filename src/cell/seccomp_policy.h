/* seccomp_policy: the text of a policy to a checked list of rules. Pure. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "stepcell/decode.h"
#include "stepcell/diag.h"
#include "stepcell/node.h"

#define SECCOMP_ARGS   6
#define SECCOMP_VALUES 64

/* The kernel looks at the low 32 bits of the arguments that we judge, and so do we. */
struct seccomp_condition {
	unsigned arg;     /* 0 to 5 */
	uint32_t mask;    /* bits that are compared */
	uint32_t *values; /* any of them */
	size_t count;
};

struct seccomp_rule {
	const char *why;
	uint32_t action; /* as in a filter's return value */
	struct texts calls;
	struct place at;
	struct seccomp_condition *conditions; /* all must hold; none: it holds */
	size_t condition_count;
};

struct seccomp_policy {
	const char
		*include; /* a file beside this one; its rules for calls named here do not count */
	uint32_t unknown; /* for calls that no rule names */
	struct seccomp_rule *rules;
	size_t count;
};

/* False when a diag was added. Everything lives in the arena. */
bool seccomp_policy_decode(struct arena *a, const struct node *root, struct seccomp_policy *out,
			   struct diags *diags);

/*
 * The number of a call by its name on a machine (SCMP_ARCH_*): -1 when other
 * machines have it, -2 when nobody has.
 */
int seccomp_call_number(uint32_t arch, const char *name);

/* The name of a call of this machine; "call 1000" where it has none. */
void seccomp_call_name(int number, char *out, size_t size);

/* Is the rule about this call? */
bool seccomp_rule_names(const struct seccomp_rule *rule, const char *call);

/*
 * libseccomp decides by the number of a call. Calls that are judged by their
 * arguments get the answer seccomp_judge_mark(i) there, calls that it does not
 * know the answer SECCOMP_MARK_UNKNOWN; seccomp_judge() replaces both by jumps
 * to instructions of ours behind its own: the rules of judged[i] in their order,
 * then `unknown`; the young calls by their numbers, then `unknown`.
 */
struct seccomp_judged {
	const struct seccomp_rule **rules;
	size_t count;
};
/* Younger than the library. */
struct seccomp_young {
	int number;
	uint32_t action; /* or a mark */
};
struct seccomp_rest {
	struct seccomp_judged *judged;
	size_t judged_count;
	struct seccomp_young *young;
	size_t young_count;
	uint32_t unknown;
};
#define SECCOMP_MARK_UNKNOWN seccomp_judge_mark(0xffff)
uint32_t seccomp_judge_mark(size_t i);
int seccomp_judge(struct strbuf *code, const struct seccomp_rest *rest, struct err *err);
