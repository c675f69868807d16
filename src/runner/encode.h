/* encode: the other forms in which a secret may be written. */
#pragma once

#include <stddef.h>

#include "stepcell/arena.h"

/*
 * The value itself and its encoded forms, each once; forms too short to stand
 * for the value are left out. None for a value of less than two bytes.
 */
const char *const *encode_forms(struct arena *a, const char *value, size_t *count);
