/* lint: findings, and the forms in which they are shown. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "cli/options.h"
#include "stepcell/arena.h"
#include "stepcell/workflow.h"

/* A part of the line that a finding is about: all of it, unless it is long. */
struct excerpt {
	const char *text; /* NULL: the line is not at hand */
	unsigned from;    /* the column of its first character */
	unsigned width;   /* characters that the finding is about, from its own column */
};

struct finding {
	struct place at;
	enum diag_level level;
	const struct lint_rule *rule;
	const char *text;
	struct excerpt excerpt;
	const char *silenced; /* why it does not count; NULL: it counts */
};

struct lint_report {
	size_t shown, errors, warnings, silenced, files;
	bool colour;
};

/* A file at hand. */
struct lint_source {
	const char *file; /* as places name it */
	const char *text;
	size_t len;
	struct lint_comments *comments;
};

/* The line of a place. */
struct excerpt lint_excerpt(struct arena *a, const struct lint_source *s, struct place at);

struct lint_format {
	const char *name;
	void (*begin)(const struct lint_report *r);
	void (*show)(const struct lint_report *r, const struct finding *f);
	void (*end)(const struct lint_report *r);
	void (*rules)(void); /* the table of rules */
};

extern const struct lint_format lint_text, lint_json, lint_github, lint_sarif;

/* "error", "warning" */
const char *lint_level_word(enum diag_level level);

/* What the operator set: lint: of the configuration file. */
struct lint_config {
	const struct node *rules;  /* map: id -> off, warning or error; or NULL */
	const struct node *labels; /* list: of runners of one's own; or NULL */
};
int lint_config_load(struct arena *a, struct lint_config *out, struct err *err);

/* The workflow and action files that the words of the command line stand for. */
int lint_files_find(struct arena *a, char *const *words, struct texts *out, struct err *err);

struct lint_options {
	bool strict, rules, no_ignore;
	struct texts files; /* REF=PATH */
	bool limited;
	const struct lint_format *format;
};

/* What one call of the command works with. */
struct linting {
	const struct lint_options *options;
	struct lint_config config;
	struct lint_report report;
	struct arena *arena;    /* for what is kept to the end */
	struct seen_file *seen; /* whose findings have been shown */
	size_t seen_count;
};

/* A file that cannot be read is the caller's mistake, what is in it a finding. */
int lint_file(struct linting *l, const char *path, struct err *err);
