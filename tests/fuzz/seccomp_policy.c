/* A seccomp policy: text to rules, and rules with conditions to instructions. */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "cell/seccomp_policy.h"
#include "stepcell/limits.h"
#include "stepcell/strbuf.h"
#include "stepcell/yaml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A jump that leads out of the filter would be a hole: nothing may end behind its last instruction. */
static void check_jumps(const struct strbuf *code)
{
	const struct sock_filter *insns = (const struct sock_filter *)(const void *)code->text;
	const size_t count = code->len / sizeof(*insns);

	for (size_t i = 0; i < count; i++) {
		const struct sock_filter *at = &insns[i];
		const size_t next = i + 1;

		if (BPF_CLASS(at->code) == BPF_RET)
			continue;
		if (BPF_CLASS(at->code) != BPF_JMP && next >= count)
			abort();
		if (at->code == (BPF_JMP | BPF_JA) && next + at->k >= count)
			abort();
		if (at->code == (BPF_JMP | BPF_JEQ | BPF_K) &&
		    (next + at->jt >= count || next + at->jf >= count))
			abort();
	}
}

/* Each rule alone: of a call that the library knows, and of one that it does not. */
static void judge(const struct seccomp_policy *policy)
{
	for (size_t i = 0; i < policy->count; i++) {
		const struct seccomp_rule *rules[] = {&policy->rules[i]};
		struct seccomp_judged judged = {rules, 1};
		struct seccomp_young young = {451, seccomp_judge_mark(0)};
		const struct seccomp_rest rest = {&judged, 1, &young, 1, policy->unknown};
		const struct sock_filter marks[] = {
			BPF_STMT(BPF_RET | BPF_K, seccomp_judge_mark(0)),
			BPF_STMT(BPF_RET | BPF_K, SECCOMP_MARK_UNKNOWN),
		};
		auto_strbuf struct strbuf code = STRBUF(MIB);
		struct err err;

		strbuf_add(&code, marks, sizeof(marks));
		if (seccomp_judge(&code, &rest, &err) == 0)
			check_jumps(&code);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	auto_arena struct arena *a = arena_new();
	struct diags diags = {.arena = a};
	const struct node *root = yaml_parse(a, "p.yml", (const char *)data, size, &diags);
	struct seccomp_policy policy;

	if (root && seccomp_policy_decode(a, root, &policy, &diags))
		judge(&policy);
	return 0;
}
