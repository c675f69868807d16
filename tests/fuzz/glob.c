/* Patterns and a path: the first line is the path, the rest are patterns. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "artifact/glob.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	auto_arena struct arena *a = arena_new();
	const char *text = arena_strndup(a, (const char *)data, size);
	size_t cut = strcspn(text, "\n");
	const char *path = arena_strndup(a, text, cut);
	const char *patterns = text + cut;
	struct err err;
	struct glob *g = glob_parse(a, "/home/runner/work", &patterns, 1, &err);

	if (!g)
		return 0;
	/* whatever matches must be on the way of the walk */
	if (glob_match(g, path) && !glob_leads_on(g, path))
		abort();
	for (size_t i = 0; i < g->search_count; i++)
		if (strstr(g->searches[i], "/../") || strcmp(g->searches[i], "..") == 0)
			abort();
	(void)glob_base(a, g, path);
	return 0;
}
