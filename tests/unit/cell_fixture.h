/* A root for cells that needs no image: a skeleton of ours, and the host's /usr. */
#pragma once

#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "stepcell/cell.h"
#include "stepcell/fd.h"
#include "stepcell/home.h"
#include "stepcell/log.h"
#include "stepcell/path.h"
#include "stepcell/util.h"

struct world {
	char dir[64]; /* all that the test makes is below */
	char state[96], skeleton[96], seccomp[4200];
	struct cell_owner *owner;
	unsigned uppers;
	struct cell_layer root_layers[1], usr_layers[1];
	struct cell_overlay overlays[2];
	char upper[128];
	struct cell_spec spec;
	struct cell_audit *audit; /* NULL, or where world_run() puts what was refused */
};

#define MUST(call)                                                                                 \
	do {                                                                                       \
		if ((call) < 0) {                                                                  \
			log_error(&err);                                                           \
			fail();                                                                    \
		}                                                                                  \
	} while (0)

/* Tests run in the source tree; their programs lie one folder deeper than stepcell does. */
static inline void data_here(void)
{
	char here[4096];

	assert_non_null(getcwd(here, sizeof(here)));
	(void)setenv("STEPCELL_DATA", here, 0);
}

static inline void skeleton_make(const char *dir)
{
	static const char *const dirs[] = {"usr", "etc",  "tmp",         "proc",
					   "dev", "home", "home/runner", "home/runner/work"};
	static const char *const links[] = {"bin", "lib", "lib64", "sbin"};
	auto_fd int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char target[32];

	assert_true(fd >= 0);
	for (size_t i = 0; i < COUNT(dirs); i++)
		assert_int_equal(mkdirat(fd, dirs[i], 0755), 0);
	for (size_t i = 0; i < COUNT(links); i++) {
		(void)snprintf(target, sizeof(target), "usr/%s", links[i]);
		assert_int_equal(symlinkat(target, fd, links[i]), 0);
	}
}

/* A fresh upper for the root. */
static inline void world_upper(struct world *w)
{
	struct err err = {0};

	(void)snprintf(w->upper, sizeof(w->upper), "%s/upper%u", w->dir, w->uppers++);
	MUST(cell_upper_make(w->owner, w->upper, &err));
	w->overlays[0].upper = w->upper;
}

static inline void world_make(struct world *w)
{
	static const char *const env[] = {"PATH=/usr/local/bin:/usr/bin:/bin", "HOME=/home/runner",
					  NULL};
	char data[4096];
	struct err err = {0};

	*w = (struct world){.dir = "/var/tmp/cell-test-XXXXXX"};
	assert_non_null(mkdtemp(w->dir));
	(void)snprintf(w->state, sizeof(w->state), "%s/state", w->dir);
	(void)snprintf(w->skeleton, sizeof(w->skeleton), "%s/skeleton", w->dir);
	assert_int_equal(mkdir(w->state, 0700), 0);
	assert_int_equal(mkdir(w->skeleton, 0755), 0);
	skeleton_make(w->skeleton);
	data_here();
	MUST(data_home(data, sizeof(data), &err));
	(void)snprintf(w->seccomp, sizeof(w->seccomp), "%s/policies/seccomp/default.yml", data);
	MUST(cell_owner_open(w->state, &w->owner, &err));
	w->root_layers[0] = (struct cell_layer){.path = w->skeleton};
	w->usr_layers[0] = (struct cell_layer){.path = "/usr", .foreign = true};
	w->overlays[0] =
		(struct cell_overlay){.at = "/", .layers = w->root_layers, .layer_count = 1};
	w->overlays[1] =
		(struct cell_overlay){.at = "/usr", .layers = w->usr_layers, .layer_count = 1};
	world_upper(w);
	w->spec = (struct cell_spec){.name = "test",
				     .owner = w->owner,
				     .state = w->state,
				     .overlays = w->overlays,
				     .overlay_count = 2,
				     .env = env,
				     .workdir = "/home/runner",
				     .seccomp = w->seccomp};
}

static inline void world_drop(struct world *w)
{
	struct err err = {0};

	cell_owner_close(&w->owner);
	MUST(remove_tree(AT_FDCWD, w->dir, &err));
}

static inline void drain(int fd, struct strbuf *out)
{
	char chunk[4096];
	ssize_t n;

	while ((n = read(fd, chunk, sizeof(chunk))) > 0)
		if (out)
			strbuf_add(out, chunk, (size_t)n);
}

/* Read what it prints and poll it, until it ends. */
static inline struct cell_result world_follow(struct cell *cell, int from, struct strbuf *out)
{
	struct pollfd fds[] = {{cell_fd(cell), POLLIN, 0}, {from, POLLIN, 0}};
	struct cell_result result;
	struct err err = {0};
	bool ended = false;

	MUST(fd_nonblock(from, &err));
	while (!ended) {
		assert_true(poll(fds, 2, 30000) > 0);
		drain(from, out);
		if (fds[1].revents & POLLHUP)
			fds[1].fd = -1;
		MUST(cell_poll(cell, &ended, &err));
	}
	drain(from, out);
	MUST(cell_wait(cell, &result, &err));
	return result;
}

/* Run a shell script in the world's cell; what it prints lands in `out`. */
static inline struct cell_result world_run(struct world *w, const char *script, struct strbuf *out)
{
	const char *argv[] = {"/bin/sh", "-c", script, NULL};
	struct cell_result result;
	struct cell *cell = NULL;
	struct err err = {0};
	int ends[2];

	MUST(pipe_open(ends, &err));
	w->spec.argv = argv;
	w->spec.stdout_fd = w->spec.stderr_fd = ends[1];
	MUST(cell_start(&w->spec, &cell, NULL, &err));
	(void)close(ends[1]);
	w->spec.stdout_fd = w->spec.stderr_fd = 0;
	result = world_follow(cell, ends[0], out);
	(void)close(ends[0]);
	if (w->audit)
		cell_audit(cell, w->audit);
	cell_release(&cell);
	return result;
}

/* What a script prints, in a cell with a fresh upper for the next. */
static inline void world_say(struct world *w, const char *script, char *out, size_t size)
{
	auto_strbuf struct strbuf text = STRBUF(16384);

	(void)world_run(w, script, &text);
	(void)snprintf(out, size, "%s", text.text);
	world_upper(w);
}

/* A stepcell that is killed: `start` gives the pid of what must go with it. */
static inline void world_kill_stepcell(struct world *w, pid_t (*start)(struct world *w))
{
	int ends[2];
	pid_t pid, inside;
	bool gone = false;

	assert_int_equal(pipe(ends), 0);
	pid = fork();
	if (pid == 0) {
		inside = start(w);
		(void)write_full(ends[1], &inside, sizeof(inside));
		for (;;)
			(void)pause();
	}
	assert_int_equal(read_full(ends[0], &inside, sizeof(inside)), 0);
	assert_int_equal(kill(pid, SIGKILL), 0);
	(void)waitpid(pid, NULL, 0);
	for (int i = 0; i < 500 && !gone; i++) {
		gone = kill(inside, 0) < 0;
		(void)nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
	}
	assert_true(gone);
	cell_sweep(w->state);
	(void)close(ends[0]);
	(void)close(ends[1]);
}

static inline unsigned count_fds(void)
{
	unsigned count = 0;

	for (int fd = 0; fd < 256; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}
