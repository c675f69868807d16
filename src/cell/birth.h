/* birth: one clone3() with all that it can do at once. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "stepcell/err.h"

/*
 * As fork(): returns in both. `cgroup` is a v2 directory to be born in, or -1.
 * The child sends no signal when it ends: nobody else's wait() or handler can
 * take it; wait by `*pidfd` with __WALL. A kernel that cannot bear it in `cgroup`
 * leaves it `*outside`, and cgroup_attach() has to move it.
 */
pid_t birth(uint64_t flags, int cgroup, int *pidfd, bool *outside, struct err *err);
