/* stepcell lint: what is wrong with workflow and action files. */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/lint.h"
#include "cli/terminal.h"
#include "stepcell/util.h"

static int opt_permissions(const struct option_row *row, const char *value, void *out,
			   struct err *err)
{
	*(bool *)out = strcmp(value, "LimitedRead") == 0;
	if (*(bool *)out || strcmp(value, "Write") == 0)
		return 0;
	return err_fail(err, ERR_USAGE, "--%s takes LimitedRead or Write, not '%s'", row->name,
			value);
}

static int opt_format(const struct option_row *row, const char *value, void *out, struct err *err)
{
	static const struct lint_format *const formats[] = {&lint_text, &lint_json, &lint_github,
							    &lint_sarif};

	for (size_t i = 0; i < COUNT(formats); i++)
		if (strcmp(formats[i]->name, value) == 0) {
			*(const struct lint_format **)out = formats[i];
			return 0;
		}
	return err_fail(err, ERR_USAGE, "--%s takes text, json, github or sarif, not '%s'",
			row->name, value);
}

static const struct option_row rows[] = {
	{0, "strict", NULL, opt_flag, offsetof(struct lint_options, strict),
	 "let warnings fail too"},
	{0, "format", "FORMAT", opt_format, offsetof(struct lint_options, format),
	 "text, json, github (annotations of a workflow's log) or sarif"},
	{0, "rules", NULL, opt_flag, offsetof(struct lint_options, rules),
	 "list the rules: what each means, and how it is mended"},
	{0, "no-ignore", NULL, opt_flag, offsetof(struct lint_options, no_ignore),
	 "report what comments in the files silence too"},
	{0, "file", "REF=PATH", opt_pair, offsetof(struct lint_options, files),
	 "the file of a workflow that is called as REF"},
	{0, "default-permissions", "LEVEL", opt_permissions, offsetof(struct lint_options, limited),
	 "what a workflow without permissions gets: LimitedRead or Write"},
};

static const struct option_usage usage = {
	.synopsis = "stepcell lint [OPTION]... [FILE|DIR]...",
	.about = "Reports each mistake as PATH:LINE:COL: error: MESSAGE [RULE]; exits 1 when there "
		 "was one.\nWithout FILE: the workflows of .github/workflows. A comment \"# "
		 "stepcell: ignore[RULE] REASON\"\nsilences RULE on its line, or on the next "
		 "one when it stands alone.",
	.rows = rows,
	.count = COUNT(rows),
};

/* 1 when something was found, which is no failure of the command. */
static int lint_all(const struct lint_options *o, char *const *words, struct err *err)
{
	auto_arena struct arena *a = arena_new();
	struct linting l = {.options = o, .arena = a, .report = {.colour = terminal_colour()}};
	const struct lint_format *format = o->format;
	struct texts files;
	int got = 0;

	if (lint_config_load(a, &l.config, err) < 0 || lint_files_find(a, words, &files, err) < 0)
		return -1;
	if (format->begin)
		format->begin(&l.report);
	for (size_t i = 0; i < files.count && !got; i++)
		got = lint_file(&l, files.list[i], err);
	if (format->end)
		format->end(&l.report);
	return got ? got : l.report.errors || (o->strict && l.report.warnings);
}

int cmd_lint(int argc, char **argv, struct err *err)
{
	struct lint_options o = {.format = &lint_text};
	int at, got = options_decode(&usage, argc, argv, &o, &at, err);

	if (got) {
		got = got < 0 ? -1 : 0;
	} else if (o.rules) {
		o.format->rules();
	} else {
		got = lint_all(&o, argv + at, err);
	}
	option_list_release(&o.files);
	return got;
}
