/* copy: a folder of the host as the entries of an archive. Private. */
#pragma once

#include "image/writer.h"

/* All of `from` but a .git at its top. No link is followed. */
int copy_folder(int from, struct writer *w, struct err *err);
