/* plan_parts: what the files of the plan share. */
#pragma once

#include "stepcell/workflow.h"

/* Does a tree of templates name a context that is not in `contexts`? */
bool plan_uses_unknown(struct arena *a, const struct node *n, const struct node *contexts);
