#include "image/ownership.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "stepcell/util.h"

#if defined(__x86_64__)
#define NATIVE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define NATIVE AUDIT_ARCH_AARCH64
#endif

#define LOAD(field)       BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define RETURN(what)      BPF_STMT(BPF_RET | BPF_K, what)
#define UNLESS(value, to) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)(value), 0, to)
#define PRETEND           RETURN(SECCOMP_RET_ERRNO | 0)
#define ALLOW             RETURN(SECCOMP_RET_ALLOW)

#define CALL(number) UNLESS(number, 1), PRETEND

/* A device by its mode, the low half of argument `n`; all else goes through. */
#define DEVICE(number, n)                                                                          \
	UNLESS(number, 7), LOAD(args[n]), BPF_STMT(BPF_ALU | BPF_AND | BPF_K, S_IFMT),             \
		UNLESS(S_IFCHR, 1), PRETEND, UNLESS(S_IFBLK, 1), PRETEND, ALLOW

/* Calls of another architecture go through. */
#define OF_NATIVE_CALLS                                                                            \
	LOAD(arch), UNLESS(NATIVE, 1), BPF_STMT(BPF_JMP | BPF_JA, 1), ALLOW, LOAD(nr)

static int install(const struct sock_filter *program, size_t count)
{
	const struct sock_fprog filter = {.len = (unsigned short)count,
					  .filter = (struct sock_filter *)program};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -1;
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter, 0, 0);
}

int ownership_pretend(void)
{
	static const struct sock_filter program[] = {
		OF_NATIVE_CALLS,
#ifdef SYS_chown
		CALL(SYS_chown),        CALL(SYS_lchown),
		DEVICE(SYS_mknod, 1),
#endif
		CALL(SYS_fchown),       CALL(SYS_fchownat),
		CALL(SYS_setuid),       CALL(SYS_setgid),
		CALL(SYS_setreuid),     CALL(SYS_setregid),
		CALL(SYS_setresuid),    CALL(SYS_setresgid),
		CALL(SYS_setfsuid),     CALL(SYS_setfsgid),
		CALL(SYS_setgroups),    CALL(SYS_capset),
		DEVICE(SYS_mknodat, 2), ALLOW,
	};

	return install(program, COUNT(program));
}

int ownership_pretend_root(void)
{
	static const struct sock_filter program[] = {
		OF_NATIVE_CALLS,  CALL(SYS_getuid),  CALL(SYS_geteuid),
		CALL(SYS_getgid), CALL(SYS_getegid), ALLOW,
	};

	return install(program, COUNT(program)) < 0 ? -1 : ownership_pretend();
}
