/*
 * Questions about the workspace as the steps have left it: hashes, an
 * action.yml, a .python-version. A worker inside the job's own mounts answers,
 * so what a step wrote is followed by nobody who has anything to lose.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "runner/run.h"
#include "stepcell/fd.h"
#include "stepcell/limits.h"
#include "stepcell/path.h"

static struct cell_overlay *overlays_of(struct job_run *job)
{
	struct cell_overlay *list = arena_array(job->arena, job->mount_count, sizeof(*list));

	for (size_t i = 0; i < job->mount_count; i++) {
		const struct job_mount *m = &job->mounts[i];
		struct cell_layer *layers = arena_array(job->arena, m->count, sizeof(*layers));

		for (size_t j = 0; j < m->count; j++)
			layers[j] = m->layers[m->count - 1 - j];
		list[i] = (struct cell_overlay){
			.at = m->at, .layers = layers, .layer_count = m->count};
	}
	return list;
}

struct question {
	view_fn *fn;
	void *arg;
};

/* Inside: the answer goes to the first descriptor, a reason why there is none to the second. */
static int ask_inside(void *arg, const int *fds, size_t count)
{
	const struct question *q = arg;
	struct err err = {0};

	(void)count;
	if (q->fn(q->arg, fds[0], &err) == 0)
		return 0;
	(void)write_full(fds[1], &err, sizeof(err));
	return 1;
}

/* The disk of other cells is looked at as often (cell/disk.c). */
#define LISTEN_MS 20

int view_listen(struct run *run, struct cell *cell, int fd, struct strbuf *out, struct err *err)
{
	char chunk[16 * 1024];
	bool ended;

	for (;;) {
		struct pollfd fds[] = {{.fd = fd, .events = POLLIN},
				       {.fd = cell_fd(cell), .events = POLLIN},
				       {.fd = run->signals, .events = POLLIN}};
		ssize_t n;

		if (poll(fds, 3, LISTEN_MS) < 0 && errno != EINTR)
			return err_sys(err, "cannot poll");
		schedule_meanwhile(run);
		if (fds[2].revents) /* left for the loop to read */
			return err_fail(err, ERR_INTERRUPTED, "interrupted");
		if (cell_poll(cell, &ended, err) < 0)
			return -1;
		if (!fds[0].revents)
			continue;
		n = read(fd, chunk, sizeof(chunk));
		if (n == 0)
			return 0;
		if (n < 0 && errno != EINTR)
			return err_sys(err, "cannot read an answer");
		strbuf_add(out, chunk, n > 0 ? (size_t)n : 0);
		if (out->full)
			return err_fail(err, ERR_USAGE, "more than %zu bytes", out->max);
	}
}

static int hear(struct run *run, struct cell *cell, int answer, int reason, struct strbuf *out,
		struct err *err)
{
	struct cell_result result;
	int got = view_listen(run, cell, answer, out, err);

	if (got < 0)
		cell_kill(cell, CELL_CANCELLED);
	if (cell_wait(cell, &result, err) < 0 || got < 0)
		return -1;
	if (result.verdict == CELL_PASSED)
		return 0;
	if (read_full(reason, err, sizeof(*err)) < 0)
		return err_fail(err, ERR_SYSTEM, "reading the workspace ended as %s",
				cell_verdict_name(result.verdict));
	err->text[sizeof(err->text) - 1] = '\0';
	return -1;
}

static const char *const no_env[] = {NULL};

/* GitHub's limit on one hashFiles() */
#define ONE_MS UINT64_C(120000)

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* How long the next question may take; 0 when there is no time left: other jobs wait as long. */
static uint64_t time_left(const struct job_run *job)
{
	uint64_t left = least(
		ONE_MS, job->asked.all_ms < LIMIT_VIEW_MS ? LIMIT_VIEW_MS - job->asked.all_ms : 0);

	if (job->deadline_ms)
		left = least(left, ms_left(job->deadline_ms));
	return left;
}

static int start(struct job_run *job, const struct cell_spec *spec, struct cell **cell,
		 struct err *err)
{
	if (!spec->limits.wall_ms)
		return err_fail(
			err, ERR_USAGE,
			"reading the workspace has taken all the time that a job has for it "
			"(%u seconds)",
			LIMIT_VIEW_MS / 1000);
	job->asked.at_ms = now_ms();
	return cell_start(spec, cell, NULL, err);
}

static void stop(struct job_run *job, struct cell **cell)
{
	job->asked.all_ms += now_ms() - job->asked.at_ms;
	cell_release(cell);
}

/* A cell in the job's mounts that can write nothing; what runs in it is the caller's to add. */
static struct cell_spec look_only(struct job_run *job, struct cell_bind *plain)
{
	const struct policy_limits *limits = &job->run->policy->limits;

	return (struct cell_spec){
		.name = "view",
		.owner = job->owner,
		.state = job->run->home,
		.overlays = overlays_of(job),
		.overlay_count = job->mount_count,
		.binds = plain,
		.bind_count = layers_plain(job, plain),
		.env = no_env,
		.workdir = job->workspace,
		.require = job->run->require,
		.limits = {.memory = limits->memory,
			   .pids = limits->pids,
			   .wall_ms = time_left(job)},
	};
}

int view_ask(struct job_run *job, view_fn *fn, void *arg, struct strbuf *answer, struct err *err)
{
	struct question question = {fn, arg};
	struct cell_bind plain;
	struct cell_spec spec = look_only(job, &plain);
	struct cell *cell = NULL;
	int a[2], b[2], heard;

	if (pipe_open(a, err) < 0)
		return -1;

	auto_fd int answer_r = a[0], answer_w = a[1];

	if (pipe_open(b, err) < 0)
		return -1;

	auto_fd int reason_r = b[0], reason_w = b[1];
	const int fds[] = {answer_w, reason_w};

	spec.fn = ask_inside;
	spec.fn_arg = &question;
	spec.fds = fds;
	spec.fd_count = 2;
	spec.seccomp = job->run->seccomp_fn;
	if (start(job, &spec, &cell, err) < 0)
		return -1;
	fd_close(&answer_w);
	fd_close(&reason_w);
	heard = hear(job->run, cell, answer_r, reason_r, answer, err);
	stop(job, &cell);
	return heard;
}

int view_run(struct job_run *job, const struct view_program *program, struct strbuf *answer,
	     struct err *err)
{
	struct cell_bind plain;
	struct cell_spec spec = look_only(job, &plain);
	struct cell_result result = {0};
	struct cell *cell = NULL;
	int ends[2], heard;

	if (pipe_open(ends, err) < 0)
		return -1;

	auto_fd int r = ends[0], w = ends[1];

	spec.argv = program->argv;
	spec.env = program->env ? program->env : no_env;
	spec.workdir = program->workdir ? program->workdir : job->workspace;
	spec.stdout_fd = w;
	spec.seccomp = job->run->seccomp;
	if (start(job, &spec, &cell, err) < 0)
		return -1;
	fd_close(&w);
	heard = view_listen(job->run, cell, r, answer, err);
	if (heard == 0 && cell_wait(cell, &result, err) < 0)
		heard = -1;
	else if (heard == 0 && result.verdict != CELL_PASSED)
		heard = err_fail(err, ERR_USAGE, "'%s' ended as %s", program->argv[0],
				 cell_verdict_name(result.verdict));
	stop(job, &cell);
	return heard;
}

static int read_inside(void *arg, int out, struct err *err)
{
	const char *path = arg;
	auto_fd int root = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	auto_fd int fd = open_beneath(root, path, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0, err);
	char chunk[16 * 1024];
	ssize_t n;

	if (fd < 0)
		return -1;
	while ((n = read(fd, chunk, sizeof(chunk))) > 0)
		if (write_full(out, chunk, (size_t)n) < 0)
			return err_sys(err, "cannot answer");
	return n < 0 ? err_sys(err, "cannot read '%s'", path) : 0;
}

int view_read(struct job_run *job, const char *path, struct strbuf *text, struct err *err)
{
	return view_ask(job, read_inside, (void *)path, text, err);
}
