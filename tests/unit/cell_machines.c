/*
 * The filters of machines that this one is not: compiled by libseccomp for
 * them, and read instruction by instruction. On x86-64 the kernel gives the
 * same answers to the same table (cell_seccomp.c), so what reads them reads
 * them right.
 */
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../escape/calls.h"
#include "cell/seccomp.h"
#include "cell/seccomp_policy.h"
#include "stepcell/fd.h"
#include "stepcell/limits.h"
#include "stepcell/path.h"
#include "stepcell/util.h"
#include "stepcell/yaml.h"

#define X32      0x40000000
#define ALLOW    SECCOMP_RET_ALLOW
#define KILL     SECCOMP_RET_KILL_PROCESS
#define E(error) (SECCOMP_RET_ERRNO | (error))

static const struct machine {
	const char *name;
	uint32_t compiled, audit; /* as libseccomp, and as the kernel calls it */
} machines[] = {
	{"x86-64", SCMP_ARCH_X86_64, AUDIT_ARCH_X86_64},
	{"aarch64", SCMP_ARCH_AARCH64, AUDIT_ARCH_AARCH64},
};

static struct seccomp_filter compile(const struct machine *m, const char *policy)
{
	struct seccomp_filter filter;
	char path[128];
	struct err err;

	(void)snprintf(path, sizeof(path), "policies/seccomp/%s", policy);
	if (seccomp_filter_compile(path, m->compiled, &filter, &err) < 0)
		fail_msg("%s: %s", m->name, err.text);
	return filter;
}

static uint32_t ask(const struct seccomp_filter *f, uint32_t arch, int number,
		    const unsigned long *args)
{
	struct seccomp_data data = {.nr = number, .arch = arch};

	for (size_t i = 0; args && i < SECCOMP_ARGS; i++)
		data.args[i] = args[i];
	return seccomp_filter_answer(f, &data);
}

/* ---- the attack table ---- */

static void every_machine_refuses_the_attack_table(void **state)
{
	unsigned wrong = 0;

	(void)state;
	for (size_t m = 0; m < COUNT(machines); m++) {
		struct seccomp_filter f = compile(&machines[m], "default.yml");
		unsigned asked = 0;

		for (size_t i = 0; i < COUNT(refused); i++) {
			const struct call *c = &refused[i];
			const int number = seccomp_call_number(machines[m].compiled, c->name);
			uint32_t got;

			if (number < 0)
				continue;
			asked++;
			got = ask(&f, machines[m].audit, number, c->args);
			if (got != E((uint32_t)c->answer) && ++wrong)
				print_error("%s: %s(%lx, %lx): %#x\n", machines[m].name, c->name,
					    c->args[0], c->args[1], got);
		}
		assert_true(asked > 80);
		seccomp_filter_release(&f);
	}
	assert_int_equal(wrong, 0);
}

/* ---- what is judged by its arguments, and what a build needs ---- */

static const struct row {
	const char *name;
	unsigned long args[6];
	uint32_t answer;
} judged[] = {
	{"read", {0}, ALLOW},
	{"openat", {0}, ALLOW},
	{"execve", {0}, ALLOW},
	{"fchmodat2", {0}, ALLOW},
	{"mseal", {0}, ALLOW},
	{"futex_wait", {0}, ALLOW},
	{"sync", {0}, E(0)},
	{"file_setattr", {0}, E(ENOSYS)},
	{"socket", {AF_UNIX, SOCK_STREAM, 0}, ALLOW},
	{"socket", {AF_INET, SOCK_STREAM, 6}, ALLOW},
	{"socket", {AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0}, ALLOW},
	{"socket", {AF_INET6, SOCK_DGRAM, 17}, ALLOW},
	{"socket", {AF_INET, SOCK_STREAM, 132}, E(EPROTONOSUPPORT)},
	{"socket", {AF_INET, SOCK_STREAM, 262}, E(EPROTONOSUPPORT)},
	{"socket", {AF_INET6, SOCK_RAW, 58}, E(EPERM)},
	{"socket", {AF_NETLINK, SOCK_RAW, 0}, ALLOW},
	{"socket", {AF_NETLINK, SOCK_RAW, 12}, E(EAFNOSUPPORT)},
	{"socket", {38, 5, 0}, E(EAFNOSUPPORT)},
	{"socket", {40, 1, 0}, E(EAFNOSUPPORT)},
	{"clone", {CLONE_VM | CLONE_THREAD | CLONE_SIGHAND}, ALLOW},
	{"clone", {17}, ALLOW},
	{"unshare", {CLONE_FILES | CLONE_FS}, ALLOW},
	{"ioctl", {0, 0x5401}, ALLOW},
	{"ioctl", {0, 0x5413}, ALLOW},
	{"personality", {0xffffffff}, ALLOW},
	{"personality", {0x40000}, ALLOW},
	{"mknodat", {0, 0, S_IFIFO | 0600}, ALLOW},
	{"mknodat", {0, 0, 0600}, ALLOW},
	/* the kernel cuts these arguments to 32 bits: what is above says nothing */
	{"socket", {0x100000000UL | AF_UNIX, SOCK_STREAM}, ALLOW},
	{"socket", {0xffffffff00000000UL | 17, SOCK_RAW}, E(EAFNOSUPPORT)},
	{"socket", {AF_INET, 0x100000000UL | SOCK_RAW}, E(EPERM)},
	{"socket", {AF_INET, SOCK_STREAM, 0x100000000UL | 132}, E(EPROTONOSUPPORT)},
	{"socket", {AF_INET, SOCK_STREAM, 0x100000000UL | 6}, ALLOW},
	{"ioctl", {0, 0x100005412UL}, E(EPERM)},
	{"ioctl", {0, 0xdead0000541cUL}, E(EPERM)},
	{"clone", {0x100000000UL | CLONE_NEWUSER}, E(EPERM)},
	{"clone", {0xffffffff00000011UL}, ALLOW},
	{"unshare", {0x100000000UL | CLONE_NEWNET}, E(EPERM)},
	{"personality", {0x100000000UL}, ALLOW},
	{"personality", {0x100400000UL}, E(EPERM)},
	{"mknodat", {0, 0, 0x100000000UL | S_IFCHR}, E(EPERM)},
};

static void arguments_are_judged_alike(void **state)
{
	unsigned wrong = 0;

	(void)state;
	for (size_t m = 0; m < COUNT(machines); m++) {
		struct seccomp_filter f = compile(&machines[m], "default.yml");

		for (size_t i = 0; i < COUNT(judged); i++) {
			const struct row *r = &judged[i];
			const int number = seccomp_call_number(machines[m].compiled, r->name);
			const uint32_t got = ask(&f, machines[m].audit, number, r->args);

			assert_true(number >= 0);
			if (got != r->answer && ++wrong)
				print_error("%s: %s(%lx, %lx, %lx): %#x, want %#x\n",
					    machines[m].name, r->name, r->args[0], r->args[1],
					    r->args[2], got, r->answer);
		}
		seccomp_filter_release(&f);
	}
	assert_int_equal(wrong, 0);
}

/* ---- numbers, and other ABIs ---- */

/* In the filter of `in`, a call by this ABI and number. */
static const struct {
	size_t in;
	const char *what;
	uint32_t abi;
	int number;
	uint32_t answer;
} numbers[] = {
	{0, "x86-64 read", AUDIT_ARCH_X86_64, 0, ALLOW},
	{0, "x86-64 unknown", AUDIT_ARCH_X86_64, 1000, E(ENOSYS)},
	{0, "x86-64 between its two ranges", AUDIT_ARCH_X86_64, 400, E(ENOSYS)},
	{0, "x86-64 largest", AUDIT_ARCH_X86_64, X32 - 1, E(ENOSYS)},
	{0, "x86-64 -1", AUDIT_ARCH_X86_64, -1, E(ENOSYS)},
	{0, "x32 read", AUDIT_ARCH_X86_64, X32, KILL},
	{0, "x32 ioctl", AUDIT_ARCH_X86_64, X32 | 514, KILL},
	{0, "x32 by its sign", AUDIT_ARCH_X86_64, -2, KILL},
	{0, "i386 exit", AUDIT_ARCH_I386, 1, KILL},
	{0, "i386 socketcall", AUDIT_ARCH_I386, 102, KILL},
	{0, "aarch64 read", AUDIT_ARCH_AARCH64, 63, KILL},
	{1, "aarch64 read", AUDIT_ARCH_AARCH64, 63, ALLOW},
	{1, "aarch64 mount", AUDIT_ARCH_AARCH64, 40, E(EPERM)},
	{1, "aarch64 unknown", AUDIT_ARCH_AARCH64, 1000, E(ENOSYS)},
	{1, "aarch64 -1", AUDIT_ARCH_AARCH64, -1, E(ENOSYS)},
	{1, "arm read", AUDIT_ARCH_ARM, 3, KILL},
	{1, "x86-64 read", AUDIT_ARCH_X86_64, 0, KILL},
	{1, "i386 exit", AUDIT_ARCH_I386, 1, KILL},
};

static void other_abis_and_numbers(void **state)
{
	struct seccomp_filter filters[COUNT(machines)];
	unsigned wrong = 0;

	(void)state;
	for (size_t m = 0; m < COUNT(machines); m++)
		filters[m] = compile(&machines[m], "default.yml");
	for (size_t i = 0; i < COUNT(numbers); i++) {
		const uint32_t got =
			ask(&filters[numbers[i].in], numbers[i].abi, numbers[i].number, NULL);

		if (got != numbers[i].answer && ++wrong)
			print_error("%s's filter, %s: %#x, want %#x\n",
				    machines[numbers[i].in].name, numbers[i].what, got,
				    numbers[i].answer);
	}
	for (size_t m = 0; m < COUNT(machines); m++)
		seccomp_filter_release(&filters[m]);
	assert_int_equal(wrong, 0);
}

static void all_policies_compile_for_all_machines(void **state)
{
	static const char *const policies[] = {"default.yml", "worker.yml", "init.yml"};

	(void)state;
	for (size_t m = 0; m < COUNT(machines); m++)
		for (size_t i = 0; i < COUNT(policies); i++) {
			struct seccomp_filter f = compile(&machines[m], policies[i]);
			const int number = seccomp_call_number(machines[m].compiled, "exit_group");

			assert_int_equal(ask(&f, machines[m].audit, number, NULL), ALLOW);
			seccomp_filter_release(&f);
		}
}

static void a_machine_that_nobody_has_is_an_error(void **state)
{
	struct seccomp_filter filter;
	struct err err = {0};

	(void)state;
	assert_int_equal(seccomp_filter_compile("policies/seccomp/init.yml", 0x1234, &filter, &err),
			 -1);
	assert_non_null(strstr(err.text, "no machine 0x1234"));
}

/* ---- what the policy says of itself ---- */

static struct seccomp_policy read_policy(struct arena *a, const char *path)
{
	auto_strbuf struct strbuf text = STRBUF(LIMIT_POLICY_BYTES);
	struct diags diags = {.arena = a};
	struct seccomp_policy policy;
	const struct node *root;
	struct err err;

	assert_int_equal(file_read(AT_FDCWD, path, &text, &err), 0);
	root = yaml_parse(a, path, arena_strndup(a, text.text, text.len), text.len, &diags);
	assert_non_null(root);
	assert_true(seccomp_policy_decode(a, root, &policy, &diags));
	return policy;
}

static bool names(const struct seccomp_policy *p, const char *call)
{
	for (size_t i = 0; i < p->count; i++)
		if (seccomp_rule_names(&p->rules[i], call))
			return true;
	return false;
}

/* A call that the library knows and no rule names has been forgotten, not decided. */
static void every_call_has_been_decided(void **state)
{
	auto_arena struct arena *a = arena_new();
	const struct seccomp_policy policy = read_policy(a, "policies/seccomp/default.yml");
	unsigned forgotten = 0;

	(void)state;
	for (size_t m = 0; m < COUNT(machines); m++)
		for (int n = 0; n < 450; n++) {
			auto_free char *call =
				seccomp_syscall_resolve_num_arch(machines[m].compiled, n);

			if (call && !names(&policy, call) && ++forgotten)
				print_error("%s: no rule names %s\n", machines[m].name, call);
		}
	assert_int_equal(forgotten, 0);
}

/* ---- the reader itself ---- */

static const struct {
	const char *what;
	struct sock_filter code[3];
	size_t count;
} broken[] = {
	{"nothing", {{0}}, 0},
	{"no answer", {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0)}, 1},
	{"a jump past its end",
	 {BPF_STMT(BPF_JMP | BPF_JA, 5), BPF_STMT(BPF_RET | BPF_K, ALLOW)},
	 2},
	{"the longest jump",
	 {BPF_STMT(BPF_JMP | BPF_JA, UINT32_MAX), BPF_STMT(BPF_RET | BPF_K, ALLOW)},
	 2},
	{"a load past the call",
	 {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, sizeof(struct seccomp_data)),
	  BPF_STMT(BPF_RET | BPF_K, ALLOW)},
	 2},
	{"a load of half a word",
	 {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 2), BPF_STMT(BPF_RET | BPF_K, ALLOW)},
	 2},
	{"an instruction of other filters",
	 {BPF_STMT(BPF_LD | BPF_W | BPF_IMM, 2), BPF_STMT(BPF_RET | BPF_K, ALLOW)},
	 2},
	{"an answer that is computed", {BPF_STMT(BPF_RET | BPF_A, 0)}, 1},
	{"a jump by a register",
	 {BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_X, 0, 0, 0), BPF_STMT(BPF_RET | BPF_K, ALLOW)},
	 2},
};

static void what_it_cannot_read_kills(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(broken); i++) {
		struct sock_filter code[3];
		const struct seccomp_filter f = {code, broken[i].count};

		memcpy(code, broken[i].code, sizeof(code));
		if (ask(&f, 0, 0, NULL) != KILL)
			fail_msg("%s does not kill", broken[i].what);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_machine_refuses_the_attack_table),
		cmocka_unit_test(arguments_are_judged_alike),
		cmocka_unit_test(other_abis_and_numbers),
		cmocka_unit_test(all_policies_compile_for_all_machines),
		cmocka_unit_test(a_machine_that_nobody_has_is_an_error),
		cmocka_unit_test(every_call_has_been_decided),
		cmocka_unit_test(what_it_cannot_read_kills),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
