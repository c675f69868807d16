/*
 * oci_assemble: documents and layers to an image of the store.
 *
 * Everything comes from outside. A document is read when its size and its hash
 * are what the one above it said, and so is a layer: nothing decompresses bytes
 * that nobody vouched for.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "image/oci.h"
#include "stepcell/fd.h"
#include "stepcell/limits.h"
#include "stepcell/path.h"

struct assembly {
	struct store *store;
	struct arena *arena;
	int blobs;
	const struct oci_options *options;
	struct oci_document manifest;
	struct oci_source source;
};

/* ---- blobs ---- */

/* A blob of the size that it must have; what is in it is still anybody's. */
static int open_blob(int blobs, const struct oci_descriptor *d, struct err *err)
{
	auto_fd int fd = open_nolinks(blobs, d->digest.hex, O_RDONLY | O_NONBLOCK, 0, err);
	struct stat st;

	if (fd < 0 && err->sys == ENOENT)
		return err_fail(err, ERR_USAGE, "blob sha256:%s is missing", d->digest.hex);
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
		as->source.from.list[as->source.from.count++] = d->digest;
		if (doc.kind == OCI_MANIFEST) {
			as->manifest = doc;
			as->source.digest = d->digest;
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
	    oci_decode_config(as->arena, text.text, text.len, &as->source.config, err) < 0)
		return -1;
	if (as->source.config.diff_count != as->manifest.count)
		return err_fail(err, ERR_USAGE, "%zu layers, and hashes of %zu in its config",
				as->manifest.count, as->source.config.diff_count);
	return 0;
}

/* ---- layers ---- */

static int open_layer(struct assembly *as, const struct oci_descriptor *d, struct err *err)
{
	struct oci_source *source = &as->source;
	struct tree_layer *layer = &source->layers[source->count];
	struct digest found;

	*layer = (struct tree_layer){.diff_id = source->config.diff_ids[source->count]};
	if (oci_compression(d->media_type, &layer->compression, err) < 0)
		return -1;
	layer->fd = open_blob(as->blobs, d, err);
	if (layer->fd < 0)
		return -1;
	source->count++;
	if (digest_of_fd(layer->fd, &found, err) < 0 || check_digest(&found, d, err) < 0)
		return -1;
	return lseek(layer->fd, 0, SEEK_SET) < 0 ? err_sys(err, "cannot read a layer") : 0;
}

static int open_layers(struct assembly *as, struct err *err)
{
	as->source.layers = arena_array(as->arena, as->manifest.count, sizeof(*as->source.layers));
	for (size_t i = 0; i < as->manifest.count; i++)
		if (open_layer(as, &as->manifest.entries[i], err) < 0)
			return err_wrap(err, "layer %zu of %zu", i + 1, as->manifest.count);
	return 0;
}

int oci_assemble(struct store *store, int blobs, const struct oci_descriptor *top,
		 const struct oci_options *options, struct digest *out, struct err *err)
{
	auto_arena struct arena *a = arena_new();
	struct assembly as = {.store = store, .arena = a, .blobs = blobs, .options = options};
	int r;

	r = find_manifest(&as, top, err);
	if (r == 0)
		r = read_config(&as, err);
	if (r == 0)
		r = open_layers(&as, err);
	if (r == 0)
		r = oci_make(store, a, &as.source, options, out, err);
	oci_source_release(&as.source);
	return r < 0 ? err_wrap(err, "image '%s'", options->name) : 0;
}
