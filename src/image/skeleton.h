/* skeleton: the directories that lie above the host's. Private. */
#pragma once

#include "stepcell/err.h"

/* Make root/ and usr/ in `dir`. */
int skeleton_make_root(int dir, struct err *err);
int skeleton_make_usr(int dir, struct err *err);
