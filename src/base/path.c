#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "stepcell/fd.h"
#include "stepcell/path.h"

static int open_how(int root, const char *path, int flags, mode_t mode, uint64_t resolve,
		    struct err *err)
{
	struct open_how how = {
		.flags = (uint64_t)(flags | O_CLOEXEC),
		.mode = flags & (O_CREAT | __O_TMPFILE) ? mode : 0,
		.resolve = resolve | RESOLVE_NO_MAGICLINKS,
	};
	int fd;

	do /* EAGAIN: a rename raced with the walk, openat2(2) says to try again */
		fd = (int)syscall(SYS_openat2, root, path, &how, sizeof(how));
	while (fd < 0 && (errno == EAGAIN || errno == EINTR));
	return fd >= 0 ? fd : err_sys(err, "cannot open '%s'", path);
}

int open_beneath(int root, const char *path, int flags, mode_t mode, struct err *err)
{
	return open_how(root, path, flags, mode, RESOLVE_BENEATH, err);
}

int open_nolinks(int root, const char *path, int flags, mode_t mode, struct err *err)
{
	return open_how(root, path, flags, mode, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS, err);
}

int open_in_root(int root, const char *path, int flags, mode_t mode, struct err *err)
{
	return open_how(root, path, flags, mode, RESOLVE_IN_ROOT, err);
}

/* Make one component below `dir` and step into it; takes `dir` over. */
static int mkdir_step(int dir, const char *name, mode_t mode, struct err *err)
{
	auto_fd int from = dir;

	if (mkdirat(from, name, mode) < 0 && errno != EEXIST)
		return err_sys(err, "cannot make directory '%s'", name);
	return open_nolinks(from, name, O_PATH | O_DIRECTORY, 0, err);
}

int mkdir_beneath(int dir, const char *path, mode_t mode, struct err *err)
{
	auto_fd int at = open_nolinks(dir, ".", O_PATH | O_DIRECTORY, 0, err);

	while (at >= 0) {
		char name[NAME_MAX + 1];
		size_t len;

		path += strspn(path, "/");
		len = strcspn(path, "/");
		if (!len)
			return 0;
		if (len > NAME_MAX)
			return err_fail(err, ERR_USAGE, "a name of '%s' is too long", path);
		memcpy(name, path, len);
		name[len] = '\0';
		at = mkdir_step(take_fd(&at), name, mode, err);
		path += len;
	}
	return -1;
}

/* The missing folders above `path`, which is written to on the way. */
static int mkdir_above(char *path, mode_t mode, struct err *err)
{
	for (char *p = path + 1; *p; p++) {
		if (*p != '/')
			continue;
		*p = '\0';
		if (mkdir(path, mode) < 0 && errno != EEXIST && errno != EROFS && errno != EACCES)
			return err_sys(err, "cannot make directory '%s'", path);
		*p = '/';
	}
	return 0;
}

int mkdir_all(const char *path, mode_t mode, struct err *err)
{
	char part[PATH_MAX];
	size_t len = strlen(path);

	if (len >= sizeof(part))
		return err_fail(err, ERR_USAGE, "path too long: '%s'", path);
	memcpy(part, path, len + 1);
	/* mostly it is there, or the last one alone is missing */
	if (mkdir(part, mode) == 0 || errno == EEXIST)
		return 0;
	if (mkdir_above(part, mode, err) < 0)
		return -1;
	if (mkdir(part, mode) < 0 && errno != EEXIST)
		return err_sys(err, "cannot make directory '%s'", part);
	return 0;
}

void dir_spread(int dir)
{
	unsigned flags;

	if (ioctl(dir, FS_IOC_GETFLAGS, &flags) < 0 || flags & FS_TOPDIR_FL)
		return;
	flags |= FS_TOPDIR_FL;
	(void)ioctl(dir, FS_IOC_SETFLAGS, &flags);
}

int path_join(char *out, size_t size, const char *a, const char *b, struct err *err)
{
	int n = snprintf(out, size, "%s/%s", a, b);

	if (n < 0 || (size_t)n >= size)
		return err_fail(err, ERR_USAGE, "path too long: '%s/%s'", a, b);
	return 0;
}

static bool name_byte(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '.' || c == '_' || c == '-';
}

bool name_is_safe(const char *name)
{
	size_t len = 0;

	for (; name[len]; len++)
		if (!name_byte(name[len]))
			return false;
	return len >= 1 && len <= 128 && name[0] != '.';
}

void name_make_safe(const char *text, struct strbuf *out)
{
	size_t start = out->len;

	for (; *text && out->len - start < 120; text++)
		strbuf_addc(out, name_byte(*text) ? *text : '-');
	/* neither hidden, nor an option of the command that it is given to */
	if (out->len > start && (out->text[start] == '.' || out->text[start] == '-'))
		out->text[start] = '_';
	if (out->len == start)
		strbuf_adds(out, "unnamed");
}
