/*
 * oci_assemble: documents and layers to an image of the store.
 *
 * Everything comes from outside. A document is read when its size and its hash
 * are what the one above it said, and a layer is decompressed then, in a worker
 * that also hashes what comes out of it. Nothing has a name in the store before
 * all of it is right.
 */
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "image/compose.h"
#include "image/manifest.h"
#include "image/oci.h"
#include "image/store.h"
#include "image/tree.h"
#include "image/verify.h"
#include "stepcell/fd.h"
#include "stepcell/limits.h"
#include "stepcell/path.h"

struct assembly {
	struct store *store;
	struct arena *arena;
	int blobs;
	const struct oci_options *options;
	struct oci_document manifest;
	struct oci_config config;
	struct tree_layer *layers; /* with open descriptors */
	size_t count;
};

static void say(const struct assembly *as, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
static void say(const struct assembly *as, const char *fmt, ...)
{
	va_list args;

	if (!as->options->progress)
		return;
	(void)fprintf(as->options->progress, "%s: ", as->options->name);
	va_start(args, fmt);
	(void)vfprintf(as->options->progress, fmt, args);
	va_end(args);
	(void)fputc('\n', as->options->progress);
}

/* ---- blobs ---- */

/* A blob of the size that it must have; what is in it is still anybody's. */
static int open_blob(int blobs, const struct oci_descriptor *d, struct err *err)
{
	auto_fd int fd = open_nolinks(blobs, d->digest.hex, O_RDONLY | O_NONBLOCK, 0, err);
	struct stat st;

	if (fd < 0)
		return err_wrap(err, "blob sha256:%s", d->digest.hex);
	if (fstat(fd, &st) < 0)
		return err_sys(err, "cannot read blob sha256:%s", d->digest.hex);
	if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size != d->size)
		return err_fail(err, ERR_USAGE, "blob sha256:%s has %llu bytes, not %llu",
				d->digest.hex, (unsigned long long)st.st_size,
				(unsigned long long)d->size);
	return take_fd(&fd);
}

static int check_digest(const struct digest *found, const struct oci_descriptor *d, struct err *err)
{
	return digest_equal(found, &d->digest)
		       ? 0
		       : err_fail(err, ERR_USAGE, "blob sha256:%s is damaged: it hashes to %s",
				  d->digest.hex, found->hex);
}

static int read_blob(int blobs, const struct oci_descriptor *d, struct strbuf *out, struct err *err)
{
	auto_fd int fd = -1;
	struct digest found;

	if (d->size > out->max)
		return err_fail(err, ERR_USAGE, "blob sha256:%s: a document of %llu bytes",
				d->digest.hex, (unsigned long long)d->size);
	fd = open_blob(blobs, d, err);
	if (fd < 0 || read_capped(fd, out, err) < 0)
		return -1;
	found = digest_of(out->text, out->len);
	return check_digest(&found, d, err);
}

/* ---- documents ---- */

/* From an index, which may be in another, down to the manifest for the platform. */
static int find_manifest(struct assembly *as, const struct oci_descriptor *top, struct err *err)
{
	const struct oci_descriptor *d = top;

	for (unsigned depth = 0; depth < LIMIT_OCI_DEPTH; depth++) {
		auto_strbuf struct strbuf text = STRBUF(LIMIT_OCI_DOCUMENT);
		struct oci_document doc;

		if (read_blob(as->blobs, d, &text, err) < 0 ||
		    oci_decode(as->arena, d->media_type, text.text, text.len, &doc, err) < 0)
			return -1;
		if (doc.kind == OCI_MANIFEST) {
			as->manifest = doc;
			return 0;
		}
		if (oci_pick(&doc, as->options->platform, &d, err) < 0)
			return -1;
	}
	return err_fail(err, ERR_USAGE, "more than %d indexes in each other", LIMIT_OCI_DEPTH);
}

static int read_config(struct assembly *as, struct err *err)
{
	auto_strbuf struct strbuf text = STRBUF(LIMIT_OCI_DOCUMENT);
	const char *type = as->manifest.config.media_type;

	if (strcmp(type, OCI_CONFIG_TYPE) != 0 && strcmp(type, DOCKER_CONFIG_TYPE) != 0)
		return err_fail(err, ERR_USAGE, "this is no image to run: its config is '%.100s'",
				type);
	if (read_blob(as->blobs, &as->manifest.config, &text, err) < 0 ||
	    oci_decode_config(as->arena, text.text, text.len, &as->config, err) < 0 ||
	    oci_check_platform(&as->config, as->options->platform, err) < 0)
		return -1;
	if (as->config.diff_count != as->manifest.count)
		return err_fail(err, ERR_USAGE, "%zu layers, and hashes of %zu in its config",
				as->manifest.count, as->config.diff_count);
	if (!as->manifest.count)
		return err_fail(err, ERR_USAGE, "an image without layers");
	return 0;
}

/* ---- layers ---- */

static int open_layer(struct assembly *as, const struct oci_descriptor *d, struct err *err)
{
	struct tree_layer *layer = &as->layers[as->count];
	struct digest found;

	*layer = (struct tree_layer){.diff_id = as->config.diff_ids[as->count]};
	if (oci_compression(d->media_type, &layer->compression, err) < 0)
		return -1;
	layer->fd = open_blob(as->blobs, d, err);
	if (layer->fd < 0)
		return -1;
	as->count++;
	if (digest_of_fd(layer->fd, &found, err) < 0 || check_digest(&found, d, err) < 0)
		return -1;
	return lseek(layer->fd, 0, SEEK_SET) < 0 ? err_sys(err, "cannot read a layer") : 0;
}

static int open_layers(struct assembly *as, struct err *err)
{
	as->layers = arena_array(as->arena, as->manifest.count, sizeof(*as->layers));
	for (size_t i = 0; i < as->manifest.count; i++)
		if (open_layer(as, &as->manifest.entries[i], err) < 0)
			return err_wrap(err, "layer %zu of %zu", i + 1, as->manifest.count);
	return 0;
}

static void close_layers(struct assembly *as)
{
	while (as->count)
		fd_close(&as->layers[--as->count].fd);
}

/* ---- the image ---- */

static int describe(struct assembly *as, struct staging *staging, const struct tree *tree,
		    struct strbuf *out, struct err *err)
{
	struct manifest_layer layer = {tree->digest, tree->bytes, tree->entries};
	struct manifest m = {.name = as->options->name,
			     .layers = &layer,
			     .layer_count = 1,
			     .env = as->config.env,
			     .config = as->config.run,
			     .origin = as->options->origin};
	auto_fd int root = openat(staging->dir, "tree/root", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (root < 0)
		return err_sys(err, "cannot open the new tree");
	if (find_toolchains(as->arena, root, 0, &m, err) < 0)
		return err_wrap(err, "looking for the tree's toolchains");
	manifest_encode(as->arena, &m, out);
	return 0;
}

static int make_image(struct assembly *as, struct digest *out, struct err *err)
{
	auto_staging struct staging staging = {.dir = -1};
	auto_strbuf struct strbuf text = STRBUF(MANIFEST_BYTES);
	auto_fd int gate = -1;
	struct tree tree;

	if (staging_open(as->store, &staging, err) < 0 ||
	    tree_apply(&staging, as->layers, as->count, &tree, err) < 0)
		return -1;
	say(as, "%zu layers, %llu files, %llu MiB; %llu devices and the like left out", as->count,
	    (unsigned long long)tree.entries, (unsigned long long)(tree.bytes / MIB),
	    (unsigned long long)tree.skipped);
	if (describe(as, &staging, &tree, &text, err) < 0 ||
	    (!as->options->replace &&
	     image_name_keep(as->store, as->options->name, &text, err) < 0))
		return -1;
	tree_heal(as->store, &tree.digest);
	gate = publish_gate(as->store, LOCK_SH, err);
	if (gate < 0 || tree_publish(&staging, &tree, err) < 0)
		return -1;
	return image_publish(as->store, as->options->name, &text, NULL, as->options->again, out,
			     err);
}

int oci_assemble(struct store *store, int blobs, const struct oci_descriptor *top,
		 const struct oci_options *options, struct digest *out, struct err *err)
{
	auto_arena struct arena *a = arena_new();
	struct assembly as = {.store = store, .arena = a, .blobs = blobs, .options = options};
	int r;

	if (!name_is_safe(options->name) || strcmp(options->name, "host") == 0)
		return err_fail(err, ERR_USAGE, "'%s' cannot be an image's name", options->name);
	r = find_manifest(&as, top, err);
	if (r == 0)
		r = read_config(&as, err);
	if (r == 0)
		r = open_layers(&as, err);
	if (r == 0)
		r = make_image(&as, out, err);
	close_layers(&as);
	return r < 0 ? err_wrap(err, "image '%s'", options->name) : 0;
}
