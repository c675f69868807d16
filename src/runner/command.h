/*
 * command: the workflow commands in a step's output.
 *
 *	::name key=value,key=value::data
 *	##[name key=value;key=value]data	(the older form)
 *
 * They stand at the beginning of a line, blanks aside. GitHub takes the older
 * form anywhere in a line; here it is not, because a line that quotes somebody
 * else's words would then obey them.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runner/lines.h"
#include "stepcell/arena.h"

struct command_prop {
	const char *key, *value;
};

struct command {
	const char *name; /* as it was written */
	struct command_prop *props;
	size_t prop_count;
	const char *data;
};

/* False when the line is none. Whether the name means anything is not asked. */
bool command_parse(struct arena *a, const char *line, size_t len, struct command *out);

/* The last value of a property, its key in any case, or NULL. */
const char *command_prop(const struct command *command, const char *key);

/* ---- what a command means, line by line ---- */

enum command_kind {
	COMMAND_NONE, /* an ordinary line */
	COMMAND_ERROR,
	COMMAND_WARNING,
	COMMAND_NOTICE,
	COMMAND_DEBUG,
	COMMAND_GROUP,
	COMMAND_ENDGROUP,
	COMMAND_ADD_MASK,
	COMMAND_ADD_MATCHER,
	COMMAND_REMOVE_MATCHER,
	COMMAND_ECHO,
	COMMAND_STOP,
	COMMAND_RESUME, /* the token that ends a stop */
	COMMAND_SAVE_STATE,
	COMMAND_SET_OUTPUT,
	COMMAND_REFUSED, /* see `error`: the step fails */
	COMMAND_KIND_COUNT
};

/* What a line was. All texts live in the arena or are the line's. */
struct command_event {
	enum command_kind kind;
	struct command command; /* of a COMMAND_NONE: zeros */
	const char *log;        /* what belongs in the log (not masked yet), or NULL */
	const char *mask;       /* to be masked from here on, before `log` is written; or NULL */
	const char *error;      /* why it was refused, or NULL */
	const char *warning;    /* why it did nothing, or NULL */
};

/* What a step's earlier commands have switched. Zeros are the start. */
struct command_filter {
	char *stop_token; /* NULL: commands are obeyed */
	bool echo;
	bool dropping; /* the rest of a command that is too long */
};

/*
 * `step_debug` is ACTIONS_STEP_DEBUG: then echo is on from the start.
 */
void command_filter_init(struct command_filter *f, bool step_debug);
void command_filter_line(struct command_filter *f, struct arena *a, const struct line *line,
			 struct command_event *out);
void command_filter_release(struct command_filter *f);

/* ---- annotations ---- */

struct annotation {
	const char *level; /* "error", "warning", "notice" */
	const char *message;
	const char *file, *title;              /* or NULL */
	const char *code, *matcher;            /* of a problem matcher's; or NULL */
	uint32_t line, end_line, col, end_col; /* from 1; 0: not given */
};

/*
 * An error, warning or notice as an annotation; false for another kind. A file
 * below `workspace` (NULL: unknown) is named relative to it. Positions that
 * contradict each other are dropped, as GitHub drops them.
 */
bool command_annotation(const struct command_event *event, const char *workspace,
			struct annotation *out);
