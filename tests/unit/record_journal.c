/* The journal: what is written reads back, whole events or none, from hostile files too. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "record/lines.h"
#include "stepcell/fd.h"
#include "stepcell/json.h"
#include "stepcell/limits.h"
#include "stepcell/path.h"
#include "stepcell/record.h"
#include "stepcell/util.h"

static int setup(void **state)
{
	static char home[64];

	(void)snprintf(home, sizeof(home), "/tmp/stepcell-unit-XXXXXX");
	*state = mkdtemp(home);
	return *state ? 0 : -1;
}

static int teardown(void **state)
{
	struct err err;

	return remove_tree(AT_FDCWD, *state, &err);
}

static struct journal *start(const char *home)
{
	struct journal *j = NULL;
	struct err err = {0};

	if (journal_create(home, &j, &err) < 0)
		fail_msg("%s", err.text);
	return j;
}

static void say(struct journal *j, const char *type, const char *text)
{
	struct err err = {0};

	journal_begin(j, type);
	journal_text(j, "text", text);
	if (journal_end(j, &err) < 0)
		fail_msg("%s", err.text);
}

/* A view: "type=text;" one after another. */
static void collect(void *arg, const struct node *event)
{
	struct strbuf *out = arg;
	const char *text = node_text(node_get(event, "text"));

	strbuf_addf(out, "%s=%s;", node_text(node_get(event, "type")), text ? text : "");
}

static void test_round_trip(void **state)
{
	struct journal *j = start(*state);
	auto_strbuf struct strbuf seen = STRBUF(4096);
	auto_strbuf struct strbuf read = STRBUF(4096);
	struct err err = {0};
	char path[PATH_MAX];
	struct stat st;

	journal_watch(j, collect, &seen);
	say(j, "log", "a \"quoted\" line\twith \x1b[31mcolour");
	say(j, "log", "bytes \xff\xc3 that are no text, \xc3\xa9 that is");
	say(j, "log", NULL);
	assert_string_equal(
		seen.text,
		"log=a \"quoted\" line\twith \x1b[31mcolour;"
		"log=bytes \xef\xbf\xbd\xef\xbf\xbd that are no text, \xc3\xa9 that is;log=;");
	assert_int_equal(journal_read(journal_dir(j), collect, &read, &err), 0);
	assert_string_equal(read.text, seen.text);

	assert_int_equal(stat(journal_dir(j), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	for (size_t i = 0; i < 3; i++) {
		static const char *const folders[] = {"logs", "artifacts", "layers"};

		(void)snprintf(path, sizeof(path), "%s/%s", journal_dir(j), folders[i]);
		assert_int_equal(stat(path, &st), 0);
		assert_int_equal(st.st_mode & 07777, 0700);
	}
	journal_close(&j);
	assert_null(j);
}

static void test_all_kinds(void **state)
{
	struct journal *j = start(*state);
	auto_arena struct arena *a = arena_new();
	struct node *list = node_list(a);
	auto_strbuf struct strbuf text = STRBUF(4096);
	struct err err = {0};
	char path[PATH_MAX];

	node_add(a, list, node_string(a, "x\xff"));
	journal_begin(j, "mixed");
	journal_number(j, "seconds", 1.5);
	journal_flag(j, "ok", true);
	journal_node(j, "list", list);
	journal_text(j, "none", NULL);
	assert_int_equal(journal_end(j, &err), 0);
	(void)snprintf(path, sizeof(path), "%s/journal.ndjson", journal_dir(j));
	assert_int_equal(file_read(AT_FDCWD, path, &text, &err), 0);
	assert_memory_equal(text.text, "{\"type\":\"mixed\",\"at\":1", 22);
	assert_non_null(
		strstr(text.text, ",\"seconds\":1.5,\"ok\":true,\"list\":[\"x\xef\xbf\xbd\"]}\n"));
	journal_close(&j);
}

/* Names sort by time, whoever comes how fast. */
static void test_ids(void **state)
{
	struct journal *j[50];

	for (size_t i = 0; i < COUNT(j); i++) {
		j[i] = start(*state);
		assert_int_equal(strlen(journal_id(j[i])), 20);
		if (i)
			assert_true(strcmp(journal_id(j[i - 1]), journal_id(j[i])) < 0);
	}
	for (size_t i = 0; i < COUNT(j); i++)
		journal_close(&j[i]);
}

/* A full disk is an error, and leaves no half event. RLIMIT_FSIZE stands in for the disk. */
static void test_full_disk(void **state)
{
	struct journal *j = start(*state);
	auto_strbuf struct strbuf read = STRBUF(4096);
	struct rlimit old, small;
	struct err err = {0};

	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	small = old;
	small.rlim_cur = 200;
	(void)signal(SIGXFSZ, SIG_IGN);
	say(j, "log", "fits");
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	journal_begin(j, "log");
	journal_text(j, "text",
		     "a line that is so long that the disk is full before its end, "
		     "a line that is so long that the disk is full before its end, "
		     "a line that is so long that the disk is full before its end");
	assert_int_equal(journal_end(j, &err), -1);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	assert_int_equal(err.kind, ERR_SYSTEM);
	say(j, "log", "room again");
	assert_int_equal(journal_read(journal_dir(j), collect, &read, &err), 0);
	assert_string_equal(read.text, "log=fits;log=room again;");
	journal_close(&j);
}

static const struct {
	const char *what, *text, *seen;
} torn[] = {
	{"nothing", "", ""},
	{"a torn last line", "{\"type\":\"a\"}\n{\"type\":\"b", "a=;"},
	{"half a number", "{\"type\":\"a\"}\n{", "a=;"},
	{"an empty line", "{\"type\":\"a\"}\n\n{\"type\":\"b\"}\n", "a=;b=;"},
	{"no JSON", "x\n{\"type\":\"b\"}\n", "warning=line 1 of the journal is no event;b=;"},
	{"no map", "[1]\n", "warning=line 1 of the journal is no event;"},
	{"no type", "{\"t\":1}\n", "warning=line 1 of the journal is no event;"},
	{"a type that is no text", "{\"type\":[]}\n", "warning=line 1 of the journal is no event;"},
	{"bytes", "\xff\xfe\n{\"type\":\"b\"}\n", "warning=line 1 of the journal is no event;b=;"},
};

static void test_torn(void **state)
{
	char path[PATH_MAX];

	(void)snprintf(path, sizeof(path), "%s/journal.ndjson", (char *)*state);
	for (size_t i = 0; i < COUNT(torn); i++) {
		auto_strbuf struct strbuf read = STRBUF(4096);
		struct err err = {0};

		assert_int_equal(
			file_write(AT_FDCWD, path, torn[i].text, strlen(torn[i].text), 0600, &err),
			0);
		assert_int_equal(journal_read(*state, collect, &read, &err), 0);
		if (strcmp(read.text, torn[i].seen) != 0)
			fail_msg("%s: %s", torn[i].what, read.text);
	}
}

/* Lines arrive in any pieces; one that is too long is named, and the next is read. */
static void test_pieces(void **state)
{
	static const char text[] = "{\"type\":\"a\"}\n{\"type\":\"b\"}\n";
	static char filler[64 * 1024];
	auto_strbuf struct strbuf seen = STRBUF(4096);
	struct line_reader r;

	(void)state;
	line_reader_init(&r, "journal", collect, &seen);
	for (size_t i = 0; text[i]; i++)
		line_reader_feed(&r, &text[i], 1);
	memset(filler, 'x', sizeof(filler));
	for (size_t i = 0; i <= LIMIT_JOURNAL_LINE / sizeof(filler); i++)
		line_reader_feed(&r, filler, sizeof(filler));
	line_reader_feed(&r, "\n", 1);
	line_reader_feed(&r, text, strlen(text));
	line_reader_release(&r);
	assert_string_equal(seen.text, "a=;b=;warning=line 3 of the journal is too long;a=;b=;");
}

static void see_cut(void *arg, const struct node *event)
{
	struct strbuf *seen = arg;

	strbuf_addf(
		seen, "%s %zu %s %s;", node_text(node_get(event, "type")),
		node_text(node_get(event, "text")) ? strlen(node_text(node_get(event, "text"))) : 0,
		node_get(event, "list") ? "list" : "-", node_get(event, "cut") ? "cut" : "whole");
}

/* A control character takes six bytes: two megabytes of them are longer than a line. */
static void test_too_long(void **state)
{
	static char text[2 * 1024 * 1024];
	auto_strbuf struct strbuf seen = STRBUF(4096);
	auto_arena struct arena *a = arena_new();
	struct node *list = node_list(a);
	struct journal *j = start(*state);
	struct err err = {0};

	memset(text, 1, sizeof(text) - 1);
	node_add(a, list, node_string(a, "x"));
	for (int round = 0; round < 2; round++) {
		text[round ? 1000 : sizeof(text) - 1] = '\0';
		journal_begin(j, "said");
		journal_text(j, "text", text);
		journal_node(j, "list", list);
		assert_int_equal(journal_end(j, &err), 0);
	}
	assert_int_equal(journal_read(journal_dir(j), see_cut, &seen, &err), 0);
	assert_string_equal(seen.text, "said 4096 - cut;said 1000 list whole;");
	journal_close(&j);
}

static void test_no_journal(void **state)
{
	struct err err = {0};
	char path[PATH_MAX];

	assert_int_equal(journal_read(*state, collect, NULL, &err), -1);
	(void)snprintf(path, sizeof(path), "%s/journal.ndjson", (char *)*state);
	assert_int_equal(symlink("/etc/passwd", path), 0);
	assert_int_equal(journal_read(*state, collect, NULL, &err), -1);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(journal_read(*state, collect, NULL, &err), -1);
	assert_non_null(strstr(err.text, "is not a file"));
}

#define ROW(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
int main(void)
{
	const struct CMUnitTest tests[] = {
		ROW(test_round_trip), ROW(test_all_kinds), ROW(test_ids),      ROW(test_full_disk),
		ROW(test_torn),       ROW(test_pieces),    ROW(test_too_long), ROW(test_no_journal),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
