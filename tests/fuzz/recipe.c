/* Recipes, image manifests and version ranges: texts of others. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "image/manifest.h"
#include "image/recipe.h"
#include "image/version.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	auto_arena struct arena *a = arena_new();
	const char *text = arena_strndup(a, (const char *)data, size);
	struct version v = {{3, 10, 13}, ""};
	struct manifest manifest;
	struct recipe recipe;
	struct err err;
	bool lies;

	if (recipe_parse(a, "fuzz.yml", (const char *)data, size, &recipe, &err) == 0 &&
	    recipe.kind == RECIPE_DEBIAN)
		for (size_t i = 0; i < recipe.packages.count; i++)
			if (strpbrk(recipe.packages.list[i], " ,\n") ||
			    recipe.packages.list[i][0] == '-')
				abort();
	if (manifest_decode(a, (const char *)data, size, &manifest, &err) == 0 &&
	    (manifest.layer_count == 0 || strchr(manifest.name, '/')))
		abort();
	(void)version_match(&v, text, &lies, &err);
	(void)version_parse(text, &v);
	return 0;
}
