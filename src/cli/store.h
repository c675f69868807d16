/* store: commands over the store that have commands of their own: image, action. */
#pragma once

#include "cli/options.h"
#include "stepcell/arena.h"
#include "stepcell/image.h"

/* What every subcommand works with. */
struct session {
	struct arena *arena;
	struct store *store;
	const void *options; /* the command's own, decoded */
	char **words;        /* the arguments that are no option; NULL-ended */
};

struct subcommand {
	const char *name;
	int (*run)(struct session *s, struct err *err);
	size_t least, most; /* how many arguments it takes */
	struct option_usage usage;
	const char *help;
};

/* Run the one that argv[1] names, with `options` (zeros) filled. The exit code, or -1. */
int store_command(const struct subcommand *subs, size_t count, void *options, int argc, char **argv,
		  struct err *err);

/* A node as JSON over several lines. */
void print_json(const struct node *node);
