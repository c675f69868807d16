/*
 * Where poetry keeps its environments: of each project that has a lock file, what
 * `poetry config --list` says there. It is asked where it can write nothing and
 * reach nothing.
 */
#include <string.h>

#include "runner/action_python.h"
#include "stepcell/json.h"
#include "stepcell/limits.h"
#include "stepcell/util.h"

struct poetry_config {
	const char *cache, *environments;
	bool in_project;
};

/* A value is JSON, and what it comes to may stand behind it as a comment. */
static const struct node *value_of(struct arena *a, const char *text)
{
	struct err ignored;
	size_t len = strcspn(text, "#");

	return json_parse(a, "poetry", text, len, &ignored);
}

static void take_line(struct arena *a, const char *line, struct poetry_config *out)
{
	const struct {
		const char *key, **text;
		bool *flag;
	} keys[] = {{"cache-dir", &out->cache, NULL},
		    {"virtualenvs.path", &out->environments, NULL},
		    {"virtualenvs.in-project", NULL, &out->in_project}};
	const char *equals = strchr(line, '=');
	size_t len = equals ? (size_t)(equals - line) : 0;

	while (len && line[len - 1] == ' ')
		len--;
	for (size_t i = 0; i < COUNT(keys); i++) {
		const struct node *value;

		if (len != strlen(keys[i].key) || strncmp(line, keys[i].key, len) != 0)
			continue;
		value = value_of(a, equals + 1);
		if (value && keys[i].flag)
			*keys[i].flag = value->kind == NODE_BOOL && value->truth;
		else if (value && node_text(value))
			*keys[i].text = node_text(value);
	}
}

/* "{cache-dir}/virtualenvs" */
static const char *environments_of(struct arena *a, const struct poetry_config *config)
{
	static const char mark[] = "{cache-dir}";
	const char *at = strstr(config->environments, mark);

	return at ? arena_printf(a, "%.*s%s%s", (int)(at - config->environments),
				 config->environments, config->cache, at + strlen(mark))
		  : config->environments;
}

static int ask(struct step_run *step, const char *folder, struct poetry_config *out,
	       struct err *err)
{
	static const char script[] = "command -v poetry >/dev/null || { echo none; exit; }; "
				     "exec poetry config --list";
	static const char *const argv[] = {"/bin/sh", "-c", script, NULL};
	struct arena *a = step->job->arena;
	const struct view_program program = {
		.argv = argv, .env = launch_env_list(a, launch_env(step)), .workdir = folder};
	auto_strbuf struct strbuf text = STRBUF(MIB);
	struct texts lines;

	if (view_run(step->job, &program, &text, err) < 0)
		return err_wrap(err, "'poetry config --list' in '%s'", folder);
	if (strcmp(text.text, "none\n") == 0)
		return err_fail(err, ERR_USAGE,
				"there is no poetry on PATH to ask for its folders; a step before "
				"this one installs it");
	lines = texts_of_lines(a, text.text, "");
	for (size_t i = 0; i < lines.count; i++)
		take_line(a, lines.list[i], out);
	return out->cache && out->environments
		       ? 0
		       : err_fail(err, ERR_USAGE,
				  "'poetry config --list' in '%s' names no cache-dir and no "
				  "virtualenvs.path",
				  folder);
}

static void add_once(struct arena *a, struct texts *list, const char *text)
{
	for (size_t i = 0; i < list->count; i++)
		if (strcmp(list->list[i], text) == 0)
			return;
	texts_add(a, list, text);
}

int python_poetry_folders(struct step_run *step, struct python_setup *setup,
			  const struct texts *patterns, struct texts *out, struct err *err)
{
	struct arena *a = step->job->arena;
	struct texts files;

	if (scope_list_files(step->job, patterns->list, patterns->count, LIMIT_POETRY_PROJECTS,
			     &files, err) < 0)
		return -1;
	for (size_t i = 0; i < files.count; i++) {
		const char *slash = strrchr(files.list[i], '/');

		add_once(a, &setup->projects,
			 slash ? arena_printf(a, "%s/%.*s", step->job->workspace,
					      (int)(slash - files.list[i]), files.list[i])
			       : step->job->workspace);
	}
	for (size_t i = 0; i < setup->projects.count; i++) {
		const char *folder = setup->projects.list[i];
		struct poetry_config config = {0};

		if (ask(step, folder, &config, err) < 0)
			return -1;
		add_once(a, out, environments_of(a, &config));
		if (config.in_project)
			add_once(a, out, arena_printf(a, "%s/.venv", folder));
	}
	return 0;
}
