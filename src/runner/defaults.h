/* defaults: the variables that every step has without asking. */
#pragma once

#include "stepcell/node.h"

/*
 * Add GITHUB_ACTIONS, GITHUB_* from an allow-list of the github context and
 * RUNNER_* from all of the runner context to `env`, over what is there: a
 * workflow cannot change them. CI is added when it is not there. Nulls, lists
 * and maps give no variable.
 */
void default_env(struct arena *a, const struct node *github, const struct node *runner,
		 struct node *env);
