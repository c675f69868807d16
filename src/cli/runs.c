/* stepcell runs: what was run, and what it said. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/options.h"
#include "cli/terminal.h"
#include "stepcell/home.h"
#include "stepcell/json.h"
#include "stepcell/limits.h"
#include "stepcell/record.h"
#include "stepcell/report.h"
#include "stepcell/util.h"

struct runs_options {
	bool json;
};

static const struct option_row rows[] = {
	{0, "json", NULL, opt_flag, offsetof(struct runs_options, json),
	 "list: an array, newest first; show: the journal, an event a line"},
};

static const struct option_usage usage = {
	.synopsis = "stepcell runs list | show [RUN] | logs [RUN [JOB [STEP]]]",
	.about = "RUN is an id, the beginning of one, or 'last', which is the default. STEP is a\n"
		 "number or a name, or the name of a service.",
	.rows = rows,
	.count = COUNT(rows),
};

/* ---- list ---- */

static void time_text(double milliseconds, char *out, size_t size)
{
	time_t seconds = (time_t)(milliseconds / 1000);
	struct tm tm;

	if (!gmtime_r(&seconds, &tm) || !strftime(out, size, "%Y-%m-%dT%H:%M:%SZ", &tm))
		out[0] = '\0';
}

static const struct node *row_json(struct arena *a, const struct kept_run *run)
{
	struct node *row = node_map(a);
	char started[32];
	const struct {
		const char *key, *value;
	} texts[] = {
		{"id", run->id},       {"verdict", run->verdict}, {"workflow", run->workflow},
		{"event", run->event}, {"ref", run->ref},         {"policy", run->policy},
	};

	for (size_t i = 0; i < COUNT(texts); i++)
		if (texts[i].value)
			node_set_text(a, row, texts[i].key, texts[i].value);
		else
			node_set(a, row, texts[i].key, node_null());
	time_text(run->started, started, sizeof(started));
	node_set_text(a, row, "started", started);
	node_set(a, row, "seconds", node_number(a, run->seconds));
	return row;
}

static void list_json(struct arena *a, const struct kept_run *runs, size_t count)
{
	auto_strbuf struct strbuf out = STRBUF(64 * MIB);
	struct node *list = node_list(a);

	for (size_t i = 0; i < count; i++)
		node_add(a, list, row_json(a, &runs[i]));
	json_write_pretty(&out, list);
	(void)puts(out.text);
}

static void list_text(const struct kept_run *runs, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct kept_run *r = &runs[i];
		auto_strbuf struct strbuf what = STRBUF(4096);
		const char *const parts[] = {r->workflow, r->event, r->ref};

		for (size_t k = 0; k < COUNT(parts); k++) {
			strbuf_adds(&what, k && parts[k] ? " " : "");
			if (parts[k])
				report_escape(parts[k], strlen(parts[k]), &what);
		}
		printf("%s  %-9s %8.1fs  %s\n", r->id, r->verdict, r->seconds, what.text);
	}
}

static int list(const char *home, const struct runs_options *o, struct err *err)
{
	auto_arena struct arena *a = arena_new();
	struct kept_run *runs;
	size_t count;

	if (runs_list(home, a, &runs, &count, err) < 0)
		return -1;
	if (o->json)
		list_json(a, runs, count);
	else
		list_text(runs, count);
	return 0;
}

/* ---- show ---- */

static int show(const struct kept_run *run, const struct runs_options *o, struct err *err)
{
	struct report_terminal *t;
	int result;

	if (o->json)
		return journal_read(run->dir, report_json_event, stdout, err);
	t = report_terminal_new(stdout, false, terminal_colour(), false);
	result = journal_read(run->dir, report_terminal_event, t, err);
	report_terminal_free(&t);
	return result;
}

/* ---- logs ---- */

struct log_filter {
	const char *job, *step; /* NULL: any; a step, or a service */
	char step_key[64];      /* of the step with that name */
};

static bool matches(const struct node *value, const char *want)
{
	auto_strbuf struct strbuf text = STRBUF(LIMIT_LOG_LINE);

	if (value && value->kind == NODE_NUMBER)
		number_write(&text, value->number);
	else
		strbuf_adds(&text, node_text(value) ? node_text(value) : "");
	return strcmp(text.text, want) == 0;
}

/* A step is asked for by its key or by its name, which step-started tells. */
static void learn_step(struct log_filter *f, const struct node *event)
{
	const struct node *key = node_get(event, "step");
	auto_strbuf struct strbuf text = STRBUF(sizeof(f->step_key) - 1);

	if (!key || !matches(node_get(event, "name"), f->step))
		return;
	json_write(&text, key);
	(void)snprintf(f->step_key, sizeof(f->step_key), "%s", text.text);
}

static bool step_matches(const struct log_filter *f, const struct node *event)
{
	const struct node *key = node_get(event, "step");
	auto_strbuf struct strbuf text = STRBUF(sizeof(f->step_key) - 1);

	if (!f->step || matches(key, f->step))
		return true;
	if (!key || !f->step_key[0])
		return false;
	json_write(&text, key);
	return strcmp(text.text, f->step_key) == 0;
}

/* What belongs into a log: lines, and as GitHub writes them groups and the annotations of commands. */
static const char *log_line(const struct node *event, struct strbuf *mark)
{
	const char *type = node_text(node_get(event, "type"));
	const char *level = node_text(node_get(event, "level"));

	if (strcmp(type, "log") == 0)
		return node_text(node_get(event, "text"));
	if (strcmp(type, "annotation") == 0 && !node_get(event, "matcher")) {
		strbuf_addf(mark, "##[%s]", level ? level : "notice");
		return node_text(node_get(event, "message"));
	}
	if (strcmp(type, "group") == 0) {
		strbuf_adds(mark, "##[group]");
		return node_text(node_get(event, "name"));
	}
	return strcmp(type, "group-ended") == 0 ? "##[endgroup]" : NULL;
}

/* Among those of others a service's lines begin with its name, as `docker compose logs` has it. */
static const char *service_line(const struct log_filter *f, const struct node *event,
				struct strbuf *mark)
{
	const char *name = node_text(node_get(event, "service"));

	if (!name || (f->step && strcmp(f->step, name) != 0))
		return NULL;
	if (!f->step) {
		report_escape(name, strlen(name), mark);
		strbuf_adds(mark, " | ");
	}
	return node_text(node_get(event, "text"));
}

/* What belongs into the log that is asked for; NULL: nothing of it. */
static const char *wanted_line(const struct log_filter *f, const struct node *event,
			       struct strbuf *mark)
{
	if (strcmp(node_text(node_get(event, "type")), "service-log") == 0)
		return service_line(f, event, mark);
	return step_matches(f, event) ? log_line(event, mark) : NULL;
}

static void print_log(void *arg, const struct node *event)
{
	struct log_filter *f = arg;
	const char *type = node_text(node_get(event, "type")), *text;
	auto_strbuf struct strbuf line = STRBUF(4 * LIMIT_LOG_LINE);

	if (f->job && !matches(node_get(event, "job"), f->job))
		return;
	if (f->step && strcmp(type, "step-started") == 0)
		learn_step(f, event);
	text = wanted_line(f, event, &line);
	if (!text)
		return;
	report_escape(text, strlen(text), &line);
	(void)puts(line.text);
}

static int logs(const struct kept_run *run, char **words, struct err *err)
{
	struct log_filter f = {.job = words[0], .step = words[0] ? words[1] : NULL};

	return journal_read(run->dir, print_log, &f, err);
}

/* ---- the command ---- */

static int of_one(const char *home, char **words, const struct runs_options *o, struct err *err)
{
	auto_arena struct arena *a = arena_new();
	struct kept_run run;

	if (runs_find(home, a, words[1] ? words[1] : "last", &run, err) < 0)
		return -1;
	if (strcmp(words[0], "logs") == 0)
		return logs(&run, words[1] ? words + 2 : words + 1, err);
	return show(&run, o, err);
}

int cmd_runs(int argc, char **argv, struct err *err)
{
	struct runs_options o = {0};
	char home[PATH_MAX];
	int at, got = options_decode(&usage, argc, argv, &o, &at, err);
	char **words = argv + at;

	if (got)
		return got < 0 ? -1 : 0;
	if (state_home(home, sizeof(home), err) < 0)
		return -1;
	if (words[0] && strcmp(words[0], "list") == 0 && !words[1])
		return list(home, &o, err);
	if (words[0] && (strcmp(words[0], "show") == 0 || strcmp(words[0], "logs") == 0))
		return of_one(home, words, &o, err);
	return err_fail(err, ERR_USAGE, "expected: %s", usage.synopsis);
}
