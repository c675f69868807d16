/* oci_make: the layers of an image to one tree, and what the store keeps of it. */
#include "image/compose.h"
#include "image/manifest.h"
#include "image/names.h"
#include "image/oci.h"
#include "image/store.h"
#include "image/take.h"
#include "stepcell/fd.h"
#include "stepcell/limits.h"

void oci_source_release(struct oci_source *source)
{
	while (source->count)
		fd_close(&source->layers[--source->count].fd);
}

static void say_result(const struct oci_options *options, const struct tree *tree, size_t layers)
{
	if (!options->progress)
		return;
	(void)fprintf(options->progress, "%s: %zu layers, %llu files, %llu MiB", options->name,
		      layers, (unsigned long long)tree->entries,
		      (unsigned long long)(tree->bytes / MIB));
	if (tree->skipped)
		(void)fprintf(options->progress, "; %llu devices and the like left out",
			      (unsigned long long)tree->skipped);
	(void)fputc('\n', options->progress);
}

static int make(struct store *store, struct arena *a, const struct oci_source *source,
		const struct oci_options *options, struct digest *out, struct err *err)
{
	auto_staging struct staging staging = {.dir = -1};
	struct manifest m = {.name = options->name,
			     .env = source->config.env,
			     .config = source->config.run,
			     .origin = options->origin,
			     .source = source->digest};
	struct tree tree;

	if (staging_open(store, &staging, err) < 0 ||
	    tree_apply(&staging, source->layers, source->count, &tree, err) < 0)
		return -1;
	say_result(options, &tree, source->count);
	return image_of_tree(a, &staging, &tree, &m, options->again, options->replace, out, err);
}

static int make_in_turn(struct store *store, struct arena *a, const struct oci_source *source,
			const struct oci_options *options, struct digest *out, struct err *err)
{
	auto_turn struct turn turn = {.fd = -1};

	if (turn_take(
		    store,
		    arena_printf(a, "layers of sha256:%s as %s", source->digest.hex, options->name),
		    &turn, err) < 0)
		return -1;
	*out = turn.made;
	if (take_made(store, a, &turn, options->again, options->replace))
		return 0;
	turn.known = false;
	if (make(store, a, source, options, out, err) < 0)
		return -1;
	turn_made(&turn, out);
	return 0;
}

/* An index means this machine's image here; that of another machine is only its manifest's. */
static int note(struct store *store, const struct oci_source *source, const struct digest *image,
		struct err *err)
{
	struct documents from = source->from;
	struct err other;

	if (from.count && oci_check_platform(&source->config, NULL, &other) < 0)
		from = (struct documents){.list = {from.list[from.count - 1]}, .count = 1};
	return from.count ? sources_note(store, image, &from, err) : 0;
}

int oci_make(struct store *store, struct arena *a, const struct oci_source *source,
	     const struct oci_options *options, struct digest *out, struct err *err)
{
	if (!image_name_is_valid(options->name))
		return err_fail(err, ERR_USAGE, "'%s' cannot be an image's name", options->name);
	if (oci_check_platform(&source->config, options->platform, err) < 0)
		return -1;
	if (!source->count)
		return err_fail(err, ERR_USAGE, "an image without layers");
	if (make_in_turn(store, a, source, options, out, err) < 0)
		return -1;
	return note(store, source, out, err);
}
