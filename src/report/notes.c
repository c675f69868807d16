/*
 * notes: annotations, when they come and together at the end. As on GitHub ten
 * of a level of a step are shown, and fifty of a job; the rest is counted, and
 * is in the journal.
 */
#include "report/view.h"

#include <string.h>

#include "report/text.h"
#include "stepcell/limits.h"
#include "stepcell/util.h"

#define OF_STEP 10
#define OF_JOB  50
#define LINES   10 /* of a message */

static const struct {
	const char *name;
	enum mark mark;
} levels[] = {
	{"error", MARK_ERROR},
	{"warning", MARK_WARNING},
	{"notice", MARK_NOTICE},
};
static_assert(COUNT(levels) == NOTE_LEVELS, "every level");

/* A level that is none of them is the last. */
static size_t level_of(const struct node *event)
{
	const char *name = node_text(node_get(event, "level"));
	size_t i = 0;

	while (i + 1 < NOTE_LEVELS && !(name && strcmp(levels[i].name, name) == 0))
		i++;
	return i;
}

/* "src/a.c:3:7: Title: " */
static void add_place(const struct node *event, struct strbuf *out)
{
	static const char *const positions[] = {"line", "col"};
	const char *file = node_text(node_get(event, "file"));
	const char *title = node_text(node_get(event, "title"));

	if (file) {
		text_escaped(file, out);
		for (size_t i = 0; i < COUNT(positions); i++) {
			double n = event_number(event, positions[i]);

			if (n <= 0)
				break;
			strbuf_addf(out, ":%.0f", n);
		}
		strbuf_adds(out, ": ");
	}
	if (title) {
		text_escaped(title, out);
		strbuf_adds(out, ": ");
	}
}

static void add_code(const struct node *event, struct strbuf *out)
{
	const char *code = node_text(node_get(event, "code"));

	if (!code)
		return;
	strbuf_adds(out, " [");
	text_escaped(code, out);
	strbuf_addc(out, ']');
}

/* At the end each line of a message is a line. */
static void add_lines(const char *message, struct strbuf *out)
{
	for (size_t i = 0; i < LINES && *message; i++) {
		size_t len = strcspn(message, "\r\n");

		strbuf_adds(out, i ? "\n          " : "");
		report_escape(message, len, out);
		message += len;
		message += strspn(message, "\r\n");
	}
	if (*message)
		strbuf_adds(out, "\n          ...");
}

static const char *whole_text(struct report_terminal *t, const struct node *event)
{
	auto_strbuf struct strbuf text = STRBUF(4 * LIMIT_LOG_LINE);
	const char *message = node_text(node_get(event, "message"));

	add_place(event, &text);
	add_lines(message ? message : "", &text);
	add_code(event, &text);
	return arena_strdup(t->arena, text.text);
}

static void keep(struct report_terminal *t, struct view_job *job, struct view_step *step,
		 const struct node *event)
{
	const size_t level = level_of(event);

	job->notes[level]++;
	if (++step->notes[level] > OF_STEP || job->shown == OF_JOB)
		return;
	job->shown++;
	t->notes = arena_grow(t->arena, t->notes, t->note_count, sizeof(*t->notes));
	t->notes[t->note_count++] = (struct view_note){job, level, whole_text(t, event)};
}

void notes_event(struct report_terminal *t, const struct node *event)
{
	struct view_job *job = view_job(t, event);
	const char *message = event_text(t, event, "message");

	keep(t, job, view_step(t, job, event), event);
	/* the line that a problem matcher found stands there already */
	if (t->quiet || node_get(event, "matcher"))
		return;
	line_begin(t, job, levels[level_of(event)].mark);
	add_place(event, &t->above);
	strbuf_adds(&t->above, message ? message : "");
	line_end(t);
}

void notes_step_ended(struct view_job *job, struct view_step *step, const struct node *event)
{
	const struct node *counts = node_get(event, "annotations");

	for (size_t i = 0; i < NOTE_LEVELS; i++) {
		double all = event_number(counts, levels[i].name);

		if (all > step->notes[i] && all < 1e9) {
			job->notes[i] += (unsigned)all - step->notes[i];
			step->notes[i] = (unsigned)all;
		}
	}
}

/* "2 errors, 1 warning" */
static void add_counts(const struct view_job *job, struct strbuf *out)
{
	const char *comma = "";

	for (size_t i = 0; i < NOTE_LEVELS; i++) {
		if (!job->notes[i])
			continue;
		strbuf_addf(out, "%s%u %s%s", comma, job->notes[i], levels[i].name,
			    job->notes[i] == 1 ? "" : "s");
		comma = ", ";
	}
}

static void add_note(struct report_terminal *t, const struct view_note *note)
{
	style_on(t, &t->above, mark_style(levels[note->level].mark));
	strbuf_addf(&t->above, "  %-7s", levels[note->level].name);
	style_off(t, &t->above);
	strbuf_addf(&t->above, " %s\n", note->text);
}

static void add_job(struct report_terminal *t, const struct view_job *job)
{
	unsigned all = 0;

	for (size_t i = 0; i < NOTE_LEVELS; i++)
		all += job->notes[i];
	if (!all || (t->quiet && !job->notes[0]))
		return;
	strbuf_addc(&t->above, '\n');
	style_on(t, &t->above, BOLD);
	strbuf_addf(&t->above, "annotations of %s: ", job->name);
	add_counts(job, &t->above);
	style_off(t, &t->above);
	line_end(t);
	for (size_t i = 0; i < t->note_count; i++)
		if (t->notes[i].job == job && (!t->quiet || t->notes[i].level == 0))
			add_note(t, &t->notes[i]);
	if (all > job->shown)
		strbuf_addf(&t->above, "  ... and %u more: stepcell runs show %s --json\n",
			    all - job->shown, t->run ? t->run : "last");
}

void notes_add(struct report_terminal *t)
{
	for (size_t i = 0; i < t->job_count; i++)
		add_job(t, t->jobs[i]);
}
