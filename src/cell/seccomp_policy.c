#include "cell/seccomp_policy.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stepcell/util.h"

/* ---- names ---- */

static const struct {
	const char *name;
	uint32_t action;
} answers[] = {
	{"allow", SCMP_ACT_ALLOW},
	{"success", SCMP_ACT_ERRNO(0)}, /* done, says the kernel, and does nothing */
	{"kill", SCMP_ACT_KILL_PROCESS},
	{"ENOSYS", SCMP_ACT_ERRNO(ENOSYS)},
	{"EPERM", SCMP_ACT_ERRNO(EPERM)},
	{"EAFNOSUPPORT", SCMP_ACT_ERRNO(EAFNOSUPPORT)},
	{"EPROTONOSUPPORT", SCMP_ACT_ERRNO(EPROTONOSUPPORT)},
	{"EOPNOTSUPP", SCMP_ACT_ERRNO(EOPNOTSUPP)},
};

/* Calls that are younger than the library. Since 5.1 all machines share these numbers. */
static const struct {
	const char *name;
	int number;
} young_calls[] = {
	{"cachestat", 451},         {"fchmodat2", 452},        {"map_shadow_stack", 453},
	{"futex_wake", 454},        {"futex_wait", 455},       {"futex_requeue", 456},
	{"statmount", 457},         {"listmount", 458},        {"lsm_get_self_attr", 459},
	{"lsm_set_self_attr", 460}, {"lsm_list_modules", 461}, {"mseal", 462},
	{"setxattrat", 463},        {"getxattrat", 464},       {"listxattrat", 465},
	{"removexattrat", 466},     {"open_tree_attr", 467},   {"file_getattr", 468},
	{"file_setattr", 469},      {"listns", 470},           {"set_mempolicy_home_node", 450},
};

int seccomp_call_number(uint32_t arch, const char *name)
{
	const int number = seccomp_syscall_resolve_name_arch(arch, name);

	if (number >= 0)
		return number;
	for (size_t i = 0; i < COUNT(young_calls); i++)
		if (strcmp(name, young_calls[i].name) == 0)
			return young_calls[i].number;
	return number == __NR_SCMP_ERROR ? -2 : -1;
}

void seccomp_call_name(int number, char *out, size_t size)
{
	char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, number);
	const char *young = NULL;

	for (size_t i = 0; i < COUNT(young_calls); i++)
		if (young_calls[i].number == number)
			young = young_calls[i].name;
	if (name || young)
		(void)snprintf(out, size, "%s", name ? name : young);
	else
		(void)snprintf(out, size, "call %d", number);
	free(name);
}

bool seccomp_rule_names(const struct seccomp_rule *rule, const char *call)
{
	for (size_t i = 0; i < rule->calls.count; i++)
		if (strcmp(rule->calls.list[i], call) == 0)
			return true;
	return false;
}

/* ---- decoding ---- */

static bool decode_answer(struct decode *d, const struct field *field, const struct node *value,
			  void *out)
{
	const char *text = node_text(value);

	(void)field;
	for (size_t i = 0; text && i < COUNT(answers); i++)
		if (strcmp(text, answers[i].name) == 0) {
			*(uint32_t *)out = answers[i].action;
			return true;
		}
	return decode_wrong(d, value,
			    "allow, success, kill, ENOSYS, EPERM, EAFNOSUPPORT, EPROTONOSUPPORT or "
			    "EOPNOTSUPP");
}

static bool to_u32(const struct node *value, uint32_t *out)
{
	if (value->kind != NODE_NUMBER || value->number < 0 || value->number > UINT32_MAX)
		return false;
	*out = (uint32_t)value->number;
	return *out == value->number;
}

static bool decode_u32(struct decode *d, const struct field *field, const struct node *value,
		       void *out)
{
	(void)field;
	if (to_u32(value, out))
		return true;
	return decode_wrong(d, value, "a number of 32 bits");
}

struct raw_condition {
	uint64_t arg;
	uint32_t mask;
	const struct node *in;
};

static const struct field condition_fields[] = {
	{"arg", decode_count, offsetof(struct raw_condition, arg), FIELD_REQUIRED, NULL},
	{"mask", decode_u32, offsetof(struct raw_condition, mask), 0, NULL},
	{"in", decode_list, offsetof(struct raw_condition, in), FIELD_REQUIRED, NULL},
};

static bool decode_values(struct decode *d, const struct node *list, struct seccomp_condition *out)
{
	if (list->count == 0 || list->count > SECCOMP_VALUES)
		return decode_wrong(d, list, "1 to 64 values");
	out->values = arena_array(d->arena, list->count, sizeof(*out->values));
	for (size_t i = 0; i < list->count; i++) {
		uint32_t *value = &out->values[out->count++];

		if (!to_u32(list->items[i], value))
			return decode_wrong(d, list->items[i], "a number of 32 bits");
		if (*value & ~out->mask)
			return decode_wrong(d, list->items[i], "a value within the mask");
	}
	return true;
}

static bool decode_condition(struct decode *d, const struct node *map,
			     struct seccomp_condition *out)
{
	struct raw_condition raw = {.mask = UINT32_MAX};

	if (!decode_map(d, condition_fields, COUNT(condition_fields), "a condition", map, &raw))
		return false;
	if (raw.arg >= SECCOMP_ARGS)
		return decode_wrong(d, map, "an argument from 0 to 5");
	*out = (struct seccomp_condition){.arg = (unsigned)raw.arg, .mask = raw.mask};
	return decode_values(d, raw.in, out);
}

struct raw_rule {
	struct seccomp_rule rule;
	const struct node *when;
};

static const struct field rule_fields[] = {
	{"why", decode_text, offsetof(struct raw_rule, rule.why), FIELD_REQUIRED, NULL},
	{"calls", decode_texts, offsetof(struct raw_rule, rule.calls), FIELD_REQUIRED, NULL},
	{"answer", decode_answer, offsetof(struct raw_rule, rule.action), 0, NULL},
	{"when", decode_list, offsetof(struct raw_rule, when), 0, NULL},
};

static bool decode_conditions(struct decode *d, const struct node *when, struct seccomp_rule *out)
{
	if (when->count == 0 || when->count > SECCOMP_ARGS)
		return decode_wrong(d, when, "1 to 6 conditions");
	out->conditions = arena_array(d->arena, when->count, sizeof(*out->conditions));
	for (size_t i = 0; i < when->count; i++)
		if (!decode_condition(d, when->items[i], &out->conditions[out->condition_count++]))
			return false;
	return true;
}

static bool check_calls(struct decode *d, const struct seccomp_rule *rule)
{
	for (size_t i = 0; i < rule->calls.count; i++)
		if (seccomp_call_number(SCMP_ARCH_NATIVE, rule->calls.list[i]) == -2) {
			diag_error(d->diags, rule->at, d->rule, "there is no system call '%s'",
				   rule->calls.list[i]);
			return false;
		}
	return true;
}

static bool decode_rule(struct decode *d, const struct node *map, struct seccomp_rule *out)
{
	struct raw_rule raw = {.rule = {.action = SCMP_ACT_ALLOW, .at = map->at}};

	if (!decode_map(d, rule_fields, COUNT(rule_fields), "a rule", map, &raw) ||
	    (raw.when && !decode_conditions(d, raw.when, &raw.rule)) || !check_calls(d, &raw.rule))
		return false;
	*out = raw.rule;
	return true;
}

/* Rules of one call are tried in order, so none can follow one that has no conditions. */
static bool check_reachable(struct decode *d, const struct seccomp_policy *p,
			    const struct seccomp_rule *rule, const char *call)
{
	for (const struct seccomp_rule *other = p->rules; other < rule; other++)
		if (!other->condition_count && seccomp_rule_names(other, call)) {
			diag_error(d->diags, rule->at, d->rule,
				   "'%s' is already answered without conditions in line %u", call,
				   other->at.line);
			return false;
		}
	return true;
}

static bool check_order(struct decode *d, const struct seccomp_policy *p)
{
	for (size_t i = 0; i < p->count; i++)
		for (size_t j = 0; j < p->rules[i].calls.count; j++)
			if (!check_reachable(d, p, &p->rules[i], p->rules[i].calls.list[j]))
				return false;
	return true;
}

struct raw_policy {
	const char *include;
	uint32_t unknown;
	const struct node *rules;
};

static const struct field policy_fields[] = {
	{"include", decode_text, offsetof(struct raw_policy, include), 0, NULL},
	{"unknown", decode_answer, offsetof(struct raw_policy, unknown), 0, NULL},
	{"rules", decode_list, offsetof(struct raw_policy, rules), FIELD_REQUIRED, NULL},
};

bool seccomp_policy_decode(struct arena *a, const struct node *root, struct seccomp_policy *out,
			   struct diags *diags)
{
	struct decode d = {.arena = a, .diags = diags, .rule = "seccomp"};
	struct raw_policy raw = {.unknown = SCMP_ACT_ERRNO(ENOSYS)};
	struct seccomp_policy policy;

	if (!decode_map(&d, policy_fields, COUNT(policy_fields), "a seccomp policy", root, &raw))
		return false;
	if (raw.unknown == SCMP_ACT_ALLOW || raw.unknown == SCMP_ACT_ERRNO(0)) {
		diag_error(diags, root->at, d.rule, "'unknown' must refuse");
		return false;
	}
	policy = (struct seccomp_policy){.include = raw.include, .unknown = raw.unknown};
	policy.rules = arena_array(a, raw.rules->count, sizeof(*policy.rules));
	for (size_t i = 0; i < raw.rules->count; i++)
		if (!decode_rule(&d, raw.rules->items[i], &policy.rules[policy.count++]))
			return false;
	if (!check_order(&d, &policy))
		return false;
	*out = policy;
	return true;
}
