/* A filter pattern and a text, cut at the first newline. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "stepcell/workflow.h"
#include "workflow/filter.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *pattern = strndup((const char *)data, size), *text = strchr(pattern, '\n');
	const char *const patterns[] = {"**", pattern};

	if (text) {
		*text++ = '\0';
		(void)filter_match(patterns, 2, text);
		/* a pattern without anything special matches itself alone */
		if (!strpbrk(pattern, "*?+[\\!") && strlen(pattern) < 1000 && strlen(text) < 4000 &&
		    filter_pattern_match(pattern, text) != (strcmp(pattern, text) == 0))
			abort();
	}
	(void)filter_pattern_fault(pattern);
	free(pattern);
	return 0;
}
