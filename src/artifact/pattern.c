/* pattern: lines of patterns to a glob, and paths against it. */
#include <string.h>

#include "artifact/glob.h"
#include "stepcell/limits.h"
#include "stepcell/strbuf.h"

#define MAX_PATTERNS 1000
#define GLOBSTAR     "**"

static bool is_globstar(const char *segment)
{
	return strcmp(segment, GLOBSTAR) == 0;
}

/* ---- text to patterns ---- */

static int refuse(const char *line, size_t len, const char *why, struct err *err)
{
	auto_strbuf struct strbuf shown = STRBUF(512);

	strbuf_add_visible(&shown, line, len < 100 ? len : 100);
	return err_fail(err, ERR_USAGE, "pattern '%s': %s", shown.text, why);
}

/* Cut a path into its segments; empty ones (a//b) vanish. */
static void split(struct arena *a, const char *path, size_t len, struct glob_pattern *p)
{
	for (size_t i = 0; i < len;) {
		size_t n = 0;

		while (i + n < len && path[i + n] != '/')
			n++;
		if (n) {
			p->segments = arena_grow(a, p->segments, p->count, sizeof(char *));
			p->segments[p->count++] = arena_strndup(a, path + i, n);
		}
		i += n + 1;
	}
}

/* Drop the first `n` segments. */
static void skip_segments(struct glob_pattern *p, size_t n)
{
	p->segments += n;
	p->count -= n;
}

/* Make an absolute pattern one relative to the root. */
static int strip_workspace(struct arena *a, const char *workspace, struct glob_pattern *p)
{
	struct glob_pattern w = {0};

	if (!workspace)
		return -1;
	split(a, workspace, strlen(workspace), &w);
	if (p->count < w.count)
		return -1;
	for (size_t i = 0; i < w.count; i++) {
		const char *name = segment_literal(a, p->segments[i]);

		if (!name || strcmp(name, w.segments[i]) != 0)
			return -1;
	}
	skip_segments(p, w.count);
	return 0;
}

static bool has_dots(struct arena *a, const struct glob_pattern *p)
{
	for (size_t i = 0; i < p->count; i++) {
		const char *name = segment_literal(a, p->segments[i]);

		if (name && (strcmp(name, "..") == 0 || strcmp(name, ".") == 0))
			return true;
	}
	return false;
}

static void glob_add(struct arena *a, struct glob *g, struct glob_pattern p)
{
	g->patterns = arena_grow(a, g->patterns, g->count, sizeof(p));
	g->patterns[g->count++] = p;
}

/* Whoever names a folder means what is in it. */
static void add_implicit(struct arena *a, struct glob *g, const struct glob_pattern *p)
{
	struct glob_pattern below = {.negate = p->negate, .implicit = true};

	if (!p->dir_only && p->count && is_globstar(p->segments[p->count - 1]))
		return;
	below.segments = arena_array(a, p->count + 1, sizeof(char *));
	if (p->count)
		memcpy(below.segments, p->segments, p->count * sizeof(char *));
	below.segments[p->count] = GLOBSTAR;
	below.count = p->count + 1;
	glob_add(a, g, below);
}

static bool is_blank(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static void trim(const char **line, size_t *len)
{
	while (*len && is_blank(**line)) {
		++*line;
		--*len;
	}
	while (*len && is_blank((*line)[*len - 1]))
		--*len;
}

static int add_line(struct arena *a, struct glob *g, const char *workspace, const char *line,
		    size_t len, struct err *err)
{
	struct glob_pattern p = {0};

	trim(&line, &len);
	if (!len || *line == '#')
		return 0;
	if (g->count > 2 * MAX_PATTERNS)
		return err_fail(err, ERR_USAGE, "more than %d patterns", MAX_PATTERNS);
	while (len && *line == '!') {
		p.negate = !p.negate;
		line++;
		len--;
		trim(&line, &len);
	}
	if (!len)
		return refuse("!", 1, "takes away nothing", err);
	if (*line == '~' && (len == 1 || line[1] == '/'))
		return refuse(line, len, "the home is not in the workspace", err);
	split(a, line, len, &p);
	p.dir_only = len > 1 && line[len - 1] == '/';
	if (*line == '/' && strip_workspace(a, workspace, &p) < 0)
		return refuse(line, len, "is not below the workspace", err);
	if (*line != '/' && p.count && strcmp(p.segments[0], ".") == 0)
		skip_segments(&p, 1);
	if (has_dots(a, &p))
		return refuse(line, len, "'.' and '..' may not be parts of it", err);
	glob_add(a, g, p);
	add_implicit(a, g, &p);
	return 0;
}

/* ---- where to begin ---- */

static const char *search_of(struct arena *a, const struct glob_pattern *p)
{
	auto_strbuf struct strbuf path = STRBUF(LIMIT_PATH);

	for (size_t i = 0; i < p->count; i++) {
		const char *name = segment_literal(a, p->segments[i]);

		if (!name)
			break;
		strbuf_addf(&path, "%s%s", i ? "/" : "", name);
	}
	return arena_strdup(a, path.text);
}

/* Is `path` the folder `dir`, or below it? */
static bool is_within(const char *path, const char *dir)
{
	size_t len = strlen(dir);

	return !len || (strncmp(path, dir, len) == 0 && (!path[len] || path[len] == '/'));
}

static bool has_ancestor(const char *const *all, size_t count, size_t me)
{
	for (size_t i = 0; i < count; i++) {
		bool same = strcmp(all[i], all[me]) == 0;

		if (i != me && is_within(all[me], all[i]) && (!same || i < me))
			return true;
	}
	return false;
}

static void find_searches(struct arena *a, struct glob *g)
{
	const char **all = arena_array(a, g->count + 1, sizeof(char *));
	size_t count = 0;

	for (size_t i = 0; i < g->count; i++)
		if (!g->patterns[i].negate && !g->patterns[i].implicit)
			all[count++] = search_of(a, &g->patterns[i]);
	g->searches = arena_array(a, count + 1, sizeof(char *));
	for (size_t i = 0; i < count; i++)
		if (!has_ancestor(all, count, i))
			g->searches[g->search_count++] = all[i];
}

struct glob *glob_parse(struct arena *a, const char *workspace, const char *const *patterns,
			size_t count, struct err *err)
{
	struct glob *g = arena_alloc(a, sizeof(*g));

	for (size_t i = 0; i < count; i++) {
		for (const char *line = patterns[i]; *line;) {
			size_t len = strcspn(line, "\n");

			if (add_line(a, g, workspace, line, len, err) < 0)
				return NULL;
			line += len + (line[len] == '\n');
		}
	}
	find_searches(a, g);
	return g;
}

/* The longest folder that both are in. */
static size_t common_folder(const char *a, size_t a_len, const char *b)
{
	size_t i = 0, cut = 0;

	for (; i < a_len && a[i] == b[i]; i++)
		if (a[i] == '/')
			cut = i;
	return i == a_len && (!b[i] || b[i] == '/') ? i : cut;
}

const char *glob_base(struct arena *a, const struct glob *g, const char *only)
{
	const char *first = g->search_count ? g->searches[0] : "";
	size_t len = strlen(first);

	for (size_t i = 1; i < g->search_count; i++)
		len = common_folder(first, len, g->searches[i]);
	if (g->search_count == 1 && only && strcmp(only, first) == 0) {
		const char *slash = strrchr(first, '/');

		len = slash ? (size_t)(slash - first) : 0;
	}
	return arena_strndup(a, first, len);
}

/* ---- matching ---- */

/* The name at `path`, copied into `name` (of NAME_MAX + 1); returns what follows its slash. */
static const char *next_name(const char *path, char name[256])
{
	size_t len = strcspn(path, "/");

	if (len > 255)
		len = 255;
	memcpy(name, path, len);
	name[len] = '\0';
	path += strcspn(path, "/");
	return *path ? path + 1 : path;
}

/* Whole paths against whole patterns: a globstar takes as few segments as it can, then more. */
static bool pattern_match(const struct glob_pattern *p, const char *path)
{
	size_t i = 0, star = SIZE_MAX;
	const char *retry = NULL;
	char name[256];

	while (*path) {
		const char *rest = next_name(path, name);

		if (i < p->count && is_globstar(p->segments[i])) {
			star = ++i;
			retry = path;
		} else if (i < p->count && segment_match(p->segments[i], name)) {
			i++;
			path = rest;
		} else if (star != SIZE_MAX) {
			retry = next_name(retry, name);
			path = retry;
			i = star;
		} else {
			return false;
		}
	}
	/* a folder and a globstar is the folder itself too, unless nobody wrote the stars */
	while (i < p->count && is_globstar(p->segments[i]) && !(p->implicit && i == p->count - 1))
		i++;
	return i == p->count;
}

enum glob_kind glob_match(const struct glob *g, const char *path)
{
	unsigned kind = GLOB_NONE;

	for (size_t i = 0; i < g->count; i++) {
		const struct glob_pattern *p = &g->patterns[i];
		unsigned of = p->dir_only ? GLOB_DIR : GLOB_ALL;

		if (!pattern_match(p, path))
			continue;
		kind = p->negate ? kind & ~of : kind | of;
	}
	return (enum glob_kind)kind;
}

static bool pattern_leads_on(const struct glob_pattern *p, const char *path)
{
	char name[256];

	for (size_t i = 0; *path; i++) {
		if (i == p->count)
			return false;
		if (is_globstar(p->segments[i]))
			return true;
		path = next_name(path, name);
		if (!segment_match(p->segments[i], name))
			return false;
	}
	return true;
}

bool glob_leads_on(const struct glob *g, const char *path)
{
	for (size_t i = 0; i < g->count; i++)
		if (!g->patterns[i].negate && pattern_leads_on(&g->patterns[i], path))
			return true;
	return false;
}
