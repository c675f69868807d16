/*
 * What commands mean. A step can stop them being obeyed, for output that is
 * not its own, until a token of its choice comes by; that and echo are all the
 * state there is.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "runner/command.h"
#include "stepcell/limits.h"
#include "stepcell/util.h"

static const struct known {
	const char *name;
	enum command_kind kind;
	bool quiet;         /* never echoed: it shows itself, or must not be shown */
	const char *needs;  /* a property without which it is refused */
	const char *refuse; /* why it always is */
} commands[] = {
	{"error", COMMAND_ERROR, true, NULL, NULL},
	{"warning", COMMAND_WARNING, true, NULL, NULL},
	{"notice", COMMAND_NOTICE, true, NULL, NULL},
	{"debug", COMMAND_DEBUG, true, NULL, NULL},
	{"group", COMMAND_GROUP, false, NULL, NULL},
	{"endgroup", COMMAND_ENDGROUP, false, NULL, NULL},
	{"add-mask", COMMAND_ADD_MASK, true, NULL, NULL},
	{"add-matcher", COMMAND_ADD_MATCHER, false, NULL, NULL},
	{"remove-matcher", COMMAND_REMOVE_MATCHER, false, NULL, NULL},
	{"echo", COMMAND_ECHO, false, NULL, NULL},
	{"stop-commands", COMMAND_STOP, false, NULL, NULL},
	{"save-state", COMMAND_SAVE_STATE, false, "name", NULL},
	{"set-output", COMMAND_SET_OUTPUT, false, "name", NULL},
	{"set-env", COMMAND_REFUSED, false, NULL,
	 "write NAME=VALUE to the file $GITHUB_ENV instead"},
	{"add-path", COMMAND_REFUSED, false, NULL,
	 "write the directory to the file $GITHUB_PATH instead"},
};

/* A token this long is taken for a secret, so that later output cannot guess it. */
#define SECRET_TOKEN 7

static const struct known *find(const char *name)
{
	for (size_t i = 0; i < COUNT(commands); i++) {
		if (!strcasecmp(commands[i].name, name))
			return &commands[i];
	}
	return NULL;
}

void command_filter_init(struct command_filter *f, bool step_debug)
{
	*f = (struct command_filter){.echo = step_debug};
}

void command_filter_release(struct command_filter *f)
{
	free(f->stop_token);
	f->stop_token = NULL;
}

static void refuse(struct command_event *out, const char *why)
{
	out->kind = COMMAND_REFUSED;
	out->error = why;
}

static void apply_echo(struct command_filter *f, struct arena *a, struct command_event *out)
{
	const char *word = out->command.data + strspn(out->command.data, " \t");
	size_t len = strcspn(word, " \t");

	if (len == 2 && !strncasecmp(word, "on", len))
		f->echo = true;
	else if (len == 3 && !strncasecmp(word, "off", len))
		f->echo = false;
	else
		refuse(out, arena_printf(a, "echo: expected on or off, found '%.100s'",
					 out->command.data));
}

static void apply_stop(struct command_filter *f, struct command_event *out)
{
	const char *token = out->command.data;

	if (!*token || find(token) || !strcasecmp(token, "pause-logging")) {
		refuse(out, "stop-commands: the token must not be empty, a command's name or "
			    "pause-logging");
		return;
	}
	free(f->stop_token);
	f->stop_token = strdup(token);
	if (!f->stop_token)
		refuse(out, "stop-commands: out of memory");
	else if (strlen(token) >= SECRET_TOKEN)
		out->mask = token;
}

static void apply_mask(struct command_filter *f, struct command_event *out)
{
	const char *value = out->command.data;

	if (!value[strspn(value, " \t\r\n")]) {
		out->warning = "add-mask: nothing to mask";
		return;
	}
	out->mask = value;
	out->log = f->echo ? "::add-mask::***" : NULL;
}

static void obey(struct command_filter *f, struct arena *a, const struct known *known,
		 const char *line, struct command_event *out)
{
	out->kind = known->kind;
	out->log = f->echo && !known->quiet ? line : NULL;
	if (known->refuse)
		refuse(out, arena_printf(a, "the command %s is refused: %s", known->name,
					 known->refuse));
	else if (known->needs && !command_prop(&out->command, known->needs))
		refuse(out, arena_printf(a, "%s: its '%s' is missing", known->name, known->needs));
	else if (known->kind == COMMAND_ECHO)
		apply_echo(f, a, out);
	else if (known->kind == COMMAND_STOP)
		apply_stop(f, out);
	else if (known->kind == COMMAND_ADD_MASK)
		apply_mask(f, out);
	if (out->kind == COMMAND_STOP)
		out->log = line;
}

/* Stopped: the one thing to look for is the token. */
static void look_for_token(struct command_filter *f, const char *line, struct command_event *out)
{
	out->log = line;
	if (strcasecmp(out->command.name, f->stop_token) != 0) {
		out->command = (struct command){0};
		return;
	}
	out->kind = COMMAND_RESUME;
	command_filter_release(f);
}

/*
 * A command in pieces is never obeyed, nor shown: it may be an add-mask, whose
 * value would then stand in the log.
 */
static void drop(struct command_filter *f, struct arena *a, const struct known *known,
		 struct command_event *out)
{
	f->dropping = true;
	refuse(out, arena_printf(a, "%s: a command longer than %u bytes is refused", known->name,
				 (unsigned)LIMIT_LOG_LINE));
}

void command_filter_line(struct command_filter *f, struct arena *a, const struct line *line,
			 struct command_event *out)
{
	struct command command;
	const struct known *known = NULL;

	*out = (struct command_event){.log = line->text};
	if (line->continued) {
		out->log = f->dropping ? NULL : line->text;
		f->dropping = f->dropping && line->continues;
		return;
	}
	if (!command_parse(a, line->text, line->len, &command))
		return;
	out->command = command;
	if (f->stop_token) {
		look_for_token(f, line->text, out);
		return;
	}
	known = find(command.name);
	if (!known) {
		out->command = (struct command){0};
		return;
	}
	out->log = NULL;
	if (line->continues)
		drop(f, a, known, out);
	else
		obey(f, a, known, line->text, out);
}
