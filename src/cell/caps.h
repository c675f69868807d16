/* caps: a cell has no capability, and no way to get one. */
#pragma once

#include <stdbool.h>

#include "stepcell/err.h"

/*
 * Empty all five sets, and lock the securebits so that no later setuid or
 * exec by uid 0 fills them again. After everything that needs a capability;
 * needs CAP_SETPCAP in the process's own user namespace.
 */
int caps_drop_all(struct err *err);

/* An error that names the first capability found in any set. */
int caps_assert_none(struct err *err);

int no_new_privs_set(struct err *err);

/* Have we CAP_SYS_ADMIN now? uid 0 of a container seldom has. */
bool caps_may_administrate(void);
