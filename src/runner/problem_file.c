#include "runner/problem_file.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "stepcell/json.h"
#include "stepcell/limits.h"
#include "stepcell/util.h"

static const char *const part_names[] = {
	[PART_FILE] = "file",       [PART_FROM] = "fromPath",     [PART_LINE] = "line",
	[PART_COLUMN] = "column",   [PART_SEVERITY] = "severity", [PART_CODE] = "code",
	[PART_MESSAGE] = "message",
};
static_assert(COUNT(part_names) == PART_COUNT, "name every part");

/* ---- a matcher ---- */

void problem_found_clear(struct problem_found *f)
{
	for (size_t i = 0; i < PART_COUNT; i++)
		free(f->part[i]);
	*f = (struct problem_found){0};
}

void matcher_model_reset(struct matcher_model *m)
{
	for (size_t i = 0; i < m->count; i++)
		problem_found_clear(&m->running[i]);
}

void matcher_model_free(struct matcher_model **m)
{
	if (!*m)
		return;
	matcher_model_reset(*m);
	for (size_t i = 0; i < (*m)->count; i++)
		regexp_free(&(*m)->patterns[i].regexp);
	free((*m)->patterns);
	free((*m)->running);
	free((*m)->owner);
	free(*m);
	*m = NULL;
}

static struct matcher_model *matcher_model_new(const char *owner, size_t patterns)
{
	struct matcher_model *m = calloc(1, sizeof(*m));

	if (!m)
		abort();
	m->owner = strdup(owner);
	m->patterns = calloc(patterns, sizeof(*m->patterns));
	m->running = calloc(patterns, sizeof(*m->running));
	m->count = patterns;
	if (!m->owner || !m->patterns || !m->running)
		abort();
	return m;
}

/* ---- its file ---- */

const char *problem_level(const char *severity)
{
	static const char *const levels[] = {"error", "warning", "notice"};

	if (!*severity)
		return levels[0];
	for (size_t i = 0; i < COUNT(levels); i++)
		if (!strcasecmp(levels[i], severity))
			return levels[i];
	return NULL;
}

static int read_group(const struct node *n, const char *name, size_t groups, int *out,
		      struct err *err)
{
	if (n->kind != NODE_NUMBER || n->number != floor(n->number))
		return err_fail(err, ERR_USAGE, "%s: expected the number of a group", name);
	if (n->number < 0 || n->number >= (double)groups)
		return err_fail(err, ERR_USAGE, "%s: the expression has no group %g", name,
				n->number);
	*out = (int)n->number;
	return 0;
}

/* `taken` are the parts that this pattern or an earlier one sets: each is set once. */
static int read_parts(const struct node *map, struct problem_pattern *p, bool *taken,
		      struct err *err)
{
	for (size_t i = 0; i < PART_COUNT; i++) {
		const struct node *n = node_get(map, part_names[i]);

		p->group[i] = -1;
		if (!n || n->kind == NODE_NULL)
			continue;
		if (taken[i])
			return err_fail(err, ERR_USAGE, "%s is set twice", part_names[i]);
		if (read_group(n, part_names[i], regexp_groups(p->regexp), &p->group[i], err) < 0)
			return -1;
		taken[i] = true;
	}
	return 0;
}

static int read_pattern(const struct node *map, bool may_loop, struct problem_pattern *p,
			bool *taken, struct err *err)
{
	const char *regexp = node_text(node_get(map, "regexp"));
	const struct node *loop = node_get(map, "loop");

	if (map->kind != NODE_MAP)
		return err_fail(err, ERR_USAGE, "expected a map, found %s",
				node_kind_text(map->kind));
	if (regexp_new(regexp ? regexp : "", &p->regexp, err) < 0)
		return err_wrap(err, "regexp");
	p->loop = loop && loop->kind == NODE_BOOL && loop->truth;
	if (p->loop && !may_loop)
		return err_fail(err, ERR_USAGE, "only the last of several patterns can loop");
	if (read_parts(map, p, taken, err) < 0)
		return -1;
	if (p->loop && p->group[PART_MESSAGE] < 0)
		return err_fail(err, ERR_USAGE, "a pattern that loops must set message");
	return 0;
}

static int read_patterns(const struct node *list, struct matcher_model *m, struct err *err)
{
	bool taken[PART_COUNT] = {false};

	for (size_t i = 0; i < m->count; i++)
		if (read_pattern(list->items[i], i && i + 1 == m->count, &m->patterns[i], taken,
				 err) < 0)
			return err_wrap(err, "pattern %zu", i + 1);
	return taken[PART_MESSAGE] ? 0 : err_fail(err, ERR_USAGE, "no pattern sets message");
}

static int read_matcher(const struct node *map, struct matcher_model **out, struct err *err)
{
	const char *owner = node_text(node_get(map, "owner"));
	const char *severity = node_text(node_get(map, "severity"));
	const struct node *list = node_get(map, "pattern");
	struct matcher_model *m;

	if (!owner || !*owner)
		return err_fail(err, ERR_USAGE, "owner is missing");
	if (severity && !problem_level(severity))
		return err_fail(err, ERR_USAGE, "severity: expected error, warning or notice");
	if (!list || list->kind != NODE_LIST || !list->count)
		return err_fail(err, ERR_USAGE, "pattern: expected a list of at least one");
	if (list->count > LIMIT_PROBLEM_LINES)
		return err_fail(err, ERR_USAGE, "more than %u patterns", LIMIT_PROBLEM_LINES);
	m = matcher_model_new(owner, list->count);
	m->severity = problem_level(severity ? severity : "");
	if (read_patterns(list, m, err) < 0) {
		matcher_model_free(&m);
		return -1;
	}
	*out = m;
	return 0;
}

static bool is_there(struct matcher_model *const *list, size_t count, const char *owner)
{
	for (size_t i = 0; i < count; i++)
		if (!strcasecmp(list[i]->owner, owner))
			return true;
	return false;
}

static int read_all(const struct node *list, struct matcher_model **out, size_t *count,
		    struct err *err)
{
	for (size_t i = 0; list && i < list->count; i++) {
		struct matcher_model *m = NULL;

		if (i == LIMIT_PROBLEMS)
			return err_fail(err, ERR_USAGE, "more than %u matchers", LIMIT_PROBLEMS);
		if (read_matcher(list->items[i], &m, err) < 0)
			return err_wrap(err, "matcher %zu", i + 1);
		if (is_there(out, *count, m->owner)) {
			(void)err_fail(err, ERR_USAGE, "two matchers have the owner '%.100s'",
				       m->owner);
			matcher_model_free(&m);
			return -1;
		}
		out[(*count)++] = m;
	}
	return 0;
}

static const struct node *parse(struct arena *a, const char *text, size_t len, struct err *err)
{
	if (len >= 3 && !memcmp(text, "\xef\xbb\xbf", 3)) {
		text += 3;
		len -= 3;
	}
	return json_parse(a, "problem matchers", text, len, err);
}

int problem_file_read(const char *text, size_t len, struct matcher_model **out, size_t *count,
		      struct err *err)
{
	auto_arena struct arena *a = arena_new();
	const struct node *top = parse(a, text, len, err), *list;

	*count = 0;
	if (!top)
		return -1;
	list = node_get(top, "problemMatcher");
	if (list && list->kind != NODE_LIST && list->kind != NODE_NULL)
		return err_fail(err, ERR_USAGE, "problemMatcher: expected a list");
	if (list && list->kind == NODE_NULL)
		list = NULL;
	if (read_all(list, out, count, err) < 0) {
		while (*count)
			matcher_model_free(&out[--*count]);
		return -1;
	}
	return 0;
}
