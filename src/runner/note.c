/* Annotations: what a step wants to be seen, where its commands say so or a problem matcher finds it. */
#include <stdlib.h>
#include <string.h>

#include "runner/run.h"
#include "stepcell/fd.h"
#include "stepcell/limits.h"
#include "stepcell/util.h"

static const char *const levels[] = {"error", "warning", "notice"};
static_assert(COUNT(levels) == NOTE_LEVELS, "count every level");

/* ---- the event ---- */

/* One more of its level. False when the step has had as many as are kept. */
static bool count(struct step_run *step, const char *level)
{
	unsigned all = 0;

	for (size_t i = 0; i < NOTE_LEVELS; i++) {
		step->notes[i] += strcmp(levels[i], level) == 0;
		all += step->notes[i];
	}
	return all <= LIMIT_ANNOTATIONS;
}

const struct node *note_counts(const struct step_run *step)
{
	struct arena *a = step->job->arena;
	struct node *map = node_map(a);

	for (size_t i = 0; i < NOTE_LEVELS; i++)
		if (step->notes[i])
			node_set(a, map, levels[i], node_number(a, step->notes[i]));
	return map->count ? map : NULL;
}

static void write_event(struct step_run *step, const struct annotation *note)
{
	struct journal *j = step->job->run->journal;
	const struct {
		const char *key, *text;
	} texts[] = {
		{"file", note->file},
		{"title", note->title},
		{"code", note->code},
		{"matcher", note->matcher},
	};
	const struct {
		const char *key;
		uint32_t number;
	} numbers[] = {
		{"line", note->line},
		{"end_line", note->end_line},
		{"col", note->col},
		{"end_col", note->end_col},
	};

	output_begin(step, "annotation");
	journal_text(j, "level", note->level);
	journal_text(j, "message", output_starred(step, note->message));
	for (size_t i = 0; i < COUNT(texts); i++)
		journal_text(j, texts[i].key, output_starred(step, texts[i].text));
	for (size_t i = 0; i < COUNT(numbers); i++)
		if (numbers[i].number)
			journal_number(j, numbers[i].key, numbers[i].number);
	output_done(step->job->run);
}

/* The log has the line that a matcher found; a command's own line is not in it. */
static void write_log(struct step_run *step, const struct annotation *note)
{
	const char *line = arena_printf(step->scratch, "##[%s]%s\n", note->level,
					output_starred(step, note->message));

	if (!note->matcher)
		output_file(step, line, strlen(line));
}

void note_write(struct step_run *step, const struct annotation *note)
{
	write_log(step, note);
	if (count(step, note->level))
		write_event(step, note);
}

void note_error(struct step_run *step, const char *text)
{
	note_write(step, &(struct annotation){.level = "error", .message = text});
}

void note_warning(struct step_run *step, const char *text)
{
	note_write(step, &(struct annotation){.level = "warning", .message = text});
}

/* ---- problem matchers ---- */

static void fail(struct step_run *step, const char *why)
{
	if (!step->refused)
		step->refused = arena_strdup(step->job->arena, why);
	note_error(step, why);
}

/* The file as the step sees it now. */
static int read_matchers(struct step_run *step, const char *path, char **text, size_t *len,
			 struct err *err)
{
	struct job_run *job = step->job;

	if (!step->cell) /* a run that was abandoned */
		return err_fail(err, ERR_USAGE, "the step is over");
	if (++job->problem_reads > LIMIT_PROBLEM_READS)
		return err_fail(err, ERR_USAGE, "more than %u files of problem matchers in one job",
				LIMIT_PROBLEM_READS);
	if (*path != '/')
		path = arena_printf(step->scratch, "%s/%s", job->workspace, path);
	*text = malloc(LIMIT_PROBLEM_FILE);
	if (!*text)
		return err_sys(err, "no memory");
	return cell_read(step->cell, path, *text, LIMIT_PROBLEM_FILE, len, err);
}

static void add_matchers(struct step_run *step, const char *text, size_t len, struct err *err)
{
	struct job_run *job = step->job;
	const char *names = NULL;

	if (!job->problems)
		job->problems = problems_new();
	if (problems_add(job->problems, step->scratch, text, len, &names, err) == 0 &&
	    job->run->debug)
		output_say(step, "debug: problem matchers: %s", names);
}

void note_matchers(struct step_run *step, const char *text)
{
	struct err err = {0};

	add_matchers(step, text, strlen(text), &err);
	if (err.kind != ERR_NONE) /* there are as many as there may be */
		note_warning(step, err.text);
}

void note_add_matcher(struct step_run *step, const struct command_event *event)
{
	const char *path = event->command.data;
	auto_free char *text = NULL;
	struct err err = {0};
	size_t len;

	if (!*path) {
		note_warning(step, "add-matcher: the path of a file is missing");
		return;
	}
	if (read_matchers(step, path, &text, &len, &err) == 0)
		add_matchers(step, text, len, &err);
	if (err.kind != ERR_NONE)
		fail(step, arena_printf(step->scratch, "add-matcher %s: %s", path, err.text));
}

void note_remove_matcher(struct step_run *step, const struct command_event *event)
{
	struct job_run *job = step->job;
	const char *owner = command_prop(&event->command, "owner");
	const char *path = event->command.data;
	auto_free char *text = NULL;
	struct err err = {0};
	size_t len;

	if (!(owner && *owner) == !*path) {
		note_warning(step, "remove-matcher: expected an owner or the path of a file, "
				   "and not both");
		return;
	}
	if (!job->problems)
		return;
	if (owner && *owner)
		problems_remove(job->problems, owner);
	else if (read_matchers(step, path, &text, &len, &err) < 0 ||
		 problems_remove_file(job->problems, text, len, &err) < 0)
		fail(step, arena_printf(step->scratch, "remove-matcher %s: %s", path, err.text));
}

/* ESC [ 1;31 m: a matcher is not written for colours. */
static const char *without_colours(struct arena *a, const char *line, size_t *len)
{
	char *out;
	size_t n = 0;

	if (!memchr(line, '\x1b', *len))
		return line;
	out = arena_alloc(a, *len + 1);
	for (size_t i = 0; i < *len; i++) {
		size_t skip = line[i] == '\x1b' && line[i + 1] == '['
				      ? 2 + strspn(line + i + 2, "0123456789;")
				      : 0;

		if (skip && line[i + skip] == 'm')
			i += skip;
		else
			out[n++] = line[i];
	}
	*len = n;
	return out;
}

void note_line(struct step_run *step, const char *line, size_t len)
{
	struct job_run *job = step->job;
	struct problem problem;
	const char *removed;
	bool found;

	if (!job->problems || !problems_any(job->problems))
		return;
	line = without_colours(step->scratch, line, &len);
	found = problems_match(job->problems, step->scratch, line, len, &problem, &removed);
	if (removed)
		note_warning(step, removed);
	if (found)
		note_write(step,
			   &(struct annotation){
				   .level = problem.level,
				   .message = problem.message,
				   .file = problem_path(step->scratch, &problem, job->workspace),
				   .code = problem.code,
				   .matcher = problem.owner,
				   .line = problem.line,
				   .col = problem.col,
			   });
}
