/* spec: is what was asked for something that can be made? */
#pragma once

#include "stepcell/cell.h"

/* A spec is written by our own callers, but with words from workflows and policies in it. */
int spec_check(const struct cell_spec *spec, struct err *err);
