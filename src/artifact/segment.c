/* segment: one name against one segment of a pattern: `*`, `?`, `[...]` and `\`. */
#include <stdint.h>
#include <string.h>

#include "artifact/glob.h"
#include "stepcell/utf8.h"

/* One character; a byte that belongs to none is a character of its own kind. */
static uint32_t next_char(const char **text)
{
	uint32_t c = 0;
	size_t n = utf8_char(*text, strlen(*text), &c);

	if (!n)
		c = 0x110000u + (unsigned char)**text;
	*text += n ? n : 1;
	return c;
}

/* One member of a set, a backslash taking the next character as it is. */
static uint32_t set_char(const char **p)
{
	if (**p == '\\' && (*p)[1])
		(*p)++;
	return next_char(p);
}

/* The `]` that ends the set whose inside begins at `p`; NULL when there is none. */
static const char *set_end(const char *p)
{
	if (*p == '!' || *p == '^')
		p++;
	if (*p == ']') /* the first of a set is a member */
		p++;
	for (; *p && *p != ']'; p++)
		if (*p == '\\' && p[1])
			p++;
	return *p ? p : NULL;
}

/* Is `c` in the set from `p` to `end`? -1 when a range runs backwards: then it is no set. */
static int set_has(const char *p, const char *end, uint32_t c)
{
	bool negate = *p == '!' || *p == '^';
	bool found = false;

	for (p += negate; p < end;) {
		uint32_t low = set_char(&p), high = low;

		if (p + 1 < end && *p == '-') {
			p++;
			high = set_char(&p);
		}
		if (high < low)
			return -1;
		found = found || (c >= low && c <= high);
	}
	return found != negate;
}

/* Match what stands at `*p`, which is no star, with the next character of `*name`. */
static bool match_one(const char **p, const char **name)
{
	uint32_t c = next_char(name);
	const char *end = **p == '[' ? set_end(*p + 1) : NULL;
	int has = end ? set_has(*p + 1, end, c) : -1;

	if (has >= 0) {
		*p = end + 1;
		return has;
	}
	if (**p == '?') {
		++*p;
		return true;
	}
	return set_char(p) == c;
}

bool segment_match(const char *segment, const char *name)
{
	const char *star = NULL, *retry = NULL;

	while (*name) {
		const char *p = segment, *n = name;

		if (*p == '*') {
			star = ++segment;
			retry = name;
		} else if (*p && match_one(&p, &n)) {
			segment = p;
			name = n;
		} else if (star) {
			(void)next_char(&retry);
			segment = star;
			name = retry;
		} else {
			return false;
		}
	}
	return segment[strspn(segment, "*")] == '\0';
}

/* A set of one plain character, [x], stands for it. */
static size_t lone_member(const char *p)
{
	const char *inside = p + 1, *end = set_end(inside);

	if (!end || *inside == '!' || *inside == '^')
		return 0;
	(void)set_char(&inside);
	return inside == end ? (size_t)(end - p) : 0;
}

const char *segment_literal(struct arena *a, const char *segment)
{
	char *out = arena_alloc(a, strlen(segment) + 1), *to = out;

	for (const char *p = segment; *p;) {
		const char *from = p, *after;
		size_t lone = *p == '[' ? lone_member(p) : 0;

		if (*p == '*' || *p == '?' || (*p == '[' && !lone && set_end(p + 1)))
			return NULL;
		from += lone ? 1 : 0;
		after = from;
		(void)set_char(&after);
		from += *from == '\\' && from[1] ? 1 : 0;
		memcpy(to, from, (size_t)(after - from));
		to += after - from;
		p = lone ? p + lone + 1 : after;
	}
	*to = '\0';
	return out;
}
