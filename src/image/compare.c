#include "image/compare.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct line {
	const char *path;
	size_t path_len;
	const char *text;
};

struct lines {
	struct line *list;
	size_t count;
};

static void release(struct lines *lines)
{
	free(lines->list);
}
#define auto_lines __attribute__((cleanup(release)))

/* How many words stand before the path. */
static unsigned words_before(char kind)
{
	return kind == 'f' ? 4 : kind == 'd' ? 2 : 1;
}

static struct line line_of(const char *text)
{
	const char *p = text;

	for (unsigned i = words_before(*text); i > 0 && *p; i--) {
		p += strcspn(p, " ");
		p += *p == ' ';
	}
	return (struct line){p, strcspn(p, " "), text};
}

static int by_path(const void *a, const void *b)
{
	const struct line *x = a, *y = b;
	size_t len = x->path_len < y->path_len ? x->path_len : y->path_len;
	int r = memcmp(x->path, y->path, len);

	return r ? r : (x->path_len > y->path_len) - (x->path_len < y->path_len);
}

static struct lines split(char *text)
{
	struct lines lines = {0};
	size_t n = 0;

	for (const char *p = text; (p = strchr(p, '\n')); p++)
		n++;
	lines.list = calloc(n + 1, sizeof(*lines.list));
	if (!lines.list)
		abort();
	for (char *end; (end = strchr(text, '\n')); text = end + 1) {
		*end = '\0';
		lines.list[lines.count++] = line_of(text);
	}
	qsort(lines.list, lines.count, sizeof(*lines.list), by_path);
	return lines;
}

size_t compare_lists(char *was, char *is, size_t max, struct strbuf *out)
{
	auto_lines struct lines old = split(was);
	auto_lines struct lines new = split(is);
	size_t count = 0;

	for (size_t i = 0, j = 0; i < old.count || j < new.count;) {
		int r = i == old.count   ? 1
			: j == new.count ? -1
					 : by_path(&old.list[i], &new.list[j]);
		const struct line *line = r > 0 ? &new.list[j] : &old.list[i];

		if (r == 0 && strcmp(line->text, new.list[j].text) == 0) {
			i++, j++;
			continue;
		}
		if (count++ < max)
			strbuf_addf(out, "%s %.*s\n",
				    r < 0   ? "missing"
				    : r > 0 ? "new"
					    : "changed",
				    (int)line->path_len, line->path);
		i += r <= 0;
		j += r >= 0;
	}
	return count;
}
