/*
 * options: a command line into a struct, by a table.
 *
 *	static const struct option_row rows[] = {
 *		{ 'C', "directory", "DIR", opt_text, offsetof(struct run_options, dir), "the checkout" },
 *		{ 0, "json", NULL, opt_flag, offsetof(struct run_options, json), "print the journal" },
 *	};
 *
 * -h and --help print the command's usage from the same table.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "stepcell/err.h"
#include "stepcell/texts.h"

struct option_row;

/* Store `value` (NULL for a flag) at `out`; -1 with the reason, ERR_USAGE. */
typedef int option_fn(const struct option_row *row, const char *value, void *out, struct err *err);

struct option_row {
	char letter;       /* 0: none */
	const char *name;  /* without the dashes */
	const char *value; /* what the help calls the value; NULL: a flag */
	option_fn *store;
	size_t offset;
	const char *help;
};

/* Values given more than once, in order. The strings are argv's, the list is malloc's. */
void option_list_release(struct texts *list);

option_fn opt_text;  /* const char * */
option_fn opt_flag;  /* bool */
option_fn opt_list;  /* struct texts */
option_fn opt_pair;  /* struct texts, each must be NAME=VALUE */
option_fn opt_count; /* uint64_t, from 1 */

struct option_usage {
	const char *synopsis; /* "stepcell exec [OPTION]... [--] CMD..." */
	const char *about;    /* a sentence */
	const struct option_row *rows;
	size_t count;
	bool rest; /* options end at the first other word, as for exec */
};

/*
 * Decode argv[1..]; what is no option is in argv from `*rest_at` to argv's NULL,
 * in order. Returns 0; 1 when help was printed (exit 0); -1 with `err` set.
 */
int options_decode(const struct option_usage *usage, int argc, char **argv, void *out, int *rest_at,
		   struct err *err);
