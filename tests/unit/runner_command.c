#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "runner/command.h"
#include "stepcell/strbuf.h"
#include "stepcell/util.h"

/* name{key=value}{key=value}data, or NULL: no command. */
static const struct {
	const char *line, *parsed;
} lines[] = {
	{"::debug::hello", "debug|hello"},
	{"  \t::debug::hello", "debug|hello"},
	{"::error file=a.c,line=3::msg", "error{file=a.c}{line=3}|msg"},
	{"::error file=a%2Cb%3Ac%0A%25::m%0An%250A%3A", "error{file=a,b:c\n%}|m\nn%0A%3A"},
	{"::a b=%0a::%0d", "a{b=%0a}|%0d"},
	{"::set-output name=x::a::b", "set-output{name=x}|a::b"},
	{"::x  a=1 , ,b=2,::", "x{a=1 }{b=2}|"},
	{"::x a==b=,c=,=d=e,f::", "x{a=b=}{d=e}|"},
	{"##[group]Title", "group|Title"},
	{"##[error file=a;line=2;]x%3B%5D%3A", "error{file=a}{line=2}|x;]%3A"},
	{"::unknown::x", "unknown|x"},
	{"", NULL},
	{"::", NULL},
	{"::::", NULL},
	{"::debug:", NULL},
	{":: debug::x", NULL},
	{"x ::debug::y", NULL},
	{"x ##[debug]y", NULL},
	{"##[debug", NULL},
	{"##[]x", NULL},
	{"##", NULL},
};

static void print_command(const struct command *c, struct strbuf *out)
{
	strbuf_adds(out, c->name);
	for (size_t i = 0; i < c->prop_count; i++)
		strbuf_addf(out, "{%s=%s}", c->props[i].key, c->props[i].value);
	strbuf_addf(out, "|%s", c->data);
}

static void test_parse(void **state)
{
	auto_arena struct arena *a = arena_new();

	(void)state;
	for (size_t i = 0; i < COUNT(lines); i++) {
		auto_strbuf struct strbuf got = STRBUF(1000);
		struct command c;
		bool is = command_parse(a, lines[i].line, strlen(lines[i].line), &c);

		if (is != (lines[i].parsed != NULL))
			fail_msg("'%s' is %sa command", lines[i].line, is ? "" : "not ");
		if (is) {
			print_command(&c, &got);
			assert_string_equal(got.text, lines[i].parsed);
		}
	}
}

static void test_prop(void **state)
{
	auto_arena struct arena *a = arena_new();
	const char *line = "::error File=a,LINE=1,file=b::";
	struct command c;

	(void)state;
	assert_true(command_parse(a, line, strlen(line), &c));
	assert_string_equal(command_prop(&c, "file"), "b");
	assert_string_equal(command_prop(&c, "line"), "1");
	assert_null(command_prop(&c, "col"));
}

/* ---- the filter ---- */

struct fed {
	struct arena *arena;
	struct command_filter filter;
	struct command_event event;
};

static const struct command_event *feed_piece(struct fed *f, const char *text, bool continued,
					      bool continues)
{
	struct line line = {text, strlen(text), continues, continued};

	command_filter_line(&f->filter, f->arena, &line, &f->event);
	return &f->event;
}

static const struct command_event *feed(struct fed *f, const char *text)
{
	return feed_piece(f, text, false, false);
}

static void fed_release(struct fed *f)
{
	command_filter_release(&f->filter);
	arena_free(&f->arena);
}

#define auto_fed __attribute__((cleanup(fed_release)))

static const struct {
	const char *line;
	enum command_kind kind;
	const char *log, *mask, *error, *warning; /* without echo */
} meanings[] = {
	{"plain", COMMAND_NONE, "plain", NULL, NULL, NULL},
	{"::nosuch::x", COMMAND_NONE, "::nosuch::x", NULL, NULL, NULL},
	{"::ERROR::x", COMMAND_ERROR, NULL, NULL, NULL, NULL},
	{"::warning::x", COMMAND_WARNING, NULL, NULL, NULL, NULL},
	{"::notice::x", COMMAND_NOTICE, NULL, NULL, NULL, NULL},
	{"::debug::x", COMMAND_DEBUG, NULL, NULL, NULL, NULL},
	{"::group::x", COMMAND_GROUP, NULL, NULL, NULL, NULL},
	{"##[endgroup]", COMMAND_ENDGROUP, NULL, NULL, NULL, NULL},
	{"::add-matcher::m.json", COMMAND_ADD_MATCHER, NULL, NULL, NULL, NULL},
	{"::remove-matcher owner=x::", COMMAND_REMOVE_MATCHER, NULL, NULL, NULL, NULL},
	{"::add-mask::p%0Aq", COMMAND_ADD_MASK, NULL, "p\nq", NULL, NULL},
	{"::add-mask:: ", COMMAND_ADD_MASK, NULL, NULL, NULL, "add-mask: nothing to mask"},
	{"::set-output name=a::b", COMMAND_SET_OUTPUT, NULL, NULL, NULL, NULL},
	{"::set-output::b", COMMAND_REFUSED, NULL, NULL, "set-output: its 'name' is missing", NULL},
	{"::save-state name=a::b", COMMAND_SAVE_STATE, NULL, NULL, NULL, NULL},
	{"::save-state x=a::b", COMMAND_REFUSED, NULL, NULL, "save-state: its 'name' is missing",
	 NULL},
	{"::Set-Env name=a::b", COMMAND_REFUSED, NULL, NULL,
	 "the command set-env is refused: write NAME=VALUE to the file $GITHUB_ENV instead", NULL},
	{"::add-path::/b", COMMAND_REFUSED, NULL, NULL,
	 "the command add-path is refused: write the directory to the file $GITHUB_PATH instead",
	 NULL},
	{"::echo::maybe", COMMAND_REFUSED, NULL, NULL, "echo: expected on or off, found 'maybe'",
	 NULL},
	{"::stop-commands::", COMMAND_REFUSED, NULL, NULL,
	 "stop-commands: the token must not be empty, a command's name or pause-logging", NULL},
	{"::stop-commands::Group", COMMAND_REFUSED, NULL, NULL,
	 "stop-commands: the token must not be empty, a command's name or pause-logging", NULL},
	{"::stop-commands::Pause-Logging", COMMAND_REFUSED, NULL, NULL,
	 "stop-commands: the token must not be empty, a command's name or pause-logging", NULL},
};

static void assert_same(const char *line, const char *got, const char *want)
{
	if ((!got || !want) ? got != want : strcmp(got, want) != 0)
		fail_msg("%s: '%s', not '%s'", line, got ? got : "NULL", want ? want : "NULL");
}

static void test_meanings(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(meanings); i++) {
		auto_fed struct fed f = {.arena = arena_new()};
		const struct command_event *e;

		command_filter_init(&f.filter, false);
		e = feed(&f, meanings[i].line);
		if (e->kind != meanings[i].kind)
			fail_msg("%s: kind %d", meanings[i].line, e->kind);
		assert_same(meanings[i].line, e->log, meanings[i].log);
		assert_same(meanings[i].line, e->mask, meanings[i].mask);
		assert_same(meanings[i].line, e->error, meanings[i].error);
		assert_same(meanings[i].line, e->warning, meanings[i].warning);
	}
}

static void test_stop(void **state)
{
	auto_fed struct fed f = {.arena = arena_new()};

	(void)state;
	command_filter_init(&f.filter, false);
	assert_int_equal(feed(&f, "::stop-commands::tok-123456")->kind, COMMAND_STOP);
	assert_string_equal(f.event.mask, "tok-123456");
	assert_string_equal(f.event.log, "::stop-commands::tok-123456");
	assert_int_equal(feed(&f, "::set-output name=a::b")->kind, COMMAND_NONE);
	assert_string_equal(f.event.log, "::set-output name=a::b");
	assert_int_equal(feed(&f, "::stop-commands::other")->kind, COMMAND_NONE);
	assert_int_equal(feed(&f, "::TOK-123456::")->kind, COMMAND_RESUME);
	assert_int_equal(feed(&f, "::set-output name=a::b")->kind, COMMAND_SET_OUTPUT);
	assert_int_equal(feed(&f, "::tok-123456::")->kind, COMMAND_NONE);
	assert_int_equal(feed(&f, "::stop-commands::short")->kind, COMMAND_STOP);
	assert_null(f.event.mask);
}

static void test_echo(void **state)
{
	auto_fed struct fed f = {.arena = arena_new()};

	(void)state;
	command_filter_init(&f.filter, false);
	assert_int_equal(feed(&f, "::echo::ON ")->kind, COMMAND_ECHO);
	assert_string_equal(feed(&f, "::set-output name=a::b")->log, "::set-output name=a::b");
	assert_string_equal(feed(&f, "::add-mask::secret")->log, "::add-mask::***");
	assert_null(feed(&f, "::error::x")->log);
	(void)feed(&f, "::echo::off");
	assert_null(feed(&f, "::set-output name=a::b")->log);
	command_filter_init(&f.filter, true);
	assert_non_null(feed(&f, "::set-output name=a::b")->log);
}

/* An add-mask that is cut into pieces must not put its value into the log. */
static void test_pieces(void **state)
{
	auto_fed struct fed f = {.arena = arena_new()};

	(void)state;
	command_filter_init(&f.filter, false);
	assert_int_equal(feed_piece(&f, "::add-mask::lon", false, true)->kind, COMMAND_REFUSED);
	assert_string_equal(f.event.error,
			    "add-mask: a command longer than 65536 bytes is refused");
	assert_null(f.event.log);
	assert_null(feed_piece(&f, "g sec", true, true)->log);
	assert_null(feed_piece(&f, "ret", true, false)->log);
	assert_string_equal(feed(&f, "next")->log, "next");

	assert_string_equal(feed_piece(&f, "lon", false, true)->log, "lon");
	assert_string_equal(feed_piece(&f, "::debug::x", true, false)->log, "::debug::x");
}

/* ---- annotations ---- */

static const struct {
	const char *line, *shown; /* level file line-end col-end title message */
} notes[] = {
	{"::error::m", "error - 0-0 0-0 - m"},
	{"::notice file=/w/a/b.c,line=3,endLine=3,col=4,endColumn=5,title=T::m",
	 "notice a/b.c 3-3 4-5 T m"},
	{"::warning file=/wx/b.c,line=3::m", "warning /wx/b.c 3-0 0-0 - m"},
	{"::error endLine=3::m", "error - 3-3 0-0 - m"},
	{"::error line=3,endColumn=2::m", "error - 3-0 2-2 - m"},
	{"::error col=3::m", "error - 0-0 0-0 - m"},
	{"::error line=3,endLine=4,col=1::m", "error - 3-4 0-0 - m"},
	{"::error line=4,endLine=3::m", "error - 0-0 0-0 - m"},
	{"::error line=4,col=3,endColumn=2::m", "error - 4-0 0-0 - m"},
	{"::error line=x,col=99999999999::m", "error - 0-0 0-0 - m"},
};

static void test_annotations(void **state)
{
	auto_fed struct fed f = {.arena = arena_new()};
	struct annotation n;

	(void)state;
	for (size_t i = 0; i < COUNT(notes); i++) {
		auto_strbuf struct strbuf got = STRBUF(1000);

		assert_true(command_annotation(feed(&f, notes[i].line), "/w", &n));
		strbuf_addf(&got, "%s %s %u-%u %u-%u %s %s", n.level, n.file ? n.file : "-", n.line,
			    n.end_line, n.col, n.end_col, n.title ? n.title : "-", n.message);
		assert_string_equal(got.text, notes[i].shown);
	}
	assert_false(command_annotation(feed(&f, "::debug::x"), "/w", &n));
	assert_false(command_annotation(feed(&f, "plain"), NULL, &n));
	assert_false(command_annotation(feed(&f, "::set-env::"), NULL, &n));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),       cmocka_unit_test(test_prop),
		cmocka_unit_test(test_meanings),    cmocka_unit_test(test_stop),
		cmocka_unit_test(test_echo),        cmocka_unit_test(test_pieces),
		cmocka_unit_test(test_annotations),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
