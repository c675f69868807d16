/* What can be refused before anything starts: environments, labels, engines, actions, toolchains. */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "runner/actions.h"
#include "runner/check.h"
#include "runner/run.h"
#include "stepcell/fd.h"
#include "stepcell/log.h"
#include "stepcell/util.h"

struct node *contexts_of(const struct run *run, const struct planned_job *p)
{
	struct node *contexts = node_map(run->arena);

	node_set(run->arena, contexts, "github", run->github);
	node_set(run->arena, contexts, "inputs", run->inputs);
	node_set(run->arena, contexts, "vars", run->vars);
	node_set(run->arena, contexts, "matrix", p->matrix ? p->matrix : node_null());
	return contexts;
}

/* ---- environments ---- */

static const char *environment_of(const struct job *job)
{
	const struct node *e = job->environment;

	return node_text(e && e->kind == NODE_MAP ? node_get(e, "name") : e);
}

int environment_check(const struct run *run, const struct job *job, const struct node *contexts,
		      struct err *err)
{
	struct expr_scope scope = {.contexts = contexts};
	const char *name = environment_of(job);

	if (name && (scope_text(run->arena, &scope, "environment", name, &name, err) < 0 ||
		     policy_allow_environment(run->policy, name, err) < 0))
		return err_wrap(err, "job '%s' is refused", job->id);
	return 0;
}

/* Its name is known only when the job starts; it is asked about then. */
static bool environment_waits(const struct planned_job *p)
{
	const char *name = environment_of(p->job);

	return name && strstr(name, "${{") &&
	       (p->caller || p->matrix_depends || strcasestr(name, "needs"));
}

/* An environment is granted, or the run is refused: before its job could start. */
static int check_environments(struct run *run, struct err *err)
{
	for (size_t i = 0; i < run->plan.count; i++) {
		const struct planned_job *p = &run->plan.jobs[i];

		if (p->runs == RUNS_NO || environment_waits(p))
			continue;
		if (environment_check(run, p->job, contexts_of(run, p), err) < 0)
			return -1;
	}
	return 0;
}

const char *file_of(const struct run *run, const struct place *at)
{
	return at->file && strcmp(at->file, run->workflow->path) != 0 ? at->file
								      : run->workflow_path;
}

bool planned_before(const struct plan *plan, size_t at)
{
	const struct planned_job *p = &plan->jobs[at];

	if (at > 0 && plan->jobs[at - 1].job == p->job)
		return true;
	while (p->caller && at-- > 0)
		if (plan->jobs[at].job == p->job)
			return true;
	return false;
}

/* ---- images ---- */

#define DEFAULT_IMAGE "python-3.11"

/* Where nobody has built the usual image, what the store has will do, and is named. */
static const char *default_image(struct run *run)
{
	struct image *list = NULL, usual = {.lock = -1};
	struct err ignored = {0};
	const char *name = DEFAULT_IMAGE;
	size_t count = 0;

	if (image_find(run->store, run->arena, name, &usual, &ignored) == 0) {
		image_release(&usual);
		return name;
	}
	if (image_list(run->store, run->arena, &list, &count, &ignored) < 0)
		return name;
	/* one that is there and cannot be used is no reason to take another: it is the answer */
	for (size_t i = 0; i < count; i++)
		if (list[i].problem && strcmp(list[i].name, name) == 0)
			return name;
	for (size_t i = 0; i < count; i++) {
		if (strcmp(list[i].name, "host") == 0 || list[i].problem)
			continue;
		log_note("there is no image '%s'; the jobs run on '%s'", name, list[i].name);
		return list[i].name;
	}
	return name;
}

/* Have all jobs a container of their own? */
static bool in_containers(const struct run *run)
{
	size_t own = 0, all = 0;

	for (size_t i = 0; i < run->plan.count; i++) {
		const struct planned_job *p = &run->plan.jobs[i];

		if (p->runs == RUNS_NO || p->job->uses)
			continue;
		all++;
		own += p->job->container && p->job->container->kind != NODE_NULL;
	}
	return all && own == all;
}

static int check_image(struct run *run, struct err *err)
{
	struct image image = {.lock = -1};
	int ok;

	if (!run->options->image && in_containers(run)) {
		run->image = "";
		return 0;
	}
	run->image = run->options->image ? run->options->image : default_image(run);
	if (image_find(run->store, run->arena, run->image, &image, err) < 0)
		return err_wrap(err, "image for the jobs");
	ok = image_admit(run, &image, err);
	if (ok == 0 && run->needs_node)
		ok = action_node_check(&image, err);
	image_release(&image);
	return ok;
}

static const char *const elsewhere[] = {"windows", "macos"};

static int check_label(const struct run *run, const struct job *job, const char *label,
		       struct err *err)
{
	for (size_t i = 0; i < COUNT(elsewhere) && !run->options->image; i++)
		if (strncasecmp(label, elsewhere[i], strlen(elsewhere[i])) == 0)
			return err_fail(err, ERR_SYSTEM,
					"%s:%u: job '%s' runs on %s, and no image serves that; "
					"leave it out "
					"with -j, or give --image for all jobs",
					file_of(run, &job->at), job->at.line, job->id, label);
	return 0;
}

static int check_labels(const struct run *run, const struct job *job, struct err *err)
{
	const struct node *on = job->runs_on;

	if (node_text(on))
		return check_label(run, job, on->text, err);
	for (size_t i = 0; on && on->kind == NODE_LIST && i < on->count; i++)
		if (node_text(on->items[i]) && check_label(run, job, on->items[i]->text, err) < 0)
			return -1;
	return 0;
}

/* ---- containers ---- */

/* The image is in the store, and the policy lets a workflow use it. */
static int check_container(struct run *run, const struct container *c, struct err *err)
{
	struct image image;

	if (container_image(run, c->image, &image, err) < 0)
		return -1;
	image_release(&image);
	return 0;
}

static int check_own(struct run *run, const struct expr_scope *scope, const struct job *job,
		     struct err *err)
{
	struct container c = {0};

	if (!job->container)
		return 0;
	if (container_read(run, scope, job->container, NULL, false, &c, err) < 0 ||
	    (c.image && check_container(run, &c, err) < 0))
		return err_wrap(err, "container");
	return 0;
}

static int check_services(struct run *run, const struct expr_scope *scope, const struct job *job,
			  struct err *err)
{
	struct container *list;
	size_t count;

	if (container_read_services(run, scope, job->services, false, &list, &count, err) < 0)
		return -1;
	for (size_t i = 0; i < count; i++)
		if (check_container(run, &list[i], err) < 0)
			return err_wrap(err, "service '%s'", list[i].name);
	return 0;
}

/* Does an expression in it ask for what other jobs have put out? */
static bool asks_needs(const struct node *n)
{
	bool asks = false;

	if (!n)
		return false;
	if (n->kind == NODE_STRING)
		return strstr(n->text, "${{") && strcasestr(n->text, "needs");
	for (size_t i = 0; !asks && n->kind == NODE_LIST && i < n->count; i++)
		asks = asks_needs(n->items[i]);
	for (size_t i = 0; !asks && n->kind == NODE_MAP && i < n->count; i++)
		asks = asks_needs(n->pairs[i].value);
	return asks;
}

/* What is not known yet is looked at when the job starts. */
static bool containers_wait(const struct planned_job *p)
{
	return p->caller || p->matrix_depends || asks_needs(p->job->container) ||
	       asks_needs(p->job->services);
}

/* For each combination of a matrix: it may be what names the image. */
static int check_containers(struct run *run, const struct planned_job *p, struct err *err)
{
	const struct job *job = p->job;
	struct node *contexts = contexts_of(run, p);
	const struct expr_scope scope = {.contexts = contexts};

	if ((!job->container && !job->services) || containers_wait(p))
		return 0;
	node_set(run->arena, contexts, "strategy", node_map(run->arena));
	if (check_own(run, &scope, job, err) < 0 || check_services(run, &scope, job, err) < 0)
		return err_wrap(err, "%s:%u: job '%s'", file_of(run, &job->at), job->at.line,
				job->id);
	return 0;
}

/* Steps that run beside others, and steps about those. */
static int check_kinds(const struct run *run, const struct job *job, struct err *err)
{
	for (size_t i = 0; i < job->steps.count; i++) {
		const struct step *step = &job->steps.list[i];

		if ((!step->run && !step->uses) || node_get(step->as_written, "background"))
			return err_fail(
				err, ERR_USAGE,
				"%s:%u: job '%s': background, wait, wait-all, cancel and "
				"parallel steps are not served: each step has a cell of its "
				"own, which ends with it; write them one after another, a "
				"server under services:, and what may run at once as jobs",
				file_of(run, &step->at), step->at.line, job->id);
	}
	return 0;
}

int check_run(struct run *run, struct err *err)
{
	if (actions_check(run, err) < 0 || check_environments(run, err) < 0 ||
	    check_image(run, err) < 0)
		return -1;
	for (size_t i = 0; i < run->plan.count; i++) {
		const struct planned_job *p = &run->plan.jobs[i];

		if (p->runs == RUNS_NO || p->job->uses)
			continue;
		if (check_containers(run, p, err) < 0)
			return -1;
		if (planned_before(&run->plan, i))
			continue;
		if (check_kinds(run, p->job, err) < 0 || check_labels(run, p->job, err) < 0)
			return -1;
	}
	return check_pythons(run, err);
}
