/* A filter read by us instead of the kernel: to say what it answers, and to prove what it would. */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <string.h>

#include "cell/seccomp.h"

static bool load(const struct seccomp_data *data, uint32_t offset, uint32_t *a)
{
	if (offset % sizeof(*a) || offset > sizeof(*data) - sizeof(*a))
		return false;
	memcpy(a, (const char *)data + offset, sizeof(*a));
	return true;
}

static bool jump(const struct sock_filter *insn, uint32_t a, size_t *skip)
{
	bool yes;

	switch (BPF_OP(insn->code)) {
	case BPF_JA:
		*skip = insn->k;
		return true;
	case BPF_JEQ:
		yes = a == insn->k;
		break;
	case BPF_JGT:
		yes = a > insn->k;
		break;
	case BPF_JGE:
		yes = a >= insn->k;
		break;
	case BPF_JSET:
		yes = a & insn->k;
		break;
	default:
		return false;
	}
	*skip = yes ? insn->jt : insn->jf;
	return true;
}

/* Jumps lead forward alone, so it ends. */
uint32_t seccomp_filter_answer(const struct seccomp_filter *filter, const struct seccomp_data *data)
{
	uint32_t a = 0;

	for (size_t i = 0, skip = 0; i < filter->count; i += 1 + skip) {
		const struct sock_filter *insn = &filter->code[i];

		skip = 0;
		if (insn->code == (BPF_RET | BPF_K))
			return insn->k;
		if (insn->code == (BPF_ALU | BPF_AND | BPF_K))
			a &= insn->k;
		else if (insn->code == (BPF_LD | BPF_W | BPF_ABS)
				 ? !load(data, insn->k, &a)
				 : BPF_CLASS(insn->code) != BPF_JMP ||
					   BPF_SRC(insn->code) != BPF_K || !jump(insn, a, &skip))
			break;
	}
	return SECCOMP_RET_KILL_PROCESS;
}
