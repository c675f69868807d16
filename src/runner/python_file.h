/* python_file: the Python versions that a file of the project names. Private. */
#pragma once

#include "stepcell/arena.h"
#include "stepcell/decode.h"
#include "stepcell/err.h"

/*
 * As setup-python reads them: `name` decides which kind of file it is. None is
 * success with count 0. What a pyproject.toml requires is made a range.
 */
int python_file_parse(struct arena *a, const char *name, const char *text, size_t len,
		      struct texts *out, struct err *err);
