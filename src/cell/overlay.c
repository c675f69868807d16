/*
 * An overlay per mount of a spec.
 *
 * The upper is `volatile`: the kernel skips every sync, of the step's fsyncs
 * and of the unmount, which would flush the whole host file system at the end
 * of each step. What a crash of the host can cost is the layer of a step whose
 * success was not yet on record: whoever publishes a layer calls syncfs(2)
 * first, and a layer without that record is thrown away.
 */
#include "overlay.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/fsuid.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "newmount.h"
#include "overlay_parts.h"
#include "owner.h"
#include "stepcell/fd.h"
#include "stepcell/log.h"
#include "stepcell/path.h"

#define MAX_LAYERS 500 /* OVL_MAX_STACK of the kernel */

/* ---- the step's own identity, for the moment of a mount ---- */

/*
 * Overlay writes to the upper as whoever mounted it, and mounts read-only
 * without a word when that id means nothing to the file system. So mount as the
 * step's id; the capabilities that a changed fsuid hides are put back, because
 * copying up a file that its owner cannot read needs them.
 */
static int become(uint32_t uid, uint32_t gid, struct err *err)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct caps[2];

	(void)setfsgid(gid);
	(void)setfsuid(uid);
	/* setfsuid() does not say whether it worked; an invalid id changes nothing and tells */
	if ((uint32_t)setfsuid((uid_t)-1) != uid || (uint32_t)setfsgid((gid_t)-1) != gid)
		return err_fail(err, ERR_SYSTEM, "cannot act as uid %u", uid);
	if (capget(&head, caps) < 0)
		return err_sys(err, "cannot read the capabilities");
	caps[0].effective = caps[0].permitted;
	caps[1].effective = caps[1].permitted;
	return capset(&head, caps) < 0 ? err_sys(err, "cannot raise the capabilities") : 0;
}

int step_enter(const struct cell_owner *owner, struct err *err)
{
	if (!owner_is_root(owner) || become(cell_owner_uid(owner), owner_gid(owner), err) == 0)
		return 0;
	step_leave(owner);
	return -1;
}

void step_leave(const struct cell_owner *owner)
{
	struct err err = {0};

	if (!owner_is_root(owner) || become(0, 0, &err) == 0)
		return;
	(void)err_wrap(&err, "becoming root again");
	log_error(&err);
	abort(); /* to go on as somebody else would be worse */
}

static int create_as_step(const struct cell_owner *owner, int context, uint64_t attr,
			  struct err *err)
{
	int tree;

	if (step_enter(owner, err) < 0)
		return -1;
	tree = fs_mount(context, attr, err);
	step_leave(owner);
	return tree;
}

/* ---- layers ---- */

static int tree_mapped(struct cell_owner *owner, int dir, const struct stat *st, struct err *err)
{
	int userns = owner_idmap(owner, st->st_uid, st->st_gid, err);

	if (userns < 0)
		return -1;

	auto_fd int tree = open_tree(dir, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);

	if (tree < 0)
		return err_sys(err, "cannot take a layer's mount");
	if (tree_idmap(tree, userns, err) < 0)
		return -1;
	return take_fd(&tree);
}

/*
 * Its path was free of links when it was chosen. Whoever owns a folder above a
 * checkout could put one there since, to have a folder of root's mapped to the
 * job. The host's own folders are where the host says.
 */
static int folder_open(const struct cell_layer *layer, struct err *err)
{
	auto_fd int top = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	int dir;

	if (top < 0)
		return err_sys(err, "cannot open '/'");
	if (!layer->foreign)
		return open_nolinks(top, layer->path[1] ? layer->path + 1 : ".",
				    O_PATH | O_DIRECTORY, 0, err);
	dir = open(layer->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return dir < 0 ? err_sys(err, "cannot open '%s'", layer->path) : dir;
}

static int layer_folder(const struct cell_owner *owner, const struct cell_layer *layer,
			struct stat *st, bool *mapped, struct err *err)
{
	auto_fd int dir = folder_open(layer, err);

	if (dir < 0)
		return -1;
	if (fstat(dir, st) < 0)
		return err_sys(err, "cannot look at '%s'", layer->path);
	*mapped = owner_is_root(owner) && !layer->foreign && st->st_uid != cell_owner_uid(owner);
	return take_fd(&dir);
}

int layer_open(struct cell_owner *owner, const struct cell_layer *layer, bool *detached,
	       struct err *err)
{
	struct stat st;
	auto_fd int dir = layer_folder(owner, layer, &st, detached, err);

	if (dir < 0 || !*detached)
		return take_fd(&dir);
	return tree_mapped(owner, dir, &st, err);
}

/*
 * By its name in /proc: given the descriptor itself (6.13) the kernel would
 * show the host's path to the cell, in /proc/self/mountinfo.
 */
static int set_directory(int context, const char *key, int dir, struct err *err)
{
	char name[32];

	(void)snprintf(name, sizeof(name), "/proc/self/fd/%d", dir);
	return fs_set(context, key, name, err);
}

struct attempt {
	int *held;         /* by layer: its detached mount that nobody keeps, or -1 */
	bool mapped;       /* there was a detached mount */
	bool layers_taken; /* each by itself, as far as the kernel looks at them then */
};

/* `held`: a detached mount must live until the overlay has taken its own hold of it. */
static int add_mapped(struct cell_owner *owner, int context, int dir, const struct stat *st,
		      int *held, struct err *err)
{
	int kept = owner_tree(owner, st);

	if (kept >= 0)
		return set_directory(context, "lowerdir+", kept, err);

	auto_fd int tree = tree_mapped(owner, dir, st, err);

	if (tree < 0 || set_directory(context, "lowerdir+", tree, err) < 0)
		return -1;
	*held = take_fd(&tree);
	if (owner_keep_tree(owner, st, *held))
		*held = -1;
	return 0;
}

static int add_layer(struct cell_owner *owner, const struct cell_layer *layer, int context,
		     struct attempt *try, int *held, struct err *err)
{
	bool mapped = false;
	struct stat st;
	auto_fd int dir = layer_folder(owner, layer, &st, &mapped, err);

	if (dir < 0)
		return -1;
	try->mapped = try->mapped || mapped;
	return mapped ? add_mapped(owner, context, dir, &st, held, err)
		      : set_directory(context, "lowerdir+", dir, err);
}

static int add_layers(struct cell_owner *owner, const struct cell_overlay *overlay, int context,
		      struct attempt *try, struct err *err)
{
	for (size_t i = 0; i < overlay->layer_count; i++)
		if (add_layer(owner, &overlay->layers[i], context, try, &try->held[i], err) < 0)
			return err_wrap(err, "layer '%s'", overlay->layers[i].path);
	return 0;
}

static int add_upper_part(int context, const char *key, const char *upper, const char *part,
			  struct err *err)
{
	char path[4096];

	if (path_join(path, sizeof(path), upper, part, err) < 0)
		return -1;

	auto_fd int dir = open(path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (dir < 0)
		return err_sys(err, "cannot open '%s'", path);
	return set_directory(context, key, dir, err);
}

static int add_upper(int context, const char *upper, struct err *err)
{
	if (add_upper_part(context, "upperdir", upper, "data", err) < 0 ||
	    add_upper_part(context, "workdir", upper, "work", err) < 0)
		return err_wrap(err, "upper '%s'", upper);
	return fs_set(context, "volatile", NULL, err);
}

/* ---- the mount ---- */

/*
 * Renaming a directory of a lower layer needs a redirect, which the kernel
 * keeps in a trusted attribute: for root alone. An ordinary user's overlay
 * keeps its marks in user.* and such a rename is EXDEV.
 */
const struct fs_option *overlay_options(const struct cell_owner *owner)
{
	static const struct fs_option for_root[] = {
		{"redirect_dir", "on"}, {"index", "off"}, {"xino", "off"}, {NULL, NULL}};
	static const struct fs_option for_user[] = {
		{"userxattr", NULL}, {"index", "off"}, {"xino", "off"}, {NULL, NULL}};

	return owner_is_root(owner) ? for_root : for_user;
}

static int set_options(int context, const struct fs_option *o, struct err *err)
{
	for (; o->key; o++)
		if (fs_set(context, o->key, o->value, err) < 0)
			return -1;
	return 0;
}

static int assert_writable(int tree, struct err *err)
{
	struct statvfs st;

	if (fstatvfs(tree, &st) < 0)
		return err_sys(err, "cannot look at the overlay");
	if (st.f_flag & ST_RDONLY)
		return err_fail(err, ERR_SYSTEM,
				"the kernel made the overlay read-only; dmesg says why");
	return 0;
}

/* Before 6.5 the kernel takes any option, and judges when it is too late to say which. */
static int refuse_legacy(int context, struct err *err)
{
	if (fs_set(context, "no-such-option", NULL, err) < 0)
		return 0;
	errno = EINVAL;
	return err_sys(err, "this kernel takes layers as one string");
}

static int overlay_create(struct cell_owner *owner, const struct cell_overlay *overlay,
			  struct attempt *try, struct err *err)
{
	const uint64_t attr = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV;
	auto_fd int context = fs_open("overlay", err);

	if (context < 0 || refuse_legacy(context, err) < 0 ||
	    set_options(context, overlay_options(owner), err) < 0 ||
	    add_layers(owner, overlay, context, try, err) < 0)
		return -1;
	try->layers_taken = true;
	if (!overlay->upper)
		return create_as_step(owner, context, attr | MOUNT_ATTR_RDONLY, err);
	if (add_upper(context, overlay->upper, err) < 0)
		return -1;
	return create_as_step(owner, context, attr, err);
}

static int overlay_by_layer(struct cell_owner *owner, const struct cell_overlay *overlay,
			    struct attempt *try, struct err *err)
{
	auto_free int *held = malloc(overlay->layer_count * sizeof(*held));
	int tree;

	if (!held)
		return err_sys(err, "cannot list the layers");
	for (size_t i = 0; i < overlay->layer_count; i++)
		held[i] = -1;
	try->held = held;
	tree = overlay_create(owner, overlay, try, err);
	for (size_t i = 0; i < overlay->layer_count; i++)
		fd_close(&held[i]);
	return tree;
}

/*
 * One by one if the kernel can. It cannot before 6.8; and before 6.15 it takes
 * no layer that is detached, which it says at the end alone.
 */
static int overlay_either(struct cell_owner *owner, const struct cell_overlay *overlay,
			  struct err *err)
{
	struct attempt try = {0};
	struct err first = {0};
	int tree;

	if (owner_layers_as_string(owner))
		return overlay_by_string(owner, overlay, err);
	tree = overlay_by_layer(owner, overlay, &try, &first);
	if (tree < 0 && first.sys == EINVAL && (try.mapped || !try.layers_taken)) {
		tree = overlay_by_string(owner, overlay, err);
		if (!try.layers_taken)
			return tree;
	}
	if (tree < 0)
		*err = first; /* the kernel's own words, which mount(2) has not */
	return tree;
}

static int overlay_make(struct cell_owner *owner, const struct cell_overlay *overlay,
			struct err *err)
{
	auto_fd int tree = -1;

	if (overlay->layer_count > MAX_LAYERS)
		return err_fail(err, ERR_SYSTEM,
				"%zu layers are more than the %d that the kernel takes",
				overlay->layer_count, MAX_LAYERS);
	tree = overlay_either(owner, overlay, err);
	if (tree < 0 || (overlay->upper && assert_writable(tree, err) < 0))
		return -1;
	return take_fd(&tree);
}

/* One read-only layer needs no overlay, and the kernel would take none. */
static int layer_alone(struct cell_owner *owner, const struct cell_layer *layer, struct err *err)
{
	bool detached = false;
	auto_fd int dir = layer_open(owner, layer, &detached, err);

	if (dir < 0)
		return -1;

	auto_fd int tree = detached ? take_fd(&dir) : tree_clone(dir, "", err);

	if (tree < 0 ||
	    tree_restrict(tree, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_RDONLY, err) < 0)
		return -1;
	return take_fd(&tree);
}

int overlay_mount(struct cell_owner *owner, const struct cell_overlay *overlay, struct err *err)
{
	int tree = overlay->upper || overlay->layer_count > 1
			   ? overlay_make(owner, overlay, err)
			   : layer_alone(owner, &overlay->layers[0], err);

	return tree < 0 ? err_wrap(err, "mounting an overlay for '%s'", overlay->at) : tree;
}

int bind_mount(const struct cell_bind *bind, struct err *err)
{
	uint64_t attr = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV;
	auto_fd int tree = tree_clone(AT_FDCWD, bind->from, err);

	if (tree < 0 ||
	    tree_restrict(tree, bind->writable ? attr : attr | MOUNT_ATTR_RDONLY, err) < 0)
		return -1;
	return take_fd(&tree);
}

/* ---- uppers ---- */

static int make_owned(const struct cell_owner *owner, int dir, const char *name, struct err *err)
{
	if (mkdirat(dir, name, 0755) < 0)
		return err_sys(err, "cannot make directory '%s'", name);
	if (owner_is_root(owner) &&
	    fchownat(dir, name, cell_owner_uid(owner), owner_gid(owner), AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(err, "cannot give '%s' to the step", name);
	return 0;
}

int cell_upper_make(const struct cell_owner *owner, const char *path, struct err *err)
{
	if (mkdir(path, 0700) < 0)
		return err_sys(err, "cannot make directory '%s'", path);

	auto_fd int dir = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (dir < 0)
		return err_sys(err, "cannot open '%s'", path);
	if (make_owned(owner, dir, "data", err) < 0 || make_owned(owner, dir, "work", err) < 0)
		return err_wrap(err, "'%s'", path);
	return 0;
}
