/* What a step says: bytes from its pipe to lines, commands, the masked journal and the step's log file. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "runner/actions.h"
#include "runner/run.h"
#include "stepcell/fd.h"
#include "stepcell/limits.h"
#include "stepcell/log.h"
#include "stepcell/path.h"

/* A journal that cannot be written is the end of the run: nothing would be known of the rest. */
void output_done(struct run *run)
{
	struct err err = {0};

	if (journal_end(run->journal, &err) < 0 && run->fatal.kind == ERR_NONE)
		run->fatal = err;
}

void output_begin(struct step_run *step, const char *type)
{
	journal_begin(step->job->run->journal, type);
	journal_text(step->job->run->journal, "job", step->job->plan->id);
	journal_number(step->job->run->journal, "step", step->number);
}

void output_file(struct step_run *step, const char *text, size_t len)
{
	struct run *run = step->job->run;

	if (step->log_file >= 0 && write_full(step->log_file, text, len) < 0 &&
	    run->fatal.kind == ERR_NONE)
		(void)err_sys(&run->fatal, "cannot write the log '%s'", step->log_path);
}

static void log_text(struct step_run *step, const char *text, size_t len, bool continues)
{
	struct run *run = step->job->run;
	/* a piece may bring the held beginning of the longest value with it */
	auto_strbuf struct strbuf clean = STRBUF(2 * (LIMIT_LOG_LINE + LIMIT_MASK_BYTES));

	if (step->mute)
		return;
	mask_piece(run->mask, &step->tail, text, len, !continues, &clean);
	output_begin(step, "log");
	journal_text(run->journal, "text", clean.text);
	output_done(run);
	if (!continues)
		strbuf_addc(&clean, '\n');
	output_file(step, clean.text, clean.len);
}

void output_say(struct step_run *step, const char *fmt, ...)
{
	auto_strbuf struct strbuf text = STRBUF(LIMIT_LOG_LINE);
	va_list args;

	va_start(args, fmt);
	strbuf_vaddf(&text, fmt, args);
	va_end(args);
	log_text(step, text.text, text.len, false);
}

const char *output_masked(const struct run *run, const char *text)
{
	auto_strbuf struct strbuf out = STRBUF(2 * LIMIT_SUMMARY);

	if (!text)
		return NULL;
	mask_line(run->mask, text, strlen(text), &out);
	return arena_strndup(run->arena, out.text, out.len);
}

/* ---- what commands do ---- */

const char *output_starred(struct step_run *step, const char *text)
{
	auto_strbuf struct strbuf out = STRBUF(4 * LIMIT_LOG_LINE);

	if (!text)
		return NULL;
	mask_line(step->job->run->mask, text, strlen(text), &out);
	return arena_strndup(step->scratch, out.text, out.len);
}

static void on_annotation(struct step_run *step, const struct command_event *event)
{
	struct annotation note;

	if (command_annotation(event, step->job->workspace, &note))
		note_write(step, &note);
}

static void on_debug(struct step_run *step, const struct command_event *event)
{
	if (step->job->run->debug)
		output_say(step, "debug: %s", event->command.data);
}

/* In the log file it stands as GitHub's logs have it. */
static void file_mark(struct step_run *step, const char *mark, const char *name)
{
	const char *line = arena_printf(step->scratch, "##[%s]%s\n", mark, name);

	output_file(step, line, strlen(line));
}

static void on_group(struct step_run *step, const struct command_event *event)
{
	file_mark(step, "group", output_starred(step, event->command.data));
	output_begin(step, "group");
	journal_text(step->job->run->journal, "name", output_starred(step, event->command.data));
	output_done(step->job->run);
}

static void on_endgroup(struct step_run *step, const struct command_event *event)
{
	(void)event;
	file_mark(step, "endgroup", "");
	output_begin(step, "group-ended");
	output_done(step->job->run);
}

static void on_set_output(struct step_run *step, const struct command_event *event)
{
	const char *name = command_prop(&event->command, "name");

	if (!name || !*name)
		return;
	/* looking for the name takes longer with each: a million of them would stop all jobs */
	if (step->outputs->count >= LIMIT_ENV_PAIRS && !node_get(step->outputs, name))
		step->refused = "::set-output: more outputs than a step may have";
	else
		node_set_text(step->job->arena, step->outputs, name, event->command.data);
}

static void on_save_state(struct step_run *step, const struct command_event *event)
{
	struct node *state = step->use ? step->use->state : NULL;
	const char *name = command_prop(&event->command, "name");

	if (!state || !name || !*name)
		return;
	if (state->count >= LIMIT_ENV_PAIRS && !node_get(state, name))
		step->refused = "::save-state: more of them than an action may have";
	else
		node_set_text(step->job->arena, state, name, event->command.data);
}

static void on_refused(struct step_run *step, const struct command_event *event)
{
	if (!step->refused)
		step->refused = arena_strdup(step->job->arena, event->error);
	note_error(step, event->error);
}

static void (*const on_command[COMMAND_KIND_COUNT])(struct step_run *,
						    const struct command_event *) = {
	[COMMAND_ERROR] = on_annotation,
	[COMMAND_WARNING] = on_annotation,
	[COMMAND_NOTICE] = on_annotation,
	[COMMAND_GROUP] = on_group,
	[COMMAND_DEBUG] = on_debug,
	[COMMAND_ENDGROUP] = on_endgroup,
	[COMMAND_SET_OUTPUT] = on_set_output,
	[COMMAND_REFUSED] = on_refused,
	[COMMAND_SAVE_STATE] = on_save_state,
	[COMMAND_ADD_MATCHER] = note_add_matcher,
	[COMMAND_REMOVE_MATCHER] = note_remove_matcher,
};

static void take_line(void *arg, const struct line *line)
{
	struct step_run *step = arg;
	struct command_event event;
	struct err err = {0};

	command_filter_line(&step->commands, step->scratch, line, &event);
	if (event.mask && mask_add(step->job->run->mask, event.mask, &err) < 0) {
		/* what cannot be masked must not be said either, nor anything after it */
		step->refused = arena_strdup(step->job->arena, err.text);
		output_say(step, "error: %s", err.text);
		step->mute = true;
		if (step->cell) /* else it is dead, and this its last word */
			cell_kill(step->cell, CELL_LOG_LIMIT);
		return;
	}
	if (step->mute)
		return;
	if (on_command[event.kind])
		on_command[event.kind](step, &event);
	if (event.log)
		log_text(step, event.log, strlen(event.log),
			 line->continues && event.log == line->text);
	if (event.kind == COMMAND_NONE && !line->continues && !line->continued)
		note_line(step, line->text, line->len);
	if (event.warning)
		output_say(step, "%s", event.warning);
}

/* ---- the pipe ---- */

static int open_log_file(struct step_run *step, struct err *err)
{
	struct run *run = step->job->run;
	auto_strbuf struct strbuf job = STRBUF(200);
	char path[PATH_MAX];
	int n;

	name_make_safe(step->job->plan->id, &job);
	n = snprintf(path, sizeof(path), "%s/logs/%s", journal_dir(run->journal), job.text);
	if (n < 0 || (size_t)n >= sizeof(path) - 16 || mkdir_all(path, 0700, err) < 0)
		return err_wrap(err, "log folder");
	(void)snprintf(path + n, sizeof(path) - (size_t)n, "/%03u.log", step->number);
	step->log_file =
		open(path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (step->log_file < 0)
		return err_sys(err, "cannot create the log '%s'", path);
	step->log_path = arena_strdup(step->job->arena, path);
	return 0;
}

int output_open(struct step_run *step, struct err *err)
{
	step->log = step->log_file = -1;
	step->scratch = arena_new();
	mask_tail_init(&step->tail);
	if (step->job->problems)
		problems_reset(step->job->problems);
	command_filter_init(&step->commands, step->job->run->debug);
	lines_init(&step->lines, step->job->run->policy->limits.log, take_line, step);
	return open_log_file(step, err);
}

bool output_drain(struct step_run *step, bool all)
{
	char chunk[64 * 1024];
	ssize_t n;

	if (step->log < 0)
		return false;
	while ((n = read(step->log, chunk, sizeof(chunk))) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN;
		if (!lines_feed(&step->lines, chunk, (size_t)n))
			cell_kill(step->cell, CELL_LOG_LIMIT);
		arena_free(&step->scratch);
		step->scratch = arena_new();
		/* 65,536 empty lines are work enough: other steps are waiting for their turn */
		if (!all)
			return true;
	}
	lines_end(&step->lines); /* the last line may have no end; its step can still be asked */
	fd_close(&step->log);    /* or poll() would find it ready for ever */
	return false;
}

void output_close(struct step_run *step)
{
	if (step->scratch)
		lines_end(&step->lines);
	lines_release(&step->lines);
	command_filter_release(&step->commands);
	mask_tail_release(&step->tail);
	arena_free(&step->scratch);
	fd_close(&step->log);
	fd_close(&step->log_file);
}
