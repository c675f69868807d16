/* folder: what a directory holds. Private. */
#pragma once

#include <stdbool.h>

#include "stepcell/err.h"
#include "stepcell/strbuf.h"

/* The names in a directory in byte order, each with its NUL behind it. */
int folder_list(int dir, struct strbuf *out, struct err *err);

/* Why a folder could not be opened: no such one is there, but perhaps a file or a link. */
bool folder_is_absent(const struct err *err);

#define for_each_name(name, list)                                                                  \
	for (const char *name = (list)->text; name < (list)->text + (list)->len;                   \
	     name += strlen(name) + 1)
