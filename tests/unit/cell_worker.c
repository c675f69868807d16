/* Workers: what they may do, what they may not, and what comes back. */
#include "cell_fixture.h"

#include <dirent.h>
#include <errno.h>
#include <netdb.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "loopback_fixture.h"
#include "unprivileged.h"

struct place {
	char dir[64], in[96], out[96], secret[96];
	struct cell_bind dirs[2];
};

static void place_make(struct place *p)
{
	struct err err = {0};

	*p = (struct place){.dir = "/var/tmp/cell-worker-XXXXXX"};
	assert_non_null(mkdtemp(p->dir));
	(void)snprintf(p->in, sizeof(p->in), "%s/in", p->dir);
	(void)snprintf(p->out, sizeof(p->out), "%s/out", p->dir);
	(void)snprintf(p->secret, sizeof(p->secret), "%s/secret", p->dir);
	assert_int_equal(mkdir(p->in, 0700), 0);
	assert_int_equal(mkdir(p->out, 0700), 0);
	MUST(file_write(AT_FDCWD, p->secret, "canary", 6, 0600, &err));
	p->dirs[0] = (struct cell_bind){.from = p->in};
	p->dirs[1] = (struct cell_bind){.from = p->out, .writable = true};
	(void)setenv("STEPCELL_HOME", p->dir, 1);
}

static void place_drop(struct place *p)
{
	struct err err = {0};

	MUST(remove_tree(AT_FDCWD, p->dir, &err));
}

static int run(struct place *p, cell_fn *fn, const int *fds, size_t count, struct err *err)
{
	const struct cell_work work = {.name = "test",
				       .fn = fn,
				       .arg = p,
				       .dirs = p->dirs,
				       .dir_count = 2,
				       .fds = fds,
				       .fd_count = count,
				       .limits = {.wall_ms = 20000}};

	return cell_worker(&work, err);
}

/* ---- what runs inside: the number of the first wall that does not stand ---- */

static int look_around(void *arg, const int *fds, size_t count)
{
	const struct place *p = arg;
	int fd;

	if (count != 1)
		return 1;
	if (open(p->secret, O_RDONLY) >= 0 || open("/etc/passwd", O_RDONLY) >= 0)
		return 2;
	if (open("/0/x", O_WRONLY | O_CREAT, 0600) >= 0)
		return 3;
	if (open("/x", O_WRONLY | O_CREAT, 0600) >= 0)
		return 4;
	if (socket(AF_INET, SOCK_STREAM, 0) >= 0 || errno != EPERM)
		return 5;
	if (fork() >= 0 || errno != EPERM)
		return 6;
	if (fcntl(6, F_GETFD) >= 0 || fcntl(100, F_GETFD) >= 0)
		return 7;
	/* a directory that was given as a descriptor is no way out either */
	if (openat(fds[0], "../secret", O_RDONLY) >= 0)
		return 8;
	if (openat(fds[0], "x", O_WRONLY | O_CREAT, 0600) >= 0)
		return 9;
	/* no library of a hostile tree is ever loaded */
	if (mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) !=
	    MAP_FAILED)
		return 11;
	fd = open("/1/made", O_WRONLY | O_CREAT | O_EXCL, 0640);
	return fd >= 0 && write(fd, "ok", 2) == 2 ? 0 : 10;
}

/* With a network: what it may reach, and that it is nothing else than without. */
static int look_at_network(void *arg, const int *fds, size_t count)
{
	const struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM};
	const struct place *p = arg;
	struct addrinfo *found = NULL;
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	uint16_t port;
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	(void)count;
	if (read_full(fds[0], &port, sizeof(port)) < 0)
		return 1;
	to.sin_port = htons(port);
	if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0)
		return 2;
	if (access("/etc/hosts", R_OK) == 0 && getaddrinfo("localhost", "80", &hints, &found) != 0)
		return 3;
	if (open(p->secret, O_RDONLY) >= 0 || open("/etc/passwd", O_RDONLY) >= 0)
		return 4;
	if (open("/0/x", O_WRONLY | O_CREAT, 0600) >= 0 || open("/etc/hosts", O_WRONLY) >= 0)
		return 5;
	if (listen(fd, 1) == 0 || fork() >= 0)
		return 6;
	if (socket(AF_INET, SOCK_RAW, IPPROTO_TCP) >= 0 || errno != EAFNOSUPPORT)
		return 7;
	if (socket(AF_UNIX, SOCK_STREAM, 0) >= 0 || errno != EAFNOSUPPORT)
		return 8;
	return getenv("HOME") ? 9 : 0;
}

static int complain(void *arg, const int *fds, size_t count)
{
	struct err err;

	(void)arg;
	(void)err_fail(&err, ERR_USAGE, "entry 7: no such digest");
	return write_full(fds[count], &err, sizeof(err)) < 0 ? 2 : 1;
}

static int lie(void *arg, const int *fds, size_t count)
{
	char garbage[3000];

	(void)arg;
	memset(garbage, 'x', sizeof(garbage));
	return write_full(fds[count], garbage, sizeof(garbage)) < 0 ? 2 : 0;
}

static int crash(void *arg, const int *fds, size_t count)
{
	(void)arg, (void)fds, (void)count;
	__builtin_trap();
	return 0;
}

static int fail_silently(void *arg, const int *fds, size_t count)
{
	(void)arg, (void)fds, (void)count;
	return 9;
}

static _Noreturn int loop(void *arg, const int *fds, size_t count)
{
	(void)arg, (void)fds, (void)count;
	for (;;)
		(void)usleep(1000);
}

/* ---- the tests ---- */

static void check_walls(void)
{
	struct err err = {0};
	struct place p;
	char made[128];
	struct stat st;

	place_make(&p);

	auto_fd int in = open(p.in, O_PATH | O_DIRECTORY | O_CLOEXEC);
	auto_fd int stray = fcntl(in, F_DUPFD, 100); /* not close-on-exec, and there is no exec */

	assert_true(stray >= 0);
	MUST(run(&p, look_around, &in, 1, &err));
	(void)snprintf(made, sizeof(made), "%s/made", p.out);
	assert_int_equal(stat(made, &st), 0);
	assert_int_equal(st.st_uid, geteuid());
	place_drop(&p);
}

TEST_BOTH(walls)

/* The port goes to it while it works. */
static void check_network(void)
{
	struct cell_worker *worker;
	struct err err = {0};
	struct place p;
	uint16_t port;
	int ends[2];

	place_make(&p);
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);

	auto_fd int listener = listen_on(&port);
	auto_fd int heard = ends[0];
	auto_fd int said = ends[1];
	const struct cell_work work = {.name = "net",
				       .fn = look_at_network,
				       .arg = &p,
				       .dirs = p.dirs,
				       .dir_count = 2,
				       .fds = &heard,
				       .fd_count = 1,
				       .limits = {.wall_ms = 20000},
				       .network = CELL_NET_FULL};

	MUST(cell_worker_start(&work, &worker, &err));
	assert_int_equal(write_full(said, &port, sizeof(port)), 0);
	MUST(cell_worker_end(&worker, &err));
	assert_null(worker);
	place_drop(&p);
}

TEST_BOTH(network)

static const struct {
	const char *what;
	cell_fn *fn;
	enum err_kind kind;
	const char *text;
} failures[] = {
	{"an error crosses whole", complain, ERR_USAGE, "worker 'test': entry 7: no such digest"},
	{"garbage is not believed", lie, ERR_SYSTEM,
	 "worker 'test': the child said what makes no sense"},
	{"a crash", crash, ERR_SYSTEM,
	 "worker 'test': was killed by signal 4 (Illegal instruction)"},
	{"a silent failure", fail_silently, ERR_SYSTEM,
	 "worker 'test': failed with 9, and did not say why"},
};

static void test_failures(void **state)
{
	struct place p;

	(void)state;
	place_make(&p);
	for (size_t i = 0; i < COUNT(failures); i++) {
		struct err err = {0};

		print_message("%s\n", failures[i].what);
		assert_int_equal(run(&p, failures[i].fn, NULL, 0, &err), -1);
		assert_string_equal(err.text, failures[i].text);
		assert_int_equal(err.kind, failures[i].kind);
	}
	place_drop(&p);
}

static void test_time(void **state)
{
	const struct cell_work work = {.name = "slow", .fn = loop, .limits = {.wall_ms = 100}};
	struct err err = {0};

	struct place p;

	(void)state;
	place_make(&p);
	assert_int_equal(cell_worker(&work, &err), -1);
	assert_string_equal(err.text, "worker 'slow': took more than 100 ms");
	place_drop(&p);
}

int main(void)
{
	data_here();

	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_walls),    cmocka_unit_test(test_walls_as_user),
		cmocka_unit_test(test_network),  cmocka_unit_test(test_network_as_user),
		cmocka_unit_test(test_failures), cmocka_unit_test(test_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
