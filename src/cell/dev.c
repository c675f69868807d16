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

/* Bound where nobody may make them; then they are the host's, and with the host's locks and times. */
static int dev_bind(const struct cell_spec *spec, int dev, struct err *err)
{
	if (spec->pty && device_bind(dev, &tty, err) < 0)
		return -1;
	for (size_t i = 0; i < COUNT(devices); i++)
		if (device_bind(dev, &devices[i], err) < 0)
			return -1;
	return 0;
}

/* What is no device: links, and places for the two mounts. */
static int dev_names(int dev, struct err *err)
{
	static const char *const places[] = {"pts", "shm"};

	for (size_t i = 0; i < COUNT(links); i++)
		if (symlinkat(links[i].target, dev, links[i].name) < 0)
			return err_sys(err, "cannot link '/dev/%s'", links[i].name);
	for (size_t i = 0; i < COUNT(places); i++)
		if (mkdirat(dev, places[i], 0755) < 0)
			return err_sys(err, "cannot make '/dev/%s'", places[i]);
	return 0;
}

/* ---- outside, by root ---- */

static int device_make(int dev, const struct device *d, struct err *err)
{
	/* whatever the umask is */
	if (mknodat(dev, d->name, S_IFCHR | 0666, makedev(d->major, d->minor)) < 0 ||
	    fchmodat(dev, d->name, 0666, 0) < 0)
		return err_sys(err, "cannot make '%s'", d->path);
	return 0;
}

static int devices_make(const struct cell_spec *spec, int dev, struct err *err)
{
	if (spec->pty && device_make(dev, &tty, err) < 0)
		return -1;
	for (size_t i = 0; i < COUNT(devices); i++)
		if (device_make(dev, &devices[i], err) < 0)
			return -1;
	return 0;
}

static int dev_context(struct err *err)
{
	static const char *const options[][2] = {
		{"size", "64k"}, {"nr_inodes", "32"}, {"mode", "0755"}};
	auto_fd int context = fs_open("tmpfs", err);

	for (size_t i = 0; context >= 0 && i < COUNT(options); i++)
		if (fs_set(context, options[i][0], options[i][1], err) < 0)
			return -1;
	return take_fd(&context);
}

#define DEV_ATTR (MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC)

/*
 * Nodes of the cell's own: a lock or a time set on the host's would be seen by
 * every other cell. The file system is frozen as root owns it outside, so that
 * nothing inside, with whatever capabilities, thaws it.
 */
int dev_outside(const struct cell_spec *spec, int *tree, struct err *err)
{
	auto_fd int context = dev_context(err);
	auto_fd int dev = context < 0 ? -1 : fs_mount(context, DEV_ATTR, err);

	if (dev < 0)
		return -1;
	if (devices_make(spec, dev, err) < 0)
		return err->sys == EPERM ? 0 : -1;
	if (dev_names(dev, err) < 0 || fs_freeze(context, err) < 0)
		return err_wrap(err, "making '/dev'");
	*tree = take_fd(&dev);
	return 0;
}

/* ---- inside ---- */

static int dev_sub(int dev, const char *name, const char *type, const struct fs_option *options,
		   uint64_t attr, struct err *err)
{
	auto_fd int tree = fs_make(type, options, attr, err);
	auto_fd int point = -1;

	if (tree < 0)
		return -1;
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

static int dev_inside(struct err *err)
{
	auto_fd int context = dev_context(err);

	return context < 0 ? -1 : fs_mount(context, DEV_ATTR, err);
}

int dev_make(struct setup *s, struct err *err)
{
	int *const outside = &s->trees[setup_tree_count(s->spec) - 1];
	const bool made = *outside >= 0;
	auto_fd int dev = made ? take_fd(outside) : dev_inside(err);
	auto_fd int point = -1;
	struct mount_attr frozen = {.attr_set = MOUNT_ATTR_RDONLY};

	if (dev < 0)
		return -1;
	point = point_open(s->root, "/dev", true, true, err);
	if (point < 0 || point_attach(dev, point, "/dev", err) < 0)
		return -1;
	if (!made && (dev_bind(s->spec, dev, err) < 0 || dev_names(dev, err) < 0))
		return -1;
	if (dev_pts(dev, err) < 0 || dev_shm(s, dev, err) < 0)
		return -1;
	/* what lies in it can be used; nothing can be put beside it */
	if (mount_setattr(dev, "", AT_EMPTY_PATH, &frozen, sizeof(frozen)) < 0)
		return err_sys(err, "cannot make '/dev' read-only");
	return 0;
}
