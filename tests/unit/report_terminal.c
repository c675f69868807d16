/* Events to lines: the text of each, what a hostile step cannot do with it, and the closing table. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report/text.h"
#include "stepcell/json.h"
#include "stepcell/limits.h"
#include "stepcell/report.h"
#include "stepcell/util.h"

/* Feed events (JSON, one a line) to a plain terminal; the caller frees the text. */
static char *render(const char *events, bool quiet)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	struct report_terminal *t = report_terminal_new(out, false, false, quiet);

	while (*events) {
		auto_arena struct arena *a = arena_new();
		size_t len = strcspn(events, "\n");
		struct err err = {0};
		const struct node *event = json_parse(a, "event", events, len, &err);

		if (!event)
			fail_msg("%s", err.text);
		report_terminal_event(t, event);
		events += len + (events[len] == '\n');
	}
	report_terminal_free(&t);
	assert_null(t);
	(void)fclose(out);
	return text;
}

#define J  "\"job\":\"test\",\"name\":\"test\""
#define S  "\"job\":\"test\",\"step\":2"
#define SN S ",\"name\":\"Run\""

static const struct {
	const char *what, *event, *line, *quiet;
} rows[] = {
	{"run",
	 "{\"type\":\"run-started\",\"run\":\"R\",\"workflow\":\"CI\",\"event\":\"push\","
	 "\"ref\":\"refs/heads/x\",\"sha\":\"0123456789abcdef\",\"policy\":\"default\"}",
	 "run R: CI, push refs/heads/x at 0123456789, policy default\n", ""},
	{"warning", "{\"type\":\"warning\",\"text\":\"no cgroup\"}", "warning: no cgroup\n",
	 "warning: no cgroup\n"},
	{"plan",
	 "{\"type\":\"plan\",\"jobs\":[{\"id\":\"a\",\"name\":\"A\",\"needs\":[]},"
	 "{\"id\":\"b\",\"name\":\"B\",\"needs\":[\"a\",\"c\"]}]}",
	 "jobs: A; B after a, c\n", ""},
	{"job", "{\"type\":\"job-started\"," J ",\"image\":\"host\"}", "test: started on host\n",
	 ""},
	{"job skipped", "{\"type\":\"job-skipped\"," J ",\"why\":\"needs a, which failed\"}",
	 "test: skipped the job (needs a, which failed)\n", ""},
	{"job passed", "{\"type\":\"job-ended\"," J ",\"verdict\":\"success\",\"seconds\":61.5}",
	 "test: ok the job (1m01s)\n", ""},
	{"job failed",
	 "{\"type\":\"job-ended\"," J ",\"verdict\":\"failure\",\"seconds\":1,\"why\":\"x\"}",
	 "test: failed the job (1.0s: x)\n", "test: failed the job (1.0s: x)\n"},
	{"step", "{\"type\":\"step-started\"," SN "}", "test: step Run\n", ""},
	{"step skipped", "{\"type\":\"step-skipped\"," SN ",\"why\":\"its condition is false\"}",
	 "test: skipped Run (its condition is false)\n", ""},
	{"step passed",
	 "{\"type\":\"step-ended\"," SN
	 ",\"verdict\":\"passed\",\"conclusion\":\"success\",\"seconds\":0.25}",
	 "test: ok Run (0.2s)\n", ""},
	{"step failed",
	 "{\"type\":\"step-ended\"," SN
	 ",\"verdict\":\"failed\",\"exit\":3,\"conclusion\":\"failure\",\"seconds\":2}",
	 "test: failed Run (2.0s, exit 3)\n", "test: failed Run (2.0s, exit 3)\n"},
	{"step allowed to fail",
	 "{\"type\":\"step-ended\"," SN
	 ",\"verdict\":\"signalled\",\"signal\":9,\"conclusion\":\"success\",\"seconds\":2}",
	 "test: ok Run (2.0s, killed by signal 9, which is allowed)\n", ""},
	{"step timed out, with company",
	 "{\"type\":\"step-ended\"," SN
	 ",\"verdict\":\"timeout\",\"conclusion\":\"failure\",\"seconds\":2,\"survivors\":2}",
	 "test: failed Run (2.0s, ran out of time, 2 processes left behind and killed)\n",
	 "test: failed Run (2.0s, ran out of time, 2 processes left behind and killed)\n"},
	{"what was refused",
	 "{\"type\":\"audit\"," S ",\"refused\":[{\"call\":\"socket\",\"arguments\":\"family=17\","
	 "\"answer\":\"EPERM\",\"program\":\"a\\u001b[2J\",\"count\":2},"
	 "{\"call\":\"others\",\"count\":1},7]}",
	 "test: refused socket(family=17) EPERM, 2 times, by a\\x1b[2J\n"
	 "test: refused others, 1 time\ntest: refused ?, 0 times\n",
	 ""},
	{"log", "{\"type\":\"log\"," S ",\"text\":\"collected 12 items\"}",
	 "test | collected 12 items\n", ""},
	{"log with a name for its step",
	 "{\"type\":\"log\",\"job\":\"a b\",\"step\":\"x\",\"text\":\"\"}", "a b | \n", ""},
	{"colours are dropped",
	 "{\"type\":\"log\"," S ",\"text\":\"\\u001b[1;31mred\\u001b[0m\\u001b[m.\"}",
	 "test | red.\n", ""},
	{"other sequences are shown",
	 "{\"type\":\"log\"," S
	 ",\"text\":\"\\u001b]0;t\\u0007\\u001b[2J\\u001b[1;31\\u009b\\u202e\"}",
	 "test | \\x1b]0;t\\x07\\x1b[2J\\x1b[1;31\\u009b\\u202e\n", ""},
	{"a progress bar as it ended", "{\"type\":\"log\"," S ",\"text\":\"10%\\r50%\\r100%\\r\"}",
	 "test | 100%\n", ""},
	{"no second line", "{\"type\":\"log\"," S ",\"text\":\"a\\nrun R: success\"}",
	 "test | a\\nrun R: success\n", ""},
	{"no second line by a name",
	 "{\"type\":\"step-started\",\"job\":\"t\\n\",\"step\":1,\"name\":\"a\\nb\\u001b[31m\"}",
	 "t\\n: step a\\nb\\x1b[31m\n", ""},
	{"group", "{\"type\":\"group\"," S ",\"name\":\"pip\"}", "test | > pip\n", ""},
	{"annotation",
	 "{\"type\":\"annotation\"," S ",\"level\":\"error\",\"message\":\"m\",\"file\":\"a.py\","
	 "\"line\":3,\"col\":4,\"title\":\"T\"}",
	 "test: error a.py:3:4: T: m\n", ""},
	{"annotation without a place",
	 "{\"type\":\"annotation\"," S ",\"level\":\"warning\",\"message\":\"m\",\"line\":3}",
	 "test: warning m\n", ""},
	{"a service",
	 "{\"type\":\"service-started\",\"job\":\"test\",\"service\":\"db\",\"image\":\"db:15\"}",
	 "test: service db started on db:15\n", ""},
	{"a healthy service",
	 "{\"type\":\"service-ready\",\"job\":\"test\",\"service\":\"db\",\"seconds\":1.25}",
	 "test: service db is healthy (1.2s)\n", ""},
	{"a service that was stopped",
	 "{\"type\":\"service-ended\",\"job\":\"test\",\"service\":\"db\",\"verdict\":\"stopped\"}",
	 "", ""},
	{"a service that failed",
	 "{\"type\":\"service-ended\",\"job\":\"test\",\"service\":\"d\\u001b[2J\",\"verdict\":"
	 "\"failed\","
	 "\"why\":\"exit code 1\",\"log\":\"/l\",\"tail\":[\"a\",\"\\u001b[2Jb\"]}",
	 "test: error service d\\x1b[2J: exit code 1 (/l)\ntest | a\ntest | \\x1b[2Jb\n",
	 "test: error service d\\x1b[2J: exit code 1 (/l)\ntest | a\ntest | \\x1b[2Jb\n"},
	{"artifact",
	 "{\"type\":\"artifact\",\"job\":\"test\",\"name\":\"dist\",\"files\":1,\"bytes\":2048,"
	 "\"digest\":\"sha256:0123456789abcdef\"}",
	 "test: artifact dist (1 file, 2.0 KiB, sha256:0123456789ab)\n", ""},
	{"artifact without its links out",
	 "{\"type\":\"artifact\",\"job\":\"test\",\"name\":\"d\",\"files\":2,\"bytes\":0,"
	 "\"skipped\":3}",
	 "test: artifact d (2 files, 0 B, 3 left out)\n", ""},
	{"an unknown event", "{\"type\":\"future\",\"x\":1}", "", ""},
	{"an event of nothing", "{\"type\":\"log\"}", "? | \n", ""},
	{"an event with the wrong types",
	 "{\"type\":\"step-ended\",\"job\":[],\"step\":{},\"name\":1,\"seconds\":\"x\",\"usage\":"
	 "3}",
	 "?: failed  (0.0s)\n", "?: failed  (0.0s)\n"},
	{"a plan that is none", "{\"type\":\"plan\",\"jobs\":{\"a\":1}}", "", ""},
};

static void test_lines(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		char *text = render(rows[i].event, false);
		char *quiet = render(rows[i].event, true);

		if (strcmp(text, rows[i].line) != 0)
			fail_msg("%s: \"%s\"", rows[i].what, text);
		if (strcmp(quiet, rows[i].quiet) != 0)
			fail_msg("%s, quietly: \"%s\"", rows[i].what, quiet);
		free(text);
		free(quiet);
	}
}

static const char ended[] =
	"{\"type\":\"run-started\",\"run\":\"R\"}\n"
	"{\"type\":\"log\"," S ",\"text\":\"first\"}\n"
	"{\"type\":\"log\"," S ",\"text\":\"last \\u001b[2J\"}\n"
	"{\"type\":\"step-ended\"," SN
	",\"verdict\":\"failed\",\"exit\":1,\"conclusion\":\"failure\","
	"\"seconds\":2,\"log\":\"/logs/2.log\"}\n"
	"{\"type\":\"run-ended\",\"verdict\":\"failure\",\"seconds\":3,\"jobs\":["
	"{\"id\":\"test\",\"name\":\"test\",\"verdict\":\"failure\",\"seconds\":2.5,"
	"\"peak_memory\":1048576,\"artifacts\":[],\"why\":\"step Run\"},"
	"{\"id\":\"d\\u001b\",\"name\":\"d\\u001b\",\"verdict\":\"skipped\",\"artifacts\":[\"x\","
	"\"y\"]}]}\n";

static void test_closing(void **state)
{
	char *text = render(ended, true);

	(void)state;
	assert_string_equal(text, "test: failed Run (2.0s, exit 1)\n"
				  "\n"
				  "test failed at: Run (2.0s, exit 1)\n"
				  "  | first\n"
				  "  | last \\x1b[2J\n"
				  "  whole log: /logs/2.log\n"
				  "\n"
				  "job    verdict  time   memory  artifacts\n"
				  "test   failure  2.5s  1.0 MiB  -          step Run\n"
				  "d\\x1b  skipped     -        -  x, y\n"
				  "\n"
				  "run R: failure in 3.0s\n");
	free(text);
}

/* Only the last lines of a failure are shown again. */
static void test_tail(void **state)
{
	auto_strbuf struct strbuf events = STRBUF(MIB);
	char *text;

	(void)state;
	for (int i = 0; i < 100; i++)
		strbuf_addf(&events, "{\"type\":\"log\"," S ",\"text\":\"line %d.\"}\n", i);
	strbuf_adds(&events, ended);
	text = render(events.text, true);
	assert_null(strstr(text, "line 86."));
	assert_non_null(strstr(text, "at: Run (2.0s, exit 1)\n  | line 87.\n"));
	assert_non_null(strstr(text, "  | line 99.\n  | first\n"));
	free(text);
}

static void test_summary(void **state)
{
	auto_strbuf struct strbuf events = STRBUF(MIB);
	char *text;

	(void)state;
	strbuf_adds(&events, "{\"type\":\"step-started\"," SN "}\n{\"type\":\"summary\"," S
			     ",\"text\":\"# a\\u001b\\n");
	for (int i = 0; i < 50; i++)
		strbuf_addf(&events, "row %d\\n", i);
	strbuf_adds(&events,
		    "\",\"joined\":\"/r/"
		    "test.md\"}\n{\"type\":\"run-ended\",\"verdict\":\"success\",\"seconds\":1}\n");
	text = render(events.text, false);
	assert_non_null(strstr(text, "\nsummary of test: Run\n  # a\\x1b\n  row 0\n"));
	assert_non_null(strstr(text, "  row 38\n  ...\n  whole summary: /r/test.md\n"));
	assert_non_null(strstr(text, "\nrun ?: success in 1.0s\n"));
	free(text);
}

#define NOTE "{\"type\":\"annotation\"," S ",\"level\":\"%s\",\"message\":\"%s %d\"}\n"

/* Ten of a level of a step, job by job; all are counted. */
static void test_annotations(void **state)
{
	auto_strbuf struct strbuf events = STRBUF(MIB);
	char *text;

	(void)state;
	for (int i = 0; i < 12; i++)
		strbuf_addf(&events, NOTE, i % 2 ? "error" : "warning", "m\\nn", i);
	for (int i = 0; i < 12; i++)
		strbuf_addf(&events, NOTE, "notice", "\\u001b", i);
	strbuf_adds(&events,
		    "{\"type\":\"annotation\",\"job\":\"b\",\"step\":1,\"level\":\"error\","
		    "\"message\":\"bad\",\"file\":\"a.c\",\"line\":3,\"title\":\"T\","
		    "\"code\":\"E1\",\"matcher\":\"gcc\"}\n"
		    "{\"type\":\"run-ended\",\"verdict\":\"failure\",\"seconds\":1}\n");
	text = render(events.text, false);
	assert_non_null(strstr(text, "\nannotations of test: 6 errors, 6 warnings, 12 notices\n"
				     "  warning m\n          n 0\n  error   m\n          n 1\n"));
	assert_non_null(strstr(text, "  notice  \\x1b 9\n  ... and 2 more: stepcell runs show last "
				     "--json\n"));
	assert_non_null(
		strstr(text, "\nannotations of b: 1 error\n  error   a.c:3: T: bad [E1]\n"));
	assert_null(strstr(text, "b: error")); /* its line stood there */
	free(text);
	text = render(events.text, true);
	assert_non_null(strstr(text, "  error   a.c:3: T: bad [E1]\n"));
	assert_null(strstr(text, "notice  "));
	free(text);
}

static const struct {
	double seconds;
	const char *text;
} times[] = {{0, "0.0s"},      {-1, "0.0s"},      {59.94, "59.9s"},
	     {59.97, "59.9s"}, {60, "1m00s"},     {3599, "59m59s"},
	     {3600, "1h00m"},  {90061, "25h01m"}, {1e300, "277777h46m"}};

static const struct {
	double bytes;
	const char *text;
} sizes[] = {{0, "0 B"},          {1023, "1023 B"},      {1024, "1.0 KiB"},
	     {102400, "100 KiB"}, {1048576, "1.0 MiB"},  {222298112, "212 MiB"},
	     {5e12, "4.5 TiB"},   {1e20, "90949470 TiB"}};

static void test_units(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(times); i++) {
		auto_strbuf struct strbuf text = STRBUF(64);

		text_of_seconds(times[i].seconds, &text);
		assert_string_equal(text.text, times[i].text);
	}
	for (size_t i = 0; i < COUNT(sizes); i++) {
		auto_strbuf struct strbuf text = STRBUF(64);

		text_of_bytes(sizes[i].bytes, &text);
		assert_string_equal(text.text, sizes[i].text);
	}
}

/* The JSON view is the event again, on one line. */
static void test_json(void **state)
{
	static const char event[] = "{\"type\":\"log\",\"at\":1.5,\"text\":\"a\\n\\\"b\\\"\"}";
	auto_arena struct arena *a = arena_new();
	struct err err = {0};
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	(void)state;
	report_json_event(out, json_parse(a, "e", event, strlen(event), &err));
	(void)fclose(out);
	assert_int_equal(size, strlen(event) + 1);
	assert_memory_equal(text, event, strlen(event));
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),       cmocka_unit_test(test_closing),
		cmocka_unit_test(test_tail),        cmocka_unit_test(test_summary),
		cmocka_unit_test(test_annotations), cmocka_unit_test(test_units),
		cmocka_unit_test(test_json),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
