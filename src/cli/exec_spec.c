/* From the options of exec to a spec: what it is made of, and what it may do. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "cli/exec.h"
#include "stepcell/fd.h"
#include "stepcell/home.h"
#include "stepcell/log.h"
#include "stepcell/path.h"
#include "stepcell/runner.h"
#include "stepcell/util.h"

/* ---- a directory for what is written ---- */

/* What an exec that was killed left behind: its lock is free. */
static void sweep_one(int dir, const char *name)
{
	auto_fd int old = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct err ignored = {0};

	if (old >= 0 && flock(old, LOCK_EX | LOCK_NB) == 0)
		(void)remove_tree(dir, name, &ignored);
}

static int sweep(int dir, struct err *err)
{
	int copy = fcntl(dir, F_DUPFD_CLOEXEC, 3);
	DIR *list = copy < 0 ? NULL : fdopendir(copy);

	if (!list)
		return err_sys(err, "cannot list a directory");
	for (const struct dirent *entry; (entry = readdir(list));)
		if (name_is_safe(entry->d_name))
			sweep_one(dir, entry->d_name);
	closedir(list);
	return 0;
}

static int make_scratch(struct exec *x, struct err *err)
{
	char parent[PATH_MAX];

	if (path_join(parent, sizeof(parent), x->state, "exec", err) < 0 ||
	    mkdir_all(parent, 0700, err) < 0 ||
	    path_join(x->scratch, sizeof(x->scratch), parent, "XXXXXX", err) < 0)
		return -1;

	/* held while we have no lock of our own yet, so that nobody sweeps ours away */
	auto_fd int dir = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (dir < 0 || flock(dir, LOCK_EX) < 0)
		return err_sys(err, "cannot lock '%s'", parent);
	if (sweep(dir, err) < 0)
		return err_wrap(err, "'%s'", parent);
	if (!mkdtemp(x->scratch))
		return err_sys(err, "cannot make a directory in '%s'", parent);
	x->scratch_lock = open(x->scratch, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (x->scratch_lock < 0 || flock(x->scratch_lock, LOCK_EX | LOCK_NB) < 0)
		return err_sys(err, "cannot lock '%s'", x->scratch);
	return 0;
}

static void drop_scratch(struct exec *x)
{
	struct err err = {0};

	if (x->scratch_lock < 0)
		return;
	if (remove_tree(AT_FDCWD, x->scratch, &err) < 0)
		log_warn("%s", err.text);
	fd_close(&x->scratch_lock);
}

static const char *make_upper(struct exec *x, size_t number, struct err *err)
{
	const char *path = arena_printf(x->arena, "%s/%zu", x->scratch, number);

	return cell_upper_make(x->owner, path, err) < 0 ? NULL : path;
}

/* ---- what it is made of ---- */

static struct cell_overlay *add_overlay(struct exec *x, struct cell_overlay *list)
{
	return &list[x->spec.overlay_count++];
}

static int use_image(struct exec *x, struct cell_overlay *list, struct err *err)
{
	const char *ref = x->options.image ? x->options.image : "host";

	if (image_find(x->store, x->arena, ref, &x->image, err) < 0)
		return -1;
	if (image_use(x->store, &x->image.digest, x->image.trees, x->image.tree_count, err) < 0)
		return err_wrap(err, "image '%s'", x->image.name);
	for (size_t i = 0; i < x->image.mount_count; i++) {
		const struct image_mount *mount = &x->image.mounts[i];
		struct cell_overlay *o = add_overlay(x, list);

		*o = (struct cell_overlay){.at = mount->at,
					   .layers = mount->layers,
					   .layer_count = mount->layer_count,
					   .upper = make_upper(x, i, err)};
		if (!o->upper)
			return -1;
	}
	return 0;
}

/* The checkout's .git may hold a token: for the cell it is not there at all. */
static int hide_git(const char *upper, struct err *err)
{
	char path[PATH_MAX];

	if (path_join(path, sizeof(path), upper, "data/.git", err) < 0)
		return -1;
	return mknod(path, S_IFCHR, makedev(0, 0)) < 0 ? err_sys(err, "cannot hide '.git'") : 0;
}

static const char *workspace_of(struct exec *x, const char *checkout)
{
	auto_strbuf struct strbuf name = STRBUF(256);

	name_make_safe(strrchr(checkout, '/') + 1, &name);
	return arena_printf(x->arena, "/home/runner/work/%s/%s", name.text, name.text);
}

static int use_checkout(struct exec *x, struct cell_overlay *list, struct err *err)
{
	char real[PATH_MAX];
	struct cell_layer *layer = arena_alloc(x->arena, sizeof(*layer));
	const bool strict = x->policy.checkout == POLICY_STRICT;
	struct cell_overlay *o;

	if (!x->options.checkout)
		return 0;
	if (!realpath(x->options.checkout, real))
		return err_sys(err, "checkout '%s'", x->options.checkout);
	layer->path = arena_strdup(x->arena, real);
	o = add_overlay(x, list);
	*o = (struct cell_overlay){
		.at = workspace_of(x, layer->path), .layers = layer, .layer_count = 1};
	x->spec.workdir = o->at;
	o->upper = make_upper(x, x->spec.overlay_count, err);
	if (!o->upper || hide_git(o->upper, err) < 0)
		return -1;
	if (strict) { /* the upper is a layer that hides, and nothing can be written */
		struct cell_layer *layers = arena_array(x->arena, 2, sizeof(*layers));

		layers[0].path = arena_printf(x->arena, "%s/data", o->upper);
		layers[1] = *layer;
		o->layers = layers;
		o->layer_count = 2;
		o->upper = NULL;
	}
	return 0;
}

/* What the caller names must be there; where the image says to start, or we do, need not. */
static void use_workdir(struct exec *x)
{
	const char *of_image = node_text(node_get(x->image.config, "WorkingDir"));

	if (x->options.workdir)
		x->spec.workdir = x->options.workdir;
	if (x->spec.workdir)
		return;
	x->spec.workdir = of_image && *of_image == '/' ? of_image : "/home/runner";
	x->spec.workdir_or_root = true;
}

static int use_mounts(struct exec *x, struct err *err)
{
	struct cell_overlay *list = arena_array(x->arena, 16, sizeof(*list));

	x->spec.overlays = list;
	if (make_scratch(x, err) < 0 || store_open(x->state, &x->store, err) < 0 ||
	    use_image(x, list, err) < 0 || use_checkout(x, list, err) < 0)
		return -1;
	use_workdir(x);
	return 0;
}

/* Later ones win, as in a shell. */
static void set_variable(struct exec *x, const char **env, const char *pair)
{
	size_t name = strcspn(pair, "=") + 1;
	size_t i = 0;

	(void)x;
	while (env[i] && strncmp(env[i], pair, name) != 0)
		i++;
	env[i] = pair;
}

/* What programs draw with; the one thing that a terminal cannot be asked. */
static void set_term(struct exec *x, const char **env)
{
	const char *term = getenv("TERM");

	if (term && name_is_safe(term))
		set_variable(x, env, arena_printf(x->arena, "TERM=%s", term));
}

static void use_env(struct exec *x)
{
	const struct node *base = x->image.env;
	const size_t given = x->options.env.count, max = given + 12 + (base ? base->count : 0);
	const char **env = arena_array(x->arena, max, sizeof(*env));

	set_variable(x, env, "HOME=/home/runner");
	set_variable(x, env, "PATH=/usr/local/bin:/usr/bin:/bin");
	for (const char *const *pair = proxy_env; x->proxy && *pair; pair++)
		set_variable(x, env, *pair);
	if (x->options.tty)
		set_term(x, env);
	for (size_t i = 0; base && i < base->count; i++)
		set_variable(x, env,
			     arena_printf(x->arena, "%s=%s", base->pairs[i].key->text,
					  node_text(base->pairs[i].value)));
	for (size_t i = 0; i < given; i++)
		set_variable(x, env, x->options.env.list[i]);
	x->spec.env = env;
}

/* ---- what it may do ---- */

static int use_walls(struct exec *x, struct err *err)
{
	for (size_t i = 0; i < x->policy.require.count; i++) {
		const char *name = x->policy.require.list[i];
		unsigned bit = 0;

		for (unsigned wall = 0; wall < CELL_WALL_COUNT; wall++)
			if (strcmp(name, cell_wall_name(1U << wall)) == 0)
				bit = 1U << wall;
		if (!bit)
			return err_fail(err, ERR_USAGE, "policy '%s' requires an unknown wall '%s'",
					x->policy.name, name);
		x->spec.require |= bit;
	}
	return 0;
}

static struct cell_limits limits_of(const struct policy_limits *l)
{
	return (struct cell_limits){.memory = l->memory,
				    .cpus_milli = l->cpus_milli,
				    .io = l->io,
				    .pids = l->pids,
				    .disk = l->disk,
				    .files = l->files,
				    .open_files = l->open_files,
				    .wall_ms = l->step_ms};
}

static const enum cell_network networks[] = {
	[POLICY_NET_NONE] = CELL_NET_NONE,
	[POLICY_NET_PROXY] = CELL_NET_SHARED,
	[POLICY_NET_FULL] = CELL_NET_FULL,
};

static int use_policy(struct exec *x, struct err *err)
{
	const char *ref = x->options.policy ? x->options.policy : "default";
	const struct policy *found = policy_find(x->arena, ref, err);
	char data[PATH_MAX];

	if (!found || data_home(data, sizeof(data), err) < 0)
		return -1;
	x->policy = *found;
	for (size_t i = 0; i < x->options.limits.count; i++)
		if (policy_set_limit(&x->policy.limits, x->options.limits.list[i], err) < 0)
			return -1;
	if (x->options.audit && policy_allow_audit(&x->policy, err) < 0)
		return -1;
	x->spec.audit = x->options.audit;
	x->spec.limits = limits_of(&x->policy.limits);
	x->spec.network = networks[x->policy.network];
	x->spec.proc = x->policy.proc == POLICY_PROC_FULL ? CELL_PROC_FULL : CELL_PROC_PID;
	x->spec.seccomp =
		arena_printf(x->arena, "%s/policies/seccomp/%s.yml", data, x->policy.seccomp);
	return use_walls(x, err);
}

int exec_prepare(struct exec *x, struct err *err)
{
	x->spec.name = "exec";
	x->spec.argv = (const char *const *)x->command;
	x->spec.state = x->state;
	if (use_policy(x, err) < 0 || state_home(x->state, sizeof(x->state), err) < 0)
		return -1;
	cell_sweep(x->state);
	if (cell_owner_open(x->state, &x->owner, err) < 0)
		return -1;
	x->spec.owner = x->owner;
	if (use_mounts(x, err) < 0 ||
	    runner_proxy(&x->policy, x->state, x->owner, x->spec.require, &x->proxy, err) < 0)
		return -1;
	use_env(x);
	return 0;
}

void exec_release(struct exec *x)
{
	image_release(&x->image);
	store_close(&x->store);
	proxy_close(&x->proxy);
	cell_owner_close(&x->owner);
	drop_scratch(x);
	option_list_release(&x->options.limits);
	option_list_release(&x->options.env);
}
