/* Actions of ours, and what they ask of their inputs. */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "runner/actions.h"
#include "stepcell/util.h"

static const struct builtin *const builtins[] = {
	&action_checkout, &action_setup_python,  &action_upload,     &action_download,
	&action_cache,    &action_cache_restore, &action_cache_save,
};

const struct builtin *action_builtin(const struct uses *uses)
{
	if (uses->kind != USES_REPOSITORY)
		return NULL;
	for (size_t i = 0; i < COUNT(builtins); i++) {
		char name[256];
		int n = snprintf(name, sizeof(name), "%s/%s%s%s", uses->owner, uses->repo,
				 *uses->path ? "/" : "", uses->path);

		if (n > 0 && (size_t)n < sizeof(name) && strcasecmp(name, builtins[i]->uses) == 0)
			return builtins[i];
	}
	return NULL;
}

/* ---- inputs ---- */

const char *action_input(const struct step_run *step, const char *name)
{
	const struct node *value = step->with ? node_get_nocase(step->with, name) : NULL;

	return value ? expr_text(step->job->arena, value) : "";
}

struct texts action_lines(const struct step_run *step, const char *name)
{
	return texts_of_lines(step->job->arena, action_input(step, name), " \t\r");
}

bool action_flag(const struct step_run *step, const char *name, bool otherwise)
{
	const char *text = action_input(step, name);

	return *text ? strcasecmp(text, "true") == 0 : otherwise;
}

const char *action_path(const struct job_run *job, const char *text)
{
	if (text[0] == '~' && (!text[1] || text[1] == '/'))
		return arena_printf(job->arena, "%s%s", RUNNER_HOME, text + 1);
	while (strncmp(text, "./", 2) == 0)
		text += 2 + strspn(text + 2, "/");
	if (!*text || strcmp(text, ".") == 0)
		return job->workspace;
	return *text == '/' ? text : arena_printf(job->arena, "%s/%s", job->workspace, text);
}
