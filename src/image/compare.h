/* compare: two lists of a tree (scan.h), and what differs. Private. */
#pragma once

#include <stddef.h>

#include "stepcell/strbuf.h"

/*
 * A line a difference, at most `max` of them, into `out`: "changed PATH" (its
 * content, its mode or its kind), "missing PATH", "new PATH". Both texts are
 * written to. The number of all differences.
 */
size_t compare_lists(char *was, char *is, size_t max, struct strbuf *out);
