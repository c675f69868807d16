#include "runner/command.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "stepcell/util.h"

struct escape {
	const char *code;
	char meaning;
};

/* How a form of command is cut, and what stands for what in it. */
struct form {
	const char *open, *close;
	char between; /* properties */
	const struct escape *data_escapes, *prop_escapes;
};

static const struct escape data_escapes[] = {
	{"%0D", '\r'},
	{"%0A", '\n'},
	{"%25", '%'},
	{0},
};

static const struct escape prop_escapes[] = {
	{"%0D", '\r'}, {"%0A", '\n'}, {"%3A", ':'}, {"%2C", ','}, {"%25", '%'}, {0},
};

static const struct escape old_escapes[] = {
	{"%3B", ';'}, {"%0D", '\r'}, {"%0A", '\n'}, {"%5D", ']'}, {"%25", '%'}, {0},
};

static const struct form forms[] = {
	{"::", "::", ',', data_escapes, prop_escapes},
	{"##[", "]", ';', old_escapes, old_escapes},
};

static const char *unescape(struct arena *a, const char *text, size_t len,
			    const struct escape *escapes)
{
	char *out = arena_alloc(a, len + 1);
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		const struct escape *e = escapes;

		while (e->code && (len - i < 3 || memcmp(text + i, e->code, 3) != 0))
			e++;
		out[n++] = e->code ? e->meaning : text[i];
		i += e->code ? 2 : 0;
	}
	return out;
}

static void add_prop(struct arena *a, const char *text, size_t len, const struct escape *escapes,
		     struct command *out)
{
	const char *equals;
	size_t key, value;

	for (; len && *text == '='; len--)
		text++;
	equals = memchr(text, '=', len);
	if (!equals)
		return;
	key = (size_t)(equals - text);
	for (value = key; value < len && text[value] == '=';)
		value++;
	if (value == len)
		return;
	out->props = arena_grow(a, out->props, out->prop_count, sizeof(*out->props));
	out->props[out->prop_count++] = (struct command_prop){
		.key = arena_strndup(a, text, key),
		.value = unescape(a, text + value, len - value, escapes),
	};
}

static void add_props(struct arena *a, const char *text, size_t len, const struct form *form,
		      struct command *out)
{
	for (; len && isspace((unsigned char)*text); len--)
		text++;
	while (len && isspace((unsigned char)text[len - 1]))
		len--;
	while (len) {
		const char *end = memchr(text, form->between, len);
		size_t part = end ? (size_t)(end - text) : len;

		add_prop(a, text, part, form->prop_escapes, out);
		part += end ? 1 : 0;
		text += part;
		len -= part;
	}
}

static bool parse_form(struct arena *a, const struct form *form, const char *line, size_t len,
		       struct command *out)
{
	size_t open = strlen(form->open);
	const char *info = line + open, *end, *space, *data;
	size_t name;

	if (len < open || memcmp(line, form->open, open) != 0)
		return false;
	end = memmem(info, len - open, form->close, strlen(form->close));
	if (!end || end == info || *info == ' ')
		return false;
	space = memchr(info, ' ', (size_t)(end - info));
	name = (size_t)((space ? space : end) - info);
	data = end + strlen(form->close);
	*out = (struct command){.name = arena_strndup(a, info, name)};
	add_props(a, info + name, (size_t)(end - info) - name, form, out);
	out->data = unescape(a, data, (size_t)(line + len - data), form->data_escapes);
	return true;
}

bool command_parse(struct arena *a, const char *line, size_t len, struct command *out)
{
	for (; len && isspace((unsigned char)*line); len--)
		line++;
	for (size_t i = 0; i < COUNT(forms); i++) {
		if (parse_form(a, &forms[i], line, len, out))
			return true;
	}
	return false;
}

const char *command_prop(const struct command *command, const char *key)
{
	for (size_t i = command->prop_count; i-- > 0;) {
		if (!strcasecmp(command->props[i].key, key))
			return command->props[i].value;
	}
	return NULL;
}
