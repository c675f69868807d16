/*
 * ontop: a recipe of kind `layer`: Debian's packages (debs.h), files on top of
 * them, and commands on top of those. Its commands run as any step does: uid 1001
 * of a cell, to which everything in the image belongs, with nothing of the host
 * and no network unless the recipe asks and the operator grants it. When they
 * are done a second cell, which can write nothing, reads the root that they have
 * left: so what they removed is gone, and the image is one tree again.
 */
#include "image/ontop.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "image/compose.h"
#include "image/debs.h"
#include "stepcell/cell.h"
#include "stepcell/fd.h"
#include "stepcell/limits.h"
#include "stepcell/path.h"
#include "stepcell/util.h"

#define COMMAND_MINUTES 60

/* ---- files ---- */

static int copy_one(const struct recipe *r, int from, int to, const struct recipe_file *f,
		    struct err *err)
{
	auto_strbuf struct strbuf bytes = STRBUF(LIMIT_RECIPE_FILE);
	const char *slash = strrchr(f->to, '/');
	auto_fd int dir = -1;
	char folder[PATH_MAX];

	if (file_read(from, f->from, &bytes, err) < 0)
		return err_wrap(err, "file of recipe '%s'", r->name);
	(void)snprintf(folder, sizeof(folder), "./%.*s", (int)(slash - f->to), f->to);
	if (mkdir_beneath(to, folder, 0755, err) < 0)
		return -1;
	dir = open_nolinks(to, folder, O_RDONLY | O_DIRECTORY, 0, err);
	return dir < 0 ? -1
		       : file_put(dir, slash + 1, bytes.text, bytes.len,
				  f->executable ? 0755 : 0644, err);
}

static int copy_files(const struct recipe *r, const char *layer, struct err *err)
{
	auto_fd int from = open(r->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	auto_fd int to = -1;

	if (from < 0)
		return err_sys(err, "cannot open '%s'", r->folder);
	if (mkdir_all(layer, 0755, err) < 0)
		return -1;
	to = open(layer, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (to < 0)
		return err_sys(err, "cannot open '%s'", layer);
	for (size_t i = 0; i < r->file_count; i++)
		if (copy_one(r, from, to, &r->files[i], err) < 0)
			return -1;
	return 0;
}

/* ---- cells ---- */

static const char **environment(struct arena *a, const struct image *base, const struct recipe *r)
{
	const struct manifest below = {.env = base->env};
	const struct node *map = compose_env(a, &below, r->env);
	struct texts env = {0};

	for (size_t i = 0; i < map->count; i++)
		texts_add(a, &env,
			  arena_printf(a, "%s=%s", map->pairs[i].key->text,
				       node_text(map->pairs[i].value)));
	texts_add(a, &env, "HOME=/home/runner");
	texts_add(a, &env, "SOURCE_DATE_EPOCH=" BUILD_EPOCH);
	return texts_end(a, &env);
}

static const char *script_of(struct arena *a, const struct recipe *r)
{
	const char *all = "set -eu\n";

	for (size_t i = 0; i < r->commands.count; i++)
		all = arena_printf(a, "%s%s\n", all, r->commands.list[i]);
	return all;
}

static const char *const tar_argv[] = {"tar",
				       "--create",
				       "--numeric-owner",
				       "--owner=0",
				       "--group=0",
				       "--sort=name",
				       "--anchored",
				       "--exclude=./dev/*",
				       "--exclude=./proc/*",
				       "--exclude=./sys/*",
				       "--exclude=./tmp/*",
				       "--exclude=./run/*",
				       "--directory=/",
				       ".",
				       NULL};

static int start_tar(struct cell_spec *spec, struct ontop *o, struct err *err)
{
	int ends[2];

	if (pipe_open(ends, err) < 0)
		return -1;

	auto_fd int w = ends[1];

	o->out = ends[0];
	spec->argv = tar_argv;
	spec->network = CELL_NET_NONE;
	spec->stdout_fd = w;
	return cell_start(spec, &o->cell, NULL, err);
}

int ontop_start(const struct staging *staging, struct arena *a, const struct recipe *recipe,
		const struct image *base, bool network, int log, struct ontop *out, struct err *err)
{
	const char *files = arena_printf(a, "%s/files", staging->path);
	const char *upper = arena_printf(a, "%s/upper", staging->path);
	/* top first: what the commands write, the files, the packages if there are any */
	const char *above[] = {arena_printf(a, "%s/data", upper), files, NULL};
	const size_t count = recipe->packages.count ? 3 : 2;
	const char *const argv[] = {"/bin/sh", "-c", script_of(a, recipe), NULL};
	struct cell_overlay root = {.at = "/", .upper = upper};
	struct cell_spec spec = {
		.name = "build",
		.overlays = &root,
		.overlay_count = 1,
		.argv = argv,
		.env = environment(a, base, recipe),
		.stdout_fd = log,
		.stderr_fd = log,
		.network = network ? CELL_NET_FULL : CELL_NET_NONE,
		.limits = {.wall_ms = UINT64_C(60000) * COMMAND_MINUTES},
		.require = CELL_WALL_USERNS | CELL_WALL_SECCOMP,
	};

	spec.state = arena_strndup(a, staging->store->path,
				   strlen(staging->store->path) - strlen("/store"));
	if (copy_files(recipe, files, err) < 0 ||
	    cell_owner_open(spec.state, &out->owner, err) < 0 ||
	    cell_upper_make(out->owner, upper, err) < 0)
		return -1;
	spec.owner = out->owner;
	if (recipe->packages.count &&
	    debs_install(staging, a, recipe, base, out->owner, spec.state, log, &above[2], err) < 0)
		return -1;
	root.layers = build_layers(a, &base->mounts[0], above + 1, count - 1);
	root.layer_count = base->mounts[0].layer_count + count - 1;
	if (recipe->commands.count && build_run(&spec, "its commands", err) < 0)
		return -1;
	root.layers = build_layers(a, &base->mounts[0], above, count);
	root.layer_count++;
	root.upper = NULL;
	return start_tar(&spec, out, err);
}

int ontop_end(struct ontop *o, struct err *err)
{
	fd_close(&o->out);
	return build_wait(o->cell, "reading the new root", err);
}

void ontop_release(struct ontop *o)
{
	fd_close(&o->out);
	cell_release(&o->cell);
	cell_owner_close(&o->owner);
}
