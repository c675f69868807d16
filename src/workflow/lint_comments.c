/* Comments that silence findings. Looked for in the text as it is: a comment of a script counts as one of the file. */
#include <string.h>

#include "stepcell/arena.h"
#include "stepcell/workflow.h"

#define MARK       "# stepcell: ignore["
#define REASON_MAX 300 /* bytes */

struct comment {
	unsigned line, col;
	unsigned about; /* the line that it speaks of */
	const char *rule, *reason;
	bool used;
};

struct lint_comments {
	const char *file;
	struct comment *list; /* in the order of the text */
	size_t count;
};

static const char *trimmed(struct arena *a, const char *from, const char *to)
{
	while (from < to && strchr(" \t\r", *from))
		from++;
	while (to > from && strchr(" \t\r", to[-1]))
		to--;
	return arena_strndup(a, from, (size_t)(to - from));
}

/* One for each rule between the brackets. */
static void add(struct arena *a, struct lint_comments *c, struct comment found, const char *rules,
		const char *end)
{
	for (const char *comma; rules <= end; rules = comma + 1) {
		comma = memchr(rules, ',', (size_t)(end - rules));
		if (!comma)
			comma = end;
		found.rule = trimmed(a, rules, comma);
		c->list = arena_grow(a, c->list, c->count, sizeof(*c->list));
		c->list[c->count++] = found;
	}
}

/* Is there nothing on the line but a comment? */
static bool stands_alone(const char *line, const char *mark)
{
	while (line < mark && strchr(" \t", *line))
		line++;
	return line == mark;
}

static unsigned characters(const char *from, const char *to)
{
	unsigned n = 0;

	for (; from < to; from++)
		n += (*from & 0xc0) != 0x80;
	return n;
}

static void read_line(struct arena *a, struct lint_comments *c, unsigned number, const char *line,
		      const char *end)
{
	const char *mark = memmem(line, (size_t)(end - line), MARK, strlen(MARK));
	const char *rules = mark ? mark + strlen(MARK) : NULL;
	const char *close = rules ? memchr(rules, ']', (size_t)(end - rules)) : NULL;

	if (close && end - close > REASON_MAX)
		end = close + REASON_MAX;
	if (close)
		add(a, c,
		    (struct comment){
			    .line = number,
			    .col = characters(line, mark) + 1,
			    .about = stands_alone(line, mark) ? 0 : number,
			    .reason = trimmed(a, close + 1, end),
		    },
		    rules, close);
}

/* A comment that stands alone speaks of the next line that does not. */
static void find_subjects(struct lint_comments *c)
{
	for (size_t i = c->count; i-- > 0;) {
		struct comment *now = &c->list[i];
		const struct comment *next = i + 1 < c->count ? &c->list[i + 1] : NULL;

		if (now->about)
			continue;
		now->about = now->line + 1;
		if (next && next->line <= now->line + 1)
			now->about = next->about;
	}
}

struct lint_comments *lint_comments(struct arena *a, const char *file, const char *text, size_t len)
{
	struct lint_comments *c = arena_alloc(a, sizeof(*c));
	const char *end = text + len;
	unsigned number = 1;

	c->file = arena_strdup(a, file);
	if (!memmem(text, len, MARK, strlen(MARK)))
		return c;
	for (const char *line = text, *next; line < end; line = next, number++) {
		const char *newline = memchr(line, '\n', (size_t)(end - line));

		next = newline ? newline + 1 : end;
		read_line(a, c, number, line, newline ? newline : end);
	}
	find_subjects(c);
	return c;
}

const char *lint_silences(struct lint_comments *c, unsigned line, const char *rule)
{
	const char *reason = NULL;

	for (size_t i = 0; line && i < c->count; i++) {
		struct comment *k = &c->list[i];

		if (k->about != line || strcmp(k->rule, rule) != 0)
			continue;
		k->used = true;
		reason = k->reason;
	}
	return reason;
}

void lint_comments_check(const struct lint_comments *c, struct diags *diags)
{
	for (size_t i = 0; i < c->count; i++) {
		const struct comment *k = &c->list[i];
		struct place at = {.file = c->file, .line = k->line, .col = k->col};

		if (!lint_rule_find(k->rule))
			diag_warn(diags, at, "ignore-comment",
				  "no rule '%.60s'; 'stepcell lint --rules' lists them", k->rule);
		else if (!k->used)
			diag_warn(diags, at, "ignore-comment",
				  "nothing of the rule '%s' is found at line %u", k->rule,
				  k->about);
	}
}
