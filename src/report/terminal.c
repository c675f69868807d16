/*
 * terminal: the events of a run as lines for a person.
 *
 * Each event becomes lines that are printed once and never change. On a live
 * terminal a panel of what is running stands below them and is drawn anew;
 * elsewhere the lines are all there is. What a step said is escaped on its way
 * in, so nothing further down has to think of it.
 */
#include "report/view.h"

#include <stdlib.h>
#include <string.h>

#include "report/text.h"
#include "stepcell/limits.h"
#include "stepcell/util.h"

/* ---- the run ---- */

static void on_run_started(struct report_terminal *t, const struct node *event)
{
	static const struct {
		const char *key, *before;
	} parts[] = {
		{"workflow", ": "}, {"event", ", "},         {"ref", " "},
		{"sha", " at "},    {"policy", ", policy "}, {"image", ", image "},
	};

	t->run = event_text(t, event, "run");
	t->started = event_number(event, "at");
	if (t->quiet)
		return;
	style_on(t, &t->above, BOLD);
	strbuf_addf(&t->above, "run %s", t->run ? t->run : "?");
	style_off(t, &t->above);
	for (size_t i = 0; i < COUNT(parts); i++) {
		const char *text = event_text(t, event, parts[i].key);

		/* forty digits of a commit tell a person no more than ten */
		if (text && *text)
			strbuf_addf(&t->above, strcmp(parts[i].key, "sha") ? "%s%s" : "%s%.10s",
				    parts[i].before, text);
	}
	line_end(t);
}

static void on_warning(struct report_terminal *t, const struct node *event)
{
	const char *text = event_text(t, event, "text");

	style_on(t, &t->above, YELLOW);
	strbuf_adds(&t->above, "warning:");
	style_off(t, &t->above);
	strbuf_addf(&t->above, " %s\n", text ? text : "");
}

static const char *needs_of(struct report_terminal *t, const struct node *job)
{
	const struct node *needs = node_get(job, "needs");
	auto_strbuf struct strbuf names = STRBUF(LIMIT_LOG_LINE);

	if (!needs || needs->kind != NODE_LIST || !needs->count)
		return NULL;
	for (size_t i = 0; i < needs->count; i++) {
		strbuf_adds(&names, i ? ", " : "");
		text_escaped(node_text(needs->items[i]), &names);
	}
	return arena_strdup(t->arena, names.text);
}

static void on_plan(struct report_terminal *t, const struct node *event)
{
	const struct node *jobs = node_get(event, "jobs");

	if (!jobs || jobs->kind != NODE_LIST)
		return;
	for (size_t i = 0; i < jobs->count; i++) {
		struct view_job *job = view_job(t, jobs->items[i]);
		unsigned width = text_columns(job->name);

		job->needs = needs_of(t, jobs->items[i]);
		if (width > t->label_width)
			t->label_width = width < 24 ? width : 24;
		if (!t->quiet && !t->live) /* the panel says who waits */
			strbuf_addf(&t->above, "%s%s%s%s", i ? "; " : "jobs: ", job->name,
				    job->needs ? " after " : "", job->needs ? job->needs : "");
	}
	if (t->above.len)
		line_end(t);
}

/* ---- a job ---- */

static void on_job_started(struct report_terminal *t, const struct node *event)
{
	struct view_job *job = view_job(t, event);
	const char *image = event_text(t, event, "image");

	job->state = VIEW_RUNNING;
	job->started = event_number(event, "at");
	if (t->quiet)
		return;
	line_begin(t, job, MARK_JOB);
	strbuf_adds(&t->above, "started");
	if (image)
		strbuf_addf(&t->above, " on %s", image);
	line_end(t);
}

static void on_job_skipped(struct report_terminal *t, const struct node *event)
{
	struct view_job *job = view_job(t, event);

	job->state = VIEW_SKIPPED;
	job->why = event_text(t, event, "why");
	if (t->quiet)
		return;
	line_begin(t, job, MARK_SKIPPED);
	strbuf_adds(&t->above, "the job");
	if (job->why)
		line_note(t, job->why);
	line_end(t);
}

static void on_job_ended(struct report_terminal *t, const struct node *event)
{
	struct view_job *job = view_job(t, event);
	auto_strbuf struct strbuf note = STRBUF(LIMIT_LOG_LINE);
	const char *url;

	job->state = view_state_of(node_text(node_get(event, "verdict")));
	job->seconds = event_number(event, "seconds");
	job->peak_memory = event_number(event, "peak_memory");
	job->why = event_text(t, event, "why");
	url = event_text(t, event, "url");
	if (t->quiet && job->state == VIEW_SUCCESS && !url)
		return;
	line_begin(t, job, mark_of(job->state));
	strbuf_adds(&t->above, "the job");
	text_of_seconds(job->seconds, &note);
	if (job->why && *job->why)
		strbuf_addf(&note, ": %s", job->why);
	if (url)
		strbuf_addf(&note, ", %s", url);
	line_note(t, note.text);
	line_end(t);
}

/* ---- services ---- */

static void on_service_started(struct report_terminal *t, const struct node *event)
{
	const char *name = event_text(t, event, "service");
	const char *image = event_text(t, event, "image");

	if (t->quiet)
		return;
	line_begin(t, view_job(t, event), MARK_SERVICE);
	strbuf_addf(&t->above, "%s started on %s", name ? name : "?", image ? image : "?");
	line_end(t);
}

static void on_service_ready(struct report_terminal *t, const struct node *event)
{
	const char *name = event_text(t, event, "service");
	auto_strbuf struct strbuf note = STRBUF(100);

	if (t->quiet)
		return;
	line_begin(t, view_job(t, event), MARK_SERVICE);
	strbuf_addf(&t->above, "%s is healthy", name ? name : "?");
	text_of_seconds(event_number(event, "seconds"), &note);
	line_note(t, note.text);
	line_end(t);
}

/* One that was told to end is no news; of one that failed its last words are. */
static void on_service_ended(struct report_terminal *t, const struct node *event)
{
	struct view_job *job = view_job(t, event);
	const char *name = event_text(t, event, "service");
	const char *why = event_text(t, event, "why"), *log = event_text(t, event, "log");
	const struct node *tail = node_get(event, "tail");

	if (!why)
		return;
	line_begin(t, job, MARK_ERROR);
	strbuf_addf(&t->above, "service %s: %s", name ? name : "?", why);
	if (log)
		line_note(t, log);
	line_end(t);
	for (size_t i = 0; tail && tail->kind == NODE_LIST && i < tail->count; i++) {
		const char *text = node_text(tail->items[i]);

		line_begin(t, job, MARK_LOG);
		text_of_log(text ? text : "", &t->above);
		line_end(t);
	}
}

/* ---- a step ---- */

static void on_step_started(struct report_terminal *t, const struct node *event)
{
	struct view_job *job = view_job(t, event);
	struct view_step *s = view_step(t, job, event);

	s->state = VIEW_RUNNING;
	s->started = event_number(event, "at");
	if (t->quiet)
		return;
	line_begin(t, job, MARK_STEP);
	strbuf_adds(&t->above, s->name);
	line_end(t);
}

static void on_step_skipped(struct report_terminal *t, const struct node *event)
{
	struct view_job *job = view_job(t, event);
	struct view_step *s = view_step(t, job, event);
	const char *why = event_text(t, event, "why");

	s->state = VIEW_SKIPPED;
	if (t->quiet)
		return;
	line_begin(t, job, MARK_SKIPPED);
	strbuf_adds(&t->above, s->name);
	if (why)
		line_note(t, why);
	line_end(t);
}

static void on_log(struct report_terminal *t, const struct node *event)
{
	struct view_job *job = view_job(t, event);
	struct view_step *s = view_step(t, job, event);
	const char *text = node_text(node_get(event, "text"));
	auto_strbuf struct strbuf line = STRBUF(4 * LIMIT_LOG_LINE);

	text_of_log(text ? text : "", &line);
	view_tail_add(s, line.text);
	if (t->quiet)
		return;
	line_begin(t, job, MARK_LOG);
	strbuf_adds(&t->above, line.text);
	line_end(t);
}

static void on_group(struct report_terminal *t, const struct node *event)
{
	const char *name = event_text(t, event, "name");

	if (t->quiet)
		return;
	line_begin(t, view_job(t, event), MARK_GROUP);
	strbuf_adds(&t->above, name ? name : "");
	line_end(t);
}

/* How a step ended, in words; empty when it passed. */
static void verdict_words(const struct node *event, struct strbuf *out)
{
	static const struct {
		const char *verdict, *words;
	} table[] = {
		{"passed", ""},
		{"timeout", "ran out of time"},
		{"out-of-memory", "ran out of memory"},
		{"pids-limit", "ran out of processes"},
		{"disk-limit", "ran out of disk"},
		{"log-limit", "wrote too much output"},
		{"cancelled", "cancelled"},
		{"setup-failed", "the cell could not be set up"},
	};
	const char *verdict = node_text(node_get(event, "verdict"));
	const char *why = node_text(node_get(event, "why"));

	if (!verdict)
		return;
	if (strcmp(verdict, "failed") == 0 && node_get(event, "exit"))
		strbuf_addf(out, "exit %.0f", event_number(event, "exit"));
	else if (strcmp(verdict, "failed") == 0) /* it had no cell */
		text_escaped(why ? why : verdict, out);
	else if (strcmp(verdict, "signalled") == 0)
		strbuf_addf(out, "killed by signal %.0f", event_number(event, "signal"));
	for (size_t i = 0; i < COUNT(table); i++)
		if (strcmp(table[i].verdict, verdict) == 0)
			strbuf_adds(out, table[i].words);
}

static void on_step_ended(struct report_terminal *t, const struct node *event)
{
	struct view_job *job = view_job(t, event);
	struct view_step *s = view_step(t, job, event);
	double survivors = event_number(event, "survivors");
	auto_strbuf struct strbuf words = STRBUF(300);
	auto_strbuf struct strbuf note = STRBUF(512);

	s->state = view_state_of(node_text(node_get(event, "conclusion")));
	s->seconds = event_number(event, "seconds");
	notes_step_ended(job, s, event);
	verdict_words(event, &words);
	text_of_seconds(s->seconds, &note);
	if (words.len)
		strbuf_addf(&note, ", %s%s", words.text,
			    s->state == VIEW_SUCCESS ? ", which is allowed" : "");
	if (survivors > 0)
		strbuf_addf(&note, ", %.0f process%s left behind and killed", survivors,
			    survivors > 1 ? "es" : "");
	if (s->state == VIEW_FAILURE)
		view_fail(t, job, s, arena_strdup(t->arena, note.text),
			  event_text(t, event, "log"));
	view_tail_drop(s);
	if (t->quiet && s->state == VIEW_SUCCESS)
		return;
	line_begin(t, job, mark_of(s->state));
	strbuf_adds(&t->above, s->name);
	line_note(t, note.text);
	line_end(t);
}

static void on_artifact(struct report_terminal *t, const struct node *event)
{
	const char *name = event_text(t, event, "name");
	const char *digest = event_text(t, event, "digest");
	auto_strbuf struct strbuf note = STRBUF(512);
	double files = event_number(event, "files"), skipped = event_number(event, "skipped");

	if (t->quiet)
		return;
	line_begin(t, view_job(t, event), MARK_ARTIFACT);
	strbuf_adds(&t->above, name ? name : "");
	strbuf_addf(&note, "%.0f file%s, ", files, files == 1 ? "" : "s");
	text_of_bytes(event_number(event, "bytes"), &note);
	if (skipped > 0)
		strbuf_addf(&note, ", %.0f left out", skipped);
	if (digest)
		strbuf_addf(&note, ", %.*s", 19, digest);
	line_note(t, note.text);
	line_end(t);
}

static void on_audit(struct report_terminal *t, const struct node *event)
{
	const struct node *list = node_get(event, "refused");
	const char *service = event_text(t, event, "service");

	for (size_t i = 0; list && list->kind == NODE_LIST && i < list->count; i++) {
		t->refused += event_number(list->items[i], "count");
		if (t->quiet)
			continue;
		line_begin(t, view_job(t, event), MARK_AUDIT);
		if (service)
			strbuf_addf(&t->above, "service %s: ", service);
		report_refused(list->items[i], &t->above);
		line_end(t);
	}
}

static void on_summary(struct report_terminal *t, const struct node *event)
{
	struct view_job *job = view_job(t, event);
	const char *text = node_text(node_get(event, "text"));

	if (!text || t->quiet)
		return;
	t->summaries = arena_grow(t->arena, t->summaries, t->summary_count, sizeof(*t->summaries));
	t->summaries[t->summary_count++] = (struct view_summary){
		.job = job,
		.step = view_step(t, job, event)->name,
		.text = arena_strdup(t->arena, text),
		.joined = event_text(t, event, "joined"),
	};
}

/* ---- the terminal ---- */

static const struct {
	const char *type;
	void (*handle)(struct report_terminal *t, const struct node *event);
} handlers[] = {
	{"log", on_log},
	{"run-started", on_run_started},
	{"warning", on_warning},
	{"plan", on_plan},
	{"job-started", on_job_started},
	{"job-skipped", on_job_skipped},
	{"job-ended", on_job_ended},
	{"service-started", on_service_started},
	{"service-ready", on_service_ready},
	{"service-ended", on_service_ended},
	{"step-started", on_step_started},
	{"step-skipped", on_step_skipped},
	{"step-ended", on_step_ended},
	{"group", on_group},
	{"annotation", notes_event},
	{"artifact", on_artifact},
	{"audit", on_audit},
	{"network", on_audit},
	{"summary", on_summary},
	{"run-ended", closing_add},
};

/* Print what the event left to print: at once, but for the flood of a step's output. */
static void print_lines(struct report_terminal *t, const char *type)
{
	if (t->live && !t->ended) {
		t->ended = strcmp(type, "run-ended") == 0;
		if (t->ended || strcmp(type, "log") != 0 || panel_is_due(t))
			panel_flush(t, t->ended);
		return;
	}
	(void)fwrite(t->above.text, 1, t->above.len, t->out);
	(void)fflush(t->out);
	strbuf_clear(&t->above);
}

void report_terminal_event(void *terminal, const struct node *event)
{
	struct report_terminal *t = terminal;
	const char *type = node_text(node_get(event, "type"));

	for (size_t i = 0; type && i < COUNT(handlers); i++) {
		if (strcmp(handlers[i].type, type) != 0)
			continue;
		handlers[i].handle(t, event);
		print_lines(t, type);
		return;
	}
}

static bool speaks_unicode(void)
{
	static const char *const names[] = {"LC_ALL", "LC_CTYPE", "LANG"};

	for (size_t i = 0; i < COUNT(names); i++) {
		const char *value = getenv(names[i]);

		if (value && *value)
			return strcasestr(value, "utf-8") || strcasestr(value, "utf8");
	}
	return false;
}

struct report_terminal *report_terminal_new(FILE *out, bool live, bool colour, bool quiet)
{
	struct report_terminal *t = calloc(1, sizeof(*t));

	if (!t)
		abort();
	*t = (struct report_terminal){
		.out = out,
		.live = live,
		.colour = colour,
		.unicode = live && speaks_unicode(),
		.quiet = quiet,
		.arena = arena_new(),
		.above = STRBUF(64 * MIB),
	};
	return t;
}

void report_terminal_tick(struct report_terminal *t)
{
	if (t->live && !t->ended)
		panel_flush(t, false);
}

void report_terminal_free(struct report_terminal **terminal)
{
	struct report_terminal *t = *terminal;

	if (!t)
		return;
	if (t->live && !t->ended)
		panel_flush(t, true);
	for (size_t i = 0; i < t->job_count; i++)
		for (size_t k = 0; k < t->jobs[i]->step_count; k++)
			view_tail_drop(t->jobs[i]->steps[k]);
	arena_free(&t->arena);
	strbuf_release(&t->above);
	free(t);
	*terminal = NULL;
}
