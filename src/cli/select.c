#include "cli/select.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/input.h"
#include "stepcell/arena.h"
#include "stepcell/fd.h"
#include "stepcell/json.h"
#include "stepcell/limits.h"
#include "stepcell/path.h"

#define WORKFLOWS_MAX 1000

void select_options_release(struct select_options *o)
{
	option_list_release(&o->jobs);
	option_list_release(&o->inputs);
	option_list_release(&o->matrix);
	option_list_release(&o->vars);
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

/* ---- the event ---- */

/* NAME=VALUE of the command line as a map. */
static const struct node *pairs_map(struct arena *a, const struct option_list *list)
{
	struct node *map = node_map(a);

	for (size_t i = 0; i < list->count; i++) {
		const char *equals = strchr(list->list[i], '=');

		node_set_text(a, map,
			      arena_strndup(a, list->list[i], (size_t)(equals - list->list[i])),
			      equals + 1);
	}
	return map;
}

/* The branch that a checkout is on, without asking git. */
static const char *head_ref(struct arena *a, const char *dir)
{
	static const char prefix[] = "ref: ";
	auto_fd int checkout = open(dir ? dir : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	auto_strbuf struct strbuf text = STRBUF(4096);
	struct err ignored = {0};
	auto_fd int fd =
		checkout < 0 ? -1 : open_beneath(checkout, ".git/HEAD", O_RDONLY, 0, &ignored);

	if (fd < 0 || read_capped(fd, &text, &ignored) < 0 || strncmp(text.text, prefix, 5) != 0)
		return "refs/heads/main";
	text.text[strcspn(text.text, "\n")] = '\0';
	return arena_strdup(a, text.text + 5);
}

static const char *payload_text(const struct node *payload, const char *outer, const char *inner,
				const char *key)
{
	return node_text(node_get(
		inner ? node_get(node_get(payload, outer), inner) : node_get(payload, outer), key));
}

static const struct node *load_payload(struct arena *a, const char *path, struct err *err)
{
	auto_strbuf struct strbuf text = STRBUF(LIMIT_EVENT_BYTES);
	const struct node *payload;

	if (input_read(path, &text, err) < 0)
		return NULL;
	payload = json_parse(a, path, text.text, text.len, err);
	if (payload && payload->kind != NODE_MAP) {
		(void)err_fail(err, ERR_USAGE, "'%s' holds %s; an event is a map", path,
			       node_kind_text(payload->kind));
		return NULL;
	}
	return payload;
}

/* A short name is a branch. */
static const char *full_ref(struct arena *a, const char *ref)
{
	return strncmp(ref, "refs/", 5) == 0 ? ref : arena_printf(a, "refs/heads/%s", ref);
}

static const char *ref_of_event(struct arena *a, const struct selection *s, const char *given)
{
	const char *tag = payload_text(s->payload, "release", NULL, "tag_name");
	const char *ref = node_text(node_get(s->payload, "ref"));

	if (given)
		return given;
	if (tag)
		return arena_printf(a, "refs/tags/%s", tag);
	if (ref)
		return full_ref(a, ref);
	return strcmp(s->event.name, "release") == 0 ? "refs/tags/v0.0.0"
						     : head_ref(a, s->options->dir);
}

static int load_event(struct arena *a, struct selection *s, struct err *err)
{
	const struct select_options *o = s->options;
	const char *given = o->ref ? full_ref(a, o->ref) : NULL;
	struct event *e = &s->event;

	e->name = o->event ? o->event : "push";
	if (o->event_file) {
		s->payload = load_payload(a, o->event_file, err);
		if (!s->payload)
			return -1;
	}
	e->ref = ref_of_event(a, s, given);
	if (!s->payload)
		s->payload = event_payload(a, e->name, e->ref, NULL);
	e->action = node_text(node_get(s->payload, "action"));
	e->base_ref = payload_text(s->payload, "pull_request", "base", "ref");
	if (e->base_ref)
		e->ref =
			strcmp(e->name, "pull_request_target") == 0
				? arena_printf(a, "refs/heads/%s", e->base_ref)
				: arena_printf(a, "refs/pull/%s/merge",
					       expr_text(a, node_get(s->payload, "number")
								    ? node_get(s->payload, "number")
								    : node_number(a, 1)));
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

	if (load_workflows(a, &s, err) < 0 || check_options(&s, err) < 0 ||
	    load_event(a, &s, err) < 0)
		return -1;
	s.vars = pairs_map(a, &o->vars);
	s.inputs = pairs_map(a, &o->inputs);
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

struct node *select_github(struct arena *a, const struct selection *s, const struct workflow *w)
{
	struct node *github = node_map(a);
	const struct event *e = &s->event;
	const char *ref = e->ref, *head = payload_text(s->payload, "pull_request", "head", "ref");
	const char *slash = strncmp(ref, "refs/", 5) == 0 ? strchr(ref + 5, '/') : NULL;

	node_set_text(a, github, "event_name", e->name);
	node_set(a, github, "event", s->payload);
	node_set_text(a, github, "ref", ref);
	node_set_text(a, github, "ref_name", slash ? slash + 1 : ref);
	node_set_text(a, github, "ref_type",
		      strncmp(ref, "refs/tags/", 10) == 0 ? "tag" : "branch");
	node_set_text(a, github, "head_ref", head ? head : "");
	node_set_text(a, github, "base_ref", e->base_ref ? e->base_ref : "");
	node_set_text(a, github, "workflow", w->name ? w->name : w->path);
	return github;
}

/* Values of one key are alternatives; each key must agree. A combination without the key stays. */
bool select_matrix(const struct selection *s, const struct planned_job *j)
{
	const struct option_list *wanted = &s->options->matrix;
	auto_arena struct arena *a = arena_new();

	for (size_t i = 0; i < wanted->count; i++) {
		size_t len = strcspn(wanted->list[i], ":");
		const struct node *v =
			node_get_nocase(j->matrix, arena_strndup(a, wanted->list[i], len));
		bool agrees = !v;

		for (size_t k = 0; k < wanted->count && !agrees; k++)
			agrees = strncmp(wanted->list[k], wanted->list[i], len + 1) == 0 &&
				 strcmp(wanted->list[k] + len + 1, expr_text(a, v)) == 0;
		if (!agrees)
			return false;
	}
	return true;
}
