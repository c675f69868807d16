#include "newmount.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "stepcell/fd.h"

int fs_open(const char *type, struct err *err)
{
	int context = fsopen(type, FSOPEN_CLOEXEC);

	return context < 0 ? err_sys(err, "cannot open a %s file system", type) : context;
}

/* What the kernel logged about a failure says more than its errno. */
static int fs_fail(int context, const char *what, struct err *err)
{
	char text[512];
	int sys = errno;
	ssize_t n = read(context, text, sizeof(text) - 1);

	errno = sys;
	if (n <= 2)
		return err_sys(err, "%s", what);
	text[n] = '\0';
	text[strcspn(text, "\n")] = '\0';
	return err_sys(err, "%s (%s)", what, text + 2);
}

int fs_set(int context, const char *key, const char *value, struct err *err)
{
	unsigned command = value ? FSCONFIG_SET_STRING : FSCONFIG_SET_FLAG;

	if (fsconfig(context, command, key, value, 0) < 0)
		return fs_fail(context, key, err);
	return 0;
}

int fs_mount(int context, uint64_t attr, struct err *err)
{
	int tree;

	if (fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return fs_fail(context, "cannot create the file system", err);
	tree = fsmount(context, FSMOUNT_CLOEXEC, (unsigned)attr);
	return tree < 0 ? fs_fail(context, "cannot mount the file system", err) : tree;
}

int fs_freeze(int context, struct err *err)
{
	if (fs_set(context, "ro", NULL, err) < 0)
		return -1;
	if (fsconfig(context, FSCONFIG_CMD_RECONFIGURE, NULL, NULL, 0) < 0)
		return fs_fail(context, "cannot make the file system read-only", err);
	return 0;
}

int fs_make(const char *type, const struct fs_option *options, uint64_t attr, struct err *err)
{
	auto_fd int context = fs_open(type, err);

	if (context < 0)
		return -1;
	for (; options && options->key; options++)
		if (fs_set(context, options->key, options->value, err) < 0)
			return err_wrap(err, "%s", type);
	return fs_mount(context, attr, err);
}

int tree_clone(int dir, const char *path, struct err *err)
{
	unsigned flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH | AT_RECURSIVE;
	int tree = open_tree(dir, path, flags);

	return tree < 0 ? err_sys(err, "cannot take the mount at '%s'", path) : tree;
}

int tree_restrict(int tree, uint64_t attr, struct err *err)
{
	struct mount_attr want = {.attr_set = attr};

	if (mount_setattr(tree, "", AT_EMPTY_PATH | AT_RECURSIVE, &want, sizeof(want)) < 0)
		return err_sys(err, "cannot restrict a mount");
	return 0;
}

int tree_idmap(int tree, int userns, struct err *err)
{
	struct mount_attr want = {.attr_set = MOUNT_ATTR_IDMAP, .userns_fd = (uint64_t)userns};

	if (mount_setattr(tree, "", AT_EMPTY_PATH, &want, sizeof(want)) < 0)
		return err_sys(err, "cannot map the owner of a mount");
	return 0;
}
