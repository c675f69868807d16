/* What was refused, counted; and that counting changes nothing. */
#include "cell_fixture.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/syscall.h>

#include "cell/audit.h"
#include "cell/caps.h"
#include "unprivileged.h"

/* A script for perl, where %d are numbers of this machine's calls; good until the next one. */
#define CALLS "($mount, $socket, $unshare, $prctl) = (%d, %d, %d, %d); "
static const char *perl(const char *text)
{
	static char out[1024];

	(void)snprintf(out, sizeof(out), "exec perl -e '" CALLS "%s'", SYS_mount, SYS_socket,
		       SYS_unshare, SYS_prctl, text);
	return out;
}

/* Run it with and without an audit: what it prints and how it ends must be the same. */
static struct cell_result run_both(struct world *w, const char *script, struct strbuf *said)
{
	auto_strbuf struct strbuf plain = STRBUF(64 << 10);
	struct cell_result without, with;

	w->spec.audit = false;
	without = world_run(w, script, &plain);
	world_upper(w);
	w->spec.audit = true;
	with = world_run(w, script, said);
	world_upper(w);
	if (strcmp(plain.text, said->text) != 0)
		fail_msg("without an audit:\n%s\nwith one:\n%s", plain.text, said->text);
	assert_string_equal(cell_verdict_name(with.verdict), cell_verdict_name(without.verdict));
	assert_int_equal(with.exit_code, without.exit_code);
	assert_int_equal(with.signal, without.signal);
	return with;
}

static const struct cell_refusal *find(const struct cell_audit *audit, const char *call,
				       const char *arguments)
{
	for (size_t i = 0; i < audit->count; i++)
		if (strcmp(audit->rows[i].call, call) == 0 &&
		    strcmp(audit->rows[i].arguments, arguments) == 0)
			return &audit->rows[i];
	for (size_t i = 0; i < audit->count; i++)
		print_error("%s(%s): %s\n", audit->rows[i].call, audit->rows[i].arguments,
			    audit->rows[i].answer);
	fail_msg("%s(%s) was not counted", call, arguments);
	return NULL;
}

/* ---- what is counted ---- */

static const struct {
	const char *call, *arguments, *answer;
	uint64_t count;
} wanted[] = {
	{"mount", "", "EPERM", 3},
	{"socket", "family=17 type=3 protocol=768", "EAFNOSUPPORT", 1},
	{"socket", "family=2 type=3 protocol=1", "EPERM", 2},
	{"unshare", "flags=0x10000000", "EPERM", 1},
	{"call 1000", "", "ENOSYS", 1},
};

static void check_counts(void)
{
	static const char calls[] =
		"$0 = \"strangers\"; $! = 0; sub try { syscall(shift, @_); print 0 + $!, \"\\n\" } "
		"try($mount, 0, 0, 0, 0, 0) for 1..3; try($socket, 17, 3, 768); "
		"try($socket, 2, 0x80003, 1) for 1..2; try($unshare, 0x10000000); try(1000); "
		"try($socket, 1, 1, 0)";
	auto_strbuf struct strbuf said = STRBUF(4096);
	struct cell_audit audit;
	struct world w;

	world_make(&w);
	w.audit = &audit;
	(void)run_both(&w, perl(calls), &said);
	assert_string_equal(said.text, "1\n1\n1\n97\n1\n1\n1\n38\n38\n");
	for (size_t i = 0; i < COUNT(wanted); i++) {
		const struct cell_refusal *r = find(&audit, wanted[i].call, wanted[i].arguments);

		assert_string_equal(r->answer, wanted[i].answer);
		assert_string_equal(r->program, "strangers");
		assert_int_equal(r->count, wanted[i].count);
	}
	assert_int_equal(audit.others, 0);
	world_drop(&w);
}

TEST_BOTH(counts)

/* A row for each name that a program gives itself: they run out, and the answers do not. */
static void test_kinds_are_capped(void **state)
{
	static const char calls[] = "for (1..1000) { $0 = \"n$_\"; syscall($mount, 0, 0, 0, 0, 0); "
				    "die \"$!\" if $! != 1 } print \"all\\n\"";
	auto_strbuf struct strbuf said = STRBUF(4096);
	struct cell_audit audit;
	struct world w;

	(void)state;
	world_make(&w);
	w.audit = &audit;
	(void)run_both(&w, perl(calls), &said);
	assert_string_equal(said.text, "all\n");
	assert_int_equal(audit.count, CELL_REFUSALS);
	assert_int_equal(audit.others, 1000 - CELL_REFUSALS);
	world_drop(&w);
}

static void check_many_at_once(void)
{
	static const char calls[] =
		"for (1..40) { next if fork; for (1..50) { syscall($mount, 0, 0, 0, 0, 0); "
		"die \"$!\" if $! != 1; system(\"true\") if $_ == 25 } exit } "
		"1 while wait > 0; print \"all\\n\"";
	auto_strbuf struct strbuf said = STRBUF(4096);
	struct cell_audit audit;
	struct world w;

	world_make(&w);
	w.audit = &audit;
	w.spec.limits.pids = 200; /* without a cgroup init also has to look at them */
	w.spec.limits.wall_ms = 60000;
	(void)run_both(&w, perl(calls), &said);
	assert_string_equal(said.text, "all\n");
	assert_int_equal(find(&audit, "mount", "")->count, 2000);
	world_drop(&w);
}

TEST_BOTH(many_at_once)

/* ---- the network ---- */

static void test_networks_that_were_tried(void **state)
{
	static const char calls[] =
		"use Socket; use Socket \"inet_pton\"; for (1..3) { socket(S, 2, 1, 0); connect(S, "
		"pack_sockaddr_in(80, "
		"inet_aton(\"192.0.2.1\"))); print 0 + $!, \"\\n\" } socket(S, 10, 2, 0); "
		"connect(S, pack_sockaddr_in6(53, inet_pton(10, \"2001:db8::1\"))); "
		"print 0 + $!, \"\\n\"";
	auto_strbuf struct strbuf said = STRBUF(4096);
	struct cell_audit audit;
	struct world w;

	(void)state;
	world_make(&w);
	w.audit = &audit;
	(void)run_both(&w, perl(calls), &said);
	assert_string_equal(said.text, "101\n101\n101\n101\n");
	assert_int_equal(audit.no_route, 4);
	strbuf_clear(&said);
	(void)run_both(&w, "true", &said);
	assert_int_equal(audit.no_route, 0);
	world_drop(&w);
}

static void test_columns(void **state)
{
	static const struct {
		const char *text;
		uint64_t value;
	} rows[] = {
		{"Ip: A B C\nIp: 1 2 3\n", 2},
		{"IpX: A B\nIp: A B C\nIp: 1 22 3\nTcp: A B\nTcp: 8 9\n", 22},
		{"Ip: A BB B\nIp: 1 2 3", 3},
		{"Ip: A C\nIp: 1 2\n", 0},
		{"Ip: A B\nIp: 1\n", 0},
		{"Ip: A B\n", 0},
		{"", 0},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		assert_int_equal(audit_column(rows[i].text, "Ip: ", "B"), rows[i].value);
}

/* ---- what a step can do about it ---- */

static void test_nothing_of_it_is_in_the_step(void **state)
{
	auto_strbuf struct strbuf said = STRBUF(4096);
	struct world w;

	(void)state;
	world_make(&w);
	(void)run_both(&w, "cd /proc/self/fd && echo * && ls -d /proc/[0-9]*", &said);
	world_drop(&w);
}

/* Init is the responder: it cannot be stopped, traced or opened. */
static void test_the_responder_is_out_of_reach(void **state)
{
	static const char calls[] = "kill $_, 1 for qw(KILL STOP INT TERM HUP SEGV USR1 CHLD); "
				    "print opendir(D, \"/proc/1/fd\") ? \"open\" : \"shut\"; "
				    "syscall($mount, 0, 0, 0, 0, 0); print 0 + $!, \"\\n\"";
	auto_strbuf struct strbuf said = STRBUF(4096);
	struct cell_audit audit;
	struct world w;

	(void)state;
	world_make(&w);
	w.audit = &audit;
	(void)run_both(&w, perl(calls), &said);
	assert_string_equal(said.text, "shut1\n");
	assert_int_equal(find(&audit, "mount", "")->count, 1);
	world_drop(&w);
}

/* Signals go first, or a step in a loop of refused calls could neither end nor be ended. */
static void test_a_flood_can_be_ended(void **state)
{
	static const char calls[] = "fork; fork; syscall($mount, 0, 0, 0, 0, 0) while 1";
	struct cell_audit audit;
	struct cell_result r;
	struct world w;

	(void)state;
	world_make(&w);
	w.audit = &audit;
	w.spec.audit = true;
	w.spec.limits.wall_ms = 2000; /* perl must have begun, on a machine that is slow too */
	r = world_run(&w, perl(calls), NULL);
	assert_string_equal(cell_verdict_name(r.verdict), "timeout");
	/* killed, and its counts are here all the same */
	assert_true(find(&audit, "mount", "")->count > 100);
	assert_int_equal(audit.count, 1);
	world_drop(&w);
}

static void test_survivors_in_a_flood(void **state)
{
	static const char calls[] = "if (!fork) { syscall($mount, 0, 0, 0, 0, 0) while 1 } "
				    "select(undef, undef, undef, 0.2); exit 7";
	struct cell_result r;
	struct world w;

	(void)state;
	world_make(&w);
	w.spec.audit = true;
	w.spec.limits.wall_ms = 20000;
	r = world_run(&w, perl(calls), NULL);
	assert_int_equal(r.exit_code, 7);
	assert_int_equal(r.survivors, 1);
	world_drop(&w);
}

/* It is refused something itself, and so is what it starts. */
static int function_of_ours(void *arg, const int *fds, size_t fd_count)
{
	pid_t pid;

	(void)arg;
	(void)fds;
	(void)fd_count;
	(void)syscall(1000);
	pid = fork();
	if (pid == 0) {
		(void)syscall(1001);
		_exit(syscall(1001) == -1 && errno == ENOSYS ? 7 : 1);
	}
	return waitpid(pid, &(int){0}, 0) == pid ? 5 : 1;
}

static void test_a_function_of_ours_is_audited_too(void **state)
{
	struct cell *cell = NULL;
	struct cell_result r;
	struct cell_audit *audit = calloc(1, sizeof(*audit));
	struct err err = {0};
	struct world w;

	(void)state;
	assert_non_null(audit);
	world_make(&w);
	w.spec.audit = true;
	w.spec.argv = NULL;
	w.spec.fn = function_of_ours;
	MUST(cell_start(&w.spec, &cell, NULL, &err));
	MUST(cell_wait(cell, &r, &err));
	assert_int_equal(r.exit_code, 5);
	cell_audit(cell, audit);
	assert_int_equal(audit->count, 2);
	assert_string_equal(audit->rows[0].call, "call 1000");
	assert_int_equal(audit->rows[0].count, 1);
	assert_string_equal(audit->rows[1].call, "call 1001");
	assert_int_equal(audit->rows[1].count, 2);
	cell_release(&cell);
	world_drop(&w);
	free(audit);
}

/* ---- its parts ---- */

/* Where the policy itself gives no error there is still none that lets a call through. */
static void test_every_answer_refuses(void **state)
{
	static const uint32_t answers[] = {SECCOMP_RET_ALLOW, SECCOMP_RET_ERRNO,
					   SECCOMP_RET_LOG,   SECCOMP_RET_TRACE | 5,
					   SECCOMP_RET_TRAP,  SECCOMP_RET_KILL_PROCESS};
	static struct audit_table table;
	const struct seccomp_notif asked = {.data = {.nr = SYS_read, .arch = AUDIT_ARCH_I386}};

	(void)state;
	for (size_t i = 0; i < COUNT(answers); i++) {
		struct sock_filter code = BPF_STMT(BPF_RET | BPF_K, answers[i]);

		assert_int_equal(
			audit_note(&table, &(struct seccomp_filter){&code, 1}, &asked, "x"), EPERM);
	}
}

/* Should the listener ever be closed, the kernel answers; and not by making the call. */
static void test_without_a_responder(void **state)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mount, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	int status;
	pid_t pid = fork();

	(void)state;
	assert_true(pid >= 0);
	if (pid == 0) {
		struct err err;
		int fd = no_new_privs_set(&err);

		if (fd == 0)
			fd = seccomp_filter_install_asking(
				&(struct seccomp_filter){code, COUNT(code)}, &err);
		if (fd < 0 || close(fd) < 0)
			_exit(99);
		_exit(syscall(SYS_mount, 1, 1, 1, 0, 0) < 0 ? errno : 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), ENOSYS);
}

static void test_a_policy_that_lets_no_listener_out(void **state)
{
	struct sock_filter code = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM);
	const struct seccomp_filter policy = {&code, 1};
	struct audit *audit = NULL;
	struct err err = {0};

	(void)state;
	assert_int_equal(audit_open(&policy, &audit, &err), -1);
	assert_null(audit);
	assert_non_null(strstr(err.text, "refuses sendmsg"));
}

/* Whatever is in the table: what is read of it stays within it. */
static void test_a_table_of_rubbish(void **state)
{
	static struct audit_table table;
	static struct cell_audit out;

	(void)state;
	memset(&table, 0xff, sizeof(table));
	audit_read(&table, &out);
	assert_int_equal(out.count, CELL_REFUSALS);
	for (size_t i = 0; i < out.count; i++) {
		assert_true(memchr(out.rows[i].program, 0, sizeof(out.rows[i].program)));
		assert_string_equal(out.rows[i].call, "call -1");
		assert_string_equal(out.rows[i].answer, "?");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_counts),
		cmocka_unit_test(test_counts_as_user),
		cmocka_unit_test(test_kinds_are_capped),
		cmocka_unit_test(test_many_at_once),
		cmocka_unit_test(test_many_at_once_as_user),
		cmocka_unit_test(test_networks_that_were_tried),
		cmocka_unit_test(test_columns),
		cmocka_unit_test(test_nothing_of_it_is_in_the_step),
		cmocka_unit_test(test_the_responder_is_out_of_reach),
		cmocka_unit_test(test_a_flood_can_be_ended),
		cmocka_unit_test(test_survivors_in_a_flood),
		cmocka_unit_test(test_a_function_of_ours_is_audited_too),
		cmocka_unit_test(test_every_answer_refuses),
		cmocka_unit_test(test_without_a_responder),
		cmocka_unit_test(test_a_policy_that_lets_no_listener_out),
		cmocka_unit_test(test_a_table_of_rubbish),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
