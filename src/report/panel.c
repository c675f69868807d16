/*
 * panel: the lines at the bottom of a live terminal, what runs and for how long.
 *
 * A frame is one write: up to where the panel stands, the new lines over it,
 * the panel again below them. Nothing is kept in the terminal between frames
 * but the cursor's place, so a stepcell that is killed leaves nothing to mend.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "report/text.h"
#include "report/view.h"
#include "stepcell/clock.h"
#include "stepcell/limits.h"
#include "stepcell/util.h"

/* A frame in the making: its lines are cut to the terminal's width. */
struct frame {
	struct report_terminal *t;
	struct strbuf text;
	unsigned widths[PANEL_LINES];
	size_t lines, budget;
	unsigned column; /* of the line in hand */
	double now;      /* milliseconds since the epoch, as events have it */
};

/* ---- a line ---- */

/* As much of `text` as fits, in a style. */
static void frame_add(struct frame *f, enum style style, const char *text)
{
	size_t len = 0;

	style_on(f->t, &f->text, style);
	for (; text[len]; len++) {
		if ((text[len] & 0xc0) == 0x80) /* the rest of a character */
			continue;
		if (f->column + 1 >= f->t->columns)
			break;
		f->column++;
	}
	strbuf_add(&f->text, text, len);
	style_off(f->t, &f->text);
}

static void frame_add_seconds(struct frame *f, double seconds)
{
	auto_strbuf struct strbuf text = STRBUF(64);

	strbuf_adds(&text, "  ");
	text_of_seconds(seconds, &text);
	frame_add(f, DIM, text.text);
}

static void frame_end_line(struct frame *f)
{
	strbuf_adds(&f->text, "\x1b[K\n");
	f->widths[f->lines++] = f->column;
	f->column = 0;
}

static const char *spinner(const struct report_terminal *t)
{
	static const char *const fancy[] = {"⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"};
	static const char *const simple[] = {"|", "/", "-", "\\"};

	return t->unicode ? fancy[t->frame % COUNT(fancy)] : simple[t->frame % COUNT(simple)];
}

/* ---- what is shown ---- */

static void add_rule(struct frame *f)
{
	const struct report_terminal *t = f->t;
	auto_strbuf struct strbuf text = STRBUF(256);
	size_t ended = 0;

	for (size_t i = 0; i < t->job_count; i++)
		ended += t->jobs[i]->state > VIEW_RUNNING;
	strbuf_addf(&text, "%s %zu of %zu jobs ended", t->unicode ? "──" : "--", ended,
		    t->job_count);
	frame_add(f, DIM, text.text);
	frame_add_seconds(f, (f->now - t->started) / 1000);
	frame_add(f, DIM, " ");
	while (f->column + 1 < t->columns && f->column < 72)
		frame_add(f, DIM, t->unicode ? "─" : "-");
	frame_end_line(f);
}

static void add_step(struct frame *f, const struct view_step *s)
{
	bool running = s->state == VIEW_RUNNING;

	frame_add(f, PLAIN, "    ");
	frame_add(f, running ? CYAN : mark_style(mark_of(s->state)),
		  running ? spinner(f->t) : mark_text(f->t, mark_of(s->state)));
	frame_add(f, PLAIN, " ");
	frame_add(f, running ? PLAIN : DIM, s->name);
	if (s->state != VIEW_SKIPPED)
		frame_add_seconds(f, running ? (f->now - s->started) / 1000 : s->seconds);
	frame_end_line(f);
}

static size_t running_steps(const struct view_job *job)
{
	size_t n = 0;

	for (size_t i = 0; i < job->step_count; i++)
		n += job->steps[i]->state == VIEW_RUNNING;
	return n;
}

/* A running job: its line, the last of its finished steps while there is room, and those that run. */
static void add_job(struct frame *f, const struct view_job *job, size_t finished)
{
	size_t ended = job->step_count - running_steps(job);
	size_t skip = ended > finished ? ended - finished : 0;

	frame_add(f, PLAIN, "  ");
	frame_add(f, job_style(job), job->name);
	frame_add_seconds(f, (f->now - job->started) / 1000);
	frame_end_line(f);
	for (size_t i = 0; i < job->step_count && f->lines < f->budget; i++) {
		bool over = job->steps[i]->state != VIEW_RUNNING;

		if (over && skip)
			skip--;
		else
			add_step(f, job->steps[i]);
	}
}

static void add_waiting(struct frame *f)
{
	const struct report_terminal *t = f->t;
	const char *before = "  waiting: ";

	for (size_t i = 0; i < t->job_count; i++) {
		if (t->jobs[i]->state != VIEW_WAITING)
			continue;
		frame_add(f, DIM, before);
		frame_add(f, DIM, t->jobs[i]->name);
		before = ", ";
	}
	if (f->column)
		frame_end_line(f);
}

/* How many finished steps each running job may show, so that all fits. */
static size_t finished_share(const struct frame *f)
{
	size_t jobs = 0, lines = 2; /* the rule, and who waits */

	for (size_t i = 0; i < f->t->job_count; i++) {
		if (f->t->jobs[i]->state != VIEW_RUNNING)
			continue;
		jobs++;
		lines += 1 + running_steps(f->t->jobs[i]);
	}
	return jobs && lines < f->budget ? (f->budget - lines) / jobs : 0;
}

static void add_panel(struct frame *f)
{
	const struct report_terminal *t = f->t;
	size_t finished = finished_share(f), left_out = 0;

	add_rule(f);
	for (size_t i = 0; i < t->job_count; i++) {
		if (t->jobs[i]->state != VIEW_RUNNING)
			continue;
		if (f->lines + 3 > f->budget)
			left_out++;
		else
			add_job(f, t->jobs[i], finished);
	}
	if (left_out && f->lines < f->budget) {
		auto_strbuf struct strbuf text = STRBUF(64);

		strbuf_addf(&text, "  ... and %zu more", left_out);
		frame_add(f, DIM, text.text);
		frame_end_line(f);
	}
	if (f->lines < f->budget)
		add_waiting(f);
}

/* ---- drawing ---- */

static void learn_size(struct report_terminal *t)
{
	const int own = fileno(t->out); /* none of a stream that waits for standard output */
	struct winsize size;

	t->columns = 80;
	t->rows = 24;
	if (ioctl(own < 0 ? STDOUT_FILENO : own, TIOCGWINSZ, &size) < 0 || !size.ws_col ||
	    !size.ws_row)
		return;
	t->columns = size.ws_col;
	t->rows = size.ws_row;
}

/* A terminal that became narrower has folded the lines that it shows. */
static unsigned panel_height(const struct report_terminal *t)
{
	unsigned rows = 0;

	for (size_t i = 0; i < t->panel_lines; i++)
		rows += t->panel[i] > t->columns ? (t->panel[i] + t->columns - 1) / t->columns : 1;
	return rows < t->rows ? rows : t->rows;
}

static void put(struct report_terminal *t, const struct strbuf *text)
{
	(void)fwrite(text->text, 1, text->len, t->out);
	(void)fflush(t->out);
}

void panel_flush(struct report_terminal *t, bool last)
{
	struct frame f = {
		.t = t, .text = STRBUF(80 * MIB), .now = (double)clock_us(CLOCK_REALTIME) / 1000};
	unsigned height;

	learn_size(t);
	f.budget = t->rows > 8 ? t->rows / 2 : 4;
	f.budget = f.budget < PANEL_LINES ? f.budget : PANEL_LINES;
	height = panel_height(t);
	if (height)
		strbuf_addf(&f.text, "\r\x1b[%uA", height);
	if (t->above.len || last)
		strbuf_adds(&f.text, "\x1b[J");
	strbuf_add(&f.text, t->above.text, t->above.len);
	if (!last && t->job_count) {
		strbuf_adds(&f.text, "\x1b[?7l"); /* a line too wide is cut, not folded */
		add_panel(&f);
		strbuf_adds(&f.text, "\x1b[?7h\x1b[J");
	}
	put(t, &f.text);
	strbuf_release(&f.text);
	strbuf_clear(&t->above);
	memcpy(t->panel, f.widths, sizeof(f.widths));
	t->panel_lines = f.lines;
	t->drawn = now_ms();
	t->frame++;
}

/* Lines of output come by the thousand; the eye wants twenty frames a second. */
bool panel_is_due(const struct report_terminal *t)
{
	return t->above.len > MIB || now_ms() - t->drawn >= 50;
}
