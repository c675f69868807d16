/* complete: what a spec that leaves something out gets. */
#pragma once

#include <limits.h>

#include "lookup.h"
#include "stepcell/cell.h"

/* A spec with nothing left out; what it points to is the caller's, or is in here. */
struct complete_spec {
	struct cell_spec spec;
	struct cell_owner *own; /* where the spec had none; completed_release() closes it */
	struct cell_overlay *overlays;
	struct cell_bind *binds;
	struct cell_layer layers[8]; /* of the host's root */
	char state[PATH_MAX], seccomp[PATH_MAX], root[PATH_MAX];
	struct lookup lookup;
};

/* Whatever it returns, completed_release() is to be called. */
int spec_complete(const struct cell_spec *from, struct complete_spec *c, struct err *err);
void completed_release(struct complete_spec *c);

/* `state`, or where stepcell keeps its own when that is NULL, written to `out`. */
const char *state_or_home(const char *state, char *out, size_t size, struct err *err);
