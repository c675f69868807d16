#include "cli/select.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "stepcell/arena.h"
#include "stepcell/fd.h"
#include "stepcell/limits.h"
#include "stepcell/path.h"

#define WORKFLOWS_MAX 1000

void select_options_release(struct select_options *o)
{
	option_list_release(&o->jobs);
	option_list_release(&o->inputs);
	option_list_release(&o->matrix);
	option_list_release(&o->vars);
	option_list_release(&o->files);
}

/* ---- files ---- */

struct names {
	const char **list;
	size_t count;
};

static int by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool is_yaml(const char *name)
{
	const char *dot = strrchr(name, '.');

	return dot && dot != name && (strcmp(dot, ".yml") == 0 || strcmp(dot, ".yaml") == 0);
}

/* The workflow files of a directory; takes the descriptor. */
static int list_dir(struct arena *a, int fd, struct names *out, struct err *err)
{
	DIR *dir = fdopendir(fd);

	if (!dir) {
		fd_close(&fd);
		return err_sys(err, "cannot list the workflows");
	}
	for (const struct dirent *e; (e = readdir(dir)) && out->count < WORKFLOWS_MAX;) {
		if (!is_yaml(e->d_name))
			continue;
		out->list = arena_grow(a, out->list, out->count, sizeof(*out->list));
		out->list[out->count++] = arena_strdup(a, e->d_name);
	}
	(void)closedir(dir);
	if (out->count)
		qsort(out->list, out->count, sizeof(*out->list), by_name);
	return 0;
}

static int load_text(struct arena *a, struct selection *s, const char *path,
		     const struct strbuf *text, struct err *err)
{
	struct diags diags = {.arena = a};
	struct workflow *w = workflow_load(a, path, text->text, text->len, &diags);

	if (!w) {
		diags_print(&diags, stderr);
		return err_fail(err, ERR_USAGE, "'%s' has %zu %s; nothing was started", path,
				diags.errors, diags.errors == 1 ? "mistake" : "mistakes");
	}
	s->workflows = arena_grow(a, s->workflows, s->count, sizeof(struct workflow *));
	s->workflows[s->count++] = w;
	return 0;
}

static int load_dir(struct arena *a, struct selection *s, int fd, const char *path, struct err *err)
{
	struct names names = {0};
	auto_fd int dir = fd;
	int again = fcntl(fd, F_DUPFD_CLOEXEC, 0);

	if (again < 0)
		return err_sys(err, "cannot list '%s'", path);
	if (list_dir(a, again, &names, err) < 0)
		return -1;
	if (!names.count)
		return err_fail(err, ERR_USAGE, "no workflow (*.yml, *.yaml) in '%s'", path);
	for (size_t i = 0; i < names.count; i++) {
		auto_strbuf struct strbuf text = STRBUF(LIMIT_YAML_BYTES);
		const char *shown = arena_printf(a, "%s/%s", path, names.list[i]);

		if (file_read(dir, names.list[i], &text, err) < 0 ||
		    load_text(a, s, shown, &text, err) < 0)
			return -1;
	}
	return 0;
}

/* -W is the operator's path. The default is looked up inside the checkout, and stays inside. */
static int load_workflows(struct arena *a, struct selection *s, struct err *err)
{
	static const char usual[] = ".github/workflows";
	const struct select_options *o = s->options;
	auto_strbuf struct strbuf text = STRBUF(LIMIT_YAML_BYTES);
	struct stat st;
	auto_fd int fd = -1;

	if (!o->workflow) {
		auto_fd int checkout =
			open(o->dir ? o->dir : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		if (checkout < 0) {
			(void)err_sys(err, "cannot open the checkout '%s'", o->dir ? o->dir : ".");
			err->kind = ERR_USAGE;
			return -1;
		}
		fd = open_beneath(checkout, usual, O_RDONLY | O_DIRECTORY, 0, err);
		if (fd < 0) {
			err->kind = ERR_USAGE;
			return err_wrap(err, "no workflows in '%s' (give one with -W)",
					o->dir ? o->dir : ".");
		}
		return load_dir(a, s, take_fd(&fd), usual, err);
	}
	fd = open(o->workflow, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0) {
		(void)err_sys(err, "cannot open the workflow '%s'", o->workflow);
		err->kind = ERR_USAGE;
		return -1;
	}
	if (S_ISDIR(st.st_mode))
		return load_dir(a, s, take_fd(&fd), o->workflow, err);
	if (read_capped(fd, &text, err) < 0)
		return err_wrap(err, "reading '%s'", o->workflow);
	return load_text(a, s, o->workflow, &text, err);
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
	const struct option_list *jobs = &s->options->jobs;
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
