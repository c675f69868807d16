/* Maps of every size find the same; the work of a large one does not depend on who chose its keys. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/node_index.h"
#include "stepcell/json.h"
#include "stepcell/limits.h"
#include "stepcell/util.h"

/* ---- what is found ---- */

static const struct node *look(const struct node *map, const char *key,
			       int (*compare)(const char *, const char *))
{
	for (size_t i = 0; i < map->count; i++)
		if (compare(map->pairs[i].key->text, key) == 0)
			return map->pairs[i].value;
	return NULL;
}

/* Few letters, so that many keys come twice, or again in another case. */
static const char *some_key(struct arena *a, unsigned n)
{
	static const char letters[] = "abAB";
	char key[8] = "";

	for (size_t i = 0; i < 5; i++, n /= 4)
		key[i] = letters[n % 4];
	return arena_strdup(a, key);
}

static void test_same_as_looking(void **state)
{
	static const unsigned sizes[] = {0, 1, INDEX_FROM - 1, INDEX_FROM, INDEX_FROM + 1, 600};

	(void)state;
	for (size_t s = 0; s < COUNT(sizes); s++) {
		auto_arena struct arena *a = arena_new();
		struct node *map = node_map(a);

		for (unsigned i = 0; i < sizes[s]; i++) {
			const char *key = some_key(a, i * 7919);
			const struct node *value = node_number(a, i),
					  *there = look(map, key, strcmp);
			size_t before = map->count;

			node_set(a, map, key, value);
			assert_int_equal(map->count, before + !there);
			assert_ptr_equal(node_get(map, key), value);
		}
		assert_int_equal(map->index != NULL, map->count >= INDEX_FROM);
		for (unsigned i = 0; i < 1024; i++) {
			const char *key = some_key(a, i);

			assert_ptr_equal(node_get(map, key), look(map, key, strcmp));
			assert_ptr_equal(node_get_nocase(map, key), look(map, key, strcasecmp));
		}
		assert_null(node_get(map, ""));
		assert_null(node_get_nocase(map, "c"));
	}
}

static void test_order_is_kept(void **state)
{
	auto_arena struct arena *a = arena_new();
	struct node *map = node_map(a);

	(void)state;
	for (int i = 0; i < 1000; i++)
		node_set_text(a, map, arena_printf(a, "k%d", (i * 37) % 1000), "x");
	node_set_text(a, map, "k37", "again");
	assert_int_equal(map->count, 1000);
	for (int i = 0; i < 1000; i++)
		assert_string_equal(map->pairs[i].key->text,
				    arena_printf(a, "k%d", (i * 37) % 1000));
	assert_string_equal(node_text(map->pairs[1].value), "again");
}

/* ---- what it costs ---- */

static const char *counted(struct arena *a, unsigned n)
{
	return arena_printf(a, "k%u", n);
}

static const char *long_and_alike(struct arena *a, unsigned n)
{
	return arena_printf(a, "%0100u", n);
}

/* Alike but for case: 2^17 of them. */
static const char *in_any_case(struct arena *a, unsigned n)
{
	char *key = arena_strdup(a, "aaaaaaaaaaaaaaaaa");

	for (size_t i = 0; key[i]; i++)
		key[i] = n >> i & 1 ? 'A' : 'a';
	return key;
}

/* h * 33 + c gives the same for each of these, whatever h was before. */
static const char *same_for_a_known_hash(struct arena *a, unsigned n)
{
	char key[35] = "";

	for (size_t i = 0; i < 17; i++)
		memcpy(key + 2 * i, n >> i & 1 ? "Ez" : "FY", 2);
	return arena_strdup(a, key);
}

static const struct {
	const char *what;
	const char *(*key)(struct arena *a, unsigned n);
} hostile[] = {
	{"counted", counted},
	{"long and alike", long_and_alike},
	{"in any case", in_any_case},
	{"same for a known hash", same_for_a_known_hash},
};

/* A look begins somewhere in a row of used slots: at most its length squared for all that are in it. */
static size_t work_of(const struct index_table *t)
{
	size_t work = 0, row = 0;

	for (size_t i = 0; i < t->size; i++) {
		row = t->slots[i] ? row + 1 : 0;
		work += row;
	}
	return work;
}

static void test_work_is_linear(void **state)
{
	(void)state;
	for (size_t h = 0; h < COUNT(hostile); h++) {
		for (unsigned count = 1000; count <= 128000; count *= 2) {
			auto_arena struct arena *a = arena_new();
			struct node *map = node_map(a);
			size_t work;

			for (unsigned i = 0; i < count; i++)
				node_set(a, map, hostile[h].key(a, i), node_null());
			assert_int_equal(map->count, count);
			work = work_of(&map->index->exact) + work_of(&map->index->nocase);
			if (work > (size_t)20 * count)
				fail_msg("%s: %zu looks for %u keys", hostile[h].what, work, count);
			assert_true(map->index->exact.size <= 4 * count);
			assert_true(map->index->nocase.size <= 4 * count);
		}
	}
}

/* A value of a JSON text knows its place without a text of its own: the key may be as long as the rest. */
static void test_json_places_are_small(void **state)
{
	auto_arena struct arena *a = arena_new();
	auto_strbuf struct strbuf text = STRBUF(MIB), pointer = STRBUF(MIB);
	struct err err = {0};
	const struct node *n, *list;

	(void)state;
	strbuf_adds(&text, "{\"");
	for (int i = 0; i < 400000; i++)
		strbuf_addc(&text, 'k');
	strbuf_adds(&text, "\": [1");
	for (int i = 1; i < 100000; i++)
		strbuf_adds(&text, ", 1");
	strbuf_adds(&text, "]}");
	n = json_parse(a, "f", text.text, text.len, &err);
	assert_non_null(n);
	list = n->pairs[0].value;
	assert_int_equal(list->count, 100000);
	assert_true(arena_used(a) < 20 * MIB);
	node_write_pointer(&pointer, &list->items[99999]->at);
	assert_int_equal(pointer.len, 1 + 400000 + strlen("/99999"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_same_as_looking),
		cmocka_unit_test(test_order_is_kept),
		cmocka_unit_test(test_work_is_linear),
		cmocka_unit_test(test_json_places_are_small),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
