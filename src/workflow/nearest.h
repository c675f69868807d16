/* nearest: the name that somebody meant who wrote another. */
#pragma once

#include "stepcell/arena.h"

struct nearest {
	const char *word; /* as it was written */
	const char *name; /* the nearest so far that is near enough, or NULL */
	unsigned changes; /* between them */
};

void nearest_try(struct nearest *n, const char *name);
