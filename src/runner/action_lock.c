/*
 * actions.lock: which trees the actions of the store must be.
 *
 *	actions:
 *	  OWNER/REPO@REF: { commit: 40 digits, tree: "sha256:..." }
 */
#include "runner/actions.h"
#include "runner/lock.h"
#include "stepcell/limits.h"

#define LOCK_NAME "actions.lock"

/* Once a run; a null when there is none. */
static int open_lock(struct run *run, const char *name, struct err *err)
{
	auto_strbuf struct strbuf text = STRBUF(LIMIT_YAML_BYTES);
	int got = lock_file_read(run, run->options->actions_lock, LOCK_NAME, &text, err);

	if (got > 0)
		run->lock = lock_parse(run->arena, name, text.text, text.len, err);
	else if (got == 0)
		run->lock = node_null();
	if (run->lock)
		return 0;
	err->kind = ERR_USAGE;
	return got < 0 ? err_wrap(err, "%s", name) : -1;
}

int lock_check(struct run *run, const struct stored_action *action, struct err *err)
{
	const char *name = run->options->actions_lock ? run->options->actions_lock : LOCK_NAME;

	if (!run->lock && open_lock(run, name, err) < 0)
		return -1;
	if (run->lock->kind == NODE_NULL)
		return 0;
	return lock_agrees(run->arena, run->lock, action, err) < 0 ? err_wrap(err, "%s", name) : 0;
}
