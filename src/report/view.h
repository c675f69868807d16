/* view: the state of a run as its events tell it, and the lines that a terminal is given. Private. */
#pragma once

#include <stdint.h>

#include "stepcell/report.h"
#include "stepcell/strbuf.h"

#define TAIL_LINES    15 /* of a failed step, shown again at the end */
#define MAX_FAILURES  20
#define MAX_SUMMARY   40 /* lines of a step's Markdown */
#define MAX_SUMMARIES 20 /* of a job, as on GitHub */
#define PANEL_LINES   24
#define NOTE_LEVELS   3 /* error, warning, notice */

enum view_state {
	VIEW_WAITING,
	VIEW_RUNNING,
	VIEW_SUCCESS,
	VIEW_FAILURE,
	VIEW_CANCELLED,
	VIEW_SKIPPED,
	VIEW_STATE_COUNT
};

struct view_step {
	const char *key, *name;
	enum view_state state;
	double started, seconds;
	unsigned notes[NOTE_LEVELS]; /* annotations */
	char *tail[TAIL_LINES];      /* a ring, malloc'ed; only while it runs */
	size_t lines;
};

struct view_job {
	const char *id, *name; /* escaped */
	const char *needs;     /* "test, quality", or NULL */
	unsigned index;
	enum view_state state;
	double started, seconds, peak_memory;
	const char *why, *artifacts;
	unsigned notes[NOTE_LEVELS], shown; /* annotations: all, and those to be shown at the end */
	struct view_step **steps;
	size_t step_count;
};

/* A failed step, for the end. */
struct view_failure {
	const struct view_job *job;
	const char *step, *what, *log;
	const char *tail[TAIL_LINES];
	size_t tail_count;
};

struct view_summary {
	const struct view_job *job;
	const char *step, *text, *joined;
};

struct view_note {
	const struct view_job *job;
	size_t level;
	const char *text; /* with its place; lines are lines */
};

struct report_terminal {
	FILE *out;
	bool live, colour, unicode, quiet;
	struct arena *arena;
	struct view_job **jobs;
	size_t job_count;
	struct view_failure *failures;
	size_t failure_count;
	struct view_summary *summaries;
	size_t summary_count;
	struct view_note *notes;
	size_t note_count;
	double refused; /* calls, of all audits */
	const char *run;
	unsigned label_width;
	struct strbuf above;         /* lines that are not printed yet */
	unsigned panel[PANEL_LINES]; /* the width of each line that stands on the terminal */
	size_t panel_lines;
	unsigned columns, rows; /* of the terminal when it was drawn */
	unsigned frame;
	double started; /* of the run, as its event has it */
	uint64_t drawn; /* milliseconds, of another clock */
	bool ended;     /* there is no panel any more */
};

/* ---- view.c: what the events say ---- */

struct view_job *view_job(struct report_terminal *t, const struct node *event);
struct view_step *view_step(struct report_terminal *t, struct view_job *job,
			    const struct node *event);
void view_tail_add(struct view_step *s, const char *line);
void view_tail_drop(struct view_step *s);
void view_fail(struct report_terminal *t, struct view_job *job, struct view_step *s,
	       const char *what, const char *log);

double event_number(const struct node *event, const char *key);
/* The text of a key, escaped, in the arena; NULL when it is absent. */
const char *event_text(struct report_terminal *t, const struct node *event, const char *key);
enum view_state view_state_of(const char *verdict);

/* ---- lines.c: words and colours ---- */

enum style { PLAIN, BOLD, DIM, RED, GREEN, YELLOW, BLUE, MAGENTA, CYAN, STYLE_COUNT };
void style_on(const struct report_terminal *t, struct strbuf *out, enum style style);
void style_off(const struct report_terminal *t, struct strbuf *out);

/* What a line is about: it decides the mark behind the job's name. */
enum mark {
	MARK_LOG,
	MARK_JOB,
	MARK_STEP,
	MARK_GROUP,
	MARK_SUCCESS,
	MARK_FAILURE,
	MARK_CANCELLED,
	MARK_SKIPPED,
	MARK_ERROR,
	MARK_WARNING,
	MARK_NOTICE,
	MARK_ARTIFACT,
	MARK_AUDIT,
	MARK_SERVICE,
	MARK_COUNT
};
/* Begin a line of a job: "build | ", "build: step ". */
void line_begin(struct report_terminal *t, const struct view_job *job, enum mark mark);
void line_end(struct report_terminal *t);
/* A dimmed end: " (3.2s)". */
void line_note(struct report_terminal *t, const char *note);
enum mark mark_of(enum view_state state);
const char *mark_text(const struct report_terminal *t, enum mark mark);
enum style mark_style(enum mark mark);
enum style job_style(const struct view_job *job);

/* ---- closing.c: failures, summaries, the table ---- */

void closing_add(struct report_terminal *t, const struct node *run_ended);

/* ---- notes.c: annotations ---- */

void notes_event(struct report_terminal *t, const struct node *event);
/* The step knows how many there were, those that were not kept among them. */
void notes_step_ended(struct view_job *job, struct view_step *step, const struct node *event);
void notes_add(struct report_terminal *t); /* all jobs', for the end */

/* ---- panel.c: the lines at the bottom of a live terminal ---- */

/* Print what is above, and draw the panel anew; `last` leaves no panel. */
void panel_flush(struct report_terminal *t, bool last);
bool panel_is_due(const struct report_terminal *t);
