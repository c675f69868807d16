/* stepcell lint: what is wrong with workflow files. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/input.h"
#include "cli/options.h"
#include "stepcell/arena.h"
#include "stepcell/limits.h"
#include "stepcell/runner.h"
#include "stepcell/util.h"
#include "stepcell/workflow.h"

#define DIAGS_MAX 1000

struct lint_options {
	bool strict;
	struct option_list files;
	bool limited;
};

static int opt_permissions(const struct option_row *row, const char *value, void *out,
			   struct err *err)
{
	*(bool *)out = strcmp(value, "LimitedRead") == 0;
	if (*(bool *)out || strcmp(value, "Write") == 0)
		return 0;
	return err_fail(err, ERR_USAGE, "--%s takes LimitedRead or Write, not '%s'", row->name,
			value);
}

static const struct option_row rows[] = {
	{0, "strict", NULL, opt_flag, offsetof(struct lint_options, strict),
	 "let warnings fail too"},
	{0, "file", "REF=PATH", opt_pair, offsetof(struct lint_options, files),
	 "the file of a workflow that is called as REF"},
	{0, "default-permissions", "LEVEL", opt_permissions, offsetof(struct lint_options, limited),
	 "what a workflow without permissions gets: LimitedRead or Write"},
};

static const struct option_usage usage = {
	.synopsis = "stepcell lint [OPTION]... FILE...",
	.about = "Reports each mistake as PATH:LINE:COL: error: MESSAGE [RULE]; exits 1 when there "
		 "was one.",
	.rows = rows,
	.count = COUNT(rows),
};

/* action.yml and action.yaml are actions, all else is a workflow. */
static bool is_action(const char *path)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;

	return strcmp(name, "action.yml") == 0 || strcmp(name, "action.yaml") == 0;
}

static void lint_workflow(struct arena *a, const struct lint_options *o, const char *path,
			  const struct strbuf *text, struct diags *diags)
{
	struct called called = {.arena = a,
				.diags = diags,
				.dir = AT_FDCWD,
				.files = {o->files.list, o->files.count}};
	const struct workflow *w = workflow_load(a, path, text->text, text->len, diags);

	if (!w)
		return;
	workflow_lint(a, w, text->text, text->len, diags);
	workflow_check_calls(a, w, o->limited ? PERMISSIONS_LIMITED_READ : PERMISSIONS_WRITE,
			     runner_called, &called, diags);
}

/* A file that cannot be read is the caller's mistake, what is in it a finding. */
static int lint_file(const struct lint_options *o, const char *path, bool *found, struct err *err)
{
	auto_arena struct arena *a = arena_new();
	auto_strbuf struct strbuf text = STRBUF(LIMIT_YAML_BYTES);
	struct diags diags = {.arena = a, .max = DIAGS_MAX};

	if (input_read(path, &text, err) < 0)
		return -1;
	if (is_action(path))
		(void)action_load(a, path, text.text, text.len, &diags);
	else
		lint_workflow(a, o, path, &text, &diags);
	diags_print(&diags, stdout);
	*found |= diags.errors || (o->strict && diags.count);
	return 0;
}

int cmd_lint(int argc, char **argv, struct err *err)
{
	struct lint_options options = {0};
	bool found = false;
	int at, got = options_decode(&usage, argc, argv, &options, &at, err);

	if (!got && !argv[at])
		got = err_fail(err, ERR_USAGE, "no file given: %s", usage.synopsis);
	for (; !got && argv[at]; at++)
		got = lint_file(&options, argv[at], &found, err);
	option_list_release(&options.files);
	return got ? (got < 0 ? -1 : 0) : found;
}
