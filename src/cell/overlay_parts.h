/* overlay_parts: what both ways of giving layers to the kernel have in common. */
#pragma once

#include <stdbool.h>

#include "newmount.h"
#include "stepcell/cell.h"

/* A directory; or, where its owner has to be shown as the step, a detached mount of it. */
int layer_open(struct cell_owner *owner, const struct cell_layer *layer, bool *detached,
	       struct err *err);

/* The options of every overlay of this owner's, up to a NULL key. */
const struct fs_option *overlay_options(const struct cell_owner *owner);

/*
 * Act as the step, for the moment of a mount; step_leave() ends it. As an
 * ordinary user stepcell is the step already, and both do nothing.
 */
int step_enter(const struct cell_owner *owner, struct err *err);
void step_leave(const struct cell_owner *owner);

/* As overlay_mount(), for a kernel that does not take layers one by one. */
int overlay_by_string(struct cell_owner *owner, const struct cell_overlay *overlay,
		      struct err *err);
