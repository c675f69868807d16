/*
 * Building an image: a recipe's program writes a tar, a worker unpacks it, and
 * when both have ended well the tree, the manifest and the name are published,
 * in this order. Killed anywhere, it leaves what it published so far, all of it
 * whole, and a staging folder that the next start sweeps.
 */
#include "image/build.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "image/child.h"
#include "image/compose.h"
#include "image/manifest.h"
#include "image/names.h"
#include "image/ontop.h"
#include "image/tree.h"
#include "image/turn.h"
#include "image/verify.h"
#include "stepcell/fd.h"
#include "stepcell/limits.h"
#include "stepcell/path.h"

/* Raised when the way that recipes are turned into trees changes. */
#define BUILD_FORMAT 1

struct build {
	struct store *store;
	struct arena *arena;
	const struct build_options *options;
	struct recipe recipe;
	const char *ref;         /* of the recipe, as it was asked for */
	struct manifest base;    /* of a prefix */
	struct image base_image; /* held until the image that stands on it is published */
	const char *source;      /* of a prefix */
	struct digest inputs;
};

int build_wait(struct cell *cell, const char *what, struct err *err)
{
	struct cell_result result;

	if (cell_wait(cell, &result, err) < 0)
		return -1;
	if (result.verdict == CELL_PASSED)
		return 0;
	return err_fail(err, ERR_SYSTEM, "%s ended as %s%s", what,
			cell_verdict_name(result.verdict),
			result.exit_code == 127 ? ": a command was not found" : "");
}

int build_run(const struct cell_spec *spec, const char *what, struct err *err)
{
	struct cell *cell = NULL;
	int r;

	if (cell_start(spec, &cell, NULL, err) < 0)
		return -1;
	r = build_wait(cell, what, err);
	cell_release(&cell);
	return r;
}

struct cell_layer *build_layers(struct arena *a, const struct image_mount *m,
				const char *const *above, size_t count)
{
	struct cell_layer *list = arena_array(a, count + m->layer_count, sizeof(*list));

	for (size_t i = 0; i < count; i++)
		list[i] = (struct cell_layer){.path = above[i]};
	for (size_t i = 0; i < m->layer_count; i++)
		list[count + i] = m->layers[i];
	return list;
}

static void say(const struct build *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void say(const struct build *b, const char *fmt, ...)
{
	va_list args;

	if (!b->options->progress)
		return;
	(void)fprintf(b->options->progress, "%s: ", b->recipe.name);
	va_start(args, fmt);
	(void)vfprintf(b->options->progress, fmt, args);
	va_end(args);
	(void)fputc('\n', b->options->progress);
	(void)fflush(b->options->progress);
}

/* ---- is it there already? ---- */

static int add_file(struct strbuf *out, const char *folder, const char *name, struct err *err)
{
	auto_fd int dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (dir < 0)
		return err_sys(err, "cannot open '%s'", folder);
	strbuf_addf(out, "\n%s\n", name);
	return file_read(dir, name, out, err);
}

static void add_source(struct strbuf *out, const char *source)
{
	struct stat st;

	strbuf_addf(out, "\n%s\n", source);
	if (stat(source, &st) == 0)
		strbuf_addf(out, "%lld.%09ld\n", (long long)st.st_ctim.tv_sec, st.st_ctim.tv_nsec);
}

/* What decides the result, as far as it can be known before: not which packages a mirror has. */
static int hash_inputs(struct build *b, struct err *err)
{
	auto_strbuf struct strbuf text = STRBUF(16 * MIB);
	struct utsname host;

	(void)uname(&host);
	strbuf_addf(&text, "build %d %s\n%s\n", BUILD_FORMAT, host.machine, b->recipe.text);
	for (size_t i = 0; i < b->recipe.scripts.count; i++)
		if (add_file(&text, b->recipe.folder, b->recipe.scripts.list[i], err) < 0)
			return -1;
	if (b->recipe.kind == RECIPE_PREFIX) {
		if (add_file(&text, b->recipe.folder, "prefix.py", err) < 0)
			return -1;
		add_source(&text, b->source);
		strbuf_addf(&text, "%s\n", b->base.layers[b->base.layer_count - 1].tree.hex);
	}
	if (b->recipe.kind == RECIPE_LAYER) {
		for (size_t i = 0; i < b->recipe.file_count; i++)
			if (add_file(&text, b->recipe.folder, b->recipe.files[i].from, err) < 0)
				return -1;
		strbuf_addf(&text, "%s\n", b->base_image.digest.hex);
	}
	b->inputs = digest_of(text.text, text.len);
	return 0;
}

static bool is_built(struct build *b, struct digest *out)
{
	struct image_name name;
	struct image image;
	struct err ignored;
	bool whole;

	if (b->options->force || image_name_read(b->store, b->recipe.name, &name, &ignored) < 0 ||
	    !name.built || !digest_equal(&name.inputs, &b->inputs) ||
	    image_find(b->store, b->arena, b->recipe.name, &image, &ignored) < 0)
		return false;
	whole = image_whole(b->store, &image);
	image_release(&image);
	*out = name.manifest;
	return whole;
}

/* ---- the tree ---- */

/* The last lines of what the program said on standard error. */
static int explain(const struct staging *staging, struct err *err)
{
	auto_strbuf struct strbuf log = STRBUF(64 * MIB);
	struct err ignored;
	const char *tail;
	char problem[512];

	if (file_read(staging->dir, "log", &log, &ignored) < 0 || !log.len)
		return -1;
	tail = log.len > 1200 ? log.text + log.len - 1200 : log.text;
	if (tail != log.text && strchr(tail, '\n'))
		tail = strchr(tail, '\n') + 1;
	(void)snprintf(problem, sizeof(problem), "%.500s", err->text);
	return err_fail(err, err->kind, "%s; its last words:\n%s", problem, tail);
}

static int open_log(const struct staging *staging, struct err *err)
{
	int log = openat(staging->dir, "log", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

	return log < 0 ? err_sys(err, "cannot make a log") : log;
}

static void say_tree(const struct build *b, const struct tree *tree)
{
	say(b, "%llu files, %llu MiB", (unsigned long long)tree->entries,
	    (unsigned long long)(tree->bytes / MIB));
}

static int run(struct build *b, const struct build_command *command, struct staging *staging,
	       struct tree *tree, struct err *err)
{
	auto_child struct child child = {0};
	auto_fd int log = open_log(staging, err);
	struct err unpacking = {0};
	int r;

	if (log < 0)
		return -1;
	const struct child_spec spec = {.argv = command->argv,
					.env = command->env,
					.log = log,
					.pretend = command->pretend};

	if (child_start(&spec, &child, err) < 0)
		return -1;
	r = tree_unpack(staging, child.out, tree, &unpacking);
	/* A program that fails ends its tar early: its own reason comes first. */
	if (r < 0 && unpacking.kind != ERR_USAGE)
		child_kill(&child);
	else if (child_end(&child, err) < 0)
		return explain(staging, err);
	if (r < 0)
		*err = unpacking;
	else
		say_tree(b, tree);
	return r;
}

/* As run(), of a cell on top of the base. */
static int run_on_top(struct build *b, struct staging *staging, struct tree *tree, struct err *err)
{
	auto_ontop struct ontop cell = {.out = -1};
	auto_fd int log = open_log(staging, err);
	bool network = b->recipe.network == RECIPE_NET_FULL;

	if (log < 0)
		return -1;
	if (network && !b->options->network)
		return err_fail(err, ERR_POLICY,
				"its commands want a network (network: full); --allow-network "
				"grants it");
	say(b, "%zu packages, %zu files and %zu commands on top of %s", b->recipe.packages.count,
	    b->recipe.file_count, b->recipe.commands.count, b->recipe.base);
	if (ontop_start(staging, b->arena, &b->recipe, &b->base_image, network, log, &cell, err) <
	    0)
		return explain(staging, err);
	if (tree_unpack(staging, cell.out, tree, err) < 0)
		return -1;
	if (ontop_end(&cell, err) < 0)
		return explain(staging, err);
	say_tree(b, tree);
	return 0;
}

/* ---- the image ---- */

static int load_base(struct build *b, struct err *err)
{
	const char *path =
		arena_printf(b->arena, "%s/rootfs/%s.yml", b->options->data, b->recipe.base);
	struct image_name name;
	struct digest digest;

	/* It is built when it is missing or its recipe changed; --force is for what was asked. */
	const struct build_options options = {.data = b->options->data,
					      .network = b->options->network,
					      .progress = b->options->progress};

	if (b->recipe.kind == RECIPE_LAYER && access(path, F_OK) < 0 &&
	    image_name_read(b->store, b->recipe.base, &name, err) == 0)
		digest = name.manifest; /* pulled or imported */
	else if (image_build(b->store, b->recipe.base, &options, &digest, err) < 0)
		return err_wrap(err, "base '%s'", b->recipe.base);
	if (image_load(b->store, b->arena, &digest, &b->base, &b->base_image, err) < 0)
		return err_wrap(err, "base '%s'", b->recipe.base);
	return 0;
}

/* What makes it again: the words of `stepcell image`. */
static const char *origin_of(const struct build *b)
{
	if (b->options->name)
		return arena_printf(b->arena, "import --as prefix --name %s %s", b->options->name,
				    b->source);
	return arena_printf(b->arena, "build %s", b->ref);
}

static int publish(struct build *b, const struct manifest *m, struct digest *out, struct err *err)
{
	auto_strbuf struct strbuf text = STRBUF(MANIFEST_BYTES);

	manifest_encode(b->arena, m, &text);
	if (image_publish(b->store, m->name, &text, &b->inputs, origin_of(b), out, err) < 0)
		return -1;
	say(b, "sha256:%s", out->hex);
	return 0;
}

static int build_layer(struct build *b, struct staging *staging, struct tree *tree, struct err *err)
{
	struct build_command command;

	if (b->recipe.kind == RECIPE_LAYER)
		return run_on_top(b, staging, tree, err);
	if (b->recipe.kind == RECIPE_DEBIAN) {
		say(b, "installing %zu packages of Debian %s", b->recipe.packages.count,
		    b->recipe.suite);
		if (debian_command(b->arena, &b->recipe, staging, &command, err) < 0)
			return -1;
	} else {
		say(b, "copying %s", b->source);
		if (prefix_command(b->arena, &b->recipe, b->source, &command, err) < 0)
			return -1;
	}
	return run(b, &command, staging, tree, err);
}

/* Its tree is the base's too: nothing of that lies below. */
static struct manifest below(const struct build *b)
{
	struct manifest none = {.env = b->base.env};

	return b->recipe.kind == RECIPE_LAYER ? none : b->base;
}

static int build(struct build *b, struct digest *out, struct err *err)
{
	auto_staging struct staging staging = {.dir = -1};
	struct manifest m = {.name = b->recipe.name, .config = b->base.config};
	struct manifest base = below(b);
	auto_fd int gate = -1;
	struct tree tree;

	if (staging_open(b->store, &staging, err) < 0 || build_layer(b, &staging, &tree, err) < 0 ||
	    compose(b->arena, &staging, &tree, &b->recipe, &base, &m, err) < 0)
		return -1;
	tree_heal(b->store, &tree.digest);
	gate = publish_gate(b->store, LOCK_SH, err);
	if (gate < 0 || tree_publish(&staging, &tree, err) < 0)
		return -1;
	return publish(b, &m, out, err);
}

/* A reference with a digest: pulled, under the recipe's name, with the recipe's variables. */
static int build_pulled(struct build *b, struct digest *out, struct err *err)
{
	const struct pull_options options = {
		.name = b->recipe.name,
		.platform = b->recipe.platform,
		.replace = true,
		.progress = b->options->progress,
	};
	struct digest digest;
	struct manifest m;

	if (image_pull(b->store, b->recipe.ref, &options, &digest, err) < 0 ||
	    image_load(b->store, b->arena, &digest, &b->base, &b->base_image, err) < 0)
		return -1;
	m = b->base;
	m.name = b->recipe.name;
	m.env = compose_env(b->arena, &b->base, b->recipe.env);
	return publish(b, &m, out, err);
}

/* Who waits for another's build of the same finds it there. */
static int build_once(struct build *b, struct digest *out, struct err *err)
{
	auto_turn struct turn turn = {.fd = -1};

	if (hash_inputs(b, err) < 0 || turn_take(b->store, b->inputs.hex, &turn, err) < 0)
		return -1;
	if (is_built(b, out)) {
		say(b, "is there already");
		return 0;
	}
	return b->recipe.kind == RECIPE_OCI ? build_pulled(b, out, err) : build(b, out, err);
}

int image_build(struct store *store, const char *recipe, const struct build_options *options,
		struct digest *out, struct err *err)
{
	auto_arena struct arena *a = arena_new();
	struct build b = {.store = store,
			  .arena = a,
			  .options = options,
			  .ref = recipe,
			  .base_image = {.lock = -1}};
	int r = 0;

	if (recipe_load(a, options->data, recipe, &b.recipe, err) < 0)
		return -1;
	if (options->name && image_name_parse(a, options->name, &b.recipe.name, err) < 0)
		return -1;
	if (b.recipe.kind == RECIPE_PREFIX)
		r = prefix_find(a, &b.recipe, options->source, &b.source, err);
	if (r == 0 && b.recipe.base)
		r = load_base(&b, err);
	if (r == 0)
		r = build_once(&b, out, err);
	image_release(&b.base_image);
	return r < 0 ? err_wrap(err, "building image '%s'", b.recipe.name) : 0;
}
