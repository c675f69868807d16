/*
 * actions.lock: which trees the actions of the store must be.
 *
 *	actions:
 *	  OWNER/REPO@REF: { commit: 40 digits, tree: "sha256:..." }
 */
#include "runner/actions.h"
#include "runner/lock.h"

#define LOCK_NAME "actions.lock"

int lock_check(struct run *run, const struct stored_action *action, struct err *err)
{
	const char *name = run->options->actions_lock ? run->options->actions_lock : LOCK_NAME;

	if (lock_file_open(run, run->options->actions_lock, LOCK_NAME, lock_parse, &run->lock,
			   err) < 0)
		return -1;
	if (run->lock->kind == NODE_NULL)
		return 0;
	return lock_agrees(run->arena, run->lock, action, err) < 0 ? err_wrap(err, "%s", name) : 0;
}
