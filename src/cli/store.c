#include "cli/store.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "stepcell/home.h"
#include "stepcell/json.h"
#include "stepcell/limits.h"

void print_json(const struct node *node)
{
	auto_strbuf struct strbuf text = STRBUF(LIMIT_JSON_BYTES);

	json_write_pretty(&text, node);
	(void)puts(text.text);
}

static int run_subcommand(const struct subcommand *sub, void *options, int argc, char **argv,
			  struct err *err)
{
	auto_arena struct arena *a = arena_new();
	struct session s = {.arena = a, .options = options};
	char home[PATH_MAX];
	size_t count = 0;
	int at, r = options_decode(&sub->usage, argc, argv, options, &at, err);

	if (r)
		return r < 0 ? -1 : 0;
	s.words = argv + at;
	while (s.words[count])
		count++;
	if (count < sub->least || count > sub->most)
		return err_fail(err, ERR_USAGE, "expected %zu argument%s: %s", sub->most,
				sub->most == 1 ? "" : "s", sub->usage.synopsis);
	if (state_home(home, sizeof(home), err) < 0 || store_open(home, &s.store, err) < 0)
		return -1;
	r = sub->run(&s, err);
	store_close(&s.store);
	return r;
}

static void print_help(const char *command, const struct subcommand *subs, size_t count, FILE *out)
{
	(void)fprintf(out, "usage: stepcell %s COMMAND [OPTION]...\n\ncommands:\n", command);
	for (size_t i = 0; i < count; i++)
		(void)fprintf(out, "  %-8s %s\n", subs[i].name, subs[i].help);
}

int store_command(const struct subcommand *subs, size_t count, void *options, int argc, char **argv,
		  struct err *err)
{
	if (argc < 2 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
		print_help(argv[0], subs, count, argc < 2 ? stderr : stdout);
		return argc < 2 ? 2 : 0;
	}
	for (size_t i = 0; i < count; i++)
		if (strcmp(argv[1], subs[i].name) == 0)
			return run_subcommand(&subs[i], options, argc - 1, argv + 1, err);
	return err_fail(err, ERR_USAGE, "unknown command '%s %s'; 'stepcell %s --help' lists them",
			argv[0], argv[1], argv[0]);
}
