#include "stepcell/toml.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "stepcell/strbuf.h"

#define NESTING_MAX 32

struct toml {
	struct arena *arena;
	const char *at, *end;
	unsigned line;
	const char *keys[TOML_KEYS_MAX];
	size_t count;
	toml_fn *fn;
	void *arg;
};

static int wrong(const struct toml *t, const char *what, struct err *err)
{
	return err_fail(err, ERR_USAGE, "line %u: %s", t->line, what);
}

/* ---- bytes ---- */

static char peek(const struct toml *t)
{
	return t->at < t->end ? *t->at : '\0';
}

static bool starts(const struct toml *t, const char *word)
{
	size_t len = strlen(word);

	return (size_t)(t->end - t->at) >= len && memcmp(t->at, word, len) == 0;
}

static void step(struct toml *t)
{
	t->line += *t->at++ == '\n';
}

static void skip_blanks(struct toml *t)
{
	while (peek(t) == ' ' || peek(t) == '\t')
		t->at++;
}

/* Blanks, line ends and comments. */
static void skip_space(struct toml *t)
{
	while (t->at < t->end) {
		if (peek(t) == '#')
			while (t->at < t->end && *t->at != '\n')
				t->at++;
		else if (strchr(" \t\r\n", *t->at) && *t->at)
			step(t);
		else
			return;
	}
}

/* ---- strings ---- */

static void add_character(struct strbuf *out, uint32_t code)
{
	unsigned more = code < 0x80 ? 0 : code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
	static const unsigned char lead[] = {0, 0xc0, 0xe0, 0xf0};

	strbuf_addc(out, (char)(lead[more] | code >> (6 * more)));
	while (more--)
		strbuf_addc(out, (char)(0x80 | (code >> (6 * more) & 0x3f)));
}

static int take_code(struct toml *t, int digits, struct strbuf *out, struct err *err)
{
	uint32_t code = 0;

	for (; digits; digits--, t->at++) {
		const char *hex = "0123456789abcdefABCDEF";
		const char *d = peek(t) ? strchr(hex, peek(t)) : NULL;

		if (!d)
			return wrong(t, "\\u wants hexadecimal digits", err);
		code = code << 4 | (uint32_t)(d - hex < 16 ? d - hex : d - hex - 6);
	}
	if (!code || code > 0x10ffff || (code >= 0xd800 && code < 0xe000))
		return wrong(t, "\\u names no character", err);
	add_character(out, code);
	return 0;
}

/* Behind a backslash. */
static int take_escape(struct toml *t, bool lines, struct strbuf *out, struct err *err)
{
	static const char from[] = "btnfre\"\\", to[] = "\b\t\n\f\r\033\"\\";
	char c = peek(t);
	const char *known = c ? strchr(from, c) : NULL;

	if (known) {
		t->at++;
		strbuf_addc(out, to[known - from]);
		return 0;
	}
	if (c == 'u' || c == 'U') {
		t->at++;
		return take_code(t, c == 'u' ? 4 : 8, out, err);
	}
	if (!lines || !c || !strchr(" \t\r\n", c))
		return wrong(t, "unknown escape in a string", err);
	while (t->at < t->end && strchr(" \t\r\n", *t->at) && *t->at)
		step(t);
	return 0;
}

/* A string of any of the four kinds. */
static int take_string(struct toml *t, const char **out, struct err *err)
{
	auto_strbuf struct strbuf text = STRBUF((size_t)(t->end - t->at) + 1);
	bool raw = *t->at == '\'', lines = starts(t, raw ? "'''" : "\"\"\"");
	const char *quote = raw ? lines ? "'''" : "'" : lines ? "\"\"\"" : "\"";

	t->at += strlen(quote);
	if (lines && starts(t, "\r\n"))
		t->at++;
	if (lines && peek(t) == '\n')
		step(t);
	while (!starts(t, quote)) {
		if (t->at == t->end || (!lines && *t->at == '\n') || !*t->at)
			return wrong(t, "a string does not end", err);
		if (*t->at == '\\' && !raw) {
			t->at++;
			if (take_escape(t, lines, &text, err) < 0)
				return -1;
			continue;
		}
		strbuf_addc(&text, *t->at);
		step(t);
	}
	t->at += strlen(quote);
	while (lines && peek(t) == *quote) { /* up to two quotes may stand before the end */
		strbuf_addc(&text, *quote);
		t->at++;
	}
	*out = arena_strndup(t->arena, text.text, text.len);
	return 0;
}

/* ---- keys and values ---- */

static int take_key(struct toml *t, struct err *err)
{
	const char *start = t->at;

	if (t->count == TOML_KEYS_MAX)
		return wrong(t, "keys too deep", err);
	if (peek(t) == '"' || peek(t) == '\'')
		return take_string(t, &t->keys[t->count++], err);
	while (peek(t) &&
	       strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", peek(t)))
		t->at++;
	if (t->at == start)
		return wrong(t, "expected a key", err);
	t->keys[t->count++] = arena_strndup(t->arena, start, (size_t)(t->at - start));
	return 0;
}

/* a.b."c": added to the keys that are there. */
static int take_keys(struct toml *t, struct err *err)
{
	for (;;) {
		skip_blanks(t);
		if (take_key(t, err) < 0)
			return -1;
		skip_blanks(t);
		if (peek(t) != '.')
			return 0;
		t->at++;
	}
}

static int take_value(struct toml *t, unsigned depth, bool tell, struct err *err);

static int take_pair(struct toml *t, unsigned depth, bool tell, struct err *err)
{
	size_t count = t->count;

	if (take_keys(t, err) < 0)
		return -1;
	if (peek(t) != '=')
		return wrong(t, "expected '=' behind a key", err);
	t->at++;
	skip_blanks(t);
	if (take_value(t, depth, tell, err) < 0)
		return -1;
	t->count = count;
	return 0;
}

/* A list or an inline table: what is between `open`, already taken, and `close`. */
static int take_items(struct toml *t, char close, unsigned depth, bool tell, struct err *err)
{
	if (depth == NESTING_MAX)
		return wrong(t, "lists and tables too deep", err);
	for (;;) {
		int r;

		skip_space(t);
		if (peek(t) == close) {
			t->at++;
			return 0;
		}
		r = close == '}' ? take_pair(t, depth + 1, tell, err)
				 : take_value(t, depth + 1, false, err);
		if (r < 0)
			return -1;
		skip_space(t);
		if (peek(t) == ',')
			t->at++;
		else if (peek(t) != close)
			return wrong(t, "expected a comma", err);
	}
}

/* What is in a list has no keys, and is not told. */
static int take_value(struct toml *t, unsigned depth, bool tell, struct err *err)
{
	const char *start = t->at, *text = NULL;
	char c = peek(t);

	if (c == '"' || c == '\'') {
		if (take_string(t, &text, err) < 0)
			return -1;
		if (tell)
			t->fn(t->arg, t->keys, t->count, text);
		return 0;
	}
	if (c == '[' || c == '{') {
		t->at++;
		if (c == '{' && tell)
			t->fn(t->arg, t->keys, t->count, NULL);
		return take_items(t, c == '[' ? ']' : '}', depth, tell, err);
	}
	while (t->at < t->end && *t->at && !strchr(",]}#\r\n", *t->at))
		t->at++;
	return t->at == start ? wrong(t, "expected a value", err) : 0;
}

/* [a.b] or [[a.b]] */
static int take_header(struct toml *t, struct err *err)
{
	bool list = starts(t, "[[");

	t->at += list ? 2 : 1;
	t->count = 0;
	if (take_keys(t, err) < 0)
		return -1;
	if (!starts(t, list ? "]]" : "]"))
		return wrong(t, "expected ']' behind the name of a table", err);
	t->at += list ? 2 : 1;
	t->fn(t->arg, t->keys, t->count, NULL);
	return 0;
}

int toml_walk(struct arena *a, const char *text, size_t len, toml_fn *fn, void *arg,
	      struct err *err)
{
	struct toml t = {
		.arena = a, .at = text, .end = text + len, .line = 1, .fn = fn, .arg = arg};

	for (skip_space(&t); t.at < t.end; skip_space(&t)) {
		if ((*t.at == '[' ? take_header(&t, err) : take_pair(&t, 0, true, err)) < 0)
			return -1;
		skip_blanks(&t);
		if (t.at < t.end && (!*t.at || !strchr("#\r\n", *t.at)))
			return wrong(&t, "expected the end of the line", err);
	}
	return 0;
}
