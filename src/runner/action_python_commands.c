/*
 * What setup-python has pip and poetry do, behind everything else: pip-version in
 * each Python that was set up, pip-install in the one that comes first on PATH. It
 * is a step like any other, in a cell with the network that the policy gives.
 */
#include <string.h>

#include "runner/action_python.h"
#include "stepcell/limits.h"

/* ---- pip-version ---- */

/* MAJOR[.MINOR[.PATCH]], as the public action has it. */
static bool is_pip_version(const char *text)
{
	for (int parts = 1; parts <= 3; parts++) {
		size_t digits = strspn(text, "0123456789");

		if (!digits || !text[digits])
			return digits;
		if (text[digits] != '.')
			return false;
		text += digits + 1;
	}
	return false;
}

int python_commands_check(const struct step_run *step, struct err *err)
{
	const char *pip = action_input(step, "pip-version");

	return !*pip || is_pip_version(pip)
		       ? 0
		       : err_fail(err, ERR_USAGE,
				  "pip-version: '%s' is none; write it as MAJOR[.MINOR][.PATCH], "
				  "such as '24.0'",
				  pip);
}

/* ---- the script ---- */

/* One word of a shell, whatever is in it. */
static void add_word(struct strbuf *out, const char *word, size_t len)
{
	strbuf_addc(out, '\'');
	for (size_t i = 0; i < len; i++)
		strbuf_adds(out, word[i] == '\'' ? "'\\''" : (char[]){word[i], '\0'});
	strbuf_addc(out, '\'');
}

static void add_pip_version(const struct step_run *step, const struct python_setup *setup,
			    struct strbuf *out)
{
	const char *pip = action_input(step, "pip-version");

	for (size_t i = 0; *pip && i < setup->pythons.count; i++) {
		const char *python = setup->pythons.list[i];

		add_word(out, python, strlen(python));
		strbuf_addf(out,
			    "/bin/python -m pip install --upgrade pip==%s "
			    "--disable-pip-version-check --no-warn-script-location\n",
			    pip);
	}
}

/* An environment that came out of a cache is to be of the Python that was set up. */
static void add_poetry(const struct python_setup *setup, struct strbuf *out)
{
	for (size_t i = 0; i < setup->projects.count; i++) {
		const char *folder = setup->projects.list[i];

		strbuf_adds(out, "(cd ");
		add_word(out, folder, strlen(folder));
		strbuf_adds(out, " && poetry env use \"$(command -v python)\") || "
				 "echo 'warning: poetry env use has failed'\n");
	}
}

/* Its words are those between blanks, as the public action parts them. */
static void add_pip_install(const struct step_run *step, struct strbuf *out)
{
	static const char blanks[] = " \t\r\n\f\v";
	const char *words = action_input(step, "pip-install");

	words += strspn(words, blanks);
	if (*words)
		strbuf_adds(out, "python -m pip install");
	while (*words) {
		size_t len = strcspn(words, blanks);

		strbuf_addc(out, ' ');
		add_word(out, words, len);
		words += len + strspn(words + len, blanks);
	}
	strbuf_addc(out, '\n');
}

int python_commands_start(struct step_run *step, struct python_setup *setup, struct err *err)
{
	struct job_run *job = step->job;
	auto_strbuf struct strbuf script = STRBUF(64 * KIB);
	const char *lines;

	if (setup->commands)
		return 0;
	setup->commands = true;
	add_pip_version(step, setup, &script);
	add_poetry(setup, &script);
	add_pip_install(step, &script);
	if (script.full)
		return err_fail(err, ERR_USAGE, "pip-install is longer than anybody needs");
	lines = arena_strdup(job->arena, script.text);
	if (strcmp(lines, "\n") == 0)
		return 0;

	const char *const argv[] = {"/bin/sh", "-e", "-c", lines, NULL};

	return launch(step,
		      &(struct launch){
			      .argv = argv, .workdir = job->workspace, .env = launch_env(step)},
		      err) < 0
		       ? -1
		       : 1;
}
