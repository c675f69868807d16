/*
 * Theory of operation: what was refused, and by whom, on the word of the kernel.
 *
 * The filter. A copy of the policy's filter is installed in which each answer
 * that is an error says "ask" (SECCOMP_RET_USER_NOTIF) instead. Everything else
 * is the same instruction: what is allowed is never asked about and costs
 * nothing more, and what kills still kills.
 *
 * The responder is init. It is in the cell's own cgroup, so that a loop of
 * refused calls burns the cell's time; it has no capability and nothing of the
 * host in reach; and nobody in the cell can stop, signal, trace or open it: it
 * is pid 1 of their namespace, not dumpable, with all signals blocked. If it
 * dies the cell is dead. Were the listener alone to go, the kernel would answer
 * ENOSYS: a refusal still.
 *
 * The answer. For each question init lets the policy's own filter judge the
 * same numbers (seccomp_answer.c) and gives the error that comes out; should it
 * be none, EPERM. It never answers "continue", so there is nothing to win by
 * changing arguments after they were judged. No memory of the caller is read,
 * and no descriptor of it taken: of a call there is its number, and the
 * arguments that a policy can judge. Paths and addresses lie behind pointers, and
 * are not seen.
 *
 * The way of the listener. It appears in the main process when the filter goes
 * up, and is sent to init through a socket that both got when they forked; this
 * takes one sendmsg() under the new filter. Both descriptors are closed at once,
 * and close on exec besides: nothing of them is left in the step.
 *
 * The way of the counts. Init writes into memory that it shares with stepcell:
 * so they outlive a cell that is killed. The main process drops the mapping before
 * its filter goes up, and so before any foreign instruction; later cells never get
 * it (audit_keep()).
 * There are CELL_REFUSALS rows; what fits in none is counted together, and every
 * call is answered all the same. Names of programs are theirs to choose: text of
 * strangers, which whoever shows it must escape.
 *
 * What differs for a step: a refused call takes microseconds instead of a
 * fraction of one; it can end with EINTR when a signal comes before init has
 * taken the question; and seccomp() gives no second listener (EBUSY).
 */
#include "audit.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fds.h"
#include "seccomp_policy.h"
#include "stepcell/clock.h"
#include "stepcell/fd.h"
#include "stepcell/util.h"

/* More than this is a flood, and a number that still is exact wherever JSON is read. */
#define COUNT_MAX (UINT64_C(1) << 50)

/* ---- the filter ---- */

static bool is_refusal(uint32_t answer)
{
	return (answer & SECCOMP_RET_ACTION_FULL) == SECCOMP_RET_ERRNO &&
	       (answer & SECCOMP_RET_DATA) != 0;
}

static int make_asking(const struct seccomp_filter *policy, struct seccomp_filter *out,
		       struct err *err)
{
	struct sock_filter *code = calloc(policy->count, sizeof(*code));

	if (!code)
		return err_sys(err, "cannot copy the filter");
	memcpy(code, policy->code, policy->count * sizeof(*code));
	for (size_t i = 0; i < policy->count; i++)
		if (code[i].code == (BPF_RET | BPF_K) && is_refusal(code[i].k))
			code[i].k = SECCOMP_RET_USER_NOTIF;
	*out = (struct seccomp_filter){code, policy->count};
	return 0;
}

/* A main process that had to ask whether it may hand over the listener would wait forever. */
static int check_way_out(const struct seccomp_filter *policy, struct err *err)
{
	const struct seccomp_data data = {
		.nr = SYS_sendmsg, .arch = seccomp_arch_native(), .args = {3, 0, MSG_NOSIGNAL}};

	if (seccomp_filter_answer(policy, &data) == SECCOMP_RET_ALLOW)
		return 0;
	return err_fail(err, ERR_USAGE,
			"the seccomp policy refuses sendmsg, which an audit needs at its start");
}

/* ---- counting ---- */

/* The arguments that a policy can judge: numbers. All others are pointers or say nothing. */
static const struct shown {
	int call;
	unsigned first, count;
	struct {
		const char *name;
		uint32_t mask;
	} args[AUDIT_ARGS];
	bool hex; /* as a policy writes it */
} shown[] = {
	{SYS_socket,
	 0,
	 3,
	 {{"family", UINT32_MAX}, {"type", 0xf}, {"protocol", UINT32_MAX}},
	 false},
	{SYS_socketpair,
	 0,
	 3,
	 {{"family", UINT32_MAX}, {"type", 0xf}, {"protocol", UINT32_MAX}},
	 false},
	{SYS_clone, 0, 1, {{"flags", UINT32_MAX}}, true},
	{SYS_unshare, 0, 1, {{"flags", UINT32_MAX}}, true},
	{SYS_ioctl, 1, 1, {{"request", UINT32_MAX}}, true},
	{SYS_personality, 0, 1, {{"persona", UINT32_MAX}}, true},
#ifdef SYS_mknod
	{SYS_mknod, 1, 1, {{"mode", 0xf000}}, true},
#endif
	{SYS_mknodat, 2, 1, {{"mode", 0xf000}}, true},
};

static const struct shown *shown_of(int call)
{
	for (size_t i = 0; i < COUNT(shown); i++)
		if (shown[i].call == call)
			return &shown[i];
	return NULL;
}

static struct audit_row row_of(const struct seccomp_data *data, uint32_t answer,
			       const char *program)
{
	const struct shown *s = shown_of(data->nr);
	struct audit_row row = {.call = data->nr, .answer = answer};

	for (unsigned i = 0; s && i < s->count; i++)
		row.args[i] = (uint32_t)data->args[s->first + i] & s->args[i].mask;
	(void)snprintf(row.program, sizeof(row.program), "%s", program);
	return row;
}

static bool is_same(const struct audit_row *a, const struct audit_row *b)
{
	return a->call == b->call && a->answer == b->answer &&
	       memcmp(a->args, b->args, sizeof(a->args)) == 0 &&
	       strcmp(a->program, b->program) == 0;
}

static uint64_t *counter_of(struct audit_table *table, const struct audit_row *row)
{
	for (uint32_t i = 0; i < table->count; i++)
		if (is_same(&table->rows[i], row))
			return &table->rows[i].count;
	if (table->count == CELL_REFUSALS)
		return &table->others;
	table->rows[table->count] = *row;
	return &table->rows[table->count++].count;
}

uint32_t audit_note(struct audit_table *table, const struct seccomp_filter *policy,
		    const struct seccomp_notif *asked, const char *program)
{
	const uint32_t judged = seccomp_filter_answer(policy, &asked->data);
	const uint32_t answer = is_refusal(judged) ? judged & SECCOMP_RET_DATA : EPERM;
	const struct audit_row row = row_of(&asked->data, answer, program);
	uint64_t *count = counter_of(table, &row);

	*count += *count < COUNT_MAX;
	return answer;
}

/* ---- in the child ---- */

int audit_pair(struct audit *audit, struct err *err)
{
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		return err_sys(err, "cannot create a socket");
	audit->to_init = ends[0];
	audit->from_main = ends[1];
	return 0;
}

int audit_install(struct audit *audit, struct err *err)
{
	int listener;

	if (munmap(audit->table, sizeof(*audit->table)) < 0)
		return err_sys(err, "cannot leave the counts to init");
	listener = seccomp_filter_install_asking(&audit->asking, err);
	if (listener < 0)
		return -1;
	if (fd_send(audit->to_init, listener, err) < 0)
		return err_wrap(err, "the filter's listener");
	fd_close(&listener);
	fd_close(&audit->to_init);
	return 0;
}

int audit_listen(struct audit *audit, const sigset_t *signals, struct err *err)
{
	fd_close(&audit->to_init);
	audit->signals = signalfd(-1, signals, SFD_CLOEXEC);
	if (audit->signals < 0)
		return err_sys(err, "cannot wait for signals");
	/* its end without a word: the main process died on the way, and nothing will be asked */
	audit->listener = fd_receive(audit->from_main, 0, &(struct err){0});
	fd_close(&audit->from_main);
	return 0;
}

/* The name of who asked; the id says afterwards that it still was the one who asked. */
static void name_program(const struct audit *audit, int proc, const struct seccomp_notif *asked,
			 char *name, size_t size)
{
	uint64_t id = asked->id;
	char path[32];
	ssize_t n;

	(void)snprintf(path, sizeof(path), "%u/comm", asked->pid);

	auto_fd int fd = openat(proc, path, O_RDONLY | O_CLOEXEC);

	n = fd < 0 ? -1 : read(fd, name, size - 1);
	if (n <= 0 || ioctl(audit->listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &id) < 0) {
		(void)snprintf(name, size, "?");
		return;
	}
	name[n] = '\0';
	if (name[n - 1] == '\n')
		name[n - 1] = '\0';
}

/* Whoever asked may be gone again: then there is nobody to answer, and that is no error. */
static void answer_one(struct audit *audit, int proc)
{
	struct seccomp_notif asked = {0};
	struct seccomp_notif_resp answer = {0};
	char program[17] = "";

	if (ioctl(audit->listener, SECCOMP_IOCTL_NOTIF_RECV, &asked) < 0) {
		if (errno != ENOENT && errno != EINTR)
			fd_close(&audit->listener); /* the kernel answers from here on */
		return;
	}
	name_program(audit, proc, &asked, program, sizeof(program));
	answer.id = asked.id;
	answer.error = -(int)audit_note(audit->table, audit->policy, &asked, program);
	(void)ioctl(audit->listener, SECCOMP_IOCTL_NOTIF_SEND, &answer);
}

/* A signal goes first: a flood of questions must not keep init from reaping. */
void audit_serve(struct audit *audit, int proc, int ms)
{
	const uint64_t begun = now_ms();
	uint64_t passed = 0;

	do {
		struct pollfd fds[] = {{.fd = audit->signals, .events = POLLIN},
				       {.fd = audit->listener, .events = POLLIN}};

		if (poll(fds, COUNT(fds), ms < 0 ? -1 : ms - (int)passed) <= 0 || fds[0].revents)
			return;
		if (fds[1].revents & POLLIN)
			answer_one(audit, proc);
		else
			fd_close(&audit->listener); /* nobody is left under the filter */
		passed = now_ms() - begun;
	} while (ms < 0 || passed < (uint64_t)ms);
}

/* ---- stepcell's part ---- */

int audit_open(const struct seccomp_filter *policy, struct audit **out, struct err *err)
{
	struct audit *audit = calloc(1, sizeof(*audit));

	if (!audit)
		return err_sys(err, "cannot begin an audit");
	*audit = (struct audit){
		.policy = policy, .to_init = -1, .from_main = -1, .listener = -1, .signals = -1};
	audit->table = mmap(NULL, sizeof(*audit->table), PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (audit->table == MAP_FAILED) {
		free(audit);
		return err_sys(err, "cannot begin an audit");
	}
	if (check_way_out(policy, err) < 0 || make_asking(policy, &audit->asking, err) < 0) {
		audit_close(&audit);
		return -1;
	}
	*out = audit;
	return 0;
}

int audit_keep(const struct audit *audit, struct err *err)
{
	if (madvise(audit->table, sizeof(*audit->table), MADV_DONTFORK) < 0)
		return err_sys(err, "cannot keep the audit to one cell");
	return 0;
}

static void show_arguments(const struct audit_row *row, char *out, size_t size)
{
	const struct shown *s = shown_of(row->call);
	size_t len = 0;

	for (unsigned i = 0; s && i < s->count && len < size; i++) {
		len += (size_t)snprintf(out + len, size - len, s->hex ? "%s%s=%#x" : "%s%s=%u",
					i ? " " : "", s->args[i].name, row->args[i]);
	}
}

static void show_row(const struct audit_row *row, struct cell_refusal *out)
{
	const char *error = strerrorname_np((int)row->answer);

	*out = (struct cell_refusal){.count = row->count};
	seccomp_call_name(row->call, out->call, sizeof(out->call));
	show_arguments(row, out->arguments, sizeof(out->arguments));
	(void)snprintf(out->answer, sizeof(out->answer), "%s", error ? error : "?");
	(void)snprintf(out->program, sizeof(out->program), "%.*s", (int)sizeof(row->program) - 1,
		       row->program);
}

void audit_read(const struct audit_table *table, struct cell_audit *out)
{
	const uint32_t count = table->count;

	out->count = count < CELL_REFUSALS ? count : CELL_REFUSALS;
	out->others = table->others;
	out->no_route = table->no_route;
	for (size_t i = 0; i < out->count; i++)
		show_row(&table->rows[i], &out->rows[i]);
}

void audit_close(struct audit **audit)
{
	struct audit *a = *audit;

	if (!a)
		return;
	(void)munmap(a->table, sizeof(*a->table));
	seccomp_filter_release(&a->asking);
	free(a);
	*audit = NULL;
}
