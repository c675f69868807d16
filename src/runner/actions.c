/* Actions: our own, what they ask of their inputs, and what of a plan can be served at all. */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "runner/actions.h"
#include "stepcell/util.h"

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
	if (uses.kind != USES_REPOSITORY || action_builtin(&uses))
		return NULL;
	return action_known(run, &uses, text)->why;
}

static void check_steps(struct run *run, const struct job *job, struct strbuf *missing)
{
	for (size_t i = 0; i < job->steps.count; i++) {
		const struct step *step = &job->steps.list[i];
		const char *why = step->uses ? why_not(run, step->uses) : NULL;

		if (why)
			strbuf_addf(missing, "\n  %s:%u:%u: %s: %s", file_of(run, &step->at),
				    step->at.line, step->at.col, step->uses, why);
	}
}

int actions_check(struct run *run, struct err *err)
{
	auto_strbuf struct strbuf missing = STRBUF(1500);

	for (size_t i = 0; i < run->plan.count; i++) {
		const struct planned_job *p = &run->plan.jobs[i];

		if (p->runs != RUNS_NO && !planned_before(&run->plan, i))
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
