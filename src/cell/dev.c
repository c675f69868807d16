/* dev: five devices, the descriptors' links, own terminals and own shared memory. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "inside.h"
#include "newmount.h"
#include "stepcell/fd.h"
#include "stepcell/limits.h"
#include "stepcell/util.h"

/* The numbers of Linux' allocated devices: a node of that name that is another is not taken. */
static const struct device {
	const char *name, *path;
	unsigned major, minor;
} devices[] = {
	{"null", "/dev/null", 1, 3},       {"zero", "/dev/zero", 1, 5},
	{"full", "/dev/full", 1, 7},       {"random", "/dev/random", 1, 8},
	{"urandom", "/dev/urandom", 1, 9},
};

static const struct {
	const char *name, *target;
} links[] = {
	{"fd", "/proc/self/fd"},       {"stdin", "/proc/self/fd/0"}, {"stdout", "/proc/self/fd/1"},
	{"stderr", "/proc/self/fd/2"}, {"ptmx", "pts/ptmx"},
};

static int device_bind(int dev, const struct device *d, struct err *err)
{
	auto_fd int tree = tree_clone(AT_FDCWD, d->path, err);
	auto_fd int point = -1;
	struct stat st;

	if (tree < 0)
		return -1;
	if (fstat(tree, &st) < 0 || !S_ISCHR(st.st_mode) ||
	    st.st_rdev != makedev(d->major, d->minor))
		return err_fail(err, ERR_SYSTEM, "'%s' is not the device %u:%u", d->path, d->major,
				d->minor);
	if (tree_restrict(tree, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC, err) < 0)
		return -1;
	point = openat(dev, d->name, O_RDONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (point < 0)
		return err_sys(err, "cannot make '%s'", d->path);
	return point_attach(tree, point, d->path, err);
}

/* Whoever opens it gets his own controlling terminal, and the cell has one of its own. */
static const struct device tty = {"tty", "/dev/tty", 5, 0};

static int dev_fill(struct setup *s, int dev, struct err *err)
{
	if (s->spec->pty && device_bind(dev, &tty, err) < 0)
		return -1;
	for (size_t i = 0; i < COUNT(devices); i++)
		if (device_bind(dev, &devices[i], err) < 0)
			return -1;
	for (size_t i = 0; i < COUNT(links); i++)
		if (symlinkat(links[i].target, dev, links[i].name) < 0)
			return err_sys(err, "cannot link '/dev/%s'", links[i].name);
	return 0;
}

static int dev_sub(int dev, const char *name, const char *type, const struct fs_option *options,
		   uint64_t attr, struct err *err)
{
	auto_fd int tree = fs_make(type, options, attr, err);
	auto_fd int point = -1;

	if (tree < 0)
		return -1;
	if (mkdirat(dev, name, 0755) < 0)
		return err_sys(err, "cannot make '/dev/%s'", name);
	point = openat(dev, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (point < 0)
		return err_sys(err, "cannot open '/dev/%s'", name);
	return point_attach(tree, point, name, err);
}

/* A cgroup counts shared memory against the cell; where there is none, this size is the limit. */
static uint64_t shm_bytes(const struct setup *s)
{
	if (!s->have_cgroup)
		return 64 * MIB;
	return s->spec->limits.memory ? s->spec->limits.memory / 2 : GIB;
}

static int dev_shm(struct setup *s, int dev, struct err *err)
{
	char size[24];
	const struct fs_option options[] = {
		{"size", size}, {"nr_inodes", "65536"}, {"mode", "1777"}, {NULL, NULL}};

	(void)snprintf(size, sizeof(size), "%" PRIu64, shm_bytes(s));
	return dev_sub(dev, "shm", "tmpfs", options, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV, err);
}

static int dev_pts(int dev, struct err *err)
{
	static const struct fs_option options[] = {
		{"ptmxmode", "0666"}, {"mode", "0620"}, {"max", "64"}, {NULL, NULL}};

	return dev_sub(dev, "pts", "devpts", options, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC, err);
}

int dev_make(struct setup *s, struct err *err)
{
	static const struct fs_option options[] = {
		{"size", "64k"}, {"nr_inodes", "32"}, {"mode", "0755"}, {NULL, NULL}};
	auto_fd int dev = fs_make("tmpfs", options, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC, err);
	auto_fd int point = -1;
	struct mount_attr frozen = {.attr_set = MOUNT_ATTR_RDONLY};

	if (dev < 0)
		return -1;
	point = point_open(s->root, "/dev", true, true, err);
	if (point < 0 || point_attach(dev, point, "/dev", err) < 0)
		return -1;
	if (dev_fill(s, dev, err) < 0 || dev_pts(dev, err) < 0 || dev_shm(s, dev, err) < 0)
		return -1;
	/* what lies in it can be used; nothing can be put beside it */
	if (mount_setattr(dev, "", AT_EMPTY_PATH, &frozen, sizeof(frozen)) < 0)
		return err_sys(err, "cannot make '/dev' read-only");
	return 0;
}
