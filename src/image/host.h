/* host: the image "host", made of this machine's own /usr. Private. */
#pragma once

#include "image/store.h"

int host_find(struct store *store, struct arena *a, struct image *out, struct err *err);
