/* overlay: layers into one mount. */
#pragma once

#include "stepcell/cell.h"

/*
 * A detached overlay mount. As root: made outside, before the clone, with
 * layers of other owners mapped to the step's. As an ordinary user: made
 * inside, in the cell's own mount namespace, where alone the kernel takes it.
 */
int overlay_mount(struct cell_owner *owner, const struct cell_overlay *overlay, struct err *err);

/* A detached copy of a host's file or directory, likewise. */
int bind_mount(const struct cell_bind *bind, struct err *err);
