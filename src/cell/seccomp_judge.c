/*
 * The part of a filter that looks at arguments, and at calls that libseccomp
 * has not heard of.
 *
 * libseccomp promises no order between rules of one call, so "these, else
 * that" would have to be said as rules that exclude each other: 1,300
 * instructions more for the default policy, and a quarter of a millisecond at
 * each start. In order they are a few dozen.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>

#include "cell/seccomp_policy.h"
#include "stepcell/strbuf.h"

/* No policy can answer with this: "trace" is not one of the answers. */
uint32_t seccomp_judge_mark(size_t i)
{
	return SECCOMP_RET_TRACE | (uint32_t)i;
}

static void emit(struct strbuf *code, struct sock_filter insn)
{
	strbuf_add(code, &insn, sizeof(insn));
}

static size_t position(const struct strbuf *code)
{
	return code->len / sizeof(struct sock_filter);
}

static struct sock_filter *at(const struct strbuf *code, size_t i)
{
	return (struct sock_filter *)(void *)code->text + i;
}

/* The low half of an argument: all that the kernel looks at in those that are judged. */
static uint32_t offset_of(unsigned arg)
{
	const uint32_t low = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? 0 : 4;

	return (uint32_t)(offsetof(struct seccomp_data, args) + arg * sizeof(uint64_t) + low);
}

/* Falls through when the condition holds; else the last instruction jumps, to be set by patch(). */
static void emit_condition(struct strbuf *code, const struct seccomp_condition *c)
{
	emit(code, (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offset_of(c->arg)));
	if (c->mask != UINT32_MAX)
		emit(code, (struct sock_filter)BPF_STMT(BPF_ALU | BPF_AND | BPF_K, c->mask));
	for (size_t i = 0; i < c->count; i++)
		emit(code, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, c->values[i],
							(uint8_t)(c->count - 1 - i), 0));
}

static bool patch(const struct strbuf *code, size_t from, size_t to)
{
	const size_t distance = to - from - 1;

	at(code, from)->jf = (uint8_t)distance;
	return distance <= UINT8_MAX;
}

static bool emit_rule(struct strbuf *code, const struct seccomp_rule *rule)
{
	size_t exits[SECCOMP_ARGS];
	bool ok = true;

	for (size_t i = 0; i < rule->condition_count; i++) {
		emit_condition(code, &rule->conditions[i]);
		exits[i] = position(code) - 1;
	}
	emit(code, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, rule->action));
	for (size_t i = 0; i < rule->condition_count && !code->full; i++)
		ok &= patch(code, exits[i], position(code));
	return ok;
}

/* Every `mark` before `end` becomes a jump to what is emitted next. */
static void send_here(const struct strbuf *code, size_t end, uint32_t mark)
{
	const size_t here = position(code);

	for (size_t i = 0; i < end; i++)
		if (at(code, i)->code == (BPF_RET | BPF_K) && at(code, i)->k == mark)
			*at(code, i) = (struct sock_filter)BPF_STMT(BPF_JMP | BPF_JA,
								    (uint32_t)(here - i - 1));
}

/* libseccomp takes no number that it cannot translate to the machine it compiles for. */
static void emit_young(struct strbuf *code, const struct seccomp_rest *rest)
{
	const uint32_t number = offsetof(struct seccomp_data, nr);

	send_here(code, position(code), SECCOMP_MARK_UNKNOWN);
	if (rest->young_count)
		emit(code, (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, number));
	for (size_t i = 0; i < rest->young_count; i++) {
		const struct seccomp_young *y = &rest->young[i];

		emit(code, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K,
							(uint32_t)y->number, 0, 1));
		emit(code, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, y->action));
	}
	emit(code, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, rest->unknown));
}

int seccomp_judge(struct strbuf *code, const struct seccomp_rest *rest, struct err *err)
{
	bool ok = true;
	size_t end;

	emit_young(code, rest);
	end = position(code);
	for (size_t i = 0; i < rest->judged_count; i++) {
		send_here(code, end, seccomp_judge_mark(i));
		for (size_t j = 0; j < rest->judged[i].count; j++)
			ok &= emit_rule(code, rest->judged[i].rules[j]);
		emit(code, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, rest->unknown));
	}
	if (!ok || code->full)
		return err_fail(err, ERR_USAGE, "a rule has too many values");
	return 0;
}
