/*
 * Actions: our own, the stand-ins that the operator maps, and composite
 * actions of the workspace, as it is when the step begins.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runner/run.h"
#include "stepcell/fd.h"
#include "stepcell/json.h"
#include "stepcell/limits.h"
#include "stepcell/path.h"
#include "stepcell/util.h"
#include "stepcell/yaml.h"

static const struct builtin *const builtins[] = {
	&action_checkout,
	&action_setup_python,
	&action_upload,
	&action_download,
};

const struct builtin *action_builtin(const struct uses *uses)
{
	if (uses->kind != USES_REPOSITORY || *uses->path)
		return NULL;
	for (size_t i = 0; i < COUNT(builtins); i++) {
		size_t owner = strcspn(builtins[i]->uses, "/");

		if (strlen(uses->owner) == owner &&
		    strncasecmp(uses->owner, builtins[i]->uses, owner) == 0 &&
		    strcasecmp(uses->repo, builtins[i]->uses + owner + 1) == 0)
			return builtins[i];
	}
	return NULL;
}

/* ---- the mapping ---- */

/* policies/actions/mapping.yml: owner/repo, or owner/repo/path, to a folder beside it. */
static const char *mapped_folder(struct run *run, const struct uses *uses)
{
	const char *path = arena_printf(run->arena, "%s/policies/actions/mapping.yml", run->data);
	struct diags diags = {.arena = run->arena};
	const struct node *map;
	const char *name, *folder;

	if (!run->mapping && !(run->mapping = yaml_load(run->arena, path, MIB, &diags))) {
		(void)diags_fail(&diags, &run->fatal);
		return NULL;
	}
	map = node_get(run->mapping, "actions") ? node_get(run->mapping, "actions") : run->mapping;
	name = arena_printf(run->arena, "%s/%s%s%s", uses->owner, uses->repo,
			    *uses->path ? "/" : "", uses->path);
	folder = node_text(node_get_nocase(map, name));
	if (!folder)
		folder = node_text(node_get_nocase(
			map, arena_printf(run->arena, "%s/%s", uses->owner, uses->repo)));
	return folder && name_is_safe(folder) ? folder : NULL;
}

static const char *mapped_path(struct run *run, const struct uses *uses)
{
	const char *folder = uses->kind == USES_REPOSITORY ? mapped_folder(run, uses) : NULL;

	return folder ? arena_printf(run->arena, "%s/policies/actions/%s", run->data, folder)
		      : NULL;
}

/* ---- before anything starts ---- */

/* Why a `uses` cannot be served, or NULL. */
static const char *why_not(struct run *run, const char *text)
{
	struct uses uses;
	struct err err = {0};

	if (strstr(text, "${{"))
		return "an action's name cannot be an expression";
	if (uses_parse(run->arena, text, &uses, &err) < 0)
		return arena_strdup(run->arena, err.text);
	if (uses.kind == USES_IMAGE)
		return "container actions are not served";
	if (uses.kind != USES_REPOSITORY || action_builtin(&uses) || mapped_path(run, &uses))
		return NULL;
	return "no action of this name here";
}

static void check_steps(struct run *run, const struct job *job, struct strbuf *missing)
{
	for (size_t i = 0; i < job->steps.count; i++) {
		const struct step *step = &job->steps.list[i];
		const char *why = step->uses ? why_not(run, step->uses) : NULL;

		if (why)
			strbuf_addf(missing, "\n  %s:%u:%u: %s: %s", run->workflow_path,
				    step->at.line, step->at.col, step->uses, why);
	}
}

int actions_check(struct run *run, struct err *err)
{
	auto_strbuf struct strbuf missing = STRBUF(1500);

	for (size_t i = 0; i < run->plan.count; i++) {
		const struct planned_job *p = &run->plan.jobs[i];
		bool seen = i > 0 && run->plan.jobs[i - 1].job == p->job;

		if (p->runs != RUNS_NO && !seen)
			check_steps(run, p->job, &missing);
	}
	if (run->fatal.kind != ERR_NONE) {
		*err = run->fatal;
		return -1;
	}
	if (!missing.len)
		return 0;
	return err_fail(err, ERR_USAGE,
			"actions are missing:%s\nmap each to a folder with an action.yml in "
			"%s/policies/actions/mapping.yml",
			missing.text, run->data);
}

/* ---- inputs ---- */

const char *action_input(const struct step_run *step, const char *name)
{
	const struct node *value = step->with ? node_get_nocase(step->with, name) : NULL;

	return value ? expr_text(step->job->arena, value) : "";
}

struct texts action_lines(const struct step_run *step, const char *name)
{
	struct arena *a = step->job->arena;
	struct texts lines = {0};
	const char *text = action_input(step, name);

	while (*text) {
		size_t len = strcspn(text, "\n"), start = strspn(text, " \t\r");
		size_t end = len;

		while (end > start && strchr(" \t\r", text[end - 1]))
			end--;
		if (end > start) {
			lines.list = arena_grow(a, lines.list, lines.count, sizeof(*lines.list));
			lines.list[lines.count++] = arena_strndup(a, text + start, end - start);
		}
		text += len + (text[len] == '\n');
	}
	return lines;
}

bool action_flag(const struct step_run *step, const char *name, bool otherwise)
{
	const char *text = action_input(step, name);

	return *text ? strcasecmp(text, "true") == 0 : otherwise;
}

/* ---- composite actions ---- */

/* The action's folder on the host (NULL: it lies in the workspace), and where the cell sees it. */
struct action_place {
	const char *host, *inside;
};

static int copy_file(int from, int to, const char *name, struct err *err)
{
	auto_strbuf struct strbuf bytes = STRBUF(4 * MIB);
	struct stat st;

	if (file_read(from, name, &bytes, err) < 0)
		return -1;
	if (fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(err, "'%s'", name);

	auto_fd int fd =
		openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, st.st_mode & 0755);

	if (fd < 0 || write_full(fd, bytes.text, bytes.len) < 0)
		return err_sys(err, "cannot write '%s'", name);
	return 0;
}

static int copy_files(const char *from_path, int to, struct err *err)
{
	auto_fd int from = open(from_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = from < 0 ? NULL : fdopendir(dup(from));
	struct dirent *e;
	int ok = 0;

	if (!dir)
		return err_sys(err, "cannot read '%s'", from_path);
	while (ok == 0 && (e = readdir(dir)))
		if (e->d_type == DT_REG)
			ok = copy_file(from, to, e->d_name, err);
	(void)closedir(dir);
	return ok;
}

/* A mapped action's files become a layer of the job, where a hosted runner has them. */
static int bring_in(struct step_run *step, const struct action_place *place, struct err *err)
{
	const char *layer = arena_printf(step->job->arena, "%s/action", step->dir);

	if (mkdir_all(layer, 0755, err) < 0)
		return -1;

	auto_fd int root = open(layer, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (root < 0 || mkdir_beneath(root, place->inside + 1, 0755, err) < 0)
		return root < 0 ? err_sys(err, "cannot open '%s'", layer) : -1;

	auto_fd int to = open_nolinks(root, place->inside + 1, O_RDONLY | O_DIRECTORY, 0, err);

	if (to < 0 || copy_files(place->host, to, err) < 0)
		return -1;
	layers_push(step->job, &step->job->mounts[0], layer, false);
	return 0;
}

static int place_of(struct step_run *step, const struct uses *uses, struct action_place *out,
		    struct err *err)
{
	struct run *run = step->job->run;
	struct arena *a = step->job->arena;

	if (uses->kind == USES_REPOSITORY) {
		out->host = mapped_path(run, uses);
		out->inside = arena_printf(a, "%s/%s/%s/%s", RUNNER_ACTIONS, uses->owner,
					   uses->repo, uses->ref);
		return out->host
			       ? bring_in(step, out, err)
			       : err_fail(err, ERR_USAGE, "no action '%s' here", step->step->uses);
	}
	out->inside = arena_printf(a, "%s/%s", step->job->workspace, uses->path);
	return 0;
}

static int read_local(struct step_run *step, const char *rel, struct strbuf *text, struct err *err)
{
	if (view_read(step->job, rel, text, err) == 0)
		return 0;
	if (step->job->checked_out)
		return err_wrap(err, "cannot find '%s'", step->step->uses);
	return err_fail(err, ERR_USAGE,
			"cannot find '%s' in the workspace; actions/checkout has not run",
			step->step->uses);
}

/* action.yml or action.yaml. */
static int read_action(struct step_run *step, const struct uses *uses,
		       const struct action_place *place, struct strbuf *text, const char **name,
		       struct err *err)
{
	static const char *const names[] = {"action.yml", "action.yaml"};
	struct arena *a = step->job->arena;

	for (size_t i = 0; i < COUNT(names); i++) {
		int got;

		strbuf_clear(text);
		if (place->host) {
			*name = arena_printf(a, "%s/%s", place->host, names[i]);
			got = file_read(AT_FDCWD, *name, text, err);
		} else {
			*name = *uses->path ? arena_printf(a, "%s/%s", uses->path, names[i])
					    : names[i];
			got = read_local(step, *name, text, err);
		}
		if (got == 0)
			return 0;
	}
	return -1;
}

/* The declared inputs: what `with` gives, else the default. */
static const struct node *inputs_of(struct step_run *step, const struct action *action,
				    struct err *err)
{
	struct arena *a = step->job->arena;
	struct scope_arg arg = {step->job, step->frame};
	struct expr_scope scope = scope_make(&arg, context_step(step->job, step->frame, step));
	struct node *inputs = node_map(a);

	for (size_t i = 0; action->inputs && i < action->inputs->count; i++) {
		const char *name = action->inputs->pairs[i].key->text;
		const struct node *given = step->with ? node_get_nocase(step->with, name) : NULL;
		const struct node *standard = node_get(action->inputs->pairs[i].value, "default");
		const struct node *value = given ? given : standard ? standard : node_string(a, "");

		if (scope_tree(a, &scope, name, value, &value, err) < 0)
			return NULL;
		node_set_text(a, inputs, name, expr_text(a, value));
	}
	return inputs;
}

static int load_action(struct step_run *step, const struct uses *uses,
		       const struct action_place *place, struct action **out, struct err *err)
{
	auto_strbuf struct strbuf text = STRBUF(MIB);
	struct diags diags = {.arena = step->job->arena};
	const char *name = NULL;

	if (read_action(step, uses, place, &text, &name, err) < 0)
		return -1;
	*out = action_load(step->job->arena, name, text.text, text.len, &diags);
	if (!*out)
		return diags_fail(&diags, err);
	if ((*out)->kind != ACTION_COMPOSITE)
		return err_fail(err, ERR_USAGE,
				"'%s' is no composite action; only those are served",
				step->step->uses);
	return 0;
}

static int depth_of(const struct frame *frame)
{
	return frame ? 1 + depth_of(frame->up) : 0;
}

int action_enter(struct step_run *step, struct err *err)
{
	struct job_run *job = step->job;
	struct action_place place = {0};
	struct action *action = NULL;
	struct frame *frame;
	struct uses uses;

	if (depth_of(job->frame) > 10)
		return err_fail(err, ERR_USAGE, "actions use each other more than 10 deep");
	if (uses_parse(job->arena, step->step->uses, &uses, err) < 0 ||
	    place_of(step, &uses, &place, err) < 0 ||
	    load_action(step, &uses, &place, &action, err) < 0)
		return -1;
	frame = arena_alloc(job->arena, sizeof(*frame));
	*frame = (struct frame){
		.up = job->frame,
		.owner = step,
		.action = action,
		.steps = &action->steps,
		.results = node_map(job->arena),
		.inputs = inputs_of(step, action, err),
		.env = step->env,
		.action_path = place.inside,
		.status = RESULT_SUCCESS,
		.deadline_ms = step->timeout_ms ? now_ms() + step->timeout_ms : 0,
	};
	if (!frame->inputs)
		return -1;
	job->frame = frame;
	return 0;
}
