#include "cli/select.h"

#include <string.h>

#include "stepcell/arena.h"
#include "stepcell/runner.h"

void select_options_release(struct select_options *o)
{
	option_list_release(&o->jobs);
	option_list_release(&o->inputs);
	option_list_release(&o->matrix);
	option_list_release(&o->vars);
	option_list_release(&o->files);
}

/* A checkout's workflows are named as GitHub does, from its top. */
static const char *shown_path(const struct select_options *o, const char *path)
{
	return o->workflow || !o->dir ? path : path + strlen(o->dir) + 1;
}

static int load_workflows(struct arena *a, struct selection *s, struct err *err)
{
	const struct select_options *o = s->options;
	struct texts paths = {0};

	if (runner_workflow_files(a, o->dir, o->workflow, &paths, err) < 0)
		return -1;
	s->workflows = arena_array(a, paths.count, sizeof(struct workflow *));
	for (; s->count < paths.count; s->count++) {
		const char *path = paths.list[s->count];

		s->workflows[s->count] = runner_workflow_load(a, path, shown_path(o, path), err);
		if (!s->workflows[s->count])
			return -1;
	}
	return 0;
}

/* ---- the whole ---- */

static bool has_job(const struct workflow *w, const char *id)
{
	for (size_t i = 0; i < w->job_count; i++)
		if (strcasecmp(w->jobs[i].id, id) == 0)
			return true;
	return false;
}

static int check_options(const struct selection *s, struct err *err)
{
	const struct select_options *o = s->options;

	for (size_t i = 0; i < o->matrix.count; i++)
		if (!strchr(o->matrix.list[i], ':') || o->matrix.list[i][0] == ':')
			return err_fail(err, ERR_USAGE, "--matrix takes KEY:VALUE, not '%s'",
					o->matrix.list[i]);
	for (size_t i = 0; i < o->jobs.count; i++) {
		bool found = false;

		for (size_t k = 0; k < s->count; k++)
			found |= has_job(s->workflows[k], o->jobs.list[i]);
		if (!found)
			return err_fail(err, ERR_USAGE,
					"no workflow has a job '%s'; 'stepcell plan' lists them",
					o->jobs.list[i]);
	}
	return 0;
}

int select_load(struct arena *a, const struct select_options *o, struct selection *out,
		struct err *err)
{
	struct selection s = {.options = o};

	if (load_workflows(a, &s, err) < 0 || check_options(&s, err) < 0)
		return -1;
	*out = s;
	return 0;
}

const char **select_jobs(struct arena *a, const struct selection *s, const struct workflow *w,
			 size_t *count)
{
	const struct texts *jobs = &s->options->jobs;
	const char **list = arena_array(a, jobs->count + 1, sizeof(*list));

	*count = 0;
	for (size_t i = 0; i < jobs->count; i++)
		if (has_job(w, jobs->list[i]))
			list[(*count)++] = jobs->list[i];
	return list;
}

bool select_matrix(const struct selection *s, const struct planned_job *j)
{
	return planned_agrees(j, s->options->matrix.list, s->options->matrix.count);
}
