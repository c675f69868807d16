/* stepcell doctor: which walls stand on this host, and what to do about those that do not. */
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/options.h"
#include "stepcell/arena.h"
#include "stepcell/cell.h"
#include "stepcell/home.h"
#include "stepcell/json.h"
#include "stepcell/limits.h"
#include "stepcell/util.h"

#define MAX_ROWS 64

struct doctor_options {
	bool json, apply;
	const char *delegate;
};

static const struct option_row rows[] = {
	{0, "json", NULL, opt_flag, offsetof(struct doctor_options, json), "print JSON"},
	{0, "delegate", "USER", opt_text, offsetof(struct doctor_options, delegate),
	 "instead: the commands that give USER cgroups with limits"},
	{0, "apply", NULL, opt_flag, offsetof(struct doctor_options, apply),
	 "with --delegate, as root: carry them out, and print what is left to do"},
};

static const struct option_usage usage = {
	.synopsis = "stepcell doctor [OPTION]...",
	.about = "Tries each wall of a cell on this host, and says what mends those that do not "
		 "stand.",
	.rows = rows,
	.count = COUNT(rows),
};

static const char *const state_names[] = {
	[CELL_UP] = "up",
	[CELL_PARTIAL] = "partial",
	[CELL_DOWN] = "down",
};

static void print_json(const struct cell_probe *walls, size_t count)
{
	auto_arena struct arena *a = arena_new();
	auto_strbuf struct strbuf text = STRBUF(MIB);
	struct node *list = node_list(a), *root = node_map(a);

	for (size_t i = 0; i < count; i++) {
		struct node *wall = node_map(a);

		node_set_text(a, wall, "name", walls[i].name);
		node_set_text(a, wall, "state", state_names[walls[i].state]);
		node_set_text(a, wall, "why", walls[i].why);
		node_set_text(a, wall, "mend", walls[i].mend);
		node_add(a, list, wall);
	}
	node_set(a, root, "walls", list);
	json_write(&text, root);
	(void)puts(text.text);
}

static void print_text(const struct cell_probe *walls, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		(void)printf("%-7s  %s%*s%s\n", state_names[walls[i].state], walls[i].name,
			     walls[i].why[0] ? 15 - (int)strlen(walls[i].name) : 0, "",
			     walls[i].why);
		if (walls[i].mend[0])
			(void)printf("%*smend: %s\n", 24, "", walls[i].mend);
	}
}

static int delegate(const struct doctor_options *options, struct err *err)
{
	const struct passwd *user = getpwnam(options->delegate);
	char text[16 * KIB];

	if (!user)
		return err_fail(err, ERR_USAGE, "there is no user '%s'", options->delegate);
	if (cell_delegate(user->pw_name, user->pw_uid, options->apply, text, sizeof(text), err) < 0)
		return -1;
	(void)fputs(text, stdout);
	return 0;
}

int cmd_doctor(int argc, char **argv, struct err *err)
{
	struct cell_probe walls[MAX_ROWS];
	struct doctor_options options = {0};
	char home[PATH_MAX];
	size_t count;
	int rest;
	const int r = options_decode(&usage, argc, argv, &options, &rest, err);

	if (r)
		return r < 0 ? -1 : 0;
	if (argv[rest])
		return err_fail(err, ERR_USAGE, "'%s' is no option of doctor", argv[rest]);
	if (options.delegate)
		return delegate(&options, err);
	if (options.apply)
		return err_fail(err, ERR_USAGE, "--apply goes with --delegate USER");
	if (state_home(home, sizeof(home), err) < 0)
		return -1;
	count = cell_doctor(home, walls, COUNT(walls));
	(options.json ? print_json : print_text)(walls, count);
	return 0;
}
