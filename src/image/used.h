/* used: when an image was used last. Private. */
#pragma once

#include <time.h>

#include "image/store.h"

/* Now. Nothing is flushed, nobody waits; a store that cannot be written to keeps no such time. */
void image_touch(struct store *store, const struct digest *image);

/* 0: never. */
time_t image_touched(struct store *store, const struct digest *image);
