/*
 * inject: make one system call of a command fail, and see what becomes of it.
 *
 *	inject PROCESS N ERROR COMMAND...
 *
 * PROCESS counts the processes of the command in the order of their birth, the command itself being 0. Its
 * N-th call is not made and returns ERROR (EPERM, ...); or, where ERROR is KILL, the process dies before it.
 * Calls are counted from a process's birth to its own exec: what a sandboxed program does is its own affair;
 * those of the command begin where the dynamic linker is done, at the first rt_sigaction(2), which is main()'s.
 * The last line on standard error is "inject: NAME", the call that failed, or "inject: - COUNT" where the
 * process made but COUNT calls (0: there is no such process). The exit code is the command's, 128 and the
 * signal where it was killed, and 124 where it hung (HANG seconds, 30).
 */
#include <errno.h>
#include <seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#define HANG_SECONDS  30
#define MAX_PROCESSES 4096

static const struct {
	const char *name;
	int error;
} errors[] = {
	{"EPERM", EPERM},   {"ENOSYS", ENOSYS}, {"ENOMEM", ENOMEM}, {"EACCES", EACCES},
	{"EINVAL", EINVAL}, {"ENOSPC", ENOSPC}, {"EAGAIN", EAGAIN}, {"KILL", 0},
};

static struct {
	unsigned process, n;
	int error; /* 0: kill */
	bool done;
	char name[64];
} fault;

static struct tracee {
	pid_t pid;
	unsigned calls;
	bool entered; /* stopped at the entry of a call last time */
	bool begun;   /* its own code runs */
	bool over;    /* has become another program */
	bool failing; /* its call is being skipped */
} tracees[MAX_PROCESSES];
static size_t tracee_count;
static pid_t command;

/* ---- the processes ---- */

static struct tracee *find(pid_t pid)
{
	for (size_t i = tracee_count; i-- > 0;)
		if (tracees[i].pid == pid)
			return &tracees[i];
	return NULL;
}

/* Numbers go by what the parents tell, in their order: children may be heard of in any. */
static struct tracee *add(pid_t pid)
{
	if (tracee_count == MAX_PROCESSES)
		exit(125);
	tracees[tracee_count] = (struct tracee){.pid = pid};
	return &tracees[tracee_count++];
}

static void kill_all(int number)
{
	(void)number;
	for (size_t i = 0; i < tracee_count; i++)
		if (tracees[i].pid > 0)
			(void)kill(tracees[i].pid, SIGKILL);
	(void)dprintf(STDERR_FILENO, "inject: %s\n", fault.name);
	_exit(124);
}

/* ---- one call ---- */

static void set_call(pid_t pid, long number, long result)
{
	struct user_regs_struct regs;

	if (ptrace(PTRACE_GETREGS, pid, NULL, &regs) < 0)
		return;
	if (number)
		regs.orig_rax = (unsigned long long)number;
	else
		regs.rax = (unsigned long long)result;
	(void)ptrace(PTRACE_SETREGS, pid, NULL, &regs);
}

static long number_of(pid_t pid)
{
	struct user_regs_struct regs = {0};

	(void)ptrace(PTRACE_GETREGS, pid, NULL, &regs);
	return (long)regs.orig_rax;
}

static void remember(pid_t pid)
{
	char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, (int)number_of(pid));

	(void)snprintf(fault.name, sizeof(fault.name), "%s", name ? name : "?");
	free(name);
	fault.done = true;
}

/*
 * brk(2) answers with where the end is, never with an error; and nobody is refused the death of a child of
 * its own, or the news of it, without which waiting has no end.
 */
static bool never_fails(long number)
{
	return number == SYS_brk ||
	       (fault.error && (number == SYS_kill || number == SYS_wait4 || number == SYS_waitid));
}

static void at_call(struct tracee *t)
{
	t->entered = !t->entered;
	if (!t->entered) {
		if (t->failing)
			set_call(t->pid, 0, -fault.error);
		t->failing = false;
		return;
	}
	t->begun = t->begun || t != &tracees[0] || number_of(t->pid) == SYS_rt_sigaction;
	if (fault.done || t->over || !t->begun || never_fails(number_of(t->pid)) ||
	    t != &tracees[fault.process] || ++t->calls != fault.n)
		return;
	remember(t->pid);
	if (!fault.error) {
		(void)kill(t->pid, SIGKILL);
		return;
	}
	/* close(2) frees the descriptor whatever it says */
	if (number_of(t->pid) != SYS_close)
		set_call(t->pid, -1, 0);
	t->failing = true;
}

/* ---- following them ---- */

/* A process of which no call matters, or matters any more, is followed at full speed. */
static void go_on(const struct tracee *t, int number)
{
	const bool matters =
		t == &tracees[fault.process] && !t->over && !(fault.done && !t->failing);

	(void)ptrace(matters ? PTRACE_SYSCALL : PTRACE_CONT, t->pid, NULL, (void *)(long)number);
}

static pid_t early[MAX_PROCESSES];
static size_t early_count;

/* The parent tells of a child: it gets its number, and goes on if it has been waiting for that. */
static void at_birth(const struct tracee *parent)
{
	unsigned long pid = 0;
	struct tracee *child;

	(void)ptrace(PTRACE_GETEVENTMSG, parent->pid, NULL, &pid);
	child = add((pid_t)pid);
	for (size_t i = 0; i < early_count; i++)
		if (early[i] == child->pid) {
			early[i] = 0;
			go_on(child, 0);
		}
}

/* The signal to go on with. */
static int at_stop(struct tracee *t, int status)
{
	const int number = WSTOPSIG(status), event = status >> 16;

	if (number == (SIGTRAP | 0x80)) {
		at_call(t);
		return 0;
	}
	if (event == PTRACE_EVENT_CLONE || event == PTRACE_EVENT_FORK ||
	    event == PTRACE_EVENT_VFORK)
		at_birth(t);
	if (event == PTRACE_EVENT_EXEC && t != &tracees[0])
		t->over = true;
	if (event || number == SIGSTOP || number == SIGTRAP)
		return 0;
	return number;
}

static int follow(void)
{
	int status, end = 125;

	for (pid_t pid; (pid = waitpid(-1, &status, __WALL)) > 0;) {
		struct tracee *t = find(pid);

		if (!t && early_count < MAX_PROCESSES) {
			early[early_count++] = pid;
			continue;
		}
		if (WIFSTOPPED(status)) {
			go_on(t, at_stop(t, status));
			continue;
		}
		if (pid == command)
			end = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
		t->pid = -1; /* the number may be born again */
	}
	return end;
}

static _Noreturn void become(char **argv)
{
	if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0 || raise(SIGSTOP) != 0)
		_exit(125);
	(void)execv(argv[0], argv);
	_exit(125);
}

static void start(char **argv)
{
	const long options = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK |
			     PTRACE_O_TRACEVFORK | PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL;
	int status;

	command = fork();
	if (command == 0)
		become(argv);
	if (command < 0 || waitpid(command, &status, 0) < 0 ||
	    ptrace(PTRACE_SETOPTIONS, command, NULL, (void *)options) < 0)
		exit(125);
	go_on(add(command), 0);
}

int main(int argc, char **argv)
{
	int end;

	if (argc < 5)
		return 125;
	fault.process = (unsigned)strtoul(argv[1], NULL, 10) % MAX_PROCESSES;
	fault.n = (unsigned)strtoul(argv[2], NULL, 10);
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++)
		if (strcmp(errors[i].name, argv[3]) == 0)
			fault.error = errors[i].error;
	(void)signal(SIGALRM, kill_all);
	(void)alarm(getenv("HANG") ? (unsigned)strtoul(getenv("HANG"), NULL, 10) : 30);
	start(argv + 4);
	end = follow();
	if (fault.done)
		(void)fprintf(stderr, "inject: %s\n", fault.name);
	else
		(void)fprintf(stderr, "inject: - %u\n", tracees[fault.process].calls);
	return end;
}
