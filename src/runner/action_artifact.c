/*
 * actions/upload-artifact and actions/download-artifact. Both walk trees that
 * a hostile step made, so both run in a cell over the job's own mounts: what
 * the cell cannot see cannot be packed.
 */
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runner/answer.h"
#include "runner/run.h"
#include "stepcell/fd.h"
#include "stepcell/limits.h"
#include "stepcell/parse.h"
#include "stepcell/path.h"
#include "stepcell/util.h"

/* Of an upload or a download while its cell runs. */
struct transfer {
	const char *name;
	const char *partial, *path; /* upload: where the tarball grows, and where it goes */
	int answer;                 /* read end */
};

/* ---- upload ---- */

struct pack {
	struct artifact_spec spec;
	const char *root;
};

/* Inside the cell: fds are the tarball and the answer's pipe. */
static int pack_inside(void *arg, const int *fds, size_t count)
{
	const struct pack *p = arg;
	auto_fd int root = open(p->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct answer answer = {0};

	(void)count;
	if (root < 0)
		(void)err_sys(&answer.err, "cannot open '%s'", p->root);
	else
		(void)artifact_pack(root, &p->spec, fds[0], &answer.summary, &answer.err);
	return answer_say(fds[1], &answer);
}

static const struct run_artifact *find_artifact(const struct run *run, const char *name)
{
	for (size_t i = run->artifact_count; i-- > 0;)
		if (strcasecmp(run->artifacts[i].name, name) == 0)
			return &run->artifacts[i];
	return NULL;
}

static bool below(const char *path, const char *dir)
{
	size_t len = strlen(dir);

	return strncmp(path, dir, len) == 0 && (!path[len] || path[len] == '/');
}

/* Relative to the workspace; to "/" when one of them begins outside of it. */
static struct texts patterns_of(const struct step_run *step, const char **root)
{
	const struct job_run *job = step->job;
	struct texts lines = action_lines(step, "path");
	size_t skip;

	*root = job->workspace;
	for (size_t i = 0; i < lines.count; i++)
		if (*lines.list[i] != '!' &&
		    !below(action_path(job, lines.list[i]), job->workspace))
			*root = "/";
	skip = strcmp(*root, "/") == 0 ? 0 : strlen(*root);
	for (size_t i = 0; i < lines.count; i++) {
		bool not = *lines.list[i] == '!';
		const char *path = action_path(job, lines.list[i] + not );

		if (below(path, *root) || !skip)
			lines.list[i] =
				arena_printf(job->arena, "%s.%s", not ? "!" : "", path + skip);
	}
	return lines;
}

/* What this job may still pack. */
static uint64_t bytes_left(const struct job_run *job)
{
	uint64_t limit = job->run->policy->limits.artifacts;

	return !limit ? 0 : limit > job->artifact_bytes ? limit - job->artifact_bytes : 1;
}

static int make_pack(struct step_run *step, struct pack **out, struct err *err)
{
	struct job_run *job = step->job;
	const char *root;
	struct texts patterns = patterns_of(step, &root);
	const char *epoch = node_text(node_get(job->env, "SOURCE_DATE_EPOCH"));
	uint64_t mtime = job->run->source.commit_time;

	if (!patterns.count)
		return err_fail(err, ERR_USAGE, "input required and not supplied: path");
	if (epoch)
		(void)parse_u64(epoch, 0, UINT32_MAX, &mtime);
	*out = arena_alloc(job->arena, sizeof(**out));
	**out = (struct pack){
		.spec = {.patterns = patterns.list,
			 .pattern_count = patterns.count,
			 .hidden = action_flag(step, "include-hidden-files", false),
			 .mtime = mtime,
			 .max_bytes = bytes_left(job),
			 .max_entries = job->run->policy->limits.files},
		.root = root,
	};
	return 0;
}

/* Two names can come to one file name: "a b" and "a-b". */
static bool path_is_taken(const struct run *run, const char *path, const char *name)
{
	for (size_t i = 0; i < run->artifact_count; i++)
		if (strcmp(run->artifacts[i].path, path) == 0 &&
		    strcasecmp(run->artifacts[i].name, name) != 0)
			return true;
	return false;
}

static int make_transfer(struct step_run *step, const char *name, struct err *err)
{
	struct job_run *job = step->job;
	struct transfer *t = arena_alloc(job->arena, sizeof(*t));
	auto_strbuf struct strbuf dir = STRBUF(PATH_MAX), file = STRBUF(200);

	strbuf_addf(&dir, "%s/artifacts/", journal_dir(job->run->journal));
	name_make_safe(job->plan->id, &dir);
	name_make_safe(name, &file);
	if (mkdir_all(dir.text, 0700, err) < 0)
		return -1;
	t->name = name;
	t->path = arena_printf(job->arena, "%s/%s.tar.zst", dir.text, file.text);
	for (unsigned i = 2; path_is_taken(job->run, t->path, name); i++)
		t->path = arena_printf(job->arena, "%s/%s-%u.tar.zst", dir.text, file.text, i);
	t->partial = arena_printf(job->arena, "%s.partial", t->path);
	t->answer = -1;
	step->data = t;
	return 0;
}

static int start_pack(struct step_run *step, struct pack *pack, struct err *err)
{
	struct transfer *t = step->data;
	auto_fd int file =
		open(t->partial, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	int ends[2];

	if (file < 0)
		return err_sys(err, "cannot create '%s'", t->partial);
	if (pipe_open(ends, err) < 0)
		return -1;

	auto_fd int answer = ends[1];
	const int fds[] = {file, answer};

	artifact_settle();
	t->answer = ends[0];
	return launch(step,
		      &(struct launch){
			      .fn = pack_inside,
			      .arg = pack,
			      .workdir = "/",
			      .env = node_map(step->job->arena),
			      .fds = fds,
			      .fd_count = COUNT(fds),
		      },
		      err) < 0
		       ? -1
		       : 1;
}

static int check_free(const struct step_run *step, const char *name, struct err *err)
{
	const struct run_artifact *same = find_artifact(step->job->run, name);

	if (!same || action_flag(step, "overwrite", false))
		return 0;
	return err_fail(err, ERR_USAGE,
			"an artifact named '%s' exists already (of job '%s'); use another name, "
			"or overwrite: true",
			name, same->job->plan->id);
}

static int upload_start(struct step_run *step, struct err *err)
{
	const char *name = action_input(step, "name");
	struct pack *pack = NULL;

	if (!*name)
		name = "artifact";
	if (artifact_check_name(name, err) < 0 || check_free(step, name, err) < 0)
		return -1;
	if (make_pack(step, &pack, err) < 0 || make_transfer(step, name, err) < 0)
		return -1;
	return start_pack(step, pack, err);
}

static int copy_file(const char *from, int dir, const char *name, struct err *err)
{
	auto_fd int in = open(from, O_RDONLY | O_CLOEXEC);
	auto_fd int out = -1;
	ssize_t n = 1;

	if (in < 0)
		return err_sys(err, "cannot open '%s'", from);
	if (unlinkat(dir, name, 0) < 0 && errno != ENOENT)
		return err_sys(err, "cannot replace '%s'", name);
	out = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
	while (out >= 0 && n > 0)
		n = copy_file_range(in, NULL, out, NULL, 1 << 30, 0);
	return out < 0 || n < 0 ? err_sys(err, "cannot write '%s'", name) : 0;
}

/*
 * -o DIR: a copy as JOB/NAME.tar.zst. DIR is the operator's word, but may lie
 * in the checkout, and a checkout may have brought links of the names in it.
 */
static int copy_out(const struct step_run *step, const struct transfer *t, struct err *err)
{
	const char *out = step->job->run->options->out;
	const char *name = strrchr(t->path, '/') + 1;
	auto_strbuf struct strbuf job = STRBUF(200);
	auto_fd int top = -1, dir = -1;

	if (!out)
		return 0;
	name_make_safe(step->job->plan->id, &job);
	if (mkdir_all(out, 0755, err) < 0)
		return -1;
	top = open(out, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (top < 0)
		return err_sys(err, "cannot open '%s'", out);
	if (mkdir_beneath(top, job.text, 0755, err) < 0)
		return err_wrap(err, "'%s'", out);
	dir = open_nolinks(top, job.text, O_PATH | O_DIRECTORY, 0, err);
	if (dir < 0 || copy_file(t->path, dir, name, err) < 0)
		return err_wrap(err, "'%s/%s'", out, job.text);
	return 0;
}

static void keep(struct step_run *step, const struct transfer *t, const struct answer *answer)
{
	struct job_run *job = step->job;
	struct run *run = job->run;

	run->artifacts = arena_grow(run->arena, run->artifacts, run->artifact_count,
				    sizeof(*run->artifacts));
	run->artifacts[run->artifact_count++] = (struct run_artifact){
		arena_strdup(run->arena, t->name), arena_strdup(run->arena, t->path), job};
	job->artifact_bytes += answer->summary.bytes;
	node_add(job->arena, job->artifacts, node_string(job->arena, output_masked(run, t->name)));
	node_set_text(job->arena, step->outputs, "artifact-digest", answer->summary.blob.hex);
	node_set_text(job->arena, step->outputs, "artifact-id",
		      arena_printf(job->arena, "%zu", run->artifact_count));
	journal_begin(run->journal, "artifact");
	journal_text(run->journal, "job", job->plan->id);
	journal_text(run->journal, "name", output_masked(run, t->name));
	journal_text(run->journal, "path", output_masked(run, t->path));
	journal_number(run->journal, "bytes", (double)answer->summary.bytes);
	journal_number(run->journal, "files", (double)answer->summary.files);
	journal_number(run->journal, "skipped", (double)answer->summary.skipped);
	journal_text(run->journal, "digest",
		     arena_printf(job->arena, "sha256:%s", answer->summary.blob.hex));
	(void)journal_end(run->journal, &run->fatal);
}

static int nothing_found(struct step_run *step, struct err *err)
{
	const char *then = action_input(step, "if-no-files-found");

	if (strcasecmp(then, "error") == 0)
		return err_fail(err, ERR_USAGE, "no files were found with the provided path: %s",
				action_input(step, "path"));
	if (strcasecmp(then, "ignore") != 0)
		output_say(step, "warning: no files were found with the provided path: %s",
			   action_input(step, "path"));
	return 0;
}

static int upload_finish(struct step_run *step, struct err *err)
{
	struct transfer *t = step->data;
	struct answer answer = {0};
	int ok = answer_hear(&t->answer, &answer, err);

	if (ok < 0 || answer.summary.files == 0) {
		(void)unlink(t->partial);
		return ok < 0 ? -1 : nothing_found(step, err);
	}
	if (check_free(step, t->name, err) < 0) { /* another job was faster */
		(void)unlink(t->partial);
		return -1;
	}
	if (rename(t->partial, t->path) < 0)
		return err_sys(err, "cannot keep '%s'", t->path);
	keep(step, t, &answer);
	output_say(step, "artifact '%s': %llu files, sha256:%s", t->name,
		   (unsigned long long)answer.summary.files, answer.summary.blob.hex);
	if (answer.summary.skipped)
		output_say(step,
			   "%llu left out: pipes, sockets, devices, links that lead out of it",
			   (unsigned long long)answer.summary.skipped);
	return copy_out(step, t, err);
}

const struct builtin action_upload = {
	.uses = "actions/upload-artifact", .start = upload_start, .finish = upload_finish};

/* ---- download ---- */

#define DOWNLOADS_MAX 64

struct unpack {
	const char *to[DOWNLOADS_MAX];
	size_t count;
	struct artifact_unpack_limits limits;
};

static int unpack_one(const struct unpack *u, size_t i, int in, struct answer *answer)
{
	if (mkdir_all(u->to[i], 0755, &answer->err) < 0)
		return -1;

	auto_fd int root = open(u->to[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct artifact_summary one = {0};

	if (root < 0)
		return err_sys(&answer->err, "cannot open '%s'", u->to[i]);
	if (artifact_unpack(in, root, &u->limits, &one, &answer->err) < 0)
		return -1;
	answer->summary.files += one.files;
	answer->summary.bytes += one.bytes;
	return 0;
}

/* Inside the cell: fds are the tarballs, then the answer's pipe. */
static int unpack_inside(void *arg, const int *fds, size_t count)
{
	const struct unpack *u = arg;
	struct answer answer = {0};

	for (size_t i = 0; i < u->count; i++)
		if (unpack_one(u, i, fds[i], &answer) < 0)
			break;
	return answer_say(fds[count - 1], &answer);
}

/* By its name, else by the pattern, else all; of several with one name the last. */
static bool wanted(const struct step_run *step, const struct run_artifact *artifact)
{
	const char *name = action_input(step, "name"), *pattern = action_input(step, "pattern");
	bool not = *pattern == '!';

	if (artifact != find_artifact(step->job->run, artifact->name))
		return false;
	if (*name)
		return strcasecmp(name, artifact->name) == 0;
	return !*pattern || (fnmatch(pattern + not, artifact->name, FNM_PERIOD) == 0) != not ;
}

/* One artifact by its name into the folder itself; several each into a folder of its name. */
static int choose(struct step_run *step, struct unpack *u, int *fds, struct err *err)
{
	const struct job_run *job = step->job;
	const char *name = action_input(step, "name"), *path = action_input(step, "path");
	bool merge = *name || action_flag(step, "merge-multiple", false);
	const char *base = *path == '/' ? path
			   : *path      ? arena_printf(job->arena, "%s/%s", job->workspace, path)
					: job->workspace;

	for (size_t i = 0; i < job->run->artifact_count; i++) {
		const struct run_artifact *a = &job->run->artifacts[i];

		if (!wanted(step, a))
			continue;
		if (u->count == DOWNLOADS_MAX)
			return err_fail(err, ERR_USAGE, "more than %d artifacts; name one",
					DOWNLOADS_MAX);
		u->to[u->count] = merge ? base : arena_printf(job->arena, "%s/%s", base, a->name);
		fds[u->count] = open(a->path, O_RDONLY | O_CLOEXEC);
		if (fds[u->count++] < 0)
			return err_sys(err, "cannot open artifact '%s'", a->name);
	}
	if (*name && !u->count)
		return err_fail(err, ERR_USAGE, "no artifact named '%s' in this run", name);
	return 0;
}

static int start_unpack(struct step_run *step, struct unpack *u, int *fds, struct err *err)
{
	struct transfer *t = arena_alloc(step->job->arena, sizeof(*t));
	int ends[2];

	if (pipe_open(ends, err) < 0)
		return -1;

	auto_fd int answer = ends[1];

	t->answer = ends[0];
	step->data = t;
	fds[u->count] = answer;
	artifact_settle();
	return launch(step,
		      &(struct launch){
			      .fn = unpack_inside,
			      .arg = u,
			      .workdir = "/",
			      .env = node_map(step->job->arena),
			      .fds = fds,
			      .fd_count = u->count + 1,
		      },
		      err) < 0
		       ? -1
		       : 1;
}

static int download_start(struct step_run *step, struct err *err)
{
	const struct policy_limits *limits = &step->job->run->policy->limits;
	struct unpack *u = arena_alloc(step->job->arena, sizeof(*u));
	int fds[DOWNLOADS_MAX + 1];
	int started;

	u->limits = (struct artifact_unpack_limits){.max_bytes = limits->disk,
						    .max_entries = limits->files};
	/* names are compared here, where other jobs wait for it: that has to end soon */
	if (strlen(action_input(step, "pattern")) > LIMIT_ARTIFACT_PATTERN)
		return err_fail(err, ERR_USAGE, "pattern: more than %d bytes",
				LIMIT_ARTIFACT_PATTERN);
	started = choose(step, u, fds, err);
	if (started == 0)
		started = start_unpack(step, u, fds, err);
	for (size_t i = 0; i < u->count; i++)
		fd_close(&fds[i]);
	return started;
}

static int download_finish(struct step_run *step, struct err *err)
{
	struct transfer *t = step->data;
	struct answer answer = {0};

	if (answer_hear(&t->answer, &answer, err) < 0)
		return -1;
	output_say(step, "%llu files", (unsigned long long)answer.summary.files);
	node_set_text(step->job->arena, step->outputs, "download-path", action_input(step, "path"));
	return 0;
}

const struct builtin action_download = {
	.uses = "actions/download-artifact", .start = download_start, .finish = download_finish};
