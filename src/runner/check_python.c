/*
 * The Pythons that setup-python will ask for, as far as the plan knows them: those
 * of every combination of a matrix too. All that nothing can give are named before
 * anything starts, each with the command that brings it. What may fail without
 * harm (continue-on-error), and what does not run, is left to its step.
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "runner/actions.h"
#include "runner/check.h"
#include "runner/run.h"
#include "stepcell/fd.h"

struct check {
	struct run *run;
	struct image image; /* that the jobs run on */
	struct node *asked; /* what has been looked for, each once */
	struct strbuf missing, commands;
	size_t missing_count;
	const char *have; /* what there is instead */
	struct err first; /* of what is missing */
};

/* One step that sets up a Python, in one job of the plan. */
struct ask {
	const struct planned_job *job;
	const struct step *step;
	struct expr_scope scope;
};

/* An input as its action gets it: an unquoted 3.10 is the number 3.1. NULL: not known yet. */
static const char *known_input(struct arena *a, const struct ask *ask, const char *name)
{
	const struct node *value = node_get_nocase(ask->step->with, name);
	struct expr_err ignored;

	if (!value)
		return "";
	if (value->kind == NODE_STRING) {
		if (!template_is_known(a, value->text, ask->scope.contexts))
			return NULL;
		value = template_eval(a, value->text, &ask->scope, &ignored);
	}
	return value ? expr_text(a, value) : NULL;
}

/* Is it known to be this? A `text` without ${{ }} is itself, of a condition it is an expression. */
static bool is_known_false(struct arena *a, const struct ask *ask, const char *text)
{
	const char *whole =
		!text || strstr(text, "${{") ? text : arena_printf(a, "${{ %s }}", text);
	const struct node *value;
	struct expr_err ignored;

	if (!whole || !template_is_known(a, whole, ask->scope.contexts))
		return false;
	value = template_eval(a, whole, &ask->scope, &ignored);
	return value && !expr_truthy(value);
}

/* What is not known to be false might be true. */
static bool may_fail(struct arena *a, const struct ask *ask, const struct node *flag)
{
	if (!flag)
		return false;
	return flag->kind == NODE_BOOL
		       ? flag->truth
		       : !is_known_false(a, ask, node_text(flag) ? flag->text : NULL);
}

static bool is_true(const char *text)
{
	return strcasecmp(text, "true") == 0;
}

/* Whether all of it is known before the step runs. */
static bool toolchain_of(struct arena *a, const struct ask *ask, struct toolchain_ask *out)
{
	const char *version = known_input(a, ask, "python-version");
	const char *arch = known_input(a, ask, "architecture");
	const char *pre = known_input(a, ask, "allow-prereleases");
	const char *free = known_input(a, ask, "freethreaded");
	const char *latest = known_input(a, ask, "check-latest");

	if (!version || !*version || !arch || !pre || !free || !latest)
		return false;
	*out = (struct toolchain_ask){.version = version,
				      .arch = arch,
				      .prereleases = is_true(pre),
				      .freethreaded = is_true(free),
				      .latest = is_true(latest)};
	return true;
}

static bool sets_up_python(struct run *run, const struct step *step)
{
	struct uses uses;
	struct err ignored;

	return step->uses && uses_parse(run->arena, step->uses, &uses, &ignored) == 0 &&
	       action_builtin(&uses) == &action_setup_python;
}

/* ---- looking ---- */

/* The same step asks for the same once, however many jobs the matrix makes of it. */
static bool asked_before(struct check *c, const struct ask *ask, const struct toolchain_ask *t)
{
	struct arena *a = c->run->arena;
	const char *key = arena_printf(a, "%p %s %s %d%d%d", (const void *)ask->step, t->version,
				       t->arch, t->prereleases, t->freethreaded, t->latest);

	if (node_get(c->asked, key))
		return true;
	node_set(a, c->asked, key, node_null());
	return false;
}

/* python-3.1 is no part of python-3.13. */
static bool has_line(const char *text, const char *line)
{
	size_t len = strlen(line);

	for (const char *at = text; (at = strstr(at, line)); at += len)
		if (!at[len] || at[len] == '\n')
			return true;
	return !len;
}

static void note_missing(struct check *c, const struct ask *ask, const struct toolchain_lack *lack,
			 const struct err *err)
{
	const char *command =
		lack->recipe
			? arena_printf(c->run->arena, "\n  stepcell image build %s", lack->recipe)
			: "";

	if (c->missing_count++ == 0)
		c->first = *err;
	c->have = lack->have;
	strbuf_addf(&c->missing, "\n  %s:%u: job '%s': %s%s%s", file_of(c->run, &ask->step->at),
		    ask->step->at.line, ask->job->job->id, lack->what, lack->recipe ? "" : ": ",
		    lack->recipe ? "" : lack->why);
	if (!has_line(c->commands.text, command))
		strbuf_adds(&c->commands, command);
}

static int look_for(struct check *c, const struct ask *ask, const struct toolchain_ask *wanted,
		    struct err *err)
{
	struct run *run = c->run;
	struct toolchain_lack lack = {0};
	struct toolchain_ask t = *wanted;
	struct toolchain_match match = {.lock = -1};
	int found;

	t.lack = &lack;
	t.data = run->data;
	found = image_toolchain(run->store, run->arena, &c->image, &t, &match, err);
	if (found == 0)
		found = toolchain_admit(run, &match, err);
	fd_close(&match.lock);
	if (found == 0)
		return 0;
	(void)err_wrap(err, "%s:%u: job '%s'", file_of(run, &ask->step->at), ask->step->at.line,
		       ask->job->job->id);
	if (!lack.what)
		return -1;
	note_missing(c, ask, &lack, err);
	return 0;
}

/* Several lines are several versions. */
static int look_for_each(struct check *c, const struct ask *ask, const struct toolchain_ask *all,
			 struct err *err)
{
	const struct texts lines = texts_of_lines(c->run->arena, all->version, " \t\r");

	for (size_t i = 0; i < lines.count; i++) {
		struct toolchain_ask one = *all;

		one.version = lines.list[i];
		if (!asked_before(c, ask, &one) && look_for(c, ask, &one, err) < 0)
			return -1;
	}
	return 0;
}

/* In a container's root it is looked for when that is there. */
static int check_job(struct check *c, const struct planned_job *p, struct err *err)
{
	struct arena *a = c->run->arena;
	const struct job *job = p->job;
	/* the inputs of a called workflow are not known, nor is a matrix that waits for other jobs */
	const struct node *contexts =
		p->caller || p->matrix_depends ? node_map(a) : contexts_of(c->run, p);

	if (job->container && job->container->kind != NODE_NULL)
		return 0;
	for (size_t i = 0; i < job->steps.count; i++) {
		const struct ask ask = {p, &job->steps.list[i], {.contexts = contexts}};
		struct toolchain_ask t;

		if (!sets_up_python(c->run, ask.step) ||
		    is_known_false(a, &ask, ask.step->condition) ||
		    may_fail(a, &ask, ask.step->continue_on_error) ||
		    may_fail(a, &ask, job->continue_on_error) || !toolchain_of(a, &ask, &t))
			continue;
		if (look_for_each(c, &ask, &t, err) < 0)
			return -1;
	}
	return 0;
}

/* ---- telling ---- */

/* One is told as its step would tell it; several with what all of them need. */
static int tell(struct check *c, struct err *err)
{
	if (!c->missing_count)
		return 0;
	if (c->missing_count == 1) {
		*err = c->first;
		return -1;
	}
	return err_fail(err, ERR_SYSTEM, "no toolchain for%s%s\nthere are:%s%s%s", c->missing.text,
			c->missing.full ? " ..." : "", c->have,
			c->commands.len ? "; these bring what is missing:" : "", c->commands.text);
}

int check_pythons(struct run *run, struct err *err)
{
	struct check c = {.run = run,
			  .image = {.lock = -1},
			  .asked = node_map(run->arena),
			  .missing = STRBUF(1200),
			  .commands = STRBUF(600)};
	int ok = 0;

	if (*run->image && image_find(run->store, run->arena, run->image, &c.image, err) < 0)
		return -1;
	for (size_t i = 0; *run->image && ok == 0 && i < run->plan.count; i++)
		if (run->plan.jobs[i].runs != RUNS_NO && !run->plan.jobs[i].job->uses)
			ok = check_job(&c, &run->plan.jobs[i], err);
	if (ok == 0)
		ok = tell(&c, err);
	image_release(&c.image);
	strbuf_release(&c.missing);
	strbuf_release(&c.commands);
	return ok;
}
