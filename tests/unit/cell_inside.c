/* What a command finds inside a cell: row by row, as root's and as an ordinary user's. */
#include <termios.h>

#include "cell_fixture.h"
#include "unprivileged.h"

/* Each row is a script, and all that it prints. */
static const struct {
	const char *what, *script, *output;
} rows[] = {
	{"who", "id -u; id -g; id -G", "1001\n1001\n1001\n"},
	{"capabilities", "grep -c '^Cap...:.0000000000000000$' /proc/self/status", "5\n"},
	{"no new privileges", "grep NoNewPrivs /proc/self/status", "NoNewPrivs:\t1\n"},
	{"a filter", "grep Seccomp: /proc/self/status", "Seccomp:\t2\n"},
	{"init's name, and not the operator's words",
	 "tr -d '\\0' </proc/1/cmdline; echo; cat /proc/1/comm; echo $$",
	 "stepcell-init\nstepcell-init\n2\n"},
	{"init's environment", "cat /proc/1/environ 2>&1 | grep -c 'Permission denied'", "1\n"},
	{"init's files", "ls /proc/1/fd 2>&1 | grep -c 'Permission denied'", "1\n"},
	{"environment", "/usr/bin/env | sort",
	 "HOME=/home/runner\nPATH=/usr/local/bin:/usr/bin:/bin\nPWD=/home/runner\n"},
	{"working directory", "pwd", "/home/runner\n"},
	{"host name", "cat /proc/sys/kernel/hostname 2>/dev/null || hostname", "test\n"},
	{"descriptors", "ls /proc/$$/fd", "0\n1\n2\n"},
	{"network", "tail -n +3 /proc/self/net/dev | cut -d: -f1", "    lo\n"},
	{"cgroup", "grep -v ':/$' /proc/self/cgroup", ""},
	{"/proc", "ls /proc | grep -v '[0-9]'", "self\nthread-self\n"},
	{"/dev", "ls /dev",
	 "fd\nfull\nnull\nptmx\npts\nrandom\nshm\nstderr\nstdin\nstdout\nurandom\nzero\n"},
	{"/dev holds",
	 "touch /dev/x 2>&1 | grep -c 'Read-only'; echo y >/dev/shm/y && cat /dev/shm/y", "1\ny\n"},
	{"/sys", "ls /sys 2>&1 | grep -c 'No such file'", "1\n"},
	{"/tmp", "stat -c %a /tmp; touch /tmp/x && echo written", "1777\nwritten\n"},
	{"user namespaces", "unshare -U true 2>&1 | grep -c 'not permitted'", "1\n"},
	{"umask", "umask", "0022\n"},
	{"session", "cut -d' ' -f6 /proc/$$/stat", "2\n"},
	{"the host's files cannot be written", "touch /usr/bin/x 2>&1 | grep -c 'Read-only'",
	 "1\n"},
	{"nothing of the host's tree is left", "ls -d /root /var /opt /boot 2>/dev/null", ""},
	{"no core files", "ulimit -c", "0\n"},
};

static void check_rows_of(bool ahead)
{
	static const char *const argv[] = {"true", NULL};
	struct err err = {0};
	struct world w;

	world_make(&w);
	for (size_t i = 0; i < COUNT(rows); i++) {
		auto_strbuf struct strbuf out = STRBUF(65536);
		struct cell_result r;

		print_message("%s\n", rows[i].what);
		w.spec.argv = argv;
		if (ahead)
			MUST(cell_prepare(&w.spec, &err));
		r = world_run(&w, rows[i].script, &out);
		assert_string_equal(out.text, rows[i].output);
		assert_int_equal(r.verdict == CELL_PASSED || r.verdict == CELL_FAILED, true);
		world_upper(&w);
	}
	world_drop(&w);
}

static void check_rows(void)
{
	check_rows_of(false);
}

static void check_rows_ahead(void)
{
	check_rows_of(true);
}

static void test_inside_ahead(void **state)
{
	(void)state;
	check_rows_ahead();
}

static void test_inside_ahead_as_user(void **state)
{
	(void)state;
	as_user(check_rows_ahead);
}

static void test_inside(void **state)
{
	(void)state;
	check_rows();
}

static void test_inside_as_user(void **state)
{
	(void)state;
	as_user(check_rows);
}

/* The masks of a whole /proc: a path, and whether anything of it can be read. */
static void check_full_proc(void)
{
	static const char script[] =
		"test -r /proc/meminfo && echo meminfo; head -c 1 /proc/kcore 2>/dev/null;"
		"head -c 1 /proc/keys 2>/dev/null; ls /proc/acpi 2>/dev/null;"
		"(echo 1 >/proc/sys/kernel/panic) 2>/dev/null && echo written;"
		"(: >/proc/sysrq-trigger) 2>/dev/null && echo opened";
	auto_strbuf struct strbuf out = STRBUF(65536);
	struct world w;

	world_make(&w);
	w.spec.proc = CELL_PROC_FULL;
	(void)world_run(&w, script, &out);
	assert_string_equal(out.text, "meminfo\n");
	world_drop(&w);
}

TEST_BOTH(full_proc)

/* The clocks say nothing of the host: they begin at a day. */
static void test_clocks(void **state)
{
	auto_strbuf struct strbuf out = STRBUF(65536);
	struct world w;

	(void)state;
	world_make(&w);
	(void)world_run(&w,
			"exec perl -MTime::HiRes=:DEFAULT,CLOCK_MONOTONIC -e "
			"'print int(Time::HiRes::clock_gettime(CLOCK_MONOTONIC) / 60)'",
			&out);
	assert_string_equal(out.text, "1440");
	world_drop(&w);
}

/* A string of the environment, found before the cell was born. */
static const char *secret_at;

static int inside_function(void *arg, const int *fds, size_t count)
{
	char text[64];
	int n = snprintf(text, sizeof(text), "%s uid %u fds %zu pid %d%s", (const char *)arg,
			 getuid(), count, (int)getpid(), secret_at);

	return write_full(fds[0], text, (size_t)n) < 0 ? 1 : 42;
}

static void test_function(void **state)
{
	char arg[] = "canary";
	struct cell_result result;
	struct cell *cell = NULL;
	struct err err = {0};
	struct world w;
	char text[64] = "";
	int ends[2];

	(void)state;
	world_make(&w);
	assert_int_equal(setenv("SECRET", ", and a secret", 1), 0);
	secret_at = getenv("SECRET");
	MUST(pipe_open(ends, &err));
	w.spec.fn = inside_function;
	w.spec.fn_arg = arg;
	w.spec.fds = &ends[1];
	w.spec.fd_count = 1;
	MUST(cell_start(&w.spec, &cell, NULL, &err));
	(void)close(ends[1]);
	MUST(cell_wait(cell, &result, &err));
	cell_release(&cell);
	assert_int_equal(result.exit_code, 42);
	assert_true(read(ends[0], text, sizeof(text) - 1) > 0);
	assert_string_equal(text, "canary uid 1001 fds 1 pid 2");
	(void)close(ends[0]);
	world_drop(&w);
}

/* A terminal of its own: it has a name inside, jobs can be controlled, and what is typed comes. */
static void check_terminal(void)
{
	static const char *const argv[] = {
		"/bin/sh", "-c",
		"tty; test -t 0 && test -t 2 && echo three; echo direct >/dev/tty; ls -1 /dev/pts;"
		"read line; echo got $line; stty size >/dev/null && echo sized",
		NULL};
	auto_strbuf struct strbuf out = STRBUF(65536);
	struct cell_result result;
	struct cell *cell = NULL;
	struct err err = {0};
	struct termios modes;
	struct world w;

	world_make(&w);
	w.spec.pty = true;
	w.spec.argv = argv;
	MUST(cell_start(&w.spec, &cell, NULL, &err));
	assert_true(cell_pty(cell) >= 0);
	/* an echo would turn up anywhere between the lines */
	assert_int_equal(tcgetattr(cell_pty(cell), &modes), 0);
	modes.c_lflag &= ~(tcflag_t)ECHO;
	assert_int_equal(tcsetattr(cell_pty(cell), TCSANOW, &modes), 0);
	assert_int_equal(write(cell_pty(cell), "typed\n", 6), 6);
	result = world_follow(cell, cell_pty(cell), &out);
	cell_release(&cell);
	assert_int_equal(result.verdict, CELL_PASSED);
	assert_non_null(strstr(out.text, "/dev/pts/0\r\n"));
	assert_non_null(strstr(out.text, "three\r\ndirect\r\n0\r\nptmx\r\n"));
	assert_non_null(strstr(out.text, "got typed\r\nsized\r\n"));
	world_drop(&w);
}

TEST_BOTH(terminal)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_inside),       cmocka_unit_test(test_inside_as_user),
		cmocka_unit_test(test_inside_ahead), cmocka_unit_test(test_inside_ahead_as_user),
		cmocka_unit_test(test_full_proc),    cmocka_unit_test(test_full_proc_as_user),
		cmocka_unit_test(test_clocks),       cmocka_unit_test(test_function),
		cmocka_unit_test(test_terminal),     cmocka_unit_test(test_terminal_as_user),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
