/*
 * The files by which a step talks to later steps. They lie empty in a layer
 * below the step's upper, so what the step wrote is in the upper, and is read
 * there after every process of the step is dead: as a regular file, through no
 * link, up to a maximum.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "runner/actions.h"
#include "runner/envfile.h"
#include "runner/run.h"
#include "stepcell/fd.h"
#include "stepcell/limits.h"
#include "stepcell/path.h"
#include "stepcell/util.h"

static int take_env(struct step_run *step, const char *text, size_t len, struct err *err);
static int take_path(struct step_run *step, const char *text, size_t len, struct err *err);
static int take_output(struct step_run *step, const char *text, size_t len, struct err *err);
static int take_state(struct step_run *step, const char *text, size_t len, struct err *err);

static const struct {
	const char *variable, *file;
	int (*take)(struct step_run *step, const char *text, size_t len, struct err *err);
	size_t max;
	bool spare; /* one that is too large is told of and left out; any other fails the step */
} files[] = {
	{"GITHUB_ENV", "set_env", take_env, LIMIT_FILE_COMMAND, false},
	{"GITHUB_PATH", "add_path", take_path, LIMIT_FILE_COMMAND, false},
	{"GITHUB_OUTPUT", "set_output", take_output, LIMIT_FILE_COMMAND, false},
	{"GITHUB_STATE", "save_state", take_state, LIMIT_FILE_COMMAND, false},
	{"GITHUB_STEP_SUMMARY", "step_summary", summary_keep, LIMIT_SUMMARY, true},
};

/* Names are the step's own, or a later step would write to an earlier one's. */
static void file_name(const struct step_run *step, size_t i, char out[64])
{
	(void)snprintf(out, 64, "%s_%u", files[i].file, step->number);
}

int files_prepare(struct step_run *step, const char *in, struct node *env, struct err *err)
{
	char dir[PATH_MAX];

	if (path_join(dir, sizeof(dir), in, RUNNER_COMMANDS + 1, err) < 0)
		return -1;
	for (size_t i = 0; i < COUNT(files); i++) {
		char name[64], path[PATH_MAX];

		file_name(step, i, name);
		if (path_join(path, sizeof(path), dir, name, err) < 0)
			return -1;

		auto_fd int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);

		if (fd < 0)
			return err_sys(err, "cannot create '%s'", path);
		node_set_text(step->job->arena, env, files[i].variable,
			      arena_printf(step->job->arena, "%s/%s", RUNNER_COMMANDS, name));
	}
	return 0;
}

void files_context(const struct step_run *step, struct node *github)
{
	static const char *const keys[] = {"env", "path", "output", "state", "step_summary"};
	static_assert(COUNT(keys) == COUNT(files), "a key for every file");

	for (size_t i = 0; i < COUNT(files); i++) {
		char name[64];

		file_name(step, i, name);
		node_set_text(step->job->arena, github, keys[i],
			      arena_printf(step->job->arena, "%s/%s", RUNNER_COMMANDS, name));
	}
}

/* 1 when it was written and read, 0 when it was not written. */
static int read_one(struct step_run *step, int upper, size_t i, struct strbuf *text,
		    struct err *err)
{
	char name[64], path[PATH_MAX];
	struct err ignored;

	file_name(step, i, name);
	(void)snprintf(path, sizeof(path), "%s", RUNNER_COMMANDS + 1);

	auto_fd int dir = open_nolinks(upper, path, O_PATH | O_DIRECTORY, 0, &ignored);

	if (dir < 0 || faccessat(dir, name, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	if (file_read(dir, name, text, err) == 0)
		return 1;
	if (text->full && files[i].spare)
		note_error(step,
			   arena_printf(step->job->arena, "%s is left out: larger than %zu bytes",
					files[i].variable, text->max));
	else if (text->full)
		return err_fail(err, ERR_USAGE, "larger than %zu bytes", text->max);
	err_clear(err);
	return 0; /* removed, or made something that is no file: says nothing */
}

int files_collect(struct step_run *step, struct err *err)
{
	char upper[PATH_MAX], data[PATH_MAX];
	int result = 0;

	if (layers_upper(step->job, step->number, 0, upper, sizeof(upper), err) < 0 ||
	    path_join(data, sizeof(data), upper, "data", err) < 0)
		return -1;

	auto_fd int fd = open(data, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return errno == ENOENT ? 0 : err_sys(err, "cannot open '%s'", data);
	for (size_t i = 0; i < COUNT(files); i++) {
		auto_strbuf struct strbuf text = STRBUF(files[i].max);
		struct err one = {0};
		int got = read_one(step, fd, i, &text, &one);

		if (got > 0)
			got = files[i].take(step, text.text, text.len, &one);
		if (got < 0 && result == 0) { /* the first is told, all are read */
			*err = one;
			result = err_wrap(err, "%s", files[i].variable);
		}
	}
	return result;
}

/* ---- what they mean ---- */

static int take_env(struct step_run *step, const char *text, size_t len, struct err *err)
{
	struct job_run *job = step->job;
	bool any = job->run->policy->env_file == POLICY_ENV_ANY;
	struct envfile_pairs pairs;

	if (envfile_parse(job->arena, text, len, any ? ENVFILE_ENV : ENVFILE_ENV_GUARDED, &pairs,
			  err) < 0)
		return -1;
	for (size_t i = 0; i < pairs.count; i++) {
		if (pairs.list[i].refused) { /* as GitHub: told and left out, the rest is taken */
			note_error(step, arena_printf(job->arena, "GITHUB_ENV: %s",
						      pairs.list[i].refused));
			continue;
		}
		node_set_text(job->arena, job->env, pairs.list[i].name, pairs.list[i].value);
	}
	return 0;
}

static int take_path(struct step_run *step, const char *text, size_t len, struct err *err)
{
	struct texts more;

	if (pathfile_parse(step->job->arena, text, len, &more, err) < 0)
		return -1;
	for (size_t i = 0; i < more.count; i++)
		job_prepend_path(step->job, more.list[i]);
	return 0;
}

static int take_output(struct step_run *step, const char *text, size_t len, struct err *err)
{
	struct envfile_pairs pairs;

	if (envfile_parse(step->job->arena, text, len, ENVFILE_OUTPUT, &pairs, err) < 0)
		return -1;
	for (size_t i = 0; i < pairs.count; i++)
		node_set_text(step->job->arena, step->outputs, pairs.list[i].name,
			      pairs.list[i].value);
	return 0;
}

/* The other parts of the same action read it; of a script only the grammar is checked. */
static int take_state(struct step_run *step, const char *text, size_t len, struct err *err)
{
	struct envfile_pairs pairs;

	if (envfile_parse(step->job->arena, text, len, ENVFILE_STATE, &pairs, err) < 0)
		return -1;
	for (size_t i = 0; step->use && i < pairs.count; i++)
		node_set_text(step->job->arena, step->use->state, pairs.list[i].name,
			      pairs.list[i].value);
	return 0;
}
