#include "runner/python_file.h"

#include <string.h>

#include "stepcell/toml.h"
#include "stepcell/util.h"

static void add(struct arena *a, struct texts *out, const char *text, size_t len)
{
	texts_add(a, out, arena_strndup(a, text, len));
}

static void trim(const char **text, size_t *len)
{
	for (; *len && strchr(" \t\f\v", **text); ++*text)
		--*len;
	while (*len && strchr(" \t\f\v", (*text)[*len - 1]))
		--*len;
}

/* One line after another, however they end, without blanks around and without comments. */
static bool next_line(const char **at, const char *end, const char **line, size_t *len)
{
	while (*at < end) {
		*line = *at;
		while (*at < end && **at != '\n' && **at != '\r')
			++*at;
		*len = (size_t)(*at - *line);
		*at += *at < end;
		trim(line, len);
		if (*len && **line != '#')
			return true;
	}
	return false;
}

/* .python-version: one a line; of pyenv's "3.11/envs/name" what is before the slash. */
static int parse_plain(struct arena *a, const char *text, size_t len, struct texts *out,
		       struct err *err)
{
	const char *end = text + len, *line;
	size_t n;

	(void)err;
	while (next_line(&text, end, &line, &n)) {
		const char *slash = memchr(line, '/', n);

		add(a, out, line, slash ? (size_t)(slash - line) : n);
	}
	return 0;
}

/* .tool-versions: the first line of "python". */
static int parse_tools(struct arena *a, const char *text, size_t len, struct texts *out,
		       struct err *err)
{
	static const char name[] = "python";
	const char *end = text + len, *line;
	size_t n, skip = sizeof(name) - 1;

	(void)err;
	while (next_line(&text, end, &line, &n)) {
		if (n <= skip || strncmp(line, name, skip) != 0 || !strchr(" \t", line[skip]))
			continue;
		line += skip;
		n -= skip;
		trim(&line, &n);
		if (*line == 'v') {
			line++;
			n--;
		}
		for (size_t i = 0; i < n; i++)
			if (strchr(" \t#", line[i]))
				n = i;
		add(a, out, line, n);
		break;
	}
	return 0;
}

/* ---- TOML ---- */

/* What is looked for: the value at a path, and whether a table is there at all. */
struct wanted {
	const char *keys[5];
	const char *value;
	bool there;
};

struct wanted_list {
	struct wanted *list;
	size_t count;
};

static void look(void *arg, const char *const *keys, size_t count, const char *value)
{
	const struct wanted_list *all = arg;

	for (size_t i = 0; i < all->count; i++) {
		struct wanted *w = &all->list[i];
		size_t same = 0;

		while (same < count && w->keys[same] && strcmp(keys[same], w->keys[same]) == 0)
			same++;
		w->there = w->there || (count && same);
		if (same == count && !w->keys[same] && value && !w->value)
			w->value = value;
	}
}

/* PEP 440's commas are node-semver's spaces; what it cannot say at all ("!=") is no version. */
static void add_range(struct arena *a, struct texts *out, const char *value)
{
	char *range = arena_strdup(a, value);

	for (char *p = range; *p; p++)
		if (*p == ',')
			*p = ' ';
	if (!strstr(range, "!="))
		add(a, out, range, strlen(range));
}

/* A [project] without requires-python does not make poetry's word count. */
static int parse_pyproject(struct arena *a, const char *text, size_t len, struct texts *out,
			   struct err *err)
{
	struct wanted rows[] = {{.keys = {"project", "requires-python"}},
				{.keys = {"tool", "poetry", "dependencies", "python"}}};
	struct wanted_list wanted = {rows, COUNT(rows)};
	const char *value;

	if (toml_walk(a, text, len, look, &wanted, err) < 0)
		return -1;
	value = rows[0].there ? rows[0].value : rows[1].value;
	if (value)
		add_range(a, out, value);
	return 0;
}

static int parse_pipfile(struct arena *a, const char *text, size_t len, struct texts *out,
			 struct err *err)
{
	struct wanted rows[] = {{.keys = {"requires", "python_version"}},
				{.keys = {"requires", "python_full_version"}}};
	struct wanted_list wanted = {rows, COUNT(rows)};
	const char *value;

	if (toml_walk(a, text, len, look, &wanted, err) < 0)
		return -1;
	value = rows[0].value ? rows[0].value : rows[1].value;
	if (value)
		add(a, out, value, strlen(value));
	return 0;
}

/* By how the name ends. */
static const struct {
	const char *end;
	int (*parse)(struct arena *a, const char *text, size_t len, struct texts *out,
		     struct err *err);
} kinds[] = {
	{".toml", parse_pyproject},
	{".tool-versions", parse_tools},
	{"Pipfile", parse_pipfile},
	{"", parse_plain},
};

int python_file_parse(struct arena *a, const char *name, const char *text, size_t len,
		      struct texts *out, struct err *err)
{
	size_t i = 0, n = strlen(name);
	const char *nul = memchr(text, '\0', len);

	*out = (struct texts){0};
	if (nul)
		return err_fail(err, ERR_USAGE, "'%s' is no text", name);
	while (n < strlen(kinds[i].end) ||
	       strcmp(name + n - strlen(kinds[i].end), kinds[i].end) != 0)
		i++;
	return kinds[i].parse(a, text, len, out, err) < 0 ? err_wrap(err, "'%s'", name) : 0;
}
