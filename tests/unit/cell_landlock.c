/* What a restricted child can still reach; each row with its control outside. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "cell/caps.h"
#include "cell/landlock.h"
#include "stepcell/fd.h"
#include "stepcell/path.h"
#include "stepcell/util.h"

/*
 *	open/	everything but devices: old, dir
 *	shut/	nothing: old
 *	look/	read: old
 */
struct yard {
	char path[64];
	pid_t outsider;
	int listener; /* an abstract socket */
	struct sockaddr_un address;
};

static int setup(void **state)
{
	static const char *const dirs[] = {"open", "shut", "look", "open/dir"};
	static const char *const files[] = {"open/old", "shut/old", "look/old"};
	struct yard *y = calloc(1, sizeof(*y));
	struct err err;

	(void)snprintf(y->path, sizeof(y->path), "/tmp/cell_landlock.XXXXXX");
	*state = y;
	if (!mkdtemp(y->path) || chdir(y->path) < 0)
		return -1;
	for (size_t i = 0; i < COUNT(dirs); i++)
		if (mkdir(dirs[i], 0755) < 0)
			return -1;
	for (size_t i = 0; i < COUNT(files); i++)
		if (file_write(AT_FDCWD, files[i], "x", 1, 0755, &err) < 0)
			return -1;
	y->address.sun_family = AF_UNIX;
	(void)snprintf(y->address.sun_path + 1, 80, "%s", y->path);
	y->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(y->listener, (struct sockaddr *)&y->address, sizeof(y->address)) < 0 ||
	    listen(y->listener, 5) < 0)
		return -1;
	y->outsider = fork();
	if (y->outsider == 0) {
		(void)pause();
		_exit(0);
	}
	return 0;
}

static int teardown(void **state)
{
	struct yard *y = *state;
	struct err err;
	int r;

	(void)kill(y->outsider, SIGKILL);
	(void)waitpid(y->outsider, NULL, 0);
	(void)close(y->listener);
	r = chdir("/") | remove_tree(AT_FDCWD, y->path, &err);
	free(y);
	return r;
}

/* ---- what a child tries: 0 or an errno ---- */

static int result(int r)
{
	const int e = r < 0 ? errno : 0;

	if (r > 0)
		(void)close(r);
	return e;
}

static int read_open(const struct yard *y)
{
	(void)y;
	return result(open("open/old", O_RDONLY));
}

static int write_open(const struct yard *y)
{
	(void)y;
	return result(open("open/old", O_WRONLY | O_TRUNC));
}

static int make_open(const struct yard *y)
{
	(void)y;
	return result(mkdir("open/new", 0755)) | result(symlink("x", "open/link")) |
	       result(rename("open/old", "open/dir/old")) | result(unlink("open/link"));
}

static int make_device(const struct yard *y)
{
	(void)y;
	return result(mknod("open/null", S_IFCHR | 0600, 0x103));
}

static int read_shut(const struct yard *y)
{
	(void)y;
	return result(open("shut/old", O_RDONLY));
}

static int list_shut(const struct yard *y)
{
	(void)y;
	return result(open("shut", O_RDONLY | O_DIRECTORY));
}

static int move_to_shut(const struct yard *y)
{
	(void)y;
	return result(rename("open/old", "shut/new"));
}

static int link_from_shut(const struct yard *y)
{
	(void)y;
	return result(link("shut/old", "open/stolen"));
}

static int truncate_look(const struct yard *y)
{
	(void)y;
	return result(truncate("look/old", 0));
}

static int read_look(const struct yard *y)
{
	(void)y;
	return result(open("look/old", O_RDONLY));
}

static int write_look(const struct yard *y)
{
	(void)y;
	return result(open("look/old", O_WRONLY));
}

static int execute_look(const struct yard *y)
{
	char *argv[] = {(char *)"look/old", NULL};

	(void)y;
	return execv("look/old", argv) < 0 ? errno : 0;
}

static int through_proc_root(const struct yard *y)
{
	char path[200];

	(void)snprintf(path, sizeof(path), "/proc/%d/cwd/shut/old", y->outsider);
	return result(open(path, O_RDONLY));
}

static int read_etc(const struct yard *y)
{
	(void)y;
	return result(open("/etc/passwd", O_RDONLY));
}

static int do_mount(const struct yard *y)
{
	(void)y;
	return result(mount("none", "open/dir", "nosuchtype", 0, NULL));
}

static int signal_outsider(const struct yard *y)
{
	return result(kill(y->outsider, 0));
}

static int signal_self(const struct yard *y)
{
	(void)y;
	return result(kill(getpid(), 0));
}

static int trace_outsider(const struct yard *y)
{
	const int r = result((int)ptrace(PTRACE_SEIZE, y->outsider, 0, 0));

	(void)ptrace(PTRACE_DETACH, y->outsider, 0, 0);
	return r;
}

static int reach_abstract(const struct yard *y)
{
	const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	return result(connect(fd, (const struct sockaddr *)&y->address, sizeof(y->address)));
}

static int own_abstract(const struct yard *y)
{
	struct sockaddr_un own = y->address;
	const int in = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	const int out = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	own.sun_path[1] = '!';
	if (bind(in, (struct sockaddr *)&own, sizeof(own)) < 0 || listen(in, 1) < 0)
		return errno;
	return result(connect(out, (struct sockaddr *)&own, sizeof(own)));
}

static int port_on_loopback(const struct yard *y)
{
	struct sockaddr addr = {.sa_family = AF_INET};
	const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)y;
	return result(bind(fd, &addr, sizeof(struct sockaddr)));
}

static int ioctl_device(const struct yard *y)
{
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC), n;

	(void)y;
	return fd < 0 ? errno : result(ioctl(fd, TIOCOUTQ, &n));
}

static const struct {
	const char *name;
	int (*attempt)(const struct yard *y);
	int abi; /* from which version on */
	int inside, outside;
	bool as_root; /* the control needs it */
} rows[] = {
	{"read what is open", read_open, 1, 0, 0, false},
	{"write what is open", write_open, 1, 0, 0, false},
	{"make, move and remove in it", make_open, 2, 0, 0, false},
	{"make a device in it", make_device, 1, EACCES, 0, true},
	{"read what is shut", read_shut, 1, EACCES, 0, false},
	{"list what is shut", list_shut, 1, EACCES, 0, false},
	{"move into what is shut", move_to_shut, 1, EACCES, 0, false},
	{"link out of what is shut", link_from_shut, 2, EXDEV, 0, false},
	{"truncate by name", truncate_look, 3, EACCES, 0, false},
	{"read what may be read", read_look, 1, 0, 0, false},
	{"write what may be read", write_look, 1, EACCES, 0, false},
	{"execute what may be read", execute_look, 1, EACCES, ENOEXEC, false},
	{"go through another's directory", through_proc_root, 1, EACCES, 0, false},
	{"read /etc", read_etc, 1, EACCES, 0, false},
	{"mount", do_mount, 1, EPERM, ENODEV, true},
	{"signal a process outside", signal_outsider, 6, EPERM, 0, false},
	{"signal itself", signal_self, 1, 0, 0, false},
	{"trace a process outside", trace_outsider, 1, EPERM, 0, false},
	{"reach an abstract socket outside", reach_abstract, 6, EPERM, 0, false},
	{"reach its own abstract socket", own_abstract, 1, 0, 0, false},
	{"bind a port", port_on_loopback, 1, 0, 0, false},
	{"ioctl on a device without leave", ioctl_device, 5, EACCES, ENOTTY, false},
};

static void restrict_here(unsigned dev)
{
	const struct landlock_rule rules[] = {
		{open("open", O_PATH | O_CLOEXEC), LANDLOCK_ALL},
		{open("look", O_PATH | O_CLOEXEC), LANDLOCK_READ},
		{open("/proc", O_PATH | O_CLOEXEC), LANDLOCK_READ},
		{open("/dev/null", O_PATH | O_CLOEXEC), LANDLOCK_READ | LANDLOCK_WRITE | dev},
	};
	struct err err = {0};

	if (no_new_privs_set(&err) < 0 || landlock_restrict(rules, COUNT(rules), &err) < 0) {
		(void)fprintf(stderr, "%s\n", err.text);
		_exit(200);
	}
}

static int attempt(const struct yard *y, size_t row, bool restricted, unsigned dev)
{
	int status;
	const pid_t pid = fork();

	if (pid == 0) {
		if (restricted)
			restrict_here(dev);
		_exit(rows[row].attempt(y));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* Each attempt in a yard of its own: some change it. */
static int in_yard(size_t row, bool restricted, unsigned dev)
{
	void *state;
	int r;

	assert_int_equal(setup(&state), 0);
	r = attempt(state, row, restricted, dev);
	assert_int_equal(teardown(&state), 0);
	return r;
}

static void skip_without(int abi)
{
	if (landlock_abi() >= abi)
		return;
	print_message("skipped: Landlock ABI %d here\n", landlock_abi());
	if (getenv("STEPCELL_MUST_RUN"))
		fail_msg("Landlock ABI %d is needed", abi);
	skip();
}

static void walls_and_controls(void **state)
{
	unsigned wrong = 0;

	(void)state;
	skip_without(1);
	for (size_t i = 0; i < COUNT(rows); i++) {
		if (rows[i].abi > landlock_abi())
			continue;

		const int inside = in_yard(i, true, 0), outside = in_yard(i, false, 0);

		if (inside != rows[i].inside && ++wrong)
			print_error("%s: %s inside\n", rows[i].name, strerrorname_np(inside));
		if (outside != rows[i].outside && (geteuid() == 0 || !rows[i].as_root) && ++wrong)
			print_error("%s: %s outside\n", rows[i].name, strerrorname_np(outside));
	}
	assert_int_equal(wrong, 0);
}

static void devices_may_be_allowed(void **state)
{
	(void)state;
	skip_without(5);
	assert_int_equal(in_yard(COUNT(rows) - 1, true, LANDLOCK_DEVICE), ENOTTY);
}

static void a_closed_rule_is_an_error(void **state)
{
	const struct landlock_rule rule = {-1, LANDLOCK_READ};
	struct err err = {0};

	(void)state;
	skip_without(1);
	assert_int_equal(landlock_restrict(&rule, 1, &err), -1);
	assert_non_null(strstr(err.text, "Landlock rule"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(walls_and_controls),
		cmocka_unit_test(devices_may_be_allowed),
		cmocka_unit_test(a_closed_rule_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
