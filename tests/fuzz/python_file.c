/* The files that name a project's Python: .python-version, .tool-versions, pyproject.toml, Pipfile. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "image/pyspec.h"
#include "image/version.h"
#include "runner/python_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A version is looked for as the runner does it. */
static void look_up(const char *text)
{
	struct version v = {{3, 11, 2}, ""};
	struct python_spec spec;
	struct err err;
	bool lies;

	if (python_spec_parse(text, true, &spec, &err) == 0 &&
	    version_match(&v, spec.range, &lies, &err) < 0 && err.kind != ERR_USAGE)
		abort();
}

/* The first byte says which file it is. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const names[] = {".python-version", ".tool-versions", "pyproject.toml",
					    "Pipfile"};
	struct arena *a = arena_new();
	struct texts versions = {0};
	struct err err = {0};

	if (size) {
		const char *name = names[data[0] % 4];

		if (python_file_parse(a, name, (const char *)data + 1, size - 1, &versions, &err) <
			    0 &&
		    err.kind != ERR_USAGE)
			abort();
	}
	for (size_t i = 0; i < versions.count; i++) {
		if (!versions.list[i] || strlen(versions.list[i]) > size)
			abort();
		look_up(versions.list[i]);
	}
	arena_free(&a);
	return 0;
}
