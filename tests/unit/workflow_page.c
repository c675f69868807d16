/*
 * docs/WORKFLOWS.md has a row for every key of the grammar, and no row for
 * what is no key: | `jobs.<id>.steps[*].run` | supported | ... |
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "stepcell/arena.h"
#include "stepcell/fd.h"
#include "stepcell/limits.h"
#include "stepcell/util.h"
#include "workflow/grammar.h"

#define PAGE  "docs/WORKFLOWS.md"
#define DEPTH 12

struct names {
	struct arena *arena;
	const char **list;
	size_t count;
};

static bool has(const struct names *n, const char *name)
{
	for (size_t i = 0; i < n->count; i++)
		if (strcmp(n->list[i], name) == 0)
			return true;
	return false;
}

static void add(struct names *n, const char *name)
{
	if (has(n, name))
		return;
	n->list = arena_grow(n->arena, n->list, n->count, sizeof(*n->list));
	n->list[n->count++] = name;
}

/* ---- the keys of the grammar ---- */

/* Types that a path leads through: a step of a parallel step is a step. */
struct way {
	const struct type *types[DEPTH];
	size_t depth;
};

static void walk(struct names *n, const struct type *t, const char *path, struct way way);

/* What the free keys of a map are, by what the map is called. */
static const char *free_key(const struct type *t)
{
	return strcmp(t->what, "jobs") == 0 ? "<id>" : "<name>";
}

static void walk_map(struct names *n, const struct type *t, const char *path, struct way way)
{
	const char *dot = *path ? "." : "";

	for (const struct key *k = t->keys; k && k->name; k++) {
		const char *name = arena_printf(n->arena, "%s%s%s", path, dot, k->name);

		add(n, name);
		walk(n, k->type, name, way);
	}
	if (t->other)
		walk(n, t->other, arena_printf(n->arena, "%s%s%s", path, dot, free_key(t)), way);
}

static void walk(struct names *n, const struct type *t, const char *path, struct way way)
{
	for (size_t i = 0; i < way.depth; i++)
		if (way.types[i] == t)
			return;
	assert_in_range(way.depth, 0, DEPTH - 1);
	way.types[way.depth++] = t;
	if (t->kind == TYPE_MAP && t->keys == permission_keys) {
		add(n, arena_printf(n->arena, "%s.<scope>", path));
	} else if (t->kind == TYPE_MAP) {
		walk_map(n, t, path, way);
	} else if (t->kind == TYPE_LIST) {
		walk(n, t->other, arena_printf(n->arena, "%s[*]", path), way);
	} else if (t->kind == TYPE_CHOICE) {
		for (size_t i = 0; t->choices[i]; i++)
			walk(n, t->choices[i], path, way);
	}
}

static void walk_events(struct names *n)
{
	for (size_t i = 0; events[i].name; i++)
		add(n, arena_printf(n->arena, "on.%s", events[i].name));
	for (size_t i = 0; filter_keys[i].key; i++) {
		enum filter filter = filter_keys[i].filter;
		const char *event = filter == FILTER_DISPATCH   ? "workflow_dispatch"
				    : filter == FILTER_CALL     ? "workflow_call"
				    : filter == FILTER_VERSIONS ? "image_version"
								: "<event>";
		const char *name = arena_printf(n->arena, "on.%s.%s", event, filter_keys[i].key);

		add(n, name);
		walk(n, filter_keys[i].type, name, (struct way){0});
	}
	walk(n, &type_schedules, "on.schedule", (struct way){0});
}

/* ---- the rows of the page ---- */

/* `text` from behind the "| `" of a row; what is wrong with it is said. */
static void read_row(struct names *n, const char *text, bool *wrong)
{
	static const char *const words[] = {"supported", "differs", "refused"};
	const char *end = strchr(text, '`');
	const char *name = arena_strndup(n->arena, text, (size_t)(end - text));
	size_t word = strncmp(end, "` | ", 4) == 0 ? strcspn(end + 4, " ") : 0;

	for (size_t i = 0; i < COUNT(words) && word; i++)
		if (strncmp(end + 4, words[i], word) == 0 && strlen(words[i]) == word)
			word = 0;
	if (word || strncmp(end, "` | ", 4) != 0) {
		print_error("%s: %s: expected supported, differs or refused\n", PAGE, name);
		*wrong = true;
	}
	if (has(n, name)) {
		print_error("%s: two rows for %s\n", PAGE, name);
		*wrong = true;
	}
	add(n, name);
}

/* Rows between the marks: other tables of the page are not of keys. */
static bool read_page(struct names *n)
{
	auto_strbuf struct strbuf text = STRBUF(MIB);
	struct err err = {0};
	bool wrong = false, keys = false;
	char *rest, *line;

	assert_int_equal(file_read(-100, PAGE, &text, &err), 0);
	rest = text.text;
	while ((line = strsep(&rest, "\n"))) {
		keys = strncmp(line, "<!-- keys", 9) == 0 ||
		       (keys && strncmp(line, "<!-- end", 8) != 0);
		if (keys && strncmp(line, "| `", 3) == 0)
			read_row(n, line + 3, &wrong);
	}
	return !wrong;
}

static void a_row_for_each_key_and_a_key_for_each_row(void **state)
{
	auto_arena struct arena *a = arena_new();
	struct names keys = {.arena = a}, rows = {.arena = a};
	bool right;

	(void)state;
	walk(&keys, &type_workflow, "", (struct way){0});
	walk_events(&keys);
	walk(&keys, &type_action, "action", (struct way){0});
	assert_true(keys.count > 150);
	right = read_page(&rows);
	for (size_t i = 0; i < keys.count; i++)
		if (!has(&rows, keys.list[i])) {
			print_error("%s has no row for %s\n", PAGE, keys.list[i]);
			right = false;
		}
	for (size_t i = 0; i < rows.count; i++)
		if (!has(&keys, rows.list[i])) {
			print_error("%s: %s is no key of the grammar\n", PAGE, rows.list[i]);
			right = false;
		}
	assert_true(right);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_row_for_each_key_and_a_key_for_each_row),
	};

	return cmocka_run_group_tests_name("workflow_page", tests, NULL, NULL);
}
