/* skeleton: the directories that lie above the host's. Private. */
#pragma once

#include "stepcell/err.h"
#include "stepcell/strbuf.h"

/* Make root/ and usr/ in `dir`. */
int skeleton_make_root(int dir, struct err *err);
int skeleton_make_usr(int dir, struct err *err);

/* The names in a directory, sorted, each with a newline behind. Names that hold one are left out. */
int folder_list(int dir, struct strbuf *out, struct err *err);
