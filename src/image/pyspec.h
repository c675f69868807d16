/* pyspec: what setup-python makes of a version before it looks for one. Private. */
#pragma once

#include <stdbool.h>

#include "stepcell/err.h"

struct python_spec {
	char range[256]; /* as node-semver reads it */
	bool freethreaded;
};

/*
 * "3.13t" is 3.13 without the global lock, "3.14-dev" every 3.14 with those
 * before its release, which `prereleases` makes of "3.14" too. A Python that is
 * no CPython is ERR_SYSTEM: nothing builds one. What is no range stays as it is.
 */
int python_spec_parse(const char *text, bool prereleases, struct python_spec *out, struct err *err);
