#include "runner/uses.h"

#include <stdbool.h>
#include <string.h>

#include "stepcell/util.h"

static const struct {
	const char *prefix;
	enum uses_kind kind;
} prefixes[] = {
	{"./", USES_LOCAL},
	{"$/", USES_SELF},
	{"docker://", USES_IMAGE},
};

/* An owner or a repository is a file name wherever it is kept: no link upwards, no hidden file. */
static bool is_name(const char *text, size_t len)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789._-";

	return len > 0 && text[0] != '.' && strspn(text, allowed) >= len;
}

/* Cut the component at `*rest` off, and the slashes around it. */
static const char *take_component(const char **rest, const char *end, size_t *len)
{
	const char *start = *rest;

	while (start < end && *start == '/')
		start++;
	*len = 0;
	while (start + *len < end && start[*len] != '/')
		(*len)++;
	*rest = start + *len;
	return start;
}

/* The components that are left, joined by single slashes. */
static const char *rest_path(struct arena *a, const char *rest, const char *end)
{
	const char *path = "";
	size_t len;
	const char *part = take_component(&rest, end, &len);

	while (len) {
		path = arena_printf(a, "%s%s%.*s", path, *path ? "/" : "", (int)len, part);
		part = take_component(&rest, end, &len);
	}
	return path;
}

static bool parse_repository(struct arena *a, const char *text, struct uses *out)
{
	const char *at = strchr(text, '@');
	const char *rest = text;
	const char *owner, *repo;
	size_t owner_len, repo_len;

	if (!at || !at[1] || strchr(at + 1, '@'))
		return false;
	owner = take_component(&rest, at, &owner_len);
	repo = take_component(&rest, at, &repo_len);
	if (!is_name(owner, owner_len) || !is_name(repo, repo_len))
		return false;
	*out = (struct uses){
		.kind = USES_REPOSITORY,
		.owner = arena_strndup(a, owner, owner_len),
		.repo = arena_strndup(a, repo, repo_len),
		.path = rest_path(a, rest, at),
		.ref = arena_strdup(a, at + 1),
	};
	return true;
}

static void parse_prefixed(struct arena *a, const char *rest, enum uses_kind kind, struct uses *out)
{
	*out = (struct uses){.kind = kind, .path = ""};
	if (kind == USES_IMAGE)
		out->image = arena_strdup(a, rest);
	else
		out->path = rest_path(a, rest, rest + strlen(rest));
}

int uses_parse(struct arena *a, const char *text, struct uses *out, struct err *err)
{
	for (size_t i = 0; i < COUNT(prefixes); i++) {
		size_t len = strlen(prefixes[i].prefix);

		if (strncmp(text, prefixes[i].prefix, len) != 0)
			continue;
		if (prefixes[i].kind == USES_IMAGE && !text[len])
			return err_fail(err, ERR_USAGE, "'%s' names no image", text);
		parse_prefixed(a, text + len, prefixes[i].kind, out);
		return 0;
	}
	if (!parse_repository(a, text, out))
		return err_fail(err, ERR_USAGE,
				"Expected format {org}/{repo}[/path]@ref. Actual '%.200s'", text);
	return 0;
}
