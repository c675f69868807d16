/* The line that a finding is about, cut to what fits a terminal. */
#include <string.h>

#include "cli/lint.h"
#include "stepcell/utf8.h"

#define WINDOW 120 /* characters that are shown */
#define BEFORE 60  /* of them before the finding, when the line is longer */

struct span {
	const char *text;
	size_t len;
};

static struct span line_of(const struct lint_source *s, unsigned line)
{
	const char *at = s->text, *end = s->text + s->len, *newline;

	for (; line > 1 && at < end; line--) {
		newline = memchr(at, '\n', (size_t)(end - at));
		at = newline ? newline + 1 : end;
	}
	newline = memchr(at, '\n', (size_t)(end - at));
	if (!newline)
		newline = end;
	if (newline > at && newline[-1] == '\r')
		newline--;
	return (struct span){at, (size_t)(newline - at)};
}

/* A byte that begins no character counts as one. */
static struct span skip_chars(struct span s, unsigned count)
{
	while (count-- > 0 && s.len) {
		size_t n = utf8_char(s.text, s.len, NULL);

		n = n ? n : 1;
		s.text += n;
		s.len -= n;
	}
	return s;
}

/* A name, a path or a number is one word. */
static unsigned word_width(struct span s)
{
	static const char in_words[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				       "0123456789_-./@";
	unsigned n = 0;

	while (n < s.len && s.text[n] && strchr(in_words, s.text[n]))
		n++;
	return n ? n : 1;
}

struct excerpt lint_excerpt(struct arena *a, const struct lint_source *s, struct place at)
{
	struct span line, rest;
	struct excerpt e = {.from = 1};

	if (!s || !at.line || !at.col)
		return e;
	line = line_of(s, at.line);
	if (at.col > WINDOW - BEFORE / 2)
		e.from = at.col - BEFORE;
	line = skip_chars(line, e.from - 1);
	rest = skip_chars(line, WINDOW);
	e.text = arena_strndup(a, line.text, line.len - rest.len);
	e.width = word_width(skip_chars(line, at.col - e.from));
	return e;
}
