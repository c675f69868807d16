/* lines: words and colours. */
#include "report/view.h"

#include "report/text.h"
#include "stepcell/util.h"

void style_on(const struct report_terminal *t, struct strbuf *out, enum style style)
{
	static const char *const codes[] = {
		[PLAIN] = "",    [BOLD] = "1",  [DIM] = "2",      [RED] = "31",  [GREEN] = "32",
		[YELLOW] = "33", [BLUE] = "34", [MAGENTA] = "35", [CYAN] = "36",
	};
	static_assert(COUNT(codes) == STYLE_COUNT, "a code for every style");

	if (t->colour && style != PLAIN)
		strbuf_addf(out, "\x1b[%sm", codes[style]);
}

void style_off(const struct report_terminal *t, struct strbuf *out)
{
	if (t->colour)
		strbuf_adds(out, "\x1b[0m");
}

/* How the marks are written: in plain lines, and on a live terminal with and without Unicode. */
static const struct {
	const char *plain, *fancy, *simple;
	enum style style;
} marks[] = {
	[MARK_LOG] = {" |", "\u2502", "|", DIM},
	[MARK_JOB] = {":", "\u25cf", "*", BOLD},
	[MARK_STEP] = {": step", "\u25b8", ">", CYAN},
	[MARK_GROUP] = {" | >", "\u2502 \u25be", "| >", DIM},
	[MARK_SUCCESS] = {": ok", "\u2713", "+", GREEN},
	[MARK_FAILURE] = {": failed", "\u2717", "x", RED},
	[MARK_CANCELLED] = {": cancelled", "\u2298", "!", YELLOW},
	[MARK_SKIPPED] = {": skipped", "\u25cb", "-", DIM},
	[MARK_ERROR] = {": error", "\u2717 error", "error", RED},
	[MARK_WARNING] = {": warning", "! warning", "warning", YELLOW},
	[MARK_NOTICE] = {": notice", "i notice", "notice", BLUE},
	[MARK_AUDIT] = {": refused", "\u2298 refused", "refused", YELLOW},
	[MARK_SERVICE] = {": service", "\u25b8 service", "> service", CYAN},
	[MARK_ARTIFACT] = {": artifact", "\u25c6 artifact", "artifact", MAGENTA},
};
static_assert(COUNT(marks) == MARK_COUNT, "write every mark");

enum mark mark_of(enum view_state state)
{
	static const enum mark of[] = {
		[VIEW_WAITING] = MARK_SKIPPED,     [VIEW_RUNNING] = MARK_STEP,
		[VIEW_SUCCESS] = MARK_SUCCESS,     [VIEW_FAILURE] = MARK_FAILURE,
		[VIEW_CANCELLED] = MARK_CANCELLED, [VIEW_SKIPPED] = MARK_SKIPPED,
	};
	static_assert(COUNT(of) == VIEW_STATE_COUNT, "a mark for every state");

	return of[state];
}

const char *mark_text(const struct report_terminal *t, enum mark mark)
{
	if (!t->live)
		return marks[mark].plain;
	return t->unicode ? marks[mark].fancy : marks[mark].simple;
}

enum style mark_style(enum mark mark)
{
	return marks[mark].style;
}

enum style job_style(const struct view_job *job)
{
	static const enum style wheel[] = {CYAN, MAGENTA, BLUE, GREEN, YELLOW};

	return wheel[job->index % COUNT(wheel)];
}

void line_begin(struct report_terminal *t, const struct view_job *job, enum mark mark)
{
	style_on(t, &t->above, job_style(job));
	strbuf_adds(&t->above, job->name);
	style_off(t, &t->above);
	if (t->live) {
		unsigned width = text_columns(job->name);

		for (; width < t->label_width; width++)
			strbuf_addc(&t->above, ' ');
		strbuf_addc(&t->above, ' ');
	}
	style_on(t, &t->above, marks[mark].style);
	strbuf_adds(&t->above, mark_text(t, mark));
	style_off(t, &t->above);
	strbuf_addc(&t->above, ' ');
}

void line_end(struct report_terminal *t)
{
	strbuf_addc(&t->above, '\n');
}

void line_note(struct report_terminal *t, const char *note)
{
	style_on(t, &t->above, DIM);
	strbuf_addf(&t->above, " (%s)", note);
	style_off(t, &t->above);
}
