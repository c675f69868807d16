/* YAML, JSON, numbers and decoding: rows of text and what comes of them. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "stepcell/decode.h"
#include "stepcell/json.h"
#include "stepcell/limits.h"
#include "stepcell/parse.h"
#include "stepcell/util.h"
#include "stepcell/yaml.h"

/* YAML in; JSON out, or the first error as "LINE:COL: TEXT". */
static const struct {
	const char *yaml, *json, *error;
} yaml_rows[] = {
	{"a: 1", "{\"a\":1}", NULL},
	{"", "null", NULL},
	{"[on, yes, true, False, ~, null]", "[\"on\",\"yes\",true,false,null,null]", NULL},
	{"[0x1F, 0o17, -3, +4, 3.10, 1e3, .5, 5., '7']", "[31,15,-3,4,3.1,1000,0.5,5,\"7\"]", NULL},
	{"[1_000, 0b1, 12:30, ., '', 1e, .inf]",
	 "[\"1_000\",\"0b1\",\"12:30\",\".\",\"\",\"1e\",null]", NULL},
	{"a: &x [1, 2]\nb: *x", "{\"a\":[1,2],\"b\":[1,2]}", NULL},
	{"a: !!str 12", "{\"a\":\"12\"}", NULL},
	{"a: |\n  x\n  y\n", "{\"a\":\"x\\ny\\n\"}", NULL},
	{"a: !!int x", NULL, "1:4: unexpected tag 'tag:yaml.org,2002:int' on 'x'"},
	{"a: !mine x", NULL, "1:4: unexpected tag '!mine' on 'x'"},
	{"a: 1\nb: 2\na: 3", NULL, "3:1: 'a' is already defined"},
	{"a: *x", NULL, "1:4: no anchor 'x' before this alias"},
	{"a: &x [*x]", NULL, "1:8: the anchor 'x' contains itself"},
	{"? [a]\n: b", NULL, "1:3: a key must be a plain value, not a list or a map"},
	{"a: 1\n---\nb: 2", NULL, "2:1: a second document; one file holds one"},
	{"a: [1, 2", NULL, "invalid YAML: did not find expected ',' or ']'"},
	{"a: \xff", NULL, "invalid text: "},
	{"a: \"\\0\"", NULL, "1:4: a NUL character in a value"},
};

static void test_yaml(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(yaml_rows); i++) {
		auto_arena struct arena *a = arena_new();
		auto_strbuf struct strbuf json = STRBUF(MIB);
		struct diags d = {.arena = a};
		struct err err = {0};
		const char *yaml = yaml_rows[i].yaml;
		const struct node *n = yaml_parse(a, "f", yaml, strlen(yaml), &d);

		if (yaml_rows[i].json) {
			assert_non_null(n);
			json_write(&json, n);
			assert_string_equal(json.text, yaml_rows[i].json);
			continue;
		}
		assert_null(n);
		(void)diags_fail(&d, &err);
		if (!strstr(err.text, yaml_rows[i].error))
			fail_msg("'%s' gave '%s', not '%s'", yaml, err.text, yaml_rows[i].error);
	}
}

/* Nine levels of nine aliases: 9^9 values from 500 bytes. */
static void test_yaml_alias_bomb(void **state)
{
	auto_arena struct arena *a = arena_new();
	auto_strbuf struct strbuf text = STRBUF(MIB);
	struct diags d = {.arena = a};

	(void)state;
	strbuf_adds(&text, "a0: &a0 [x, x, x, x, x, x, x, x, x]\n");
	for (int i = 1; i <= 9; i++) {
		strbuf_addf(&text, "a%d: &a%d [", i, i);
		for (int j = 0; j < 9; j++)
			strbuf_addf(&text, "%s*a%d", j ? ", " : "", i - 1);
		strbuf_adds(&text, "]\n");
	}
	assert_null(yaml_parse(a, "f", text.text, text.len, &d));
	assert_non_null(strstr(d.list[0].text, "aliases"));
	assert_true(arena_used(a) < MIB);
}

static void test_yaml_depth(void **state)
{
	(void)state;
	for (int depth = LIMIT_YAML_DEPTH; depth <= LIMIT_YAML_DEPTH + 1; depth++) {
		auto_arena struct arena *a = arena_new();
		auto_strbuf struct strbuf text = STRBUF(MIB);
		struct diags d = {.arena = a};

		for (int i = 0; i < depth; i++)
			strbuf_addc(&text, '[');
		for (int i = 0; i < depth; i++)
			strbuf_addc(&text, ']');
		assert_int_equal(yaml_parse(a, "f", text.text, text.len, &d) != NULL,
				 depth == LIMIT_YAML_DEPTH);
	}
}

static void test_yaml_many_keys(void **state)
{
	auto_arena struct arena *a = arena_new();
	auto_strbuf struct strbuf text = STRBUF(4 * MIB);
	struct diags d = {.arena = a};

	(void)state;
	for (int i = 0; i < 100000; i++)
		strbuf_addf(&text, "k%d:\n", i);
	strbuf_adds(&text, "k77:\n");
	assert_null(yaml_parse(a, "f", text.text, text.len, &d));
	assert_int_equal(d.errors, 1);
	assert_int_equal(d.list[0].at.line, 100001);
}

static const struct {
	const char *in, *out;
} json_rows[] = {
	{"{\"b\": [1, 2.5, true, null], \"a\": \"x\\n\\u00e9\"}",
	 "{\"b\":[1,2.5,true,null],\"a\":\"x\\n\xc3\xa9\"}"},
	{"\"only\"", "\"only\""},
	{"1e21", "1e+21"},
	{"123456789012345680000", "123456789012345680000"},
	{"0.000001", "0.000001"},
	{"1e-7", "1e-7"},
	{"-0.1", "-0.1"},
	{"4.35", "4.35"},
	{"5e-324", "5e-324"},
	{"{}", "{}"},
	{"{", NULL},
	{"[1,]", NULL},
	{"\"a\\u0000b\"", NULL},
};

static void test_json(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(json_rows); i++) {
		auto_arena struct arena *a = arena_new();
		auto_strbuf struct strbuf out = STRBUF(MIB);
		struct err err = {0};
		const struct node *n =
			json_parse(a, "f", json_rows[i].in, strlen(json_rows[i].in), &err);

		assert_int_equal(n != NULL, json_rows[i].out != NULL);
		if (!n) {
			assert_int_equal(err.kind, ERR_USAGE);
			continue;
		}
		json_write(&out, n);
		assert_string_equal(out.text, json_rows[i].out);
	}
}

static void test_json_pointer(void **state)
{
	auto_arena struct arena *a = arena_new();
	auto_strbuf struct strbuf pointer = STRBUF(MIB);
	static const char text[] = "{\"a/b\": [0, {\"c~\": 1}]}";
	struct err err = {0};
	const struct node *n = json_parse(a, "f", text, sizeof(text) - 1, &err);

	(void)state;
	node_write_pointer(&pointer, &n->at);
	assert_int_equal(pointer.len, 0);
	n = node_get(node_get(n, "a/b")->items[1], "c~");
	node_write_pointer(&pointer, &n->at);
	assert_string_equal(pointer.text, "/a~1b/1/c~0");
}

struct sample {
	const char *name;
	uint64_t size, wait;
	bool on;
	int colour;
	struct texts list;
};
static const char *const colours[] = {"red", "green", NULL};
static const struct field sample_fields[] = {
	{"name", decode_text, offsetof(struct sample, name), FIELD_REQUIRED, NULL},
	{"size", decode_size, offsetof(struct sample, size), 0, NULL},
	{"wait", decode_duration, offsetof(struct sample, wait), FIELD_NULL_OK, NULL},
	{"on", decode_flag, offsetof(struct sample, on), 0, NULL},
	{"colour", decode_enum, offsetof(struct sample, colour), 0, colours},
	{"list", decode_texts, offsetof(struct sample, list), 0, NULL},
};

static const struct {
	const char *text, *error;
} decode_rows[] = {
	{"name: 3.10\nsize: 2GiB\nwait: ~\non: true\ncolour: green\nlist: [a, b]", NULL},
	{"size: 1", "f:1:1: missing 'name' in a sample"},
	{"name: x\nnam: y", "f:2:1: unknown key 'nam' in a sample; expected one of name, size"},
	{"name: [x]", "f:1:7: expected a string, found a list"},
	{"name: x\nsize: 2GB", "f:2:7: expected a size such as 512MiB or 2GiB, found '2GB'"},
	{"name: x\nwait: -1s", "f:2:7: expected a time such as"},
	{"name: x\non: yes", "f:2:5: expected true or false, found a string"},
	{"name: x\ncolour: blue", "f:2:9: expected red or green, found 'blue'"},
	{"name: x\nlist: [a, {}]", "f:2:11: expected a string, or a list of strings, found a map"},
	{"- x", "f:1:1: expected a map, found a list"},
};

static void test_decode(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(decode_rows); i++) {
		auto_arena struct arena *a = arena_new();
		struct diags d = {.arena = a};
		struct decode decode = {.arena = a, .diags = &d};
		struct sample s = {0};
		struct err err = {0};
		const struct node *n =
			yaml_parse(a, "f", decode_rows[i].text, strlen(decode_rows[i].text), &d);
		bool ok =
			decode_map(&decode, sample_fields, COUNT(sample_fields), "a sample", n, &s);

		assert_int_equal(ok, decode_rows[i].error == NULL);
		if (!ok) {
			(void)diags_fail(&d, &err);
			assert_ptr_equal(strstr(err.text, decode_rows[i].error), err.text);
			continue;
		}
		assert_string_equal(s.name, "3.10");
		assert_int_equal(s.size, 2 * GIB);
		assert_true(s.on);
		assert_int_equal(s.colour, 1);
		assert_int_equal(s.list.count, 2);
	}
}

static void test_numbers(void **state)
{
	uint64_t n;

	(void)state;
	assert_int_equal(parse_u64("18446744073709551615", 0, UINT64_MAX, &n), 0);
	assert_int_equal(parse_u64("18446744073709551616", 0, UINT64_MAX, &n), -1);
	assert_int_equal(parse_u64("", 0, 9, &n), -1);
	assert_int_equal(parse_u64("+1", 0, 9, &n), -1);
	assert_int_equal(parse_u64(" 1", 0, 9, &n), -1);
	assert_int_equal(parse_u64("10", 0, 9, &n), -1);
	assert_int_equal(parse_size("16777216TiB", &n), -1);
	assert_int_equal(parse_duration("250ms", &n), 0);
	assert_int_equal(n, 250);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_yaml),       cmocka_unit_test(test_yaml_alias_bomb),
		cmocka_unit_test(test_yaml_depth), cmocka_unit_test(test_yaml_many_keys),
		cmocka_unit_test(test_json),       cmocka_unit_test(test_json_pointer),
		cmocka_unit_test(test_decode),     cmocka_unit_test(test_numbers),
	};

	return cmocka_run_group_tests_name("base_text", tests, NULL, NULL);
}
