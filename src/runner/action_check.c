/*
 * Before anything starts: every `uses:` of the plan can be served, those inside
 * of composite actions too. All that cannot are told at once, each with its
 * place. What lies in the workspace is not there yet.
 */
#include <stdio.h>
#include <string.h>

#include "runner/actions.h"
#include "runner/check.h"
#include "stepcell/limits.h"
#include "stepcell/util.h"

struct look {
	struct run *run;
	struct strbuf missing;
	size_t untold; /* for which there is no room */
	bool stored;   /* one is missing that the store could have */
	unsigned depth;
};

static bool look_at_steps(struct look *l, const char *file, const struct steps *steps);

/* A composite action's own steps, once. */
static const char *look_inside(struct look *l, struct known_action *k)
{
	if (k->looked)
		return k->looking ? "it uses itself" : NULL;
	if (l->depth >= LIMIT_ACTION_DEPTH)
		return "actions use each other more than 10 deep";
	k->looked = k->looking = true;
	l->depth++;
	k->pre = look_at_steps(l, arena_printf(l->run->arena, "%s/action.yml", k->text),
			       &k->action->steps);
	l->depth--;
	k->looking = false;
	return NULL;
}

/* Why an action cannot be served, or NULL. */
static const char *look_at_known(struct look *l, struct known_action *k, bool *pre)
{
	const char *why = k->why;

	l->stored = l->stored || k->absent;
	if (!k->action || why)
		return why;
	if (k->action->kind == ACTION_COMPOSITE) {
		why = look_inside(l, k);
	} else {
		l->run->needs_node |= k->action->kind == ACTION_NODE;
		k->pre = action_file(k->action, STAGE_PRE);
	}
	*pre = *pre || k->pre;
	return why;
}

static const char *look_at_image(struct look *l, const char *ref)
{
	struct err err = {0};

	return action_image_check(l->run, ref, &err) < 0 ? arena_strdup(l->run->arena, err.text)
							 : NULL;
}

static const char *look_at_step(struct look *l, const char *text, bool *pre)
{
	struct uses uses;
	struct err err = {0};

	if (strstr(text, "${{"))
		return "an action's name cannot be an expression";
	if (uses_parse(l->run->arena, text, &uses, &err) < 0)
		return arena_strdup(l->run->arena, err.text);
	if (uses.kind == USES_IMAGE)
		return look_at_image(l, uses.image);
	if (uses.kind != USES_REPOSITORY || action_builtin(&uses))
		return NULL;
	return look_at_known(l, action_known(l->run, &uses, text), pre);
}

static void tell(struct look *l, const char *file, const struct step *step, const char *why)
{
	size_t before = l->missing.len;

	strbuf_addf(&l->missing, "\n  %s:%u:%u: %s: %s", file, step->at.line, step->at.col,
		    step->uses, why);
	if (!l->missing.full && !l->untold)
		return;
	strbuf_cut(&l->missing, before);
	l->untold++;
}

/* Has one of them a pre part? */
static bool look_at_steps(struct look *l, const char *file, const struct steps *steps)
{
	bool pre = false;

	for (size_t i = 0; i < steps->count; i++) {
		const struct step *step = &steps->list[i];
		const char *why = step->uses ? look_at_step(l, step->uses, &pre) : NULL;

		if (why)
			tell(l, file, step, why);
	}
	return pre;
}

static int fail(const struct look *l, struct err *err)
{
	auto_strbuf struct strbuf more = STRBUF(64);

	if (l->untold)
		strbuf_addf(&more, "\n  and %zu more", l->untold);
	return err_fail(err, ERR_USAGE, "actions cannot be served:%s%s%s%s", l->missing.text,
			more.text,
			l->stored ? "\nput each into the action store with 'stepcell action add "
				    "OWNER/REPO@REF SOURCE' (a folder, tarball or git "
				    "repository), or map it to a stand-in in "
				  : "",
			l->stored ? arena_printf(l->run->arena, "%s/policies/actions/mapping.yml",
						 l->run->data)
				  : "");
}

int actions_check(struct run *run, struct err *err)
{
	struct look l = {.run = run, .missing = STRBUF(1400)};
	int ok;

	for (size_t i = 0; i < run->plan.count; i++) {
		const struct planned_job *p = &run->plan.jobs[i];

		if (p->runs != RUNS_NO && !planned_before(&run->plan, i))
			(void)look_at_steps(&l, file_of(run, &p->job->at), &p->job->steps);
	}
	if (run->fatal.kind != ERR_NONE)
		*err = run->fatal;
	ok = run->fatal.kind != ERR_NONE ? -1 : l.missing.len ? fail(&l, err) : 0;
	strbuf_release(&l.missing);
	return ok;
}
