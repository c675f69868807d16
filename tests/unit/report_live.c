/* The live terminal, seen through a small terminal of our own: what stands on the screen after each event. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stepcell/json.h"
#include "stepcell/limits.h"
#include "stepcell/report.h"
#include "stepcell/util.h"

#define ROWS 200
#define COLS 80

/* As much of a terminal as the panel needs; anything else is a failure. */
struct screen {
	char cells[ROWS][COLS + 1];
	unsigned row, col;
};

static void screen_csi(struct screen *s, const char *args, size_t len, char final)
{
	unsigned n = (unsigned)atol(args);

	if (final == 'A') {
		assert_true(n <= s->row);
		s->row -= n;
	} else if (final == 'K') {
		memset(s->cells[s->row] + s->col, 0, COLS - s->col);
	} else if (final == 'J') {
		memset(s->cells[s->row] + s->col, 0, COLS - s->col);
		memset(s->cells[s->row + 1], 0, (ROWS - s->row - 1) * sizeof(s->cells[0]));
	} else if (!(final == 'm' || (len == 2 && memcmp(args, "?7", 2) == 0))) {
		fail_msg("unexpected sequence %.*s%c", (int)len, args, final);
	}
}

static void screen_feed(struct screen *s, const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		char c = text[i];

		if (c == '\x1b') {
			size_t n = strspn(text + i + 2, "0123456789;?");

			assert_int_equal(text[i + 1], '[');
			screen_csi(s, text + i + 2, n, text[i + 2 + n]);
			i += 2 + n;
		} else if (c == '\n') {
			s->row++;
			s->col = 0;
			assert_true(s->row < ROWS);
		} else if (c == '\r') {
			s->col = 0;
		} else if (s->col < COLS) {
			s->cells[s->row][s->col++] = c;
		}
	}
}

struct session {
	FILE *out;
	char *text;
	size_t size, fed;
	struct report_terminal *t;
	struct screen screen;
};

static void session_start(struct session *s, bool colour)
{
	memset(s, 0, sizeof(*s));
	s->out = open_memstream(&s->text, &s->size);
	s->t = report_terminal_new(s->out, true, colour, false);
}

static void session_look(struct session *s)
{
	(void)fflush(s->out);
	screen_feed(&s->screen, s->text + s->fed, s->size - s->fed);
	s->fed = s->size;
}

static void session_say(struct session *s, const char *event)
{
	auto_arena struct arena *a = arena_new();
	struct err err = {0};
	const struct node *node = json_parse(a, "event", event, strlen(event), &err);

	if (!node)
		fail_msg("%s", err.text);
	report_terminal_event(s->t, node);
	session_look(s);
}

static void session_end(struct session *s)
{
	report_terminal_free(&s->t);
	session_look(s);
	(void)fclose(s->out);
	free(s->text);
}

/* The screen's lines, times in the panel as "T". */
static void expect(struct session *s, const char *want)
{
	auto_strbuf struct strbuf got = STRBUF(64 * KIB);

	for (unsigned i = 0; i < s->screen.row; i++) {
		const char *line = s->screen.cells[i];
		size_t len = strlen(line), cut = len;

		/* a line of the panel that ends in a time; what turns is a "@" */
		if (len > 4 && strchr("ms", line[len - 1]) && strncmp(line, "  ", 2) == 0) {
			while (cut && strchr("0123456789.mhs", line[cut - 1]))
				cut--;
			if (strchr("|/-\\", line[4]))
				s->screen.cells[i][4] = '@';
			strbuf_addf(&got, "%.*sT\n", (int)cut, line);
		} else if (strncmp(line, "-- ", 3) == 0) {
			strbuf_addf(&got, "%.*s\n", (int)strcspn(line, "d") + 1, line);
		} else {
			strbuf_addf(&got, "%s\n", line);
		}
	}
	assert_string_equal(got.text, want);
}

#define AT "\"at\":1700000000000,"

static void test_story(void **state)
{
	struct session s;

	(void)state;
	assert_int_equal(unsetenv("LC_ALL") | unsetenv("LC_CTYPE") | unsetenv("LANG"), 0);
	session_start(&s, true);
	session_say(&s, "{\"type\":\"run-started\"," AT "\"run\":\"R\",\"workflow\":\"CI\"}");
	expect(&s, "run R: CI\n");
	session_say(
		&s,
		"{\"type\":\"plan\",\"jobs\":[{\"id\":\"build\",\"name\":\"build\",\"needs\":[]},"
		"{\"id\":\"test\",\"name\":\"test\",\"needs\":[\"build\"]}]}");
	expect(&s, "run R: CI\n-- 0 of 2 jobs end\n  waiting: build, test\n");
	session_say(&s, "{\"type\":\"job-started\"," AT "\"job\":\"build\",\"name\":\"build\"}");
	session_say(&s, "{\"type\":\"step-started\"," AT
			"\"job\":\"build\",\"step\":1,\"name\":\"One\"}");
	expect(&s, "run R: CI\nbuild * started\nbuild > One\n"
		   "-- 0 of 2 jobs end\n  build  T\n    @ One  T\n  waiting: test\n");
	session_say(&s, "{\"type\":\"step-ended\",\"job\":\"build\",\"step\":1,\"name\":\"One\","
			"\"verdict\":\"passed\",\"conclusion\":\"success\",\"seconds\":2}");
	session_say(&s, "{\"type\":\"step-started\"," AT
			"\"job\":\"build\",\"step\":2,\"name\":\"Two\"}");
	expect(&s, "run R: CI\nbuild * started\nbuild > One\nbuild + One (2.0s)\nbuild > Two\n"
		   "-- 0 of 2 jobs end\n  build  T\n    + One  T\n    @ Two  T\n  waiting: test\n");
	session_say(&s, "{\"type\":\"job-ended\",\"job\":\"build\",\"name\":\"build\","
			"\"verdict\":\"failure\",\"seconds\":3}");
	session_say(&s,
		    "{\"type\":\"job-skipped\",\"job\":\"test\",\"name\":\"test\",\"why\":\"no\"}");
	session_say(&s, "{\"type\":\"run-ended\",\"verdict\":\"failure\",\"seconds\":3}");
	expect(&s, "run R: CI\nbuild * started\nbuild > One\nbuild + One (2.0s)\nbuild > Two\n"
		   "build x the job (3.0s)\ntest  - the job (no)\n\nrun R: failure in 3.0s\n");
	/* nothing is drawn any more */
	report_terminal_tick(s.t);
	session_look(&s);
	assert_int_equal(s.fed, s.size);
	session_end(&s);
}

/* A run that is cut off leaves its lines and no panel. */
static void test_cut_off(void **state)
{
	struct session s;

	(void)state;
	session_start(&s, false);
	session_say(&s, "{\"type\":\"job-started\"," AT "\"job\":\"a\",\"name\":\"a\"}");
	session_say(&s, "{\"type\":\"log\",\"job\":\"a\",\"step\":1,\"text\":\"said\"}");
	report_terminal_tick(s.t);
	session_end(&s);
	expect(&s, "a * started\na | said\n");
}

/* More jobs and steps than there are lines: the panel keeps to its half of the screen. */
static void test_crowd(void **state)
{
	struct session s;
	char event[256];

	(void)state;
	session_start(&s, true);
	for (int i = 0; i < 50; i++) {
		(void)snprintf(event, sizeof(event),
			       "{\"type\":\"job-started\"," AT "\"job\":\"job-%02d-%060d\"}", i, i);
		session_say(&s, event);
		(void)snprintf(event, sizeof(event),
			       "{\"type\":\"step-started\"," AT
			       "\"job\":\"job-%02d-%060d\",\"step\":1,\"name\":\"%080d\"}",
			       i, i, i);
		session_say(&s, event);
	}
	/* 100 lines above, 12 of the panel (half of 24) */
	assert_int_equal(s.screen.row, 112);
	assert_non_null(strstr(s.screen.cells[111], "... and 45 more"));
	for (unsigned i = 100; i < 112; i++)
		assert_true(strlen(s.screen.cells[i]) < COLS);
	session_end(&s);
	assert_int_equal(s.screen.row, 100);
}

/* Whatever a step says, the terminal sees no sequence of its making. */
static void test_hostile(void **state)
{
	struct session s;

	(void)state;
	session_start(&s, true);
	session_say(&s, "{\"type\":\"job-started\"," AT
			"\"job\":\"\\u001b[9A\",\"name\":\"n\\n\\u001b[2J\"}");
	session_say(&s, "{\"type\":\"step-started\"," AT
			"\"job\":\"\\u001b[9A\",\"step\":\"\\u001b[H\","
			"\"name\":\"\\u001b[9A\\r\\n\"}");
	session_say(&s, "{\"type\":\"log\",\"job\":\"\\u001b[9A\",\"step\":\"\\u001b[H\","
			"\"text\":\"\\u001b[9A\\u001bc\\u009b2J\"}");
	session_end(&s); /* the screen fails on what the panel does not use */
	expect(&s, "n\\n\\x1b[2J * started\nn\\n\\x1b[2J > \\x1b[9A\\x0d\\n\n"
		   "n\\n\\x1b[2J | \\x1b[9A\\x1bc\\u009b2J\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_story),
		cmocka_unit_test(test_cut_off),
		cmocka_unit_test(test_crowd),
		cmocka_unit_test(test_hostile),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
