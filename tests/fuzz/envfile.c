/* GITHUB_ENV, GITHUB_OUTPUT and GITHUB_PATH, as a step may leave them. */
#include <stdint.h>
#include <stdlib.h>

#include "runner/envfile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *a = arena_new();
	const char *text = (const char *)data;
	struct envfile_pairs pairs;
	struct texts paths;
	struct err err;

	if (!envfile_parse(a, text, size, ENVFILE_ENV_GUARDED, &pairs, &err)) {
		for (size_t i = 0; i < pairs.count; i++) {
			if (!*pairs.list[i].name || !pairs.list[i].value)
				abort();
		}
	}
	if (!pathfile_parse(a, text, size, &paths, &err)) {
		for (size_t i = 0; i < paths.count; i++) {
			if (!*paths.list[i])
				abort();
		}
	}
	arena_free(&a);
	return 0;
}
