/* filter: GitHub's patterns for branches, tags and paths. */
#pragma once

#include <stdbool.h>

/* One pattern without its leading !, against the whole text. */
bool filter_pattern_match(const char *pattern, const char *text);

/* NULL, or what is wrong with a pattern. */
const char *filter_pattern_fault(const char *pattern);
