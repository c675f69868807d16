/* The functions of expressions that need to know how things stand: status and hashFiles. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "runner/run.h"
#include "stepcell/fd.h"
#include "stepcell/util.h"

static bool status(void *arg, const char *name, const struct node *const *args, size_t count)
{
	const struct scope_arg *s = arg;
	const struct run *run = s->job->run;
	enum result now;

	(void)args, (void)count;
	if (strcmp(name, "always") == 0)
		return true;
	if (strcmp(name, "cancelled") == 0)
		return run->cancelled || s->job->cancelled;
	if (!s->frame)
		now = needs_lineage(run, s->job->plan->job, RESULT_SUCCESS);
	else
		now = s->frame->up ? s->frame->status : s->job->status;
	if (strcmp(name, "failure") == 0)
		return now == RESULT_FAILURE;
	return now == RESULT_SUCCESS && !run->cancelled && !s->job->cancelled;
}

/* ---- hashFiles: read by a worker inside the job's own mounts ---- */

struct hash_request {
	const char *const *patterns;
	size_t count;
	const char *workspace;
};

struct hash_answer {
	char hex[DIGEST_HEX + 1];
	struct err err;
};

static int hash_inside(void *arg, const int *fds, size_t fd_count)
{
	const struct hash_request *q = arg;
	auto_arena struct arena *a = arena_new();
	struct hash_answer answer = {0};
	auto_fd int root = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct glob *g = glob_parse(a, q->workspace, q->patterns, q->count, &answer.err);

	(void)fd_count;
	if (root < 0)
		(void)err_sys(&answer.err, "cannot open the workspace");
	else if (g)
		(void)glob_hash(g, root, answer.hex, &answer.err);
	return write_full(fds[0], &answer, sizeof(answer)) < 0;
}

/* The job's mounts as they stand, nothing to write to. */
static struct cell_overlay *read_only_view(struct job_run *job)
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

static int ask_worker(const struct cell_spec *spec, int answer_fd, int *close_fd,
		      struct hash_answer *answer, struct err *err)
{
	struct cell_result result;
	struct cell *cell = NULL;
	int got;

	if (cell_start(spec, &cell, NULL, err) < 0)
		return -1;
	fd_close(close_fd);
	got = read_full(answer_fd, answer, sizeof(*answer));
	if (cell_wait(cell, &result, err) < 0)
		got = -1;
	else if (got < 0)
		(void)err_fail(err, ERR_SYSTEM, "reading files ended as %s",
			       cell_verdict_name(result.verdict));
	cell_release(&cell);
	return got;
}

static int hash_files(void *arg, const char *const *patterns, size_t count, char out[65], char *why,
		      size_t why_size)
{
	const struct scope_arg *s = arg;
	struct job_run *job = s->job;
	struct hash_request request = {patterns, count, job->workspace};
	struct hash_answer answer = {0};
	struct err err = {0};
	int ends[2];

	if (!job->owner || pipe_open(ends, &err) < 0) {
		(void)snprintf(why, why_size, "hashFiles() works in steps only");
		return -1;
	}

	auto_fd int r = ends[0];
	auto_fd int w = ends[1];
	static const char *const env[] = {NULL};
	struct cell_bind plain;
	const struct cell_spec spec = {
		.name = "hash-files",
		.owner = job->owner,
		.state = job->run->home,
		.overlays = read_only_view(job),
		.overlay_count = job->mount_count,
		.binds = &plain,
		.bind_count = layers_plain(job, &plain),
		.fn = hash_inside,
		.fn_arg = &request,
		.env = env,
		.workdir = job->workspace,
		.fds = &w,
		.fd_count = 1,
		.seccomp = job->run->seccomp,
		.require = job->run->require,
		.limits = {.wall_ms = 120000}, /* as GitHub's */
	};

	if (ask_worker(&spec, r, &w, &answer, &err) == 0 && answer.err.kind == ERR_NONE) {
		(void)snprintf(out, 65, "%.64s", answer.hex);
		return 0;
	}
	answer.err.text[sizeof(answer.err.text) - 1] = '\0';
	(void)snprintf(why, why_size, "%s", err.kind ? err.text : answer.err.text);
	return -1;
}

struct expr_scope scope_make(struct scope_arg *arg, const struct node *contexts)
{
	return (struct expr_scope){
		.contexts = contexts,
		.status = status,
		.hash_files = hash_files,
		.arg = arg,
	};
}

int scope_text(struct arena *a, const struct expr_scope *s, const char *what, const char *text,
	       const char **out, struct err *err)
{
	struct expr_err e = {0};
	const struct node *value;

	*out = NULL;
	if (!text)
		return 0;
	value = template_eval(a, text, s, &e);
	if (!value)
		return err_fail(err, ERR_USAGE, "%s: %s", what, e.text);
	*out = expr_text(a, value);
	return 0;
}

int scope_tree(struct arena *a, const struct expr_scope *s, const char *what,
	       const struct node *tree, const struct node **out, struct err *err)
{
	struct expr_err e = {0};

	*out = NULL;
	if (!tree)
		return 0;
	*out = template_eval_tree(a, tree, s, &e);
	return *out ? 0 : err_fail(err, ERR_USAGE, "%s: %s", what, e.text);
}
