/* Cells where clone3() is refused, as filters do that were written before it. */
#include <errno.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "cell/birth.h"
#include "cell_fixture.h"
#include "unprivileged.h"

static int refusal; /* how the filter answers */

static void refuse_clone3(void)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);

	assert_non_null(filter);
	assert_int_equal(
		seccomp_rule_add(filter, SCMP_ACT_ERRNO((unsigned)refusal), SCMP_SYS(clone3), 0),
		0);
	assert_int_equal(seccomp_load(filter), 0);
	seccomp_release(filter);
	assert_int_equal(syscall(SYS_clone3, NULL, 0), -1);
	assert_int_equal(errno, refusal);
}

/* ---- a whole cell ---- */

static void assert_told(const char *state)
{
	struct cell_probe rows[64];
	const size_t count = cell_doctor(state, rows, COUNT(rows));

	for (size_t i = 0; i < count; i++)
		if (strcmp(rows[i].name, "cgroup-birth") == 0) {
			assert_int_equal(rows[i].state, CELL_PARTIAL);
			return;
		}
	fail();
}

static void check_cell(void)
{
	auto_strbuf struct strbuf with = STRBUF(4096), without = STRBUF(4096);
	static const char script[] =
		"readlink /proc/self/cwd; id -u; cat /proc/self/cgroup | cut -d: -f3 | sort -u; "
		"grep -E '^(Cap|NoNewPrivs)' /proc/self/status; cat /proc/self/net/dev | wc -l";
	struct cell_result before, now;
	struct world w;

	world_make(&w);
	w.spec.limits = (struct cell_limits){.memory = 256 << 20, .pids = 32, .cpus_milli = 2000};
	before = world_run(&w, script, &with);
	world_upper(&w);
	refuse_clone3();
	now = world_run(&w, script, &without);
	assert_int_equal(before.verdict, CELL_PASSED);
	assert_int_equal(now.verdict, CELL_PASSED);
	assert_string_equal(with.text, without.text);
	assert_memory_equal(&now.means, &before.means, sizeof(now.means));
	/* the limits hold, not only the words about them */
	world_upper(&w);
	now = world_run(&w, "for i in $(seq 64); do sleep 0.5 & done; wait", NULL);
	assert_true(now.pids_refused || now.means.pids != CELL_BY_CGROUP);
	assert_true(now.verdict != CELL_PASSED);
	assert_told(w.state);
	world_drop(&w);
}

/* ---- handlers of the caller's ---- */

static void on_signal(int number)
{
	_exit(number == SIGUSR1 ? 77 : 78);
}

static void check_handlers(void)
{
	struct err err = {0};
	siginfo_t info = {0};
	int pidfd = -1;
	bool outside;
	pid_t pid;

	(void)signal(SIGUSR1, on_signal);
	(void)signal(SIGUSR2, SIG_IGN);
	refuse_clone3();
	pid = birth(0, -1, &pidfd, &outside, &err);
	if (pid == 0) {
		(void)raise(SIGUSR2);
		(void)raise(SIGUSR1);
		_exit(0);
	}
	assert_true(pid > 0);
	assert_false(outside);
	assert_int_equal(waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED | __WALL), 0);
	assert_int_equal(info.si_code, CLD_KILLED);
	assert_int_equal(info.si_status, SIGUSR1);
	assert_true(fcntl(pidfd, F_GETFD) & FD_CLOEXEC);
}

/* ---- each in a process of its own: a filter stays ---- */

static void in_child(void (*check)(void))
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		check();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void test_unknown(void **state)
{
	(void)state;
	refusal = ENOSYS;
	in_child(check_cell);
	in_child(check_handlers);
}

static void test_refused(void **state)
{
	(void)state;
	refusal = EPERM;
	in_child(check_cell);
	in_child(check_handlers);
}

static void test_unknown_as_user(void **state)
{
	(void)state;
	refusal = ENOSYS;
	as_user(check_cell);
}

static void test_refused_as_user(void **state)
{
	(void)state;
	refusal = EPERM;
	as_user(check_cell);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_unknown),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_unknown_as_user),
		cmocka_unit_test(test_refused_as_user),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
