/*
 * closing: what a person looks for when a run has ended: what failed and where to
 * read on, and a table of the jobs.
 */
#include "report/view.h"

#include <string.h>

#include "report/text.h"
#include "stepcell/limits.h"
#include "stepcell/util.h"

/* ---- failures ---- */

static void add_failure(struct report_terminal *t, const struct view_failure *f)
{
	strbuf_addc(&t->above, '\n');
	style_on(t, &t->above, RED);
	strbuf_addf(&t->above, "%s failed at: %s", f->job->name, f->step);
	style_off(t, &t->above);
	line_note(t, f->what);
	line_end(t);
	for (size_t i = 0; i < f->tail_count; i++)
		strbuf_addf(&t->above, "  | %s\n", f->tail[i]);
	if (f->log)
		strbuf_addf(&t->above, "  whole log: %s\n", f->log);
}

/* ---- what steps wrote for the summary ---- */

static void add_summary(struct report_terminal *t, const struct view_summary *s)
{
	const char *line = s->text;
	size_t lines = 0;

	strbuf_addc(&t->above, '\n');
	style_on(t, &t->above, BOLD);
	strbuf_addf(&t->above, "summary of %s: %s\n", s->job->name, s->step);
	style_off(t, &t->above);
	for (; *line && lines < MAX_SUMMARY; lines++) {
		size_t len = strcspn(line, "\n");

		strbuf_adds(&t->above, "  ");
		report_escape(line, len, &t->above);
		strbuf_addc(&t->above, '\n');
		line += len + (line[len] == '\n');
	}
	if (*line)
		strbuf_adds(&t->above, "  ...\n");
}

/* Step by step, then where all of it can be read. */
static void add_summaries(struct report_terminal *t, const struct view_job *job)
{
	const struct view_summary *last = NULL;
	size_t count = 0;

	for (size_t i = 0; i < t->summary_count; i++) {
		const struct view_summary *s = &t->summaries[i];

		if (s->job != job)
			continue;
		last = s;
		if (count++ < MAX_SUMMARIES)
			add_summary(t, s);
	}
	if (count > MAX_SUMMARIES)
		strbuf_addf(&t->above, "  ... and %zu more\n", count - MAX_SUMMARIES);
	if (last && last->joined)
		strbuf_addf(&t->above, "  whole summary: %s\n", last->joined);
}

/* ---- the table ---- */

enum column { COL_JOB, COL_VERDICT, COL_TIME, COL_MEMORY, COL_ARTIFACTS, COL_WHY, COL_COUNT };

static const struct {
	const char *title;
	bool right;
} columns[] = {
	[COL_JOB] = {"job", false},
	[COL_VERDICT] = {"verdict", false},
	[COL_TIME] = {"time", true},
	[COL_MEMORY] = {"memory", true},
	[COL_ARTIFACTS] = {"artifacts", false},
	[COL_WHY] = {"", false},
};
static_assert(COUNT(columns) == COL_COUNT, "a title for every column");

struct row {
	const char *cells[COL_COUNT]; /* "" where there is nothing */
	enum view_state state;
};

static const char *names_of(struct report_terminal *t, const struct node *list)
{
	auto_strbuf struct strbuf names = STRBUF(LIMIT_LOG_LINE);

	for (size_t i = 0; list && list->kind == NODE_LIST && i < list->count; i++) {
		strbuf_adds(&names, i ? ", " : "");
		text_escaped(node_text(list->items[i]), &names);
	}
	return arena_strdup(t->arena, names.text);
}

typedef void number_fn(double number, struct strbuf *out);

static const char *number_of(struct report_terminal *t, const struct node *job, const char *key,
			     number_fn *show)
{
	auto_strbuf struct strbuf text = STRBUF(64);
	double n = event_number(job, key);

	if (n > 0)
		show(n, &text);
	return arena_strdup(t->arena, text.text);
}

static struct row row_of(struct report_terminal *t, const struct node *job)
{
	const char *verdict = event_text(t, job, "verdict");
	const char *why = event_text(t, job, "why");

	return (struct row){
		.state = view_state_of(verdict),
		.cells =
			{
				[COL_JOB] = view_job(t, job)->name,
				[COL_VERDICT] = verdict ? verdict : "",
				[COL_TIME] = number_of(t, job, "seconds", text_of_seconds),
				[COL_MEMORY] = number_of(t, job, "peak_memory", text_of_bytes),
				[COL_ARTIFACTS] = names_of(t, node_get(job, "artifacts")),
				[COL_WHY] = why ? why : "",
			},
	};
}

static void add_cell(struct report_terminal *t, enum column c, const char *text, unsigned width,
		     enum style style)
{
	unsigned pad = width - text_columns(text);

	for (unsigned i = 0; columns[c].right && i < pad; i++)
		strbuf_addc(&t->above, ' ');
	style_on(t, &t->above, *text ? style : PLAIN);
	strbuf_adds(&t->above, text);
	if (*text)
		style_off(t, &t->above);
	for (unsigned i = 0; !columns[c].right && i < pad; i++)
		strbuf_addc(&t->above, ' ');
}

static enum style style_of(enum view_state state)
{
	static const enum style of[] = {
		[VIEW_WAITING] = PLAIN, [VIEW_RUNNING] = PLAIN,    [VIEW_SUCCESS] = GREEN,
		[VIEW_FAILURE] = RED,   [VIEW_CANCELLED] = YELLOW, [VIEW_SKIPPED] = DIM,
	};
	static_assert(COUNT(of) == VIEW_STATE_COUNT, "a style for every state");

	return of[state];
}

/* A row of the table; columns that are empty in every row are left out, and no line ends in spaces. */
static void add_row(struct report_terminal *t, const char *const *cells, const unsigned *widths,
		    bool title, enum style verdict)
{
	unsigned spaces = 0;

	for (enum column c = 0; c < COL_COUNT; c++) {
		const char *text = cells[c];
		bool last = c == COL_WHY;

		if (!widths[c])
			continue;
		if (!*text && !title && !last)
			text = "-";
		if (last && !*text)
			break;
		for (; spaces; spaces--)
			strbuf_addc(&t->above, ' ');
		add_cell(t, c, text, last ? text_columns(text) : widths[c],
			 title              ? BOLD
			 : c == COL_VERDICT ? verdict
			 : last             ? DIM
					    : PLAIN);
		spaces = 2;
	}
	while (t->above.len && t->above.text[t->above.len - 1] == ' ')
		strbuf_cut(&t->above, t->above.len - 1);
	line_end(t);
}

static void add_table(struct report_terminal *t, const struct row *rows, size_t count)
{
	unsigned widths[COL_COUNT] = {0};
	const char *titles[COL_COUNT];

	for (enum column c = 0; c < COL_COUNT; c++) {
		for (size_t i = 0; i < count; i++) {
			unsigned width = text_columns(rows[i].cells[c]);

			widths[c] = width > widths[c] ? width : widths[c];
		}
		titles[c] = columns[c].title;
		if (widths[c] && widths[c] < text_columns(titles[c]))
			widths[c] = text_columns(titles[c]);
	}
	strbuf_addc(&t->above, '\n');
	add_row(t, titles, widths, true, BOLD);
	for (size_t i = 0; i < count; i++)
		add_row(t, rows[i].cells, widths, false, style_of(rows[i].state));
}

void closing_add(struct report_terminal *t, const struct node *run_ended)
{
	const struct node *jobs = node_get(run_ended, "jobs");
	const char *verdict = event_text(t, run_ended, "verdict");
	size_t count = jobs && jobs->kind == NODE_LIST ? jobs->count : 0;
	struct row *rows = arena_array(t->arena, count ? count : 1, sizeof(*rows));

	for (size_t i = 0; i < t->job_count; i++)
		add_summaries(t, t->jobs[i]);
	notes_add(t);
	for (size_t i = 0; i < t->failure_count; i++)
		add_failure(t, &t->failures[i]);
	for (size_t i = 0; i < count; i++)
		rows[i] = row_of(t, jobs->items[i]);
	if (count)
		add_table(t, rows, count);
	if (t->refused > 0)
		strbuf_addf(&t->above,
			    "\nrefused calls: %.0f; stepcell runs show %s --json says which\n",
			    t->refused, t->run ? t->run : "last");
	strbuf_addf(&t->above, "\nrun %s: ", t->run ? t->run : "?");
	style_on(t, &t->above, style_of(view_state_of(verdict)));
	strbuf_adds(&t->above, verdict ? verdict : "?");
	style_off(t, &t->above);
	strbuf_adds(&t->above, " in ");
	text_of_seconds(event_number(run_ended, "seconds"), &t->above);
	line_end(t);
}
