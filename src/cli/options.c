#include <getopt.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/options.h"
#include "stepcell/parse.h"

#define ROWS_MAX  40
#define LONG_BASE 256 /* a long option's value is LONG_BASE and its row */

void option_list_release(struct texts *list)
{
	free(list->list);
	*list = (struct texts){0};
}

int opt_text(const struct option_row *row, const char *value, void *out, struct err *err)
{
	(void)row, (void)err;
	*(const char **)out = value;
	return 0;
}

int opt_flag(const struct option_row *row, const char *value, void *out, struct err *err)
{
	(void)row, (void)value, (void)err;
	*(bool *)out = true;
	return 0;
}

int opt_list(const struct option_row *row, const char *value, void *out, struct err *err)
{
	struct texts *list = out;
	const char **more = reallocarray(list->list, list->count + 1, sizeof(*more));

	if (!more)
		return err_sys(err, "--%s", row->name);
	more[list->count++] = value;
	list->list = more;
	return 0;
}

int opt_pair(const struct option_row *row, const char *value, void *out, struct err *err)
{
	if (value[0] == '=' || !strchr(value, '='))
		return err_fail(err, ERR_USAGE, "--%s takes NAME=VALUE, not '%s'", row->name,
				value);
	return opt_list(row, value, out, err);
}

int opt_count(const struct option_row *row, const char *value, void *out, struct err *err)
{
	if (parse_u64(value, 1, 1000000, out) < 0)
		return err_fail(err, ERR_USAGE, "--%s takes a whole number from 1, not '%s'",
				row->name, value);
	return 0;
}

static void print_help(const struct option_usage *u)
{
	printf("usage: %s\n\n%s\n\noptions:\n", u->synopsis, u->about);
	for (size_t i = 0; i < u->count; i++) {
		const struct option_row *r = &u->rows[i];
		char letter[5] = "    ";
		char left[64];

		if (r->letter)
			(void)snprintf(letter, sizeof(letter), "-%c, ", r->letter);
		(void)snprintf(left, sizeof(left), "%s--%s%s%s", letter, r->name,
			       r->value ? " " : "", r->value ? r->value : "");
		printf("  %-28s %s\n", left, r->help);
	}
	printf("  -h, --help                   this text\n");
}

struct getopt_tables {
	struct option longs[ROWS_MAX + 2];
	char shorts[2 * ROWS_MAX + 4];
};

static void make_tables(const struct option_usage *u, struct getopt_tables *t)
{
	char *s = t->shorts;
	size_t count = u->count < ROWS_MAX ? u->count : ROWS_MAX;

	*s++ = u->rest ? '+' : '-';
	*s++ = ':';
	*s++ = 'h';
	for (size_t i = 0; i < count; i++) {
		const struct option_row *r = &u->rows[i];
		int has_value = r->value ? required_argument : no_argument;

		t->longs[i] = (struct option){r->name, has_value, NULL, LONG_BASE + (int)i};
		if (r->letter)
			*s++ = r->letter;
		if (r->letter && r->value)
			*s++ = ':';
	}
	t->longs[count] = (struct option){"help", no_argument, NULL, 'h'};
}

static const struct option_row *find_row(const struct option_usage *u, int c)
{
	size_t i = 0;

	if (c >= LONG_BASE)
		return &u->rows[c - LONG_BASE];
	while (u->rows[i].letter != c)
		i++;
	return &u->rows[i];
}

static int bad_option(char **argv, int c, struct err *err)
{
	const char *word = argv[optind - 1];

	if (c == ':')
		return err_fail(err, ERR_USAGE, "'%s' needs a value; see 'stepcell %s --help'",
				word, argv[0]);
	if (optopt >= LONG_BASE)
		return err_fail(err, ERR_USAGE, "'%s' takes no value; see 'stepcell %s --help'",
				word, argv[0]);
	if (optopt)
		return err_fail(err, ERR_USAGE, "unknown option '-%c'; see 'stepcell %s --help'",
				optopt, argv[0]);
	return err_fail(err, ERR_USAGE, "unknown option '%s'; see 'stepcell %s --help'", word,
			argv[0]);
}

int options_decode(const struct option_usage *u, int argc, char **argv, void *out, int *rest_at,
		   struct err *err)
{
	struct getopt_tables t = {0};
	int words = 0;
	int c;

	make_tables(u, &t);
	optind = 0;
	opterr = 0;
	while ((c = getopt_long(argc, argv, t.shorts, t.longs, NULL)) != -1) {
		const struct option_row *row;

		if (c == 1) { /* a word: kept in order behind the name */
			argv[1 + words++] = optarg;
			continue;
		}
		if (c == 'h') {
			print_help(u);
			return 1;
		}
		if (c == '?' || c == ':')
			return bad_option(argv, c, err);
		row = find_row(u, c);
		if (row->store(row, optarg, (char *)out + row->offset, err) < 0)
			return -1;
	}
	*rest_at = u->rest ? optind : 1;
	while (!u->rest && optind < argc) /* behind "--" */
		argv[1 + words++] = argv[optind++];
	if (!u->rest)
		argv[1 + words] = NULL;
	return 0;
}
