#include "image/compose.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "image/folder.h"
#include "image/names.h"
#include "image/verify.h"
#include "image/version.h"
#include "stepcell/fd.h"
#include "stepcell/limits.h"
#include "stepcell/path.h"

#define TOOLCACHE "opt/hostedtoolcache/Python"
#define COMPLETE  ".complete"

void manifest_add_toolchain(struct arena *a, struct manifest *m, struct manifest_toolchain t)
{
	m->toolchains = arena_grow(a, m->toolchains, m->toolchain_count, sizeof(*m->toolchains));
	m->toolchains[m->toolchain_count++] = t;
}

/* A version's folder holds one folder an architecture; those with a marker beside them count. */
static int add_version(struct arena *a, int cache, const char *version, uint64_t layers,
		       struct manifest *m, struct err *err)
{
	auto_strbuf struct strbuf names = STRBUF(64 * KIB);
	auto_fd int dir = open_nolinks(cache, version, O_RDONLY | O_DIRECTORY, 0, err);

	if (dir < 0)
		return folder_is_absent(err) ? 0 : -1;
	if (folder_list(dir, &names, err) < 0)
		return -1;
	for_each_name(name, &names)
	{
		size_t len = strlen(name), end = strlen(COMPLETE);

		if (len <= end || strcmp(name + len - end, COMPLETE) != 0)
			continue;
		manifest_add_toolchain(
			a, m,
			(struct manifest_toolchain){.version = arena_strdup(a, version),
						    .path = arena_printf(a, "/%s/%s/%.*s",
									 TOOLCACHE, version,
									 (int)(len - end), name),
						    .layers = layers});
	}
	return 0;
}

static int find_cached(struct arena *a, int root, uint64_t layers, struct manifest *m,
		       struct err *err)
{
	auto_strbuf struct strbuf names = STRBUF(64 * KIB);
	auto_fd int cache = open_nolinks(root, TOOLCACHE, O_RDONLY | O_DIRECTORY, 0, err);

	if (cache < 0)
		return folder_is_absent(err) ? 0 : -1;
	if (folder_list(cache, &names, err) < 0)
		return -1;
	for_each_name(name, &names)
	{
		struct version v;

		if (version_parse(name, &v) && add_version(a, cache, name, layers, m, err) < 0)
			return -1;
	}
	return 0;
}

int find_toolchains(struct arena *a, int root, uint64_t layers, struct manifest *m, struct err *err)
{
	return find_cached(a, root, layers, m, err) < 0 || find_pythons(a, root, m, err) < 0 ? -1
											     : 0;
}

static void stack_layers(struct arena *a, const struct tree *tree, const struct manifest *base,
			 struct manifest *m)
{
	m->layer_count = base->layer_count + 1;
	m->layers = arena_array(a, m->layer_count, sizeof(*m->layers));
	m->layers[0] = (struct manifest_layer){tree->digest, tree->bytes, tree->entries};
	for (size_t i = 0; i < base->layer_count; i++)
		m->layers[i + 1] = base->layers[i];
}

struct node *compose_env(struct arena *a, const struct manifest *base, const struct node *own)
{
	struct node *env = node_map(a);

	for (size_t i = 0; base->env && i < base->env->count; i++)
		node_set(a, env, base->env->pairs[i].key->text, base->env->pairs[i].value);
	for (size_t i = 0; own && i < own->count; i++)
		node_set_text(a, env, own->pairs[i].key->text, node_text(own->pairs[i].value));
	return env;
}

/* As compose_env(), with the layer's own Python first on PATH. */
static const struct node *stack_env(struct arena *a, const struct manifest *base,
				    const struct node *own, const struct manifest *m)
{
	struct node *env = compose_env(a, base, own);
	const char *path = node_text(node_get(env, "PATH"));

	if (path && m->toolchain_count && m->toolchains[0].layers)
		node_set_text(a, env, "PATH",
			      arena_printf(a, "%s/bin:%s", m->toolchains[0].path, path));
	return env;
}

int compose(struct arena *a, const struct staging *staging, const struct tree *tree,
	    const struct recipe *recipe, const struct manifest *base, struct manifest *out,
	    struct err *err)
{
	/* A prefix brings all it needs but the system's libraries: it works on any such root. */
	uint64_t portable = recipe->kind == RECIPE_PREFIX ? 1 : 0;
	auto_fd int root = openat(staging->dir, "tree/root", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (root < 0)
		return err_sys(err, "cannot open the new tree");
	if (find_toolchains(a, root, portable, out, err) < 0)
		return err_wrap(err, "looking for the tree's toolchains");
	stack_layers(a, tree, base, out);
	out->env = stack_env(a, base, recipe->env, out);
	for (size_t i = 0; i < base->toolchain_count; i++)
		manifest_add_toolchain(a, out,
				       (struct manifest_toolchain){base->toolchains[i].version,
								   base->toolchains[i].path, 0});
	return 0;
}

/* ---- an image of one tree, made elsewhere ---- */

/* An image that says nothing of a PATH gets the usual one, as everywhere. */
static const struct node *complete_env(struct arena *a, const struct node *own)
{
	struct node *env = node_map(a);

	node_set_text(a, env, "PATH",
		      "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
	for (size_t i = 0; own && i < own->count; i++)
		node_set(a, env, own->pairs[i].key->text, own->pairs[i].value);
	return env;
}

static int describe(struct arena *a, const struct staging *staging, const struct tree *tree,
		    struct manifest *m, struct err *err)
{
	auto_fd int root = openat(staging->dir, "tree/root", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (root < 0)
		return err_sys(err, "cannot open the new tree");
	m->layers = arena_alloc(a, sizeof(*m->layers));
	m->layers[0] = (struct manifest_layer){tree->digest, tree->bytes, tree->entries};
	m->layer_count = 1;
	m->env = complete_env(a, m->env);
	if (find_toolchains(a, root, 0, m, err) < 0)
		return err_wrap(err, "looking for the tree's toolchains");
	return 0;
}

int image_of_tree(struct arena *a, struct staging *staging, const struct tree *tree,
		  struct manifest *m, const char *again, bool replace, struct digest *out,
		  struct err *err)
{
	auto_strbuf struct strbuf text = STRBUF(MANIFEST_BYTES);
	auto_fd int gate = -1;

	if (describe(a, staging, tree, m, err) < 0)
		return -1;
	manifest_encode(a, m, &text);
	if (!replace && image_name_keep(staging->store, m->name, &text, err) < 0)
		return -1;
	tree_heal(staging->store, &tree->digest);
	gate = publish_gate(staging->store, LOCK_SH, err);
	if (gate < 0 || tree_publish(staging, tree, err) < 0)
		return -1;
	return image_publish(staging->store, m->name, &text, NULL, again, out, err);
}
