#include "runner/problem.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "runner/problem_file.h"
#include "stepcell/clock.h"
#include "stepcell/limits.h"
#include "stepcell/parse.h"
#include "stepcell/path.h"
#include "stepcell/util.h"

struct problems {
	struct matcher_model **list; /* the one that was added last comes first */
	size_t count;
	uint64_t spent_us; /* processor time, of all lines */
};

struct problems *problems_new(void)
{
	struct problems *p = calloc(1, sizeof(*p));

	if (!p)
		abort();
	return p;
}

static void drop(struct problems *p, size_t at)
{
	matcher_model_free(&p->list[at]);
	p->count--;
	memmove(p->list + at, p->list + at + 1, (p->count - at) * sizeof(struct matcher_model *));
}

static void drop_all(struct problems *p)
{
	while (p->count)
		drop(p, p->count - 1);
}

void problems_free(struct problems **p)
{
	if (!*p)
		return;
	drop_all(*p);
	free((*p)->list);
	free(*p);
	*p = NULL;
}

bool problems_any(const struct problems *p)
{
	return p->count > 0;
}

void problems_reset(struct problems *p)
{
	for (size_t i = 0; i < p->count; i++)
		matcher_model_reset(p->list[i]);
}

/* ---- which there are ---- */

void problems_remove(struct problems *p, const char *owner)
{
	for (size_t i = p->count; i-- > 0;)
		if (!strcasecmp(p->list[i]->owner, owner))
			drop(p, i);
}

static void put_first(struct problems *p, struct matcher_model *m)
{
	problems_remove(p, m->owner);
	memmove(p->list + 1, p->list, p->count * sizeof(struct matcher_model *));
	p->list[0] = m;
	p->count++;
}

static const char *names_of(struct arena *a, struct matcher_model *const *list, size_t count)
{
	auto_strbuf struct strbuf names = STRBUF(4 * KIB);

	for (size_t i = 0; i < count; i++)
		strbuf_addf(&names, "%s%s", i ? ", " : "", list[i]->owner);
	return arena_strdup(a, names.text);
}

int problems_add(struct problems *p, struct arena *a, const char *text, size_t len,
		 const char **names, struct err *err)
{
	struct matcher_model *list[LIMIT_PROBLEMS], **room;
	size_t count;

	if (problem_file_read(text, len, list, &count, err) < 0)
		return -1;
	room = p->count + count > LIMIT_PROBLEMS
		       ? NULL
		       : realloc(p->list, (p->count + count + 1) * sizeof(struct matcher_model *));
	if (!room) {
		for (size_t i = 0; i < count; i++)
			matcher_model_free(&list[i]);
		return err_fail(err, ERR_USAGE, "more than %u problem matchers at a time",
				LIMIT_PROBLEMS);
	}
	p->list = room;
	if (names)
		*names = names_of(a, list, count);
	for (size_t i = 0; i < count; i++)
		put_first(p, list[i]);
	return 0;
}

int problems_remove_file(struct problems *p, const char *text, size_t len, struct err *err)
{
	struct matcher_model *list[LIMIT_PROBLEMS];
	size_t count;

	if (problem_file_read(text, len, list, &count, err) < 0)
		return -1;
	for (size_t i = 0; i < count; i++) {
		problems_remove(p, list[i]->owner);
		matcher_model_free(&list[i]);
	}
	return 0;
}

/* ---- one line and one matcher ---- */

/* What earlier patterns found stays; this one adds what they did not ask for. */
static void take_parts(const struct problem_pattern *pattern, const struct problem_found *before,
		       const struct regexp_span *spans, struct arena *a, struct problem_found *out)
{
	for (size_t i = 0; i < PART_COUNT; i++) {
		int group = pattern->group[i];

		if (before && before->part[i])
			out->part[i] = arena_strdup(a, before->part[i]);
		if (!out->part[i] && group >= 0)
			out->part[i] = arena_strndup(a, spans[group].text ? spans[group].text : "",
						     spans[group].len);
	}
	out->set = true;
}

/* A running match lives in the matcher: it is kept from line to line. */
static void keep(struct matcher_model *m, size_t at, const struct problem_found *found)
{
	struct problem_found *kept = &m->running[at];

	for (size_t i = 0; i < PART_COUNT; i++) {
		char *copy = found->part[i] ? strdup(found->part[i]) : NULL;

		free(kept->part[i]);
		kept->part[i] = copy;
	}
	kept->set = true;
}

/* 1 when the pattern matches with what those before it found, 0 when not, -1: it took too long. */
static int try_pattern(struct matcher_model *m, size_t at, struct arena *a, const char *line,
		       size_t len, struct problem_found *out, struct err *err)
{
	const struct problem_pattern *pattern = &m->patterns[at];
	struct regexp_span spans[LIMIT_REGEXP_GROUPS];
	int matched = regexp_match(pattern->regexp, line, len, spans, COUNT(spans), err);

	if (matched > 0)
		take_parts(pattern, at ? &m->running[at - 1] : NULL, spans, a, out);
	return matched;
}

/* The last of several patterns has matched: all are over, but where it may go on. */
static void finish(struct matcher_model *m)
{
	size_t last = m->count - 1;

	for (size_t i = 0; i < last; i++)
		if (!m->patterns[last].loop || i + 1 < last)
			problem_found_clear(&m->running[i]);
}

/* From the last pattern to the first: a line moves each running match on by one. */
static int try_matcher(struct matcher_model *m, struct arena *a, const char *line, size_t len,
		       struct problem_found *out, struct err *err)
{
	for (size_t i = m->count; i-- > 0;) {
		bool last = i == m->count - 1;
		struct problem_found found = {0};
		int matched;

		if (i && !m->running[i - 1].set)
			continue;
		matched = try_pattern(m, i, a, line, len, &found, err);
		if (matched < 0)
			return -1;
		if (matched && last) {
			finish(m);
			*out = found;
			return 1;
		}
		if (matched)
			keep(m, i, &found);
		else if (m->count > 1)
			problem_found_clear(&m->running[last ? i - 1 : i]);
	}
	return 0;
}

/* ---- one line and all of them ---- */

static bool is_blank(const char *text)
{
	return !text || !text[strspn(text, " \t\r\n\f\v")];
}

static unsigned number_of(const char *text)
{
	uint64_t n;

	return text && !parse_u64(text, 0, INT32_MAX, &n) ? (unsigned)n : 0;
}

static const char *trimmed(struct arena *a, const char *text)
{
	size_t len;

	if (is_blank(text))
		return NULL;
	text += strspn(text, " \t");
	for (len = strlen(text); text[len - 1] == ' ' || text[len - 1] == '\t';)
		len--;
	return arena_strndup(a, text, len);
}

/* False when it is no problem after all: without a message, or of another severity. */
static bool as_problem(struct arena *a, const struct matcher_model *m,
		       const struct problem_found *f, struct problem *out)
{
	const char *severity = f->part[PART_SEVERITY] && *f->part[PART_SEVERITY]
				       ? f->part[PART_SEVERITY]
				       : m->severity;
	const char *level = problem_level(severity);

	if (!level || is_blank(f->part[PART_MESSAGE]))
		return false;
	*out = (struct problem){
		.level = level,
		.owner = arena_strdup(a, m->owner),
		.message = f->part[PART_MESSAGE],
		.file = is_blank(f->part[PART_FILE]) ? NULL : f->part[PART_FILE],
		.from = is_blank(f->part[PART_FROM]) ? NULL : f->part[PART_FROM],
		.code = trimmed(a, f->part[PART_CODE]),
		.line = number_of(f->part[PART_LINE]),
		.col = number_of(f->part[PART_COLUMN]),
	};
	return true;
}

/* As try_matcher(); -1 also when it was the last that this job's time was good for. */
static int try_in_time(struct problems *p, size_t at, struct arena *a, const char *line, size_t len,
		       struct problem_found *out, const char **removed)
{
	uint64_t before = clock_us(CLOCK_THREAD_CPUTIME_ID);
	struct matcher_model *m = p->list[at];
	struct err err = {0};
	int matched = try_matcher(m, a, line, len, out, &err);

	p->spent_us += clock_us(CLOCK_THREAD_CPUTIME_ID) - before;
	if (matched < 0) {
		*removed =
			arena_printf(a, "problem matcher '%s' is removed: %s", m->owner, err.text);
		drop(p, at);
	}
	if (p->spent_us <= LIMIT_PROBLEM_MS * UINT64_C(1000))
		return matched;
	*removed = arena_printf(
		a, "the problem matchers are removed: they took more than %u s of this job",
		LIMIT_PROBLEM_MS / 1000);
	drop_all(p);
	return -1;
}

/* Another has found something: what matches over several lines begins anew. */
static void reset_others(struct problems *p, size_t but)
{
	for (size_t i = 0; i < p->count; i++)
		if (i != but)
			matcher_model_reset(p->list[i]);
}

/* The first that finds something has the line. */
bool problems_match(struct problems *p, struct arena *a, const char *line, size_t len,
		    struct problem *out, const char **removed)
{
	*removed = NULL;
	if (len > LIMIT_PROBLEM_LINE)
		return false;
	for (size_t i = 0; i < p->count;) {
		struct problem_found found = {0};
		int matched = try_in_time(p, i, a, line, len, &found, removed);

		if (matched < 0)
			continue; /* the next is in its place */
		if (matched) {
			reset_others(p, i);
			if (as_problem(a, p->list[i], &found, out))
				return true;
		}
		i++;
	}
	return false;
}

/* ---- where it is ---- */

/* An absolute path without '.', '..' and '//'. No link is asked for: it names a file to a person. */
static void add_normal(struct strbuf *out, const char *path)
{
	for (size_t n; *path; path += n) {
		path += strspn(path, "/");
		n = strcspn(path, "/");
		if (n == 2 && !strncmp(path, "..", 2)) {
			while (out->len && out->text[out->len - 1] != '/')
				strbuf_cut(out, out->len - 1);
			strbuf_cut(out, out->len ? out->len - 1 : 0);
		} else if (n && !(n == 1 && *path == '.')) {
			strbuf_addc(out, '/');
			strbuf_add(out, path, n);
		}
	}
}

const char *problem_path(struct arena *a, const struct problem *p, const char *workspace)
{
	auto_strbuf struct strbuf path = STRBUF(LIMIT_PATH), base = STRBUF(LIMIT_PATH);
	const char *slash = p->from ? strrchr(p->from, '/') : NULL;
	size_t len;

	if (!p->file)
		return NULL;
	if (*p->file != '/' && !(slash && *p->from == '/'))
		add_normal(&path, workspace);
	if (*p->file != '/' && slash)
		strbuf_add(&base, p->from, (size_t)(slash - p->from));
	strbuf_addf(&base, "/%s", p->file);
	add_normal(&path, base.text);
	strbuf_cut(&base, 0);
	add_normal(&base, workspace);
	len = base.len;
	if (path.full || base.full || strncmp(path.text, base.text, len) != 0 ||
	    path.text[len] != '/')
		return NULL;
	return arena_strdup(a, path.text + len + 1);
}
