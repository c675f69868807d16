/*
 * The files at the top of a checkout that say which actions and images are the
 * right ones: actions.lock and images.lock. They can only refuse, so the
 * checkout's own are believed; an option names others.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "runner/run.h"
#include "stepcell/fd.h"
#include "stepcell/limits.h"

/* 1; 0 when there is none; -1. */
static int read_file(const struct run *run, const char *given, const char *name,
		     struct strbuf *text, struct err *err)
{
	const char *dir = run->source.tree_layer[0] ? run->source.tree_layer : run->source.dir;
	auto_fd int fd = -1, top = -1;
	struct stat st;

	if (given)
		return file_read(AT_FDCWD, given, text, err) < 0 ? -1 : 1;
	top = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (top < 0)
		return err_sys(err, "cannot open '%s'", dir);
	fd = openat(top, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? 0 : err_sys(err, "cannot open it");
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return err_fail(err, ERR_USAGE, "it is no regular file");
	return read_capped(fd, text, err) < 0 ? -1 : 1;
}

int lock_file_open(struct run *run, const char *given, const char *name, lock_parse_fn *parse,
		   const struct node **lock, struct err *err)
{
	const char *shown = given ? given : name;
	auto_strbuf struct strbuf text = STRBUF(LIMIT_YAML_BYTES);
	int got;

	if (*lock)
		return 0;
	got = read_file(run, given, name, &text, err);
	if (got > 0)
		*lock = parse(run->arena, shown, text.text, text.len, err);
	else if (got == 0)
		*lock = node_null();
	if (*lock)
		return 0;
	err->kind = ERR_USAGE;
	return got < 0 ? err_wrap(err, "%s", shown) : -1;
}
