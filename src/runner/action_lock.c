/*
 * actions.lock: which trees the actions of the store must be. It can only
 * refuse, so the checkout's own is believed; --actions-lock names another.
 *
 *	actions:
 *	  OWNER/REPO@REF: { commit: 40 digits, tree: "sha256:..." }
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "runner/actions.h"
#include "runner/lock.h"
#include "stepcell/fd.h"
#include "stepcell/limits.h"
#include "stepcell/path.h"
#include "stepcell/yaml.h"

#define LOCK_NAME "actions.lock"

/* 1 with its text, 0 when there is none. */
static int read_lock(const struct run *run, struct strbuf *text, struct err *err)
{
	const char *dir = run->source.tree_layer[0] ? run->source.tree_layer : run->source.dir;
	auto_fd int fd = -1, top = -1;
	struct stat st;

	if (run->options->actions_lock)
		return file_read(AT_FDCWD, run->options->actions_lock, text, err) < 0 ? -1 : 1;
	top = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (top < 0)
		return err_sys(err, "cannot open '%s'", dir);
	fd = openat(top, LOCK_NAME, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? 0 : err_sys(err, "cannot open it");
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return err_fail(err, ERR_USAGE, "it is no regular file");
	return read_capped(fd, text, err) < 0 ? -1 : 1;
}

/* Once a run; a null when there is none. */
static int open_lock(struct run *run, const char *name, struct err *err)
{
	auto_strbuf struct strbuf text = STRBUF(LIMIT_YAML_BYTES);
	int got = read_lock(run, &text, err);

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
