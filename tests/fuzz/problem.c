/* A file of problem matchers, then the lines that they look at: the first line is the file. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "runner/problem.h"
#include "stepcell/limits.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A line as note_line() gives it: without NUL, and as long as it may be. */
static void look(struct problems *p, struct arena *a, const char *text, size_t len)
{
	const char *line = arena_strndup(a, text, len);
	struct problem problem;
	const char *removed;

	if (!problems_match(p, a, line, strlen(line), &problem, &removed))
		return;
	if (!problem.level || !problem.message || !problem.owner)
		abort();
	(void)problem_path(a, &problem, "/w/r");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *a = arena_new();
	struct problems *p = problems_new();
	const char *text = (const char *)data, *end = text + size;
	const char *lf = memchr(text, '\n', size);
	struct err err = {0};

	if (problems_add(p, a, text, (size_t)((lf ? lf : end) - text), NULL, &err) == 0)
		while (lf && lf < end) {
			const char *from = lf + 1;

			lf = memchr(from, '\n', (size_t)(end - from));
			look(p, a, from, (size_t)((lf ? lf : end) - from));
		}
	problems_free(&p);
	arena_free(&a);
	return 0;
}
