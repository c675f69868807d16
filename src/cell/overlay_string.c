/*
 * Overlays for kernels that do not take their layers one by one.
 *
 * Before 6.8 all layers are one string, and only mount(2) takes one of more
 * than 255 bytes: a page. The names in it are numbers, of descriptors, seen
 * from /proc/self/fd where the mount is made: so as many fit as the kernel
 * stacks, and nothing of a path is in the string, for the kernel to take for
 * an option or for the cell to read in /proc/self/mountinfo.
 *
 * Before 6.15 a layer must be mounted in the caller's mount namespace. An
 * ordinary user calls this in the cell's own. Root, outside, has a child with
 * a namespace of its own do it: layers and upper go there as detached mounts,
 * and the overlay comes back as one.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include "birth.h"
#include "overlay_parts.h"
#include "owner.h"
#include "stepcell/fd.h"
#include "stepcell/strbuf.h"

#define MAX_STRING 4095

/* Where things are mounted on the way: in a namespace where nobody needs it. */
#define PLACE "/proc"

/* ---- what the kernel asks for ---- */

/* The last of `dirs` is the upper, when there is one. */
static int write_string(struct strbuf *out, const struct cell_overlay *overlay,
			const struct fs_option *o, const int *dirs, struct err *err)
{
	for (size_t i = 0; i < overlay->layer_count; i++)
		strbuf_addf(out, "%s%d", i ? ":" : "lowerdir=", dirs[i]);
	if (overlay->upper) {
		const int upper = dirs[overlay->layer_count];

		strbuf_addf(out, ",upperdir=%d/data,workdir=%d/work,volatile", upper, upper);
	}
	for (; o->key; o++)
		strbuf_addf(out, o->value ? ",%s=%s" : ",%s", o->key, o->value);
	if (out->full)
		return err_fail(err, ERR_SYSTEM, "%zu layers do not fit into one mount(2)",
				overlay->layer_count);
	return 0;
}

/* ---- the mount ---- */

static int mount_as_step(const struct cell_owner *owner, const struct cell_overlay *overlay,
			 const char *string, struct err *err)
{
	const unsigned long flags = MS_NOSUID | MS_NODEV | (overlay->upper ? 0 : MS_RDONLY);
	int r;

	if (step_enter(owner, err) < 0)
		return -1;
	r = mount("overlay", PLACE, "overlay", flags, string);
	if (r < 0)
		(void)err_sys(err, "cannot mount the overlay; dmesg says why");
	step_leave(owner);
	return r;
}

/* From /proc/self/fd. */
static int mount_from_fds(const struct cell_owner *owner, const struct cell_overlay *overlay,
			  const int *dirs, struct err *err)
{
	auto_strbuf struct strbuf string = STRBUF(MAX_STRING);
	int tree;

	if (write_string(&string, overlay, overlay_options(owner), dirs, err) < 0 ||
	    mount_as_step(owner, overlay, string.text, err) < 0)
		return -1;
	tree = open_tree(AT_FDCWD, PLACE, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	if (tree < 0)
		(void)err_sys(err, "cannot take the overlay");
	(void)umount2(PLACE, MNT_DETACH); /* a cell's set-up still needs what is below */
	return tree;
}

static int enter_fds(struct err *err)
{
	return chdir("/proc/self/fd") < 0 ? err_sys(err, "cannot enter '/proc/self/fd'") : 0;
}

static int mount_here(const struct cell_owner *owner, const struct cell_overlay *overlay,
		      const int *dirs, struct err *err)
{
	int tree = enter_fds(err) < 0 ? -1 : mount_from_fds(owner, overlay, dirs, err);

	if (chdir("/") <
	    0) /* as the working directory it would hold what is going to be unmounted */
		fd_close(&tree);
	return tree;
}

/* ---- a namespace to mount in ---- */

struct answer {
	int tree;
	struct err err;
};

static int attach_all(const int *dirs, size_t count, struct err *err)
{
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return err_sys(err, "cannot make the mounts private");
	for (size_t i = 0; i < count; i++)
		if (move_mount(dirs[i], "", AT_FDCWD, PLACE, MOVE_MOUNT_F_EMPTY_PATH) < 0)
			return err_sys(err, "cannot attach a layer");
	return 0;
}

/* One on top of the other: their descriptors still lead to each. */
static _Noreturn void mount_and_tell(const struct cell_owner *owner,
				     const struct cell_overlay *overlay, const int *dirs,
				     size_t count, int out)
{
	struct answer answer = {.tree = -1};

	if (enter_fds(&answer.err) == 0 && attach_all(dirs, count, &answer.err) == 0)
		answer.tree = mount_from_fds(owner, overlay, dirs, &answer.err);
	_exit(write_full(out, &answer, sizeof(answer)) < 0);
}

/* The child shares the table of descriptors, so what it opens is open here. */
static int mount_elsewhere(const struct cell_owner *owner, const struct cell_overlay *overlay,
			   const int *dirs, size_t count, struct err *err)
{
	struct answer answer;
	auto_fd int pidfd = -1;
	int ends[2];
	bool outside, told;
	pid_t pid;

	if (pipe_open(ends, err) < 0)
		return -1;

	auto_fd int from = ends[0], to = ends[1];

	pid = birth(CLONE_FILES | CLONE_NEWNS, -1, &pidfd, &outside, err);
	if (pid < 0)
		return -1;
	if (pid == 0)
		mount_and_tell(owner, overlay, dirs, count, to);
	while (waitid(P_PIDFD, (id_t)pidfd, &(siginfo_t){0}, WEXITED | __WALL) < 0 &&
	       errno == EINTR)
		;
	fd_close(&to);
	told = read_full(from, &answer, sizeof(answer)) == 0;
	if (told && answer.tree < 0)
		*err = answer.err;
	return told ? answer.tree : err_fail(err, ERR_SYSTEM, "the process that mounts it died");
}

/* ---- layers ---- */

static int detach(int dir, struct err *err)
{
	int tree = open_tree(dir, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);

	return tree < 0 ? err_sys(err, "cannot take a layer's mount") : tree;
}

/* What the mount is made of: in the caller's namespace, or on the way to another. */
static int open_part(struct cell_owner *owner, const struct cell_layer *layer, struct err *err)
{
	bool detached = false;
	auto_fd int dir = layer_open(owner, layer, &detached, err);

	if (dir < 0)
		return -1;
	return detached || !owner_is_root(owner) ? take_fd(&dir) : detach(dir, err);
}

static int open_upper(const struct cell_owner *owner, const char *upper, struct err *err)
{
	auto_fd int dir = open(upper, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (dir < 0)
		return err_sys(err, "cannot open '%s'", upper);
	return owner_is_root(owner) ? detach(dir, err) : take_fd(&dir);
}

static int open_parts(struct cell_owner *owner, const struct cell_overlay *overlay, int *dirs,
		      struct err *err)
{
	const size_t count = overlay->layer_count;

	for (size_t i = 0; i < count; i++) {
		dirs[i] = open_part(owner, &overlay->layers[i], err);
		if (dirs[i] < 0)
			return err_wrap(err, "layer '%s'", overlay->layers[i].path);
	}
	if (!overlay->upper)
		return 0;
	dirs[count] = open_upper(owner, overlay->upper, err);
	return dirs[count] < 0 ? err_wrap(err, "upper '%s'", overlay->upper) : 0;
}

int overlay_by_string(struct cell_owner *owner, const struct cell_overlay *overlay, struct err *err)
{
	const size_t count = overlay->layer_count + (overlay->upper ? 1 : 0);
	auto_free int *dirs = malloc(count * sizeof(*dirs));
	int tree = -1;

	if (!dirs)
		return err_sys(err, "cannot list the layers");
	for (size_t i = 0; i < count; i++)
		dirs[i] = -1;
	if (open_parts(owner, overlay, dirs, err) == 0)
		tree = owner_is_root(owner) ? mount_elsewhere(owner, overlay, dirs, count, err)
					    : mount_here(owner, overlay, dirs, err);
	for (size_t i = 0; i < count; i++)
		fd_close(&dirs[i]);
	return tree;
}
