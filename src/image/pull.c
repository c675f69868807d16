/*
 * pull: an image from a registry into the store.
 *
 * A worker brings documents and blobs by their digests; which, is decided here,
 * from documents that were verified. The name of a tag is the one thing that a
 * registry is asked and believed. What was downloaded stays until an image has
 * been made of it, so that a pull that broke off goes on where it was.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "image/downloads.h"
#include "image/fetch.h"
#include "image/login.h"
#include "image/manifest.h"
#include "image/names.h"
#include "image/oci.h"
#include "image/reference.h"
#include "image/store.h"
#include "image/turn.h"
#include "image/verify.h"
#include "stepcell/config.h"
#include "stepcell/diag.h"
#include "stepcell/fd.h"
#include "stepcell/limits.h"
#include "stepcell/path.h"

#define STALE_SECONDS (7 * 24 * 60 * 60) /* who broke off so long ago does not come back */

struct pull {
	struct store *store;
	struct arena *arena;
	const struct pull_options *options;
	struct reference ref;
	const char *name; /* in the store */
	struct fetcher *fetcher;
	struct downloads downloads;
	struct oci_descriptor top;
	struct oci_document manifest;
	struct documents documents;
};

/* ---- where from, and as whom ---- */

static int find_endpoints(struct pull *p, struct endpoints *out, struct err *err)
{
	struct diags diags = {.arena = p->arena};
	const struct node *config;

	if (config_section(p->arena, "registries", &config, err) < 0)
		return -1;
	if (!registries_decode(p->arena, config, &p->ref, out, &diags))
		return diags_fail(&diags, err);
	for (size_t i = 0; i < out->count; i++) {
		struct endpoint *e = &out->list[i];

		if (login_find(p->arena, p->options->auth_file, e->key, e->name, &e->login, err) <
		    0)
			return err_wrap(err, "looking for the login of '%s'", e->key);
	}
	return 0;
}

static int start(struct pull *p, struct err *err)
{
	struct fetch_setup setup = {.folder = p->downloads.path,
				    .progress = p->options->progress,
				    .live = p->options->live};

	if (find_endpoints(p, &setup.endpoints, err) < 0 ||
	    downloads_open(p->store, &p->downloads, err) < 0)
		return -1;
	return fetch_start(&setup, &p->fetcher, err);
}

/* ---- documents ---- */

/* What its digest names, as the registry or the document above called it. */
static int fetch_one(struct pull *p, const char *tag, struct oci_descriptor *d,
		     struct oci_document *out, struct err *err)
{
	auto_strbuf struct strbuf text = STRBUF(LIMIT_OCI_DOCUMENT);
	char type[128];

	if (fetch_document(p->fetcher, tag, tag ? NULL : &d->digest, &text, type, err) < 0)
		return -1;
	if (!d->media_type)
		d->media_type = arena_strdup(p->arena, type);
	else if (strcmp(d->media_type, type) != 0)
		return err_fail(err, ERR_SYSTEM,
				"it is called '%s' by the index and '%s' by the "
				"registry",
				d->media_type, type);
	if (d->size && d->size != text.len)
		return err_fail(err, ERR_SYSTEM, "sha256:%.12s has %zu bytes, not %llu",
				d->digest.hex, text.len, (unsigned long long)d->size);
	d->digest = digest_of(text.text, text.len);
	d->size = text.len;
	p->documents.list[p->documents.count++] = d->digest;
	return oci_decode(p->arena, d->media_type, text.text, text.len, out, err);
}

/* From what was asked for down to the manifest for the platform. */
static int fetch_documents(struct pull *p, struct err *err)
{
	const struct oci_descriptor *picked;
	struct oci_document doc;
	struct oci_descriptor d;

	p->top.digest = p->ref.digest;
	if (fetch_one(p, p->ref.pinned ? NULL : p->ref.tag, &p->top, &doc, err) < 0)
		return -1;
	while (doc.kind == OCI_INDEX) {
		if (p->documents.count == LIMIT_OCI_DEPTH)
			return err_fail(err, ERR_SYSTEM, "more than %d indexes in each other",
					LIMIT_OCI_DEPTH);
		if (oci_pick(&doc, p->options->platform, &picked, err) < 0)
			return -1;
		d = *picked;
		if (fetch_one(p, NULL, &d, &doc, err) < 0)
			return -1;
	}
	p->manifest = doc;
	return 0;
}

/* ---- blobs ---- */

static int sum_layers(const struct oci_document *manifest, uint64_t *out, struct err *err)
{
	*out = 0;
	for (size_t i = 0; i < manifest->count; i++)
		if (__builtin_add_overflow(*out, manifest->entries[i].size, out) ||
		    *out > LIMIT_IMAGE_BYTES)
			return err_fail(err, ERR_SYSTEM, "its layers have more than %llu GiB",
					(unsigned long long)(LIMIT_IMAGE_BYTES / GIB));
	return 0;
}

/* Before its layers come: that it is an image, and one for this platform. */
static int fetch_config(struct pull *p, struct err *err)
{
	const struct oci_descriptor *d = &p->manifest.config;
	auto_strbuf struct strbuf text = STRBUF(LIMIT_OCI_DOCUMENT);
	struct oci_config config;

	if (strcmp(d->media_type, OCI_CONFIG_TYPE) != 0 &&
	    strcmp(d->media_type, DOCKER_CONFIG_TYPE) != 0)
		return err_fail(err, ERR_SYSTEM, "this is no image to run: its config is '%.100s'",
				d->media_type);
	if (d->size > LIMIT_OCI_DOCUMENT)
		return err_fail(err, ERR_SYSTEM, "its config has %llu bytes",
				(unsigned long long)d->size);
	if (fetch_blob(p->fetcher, "config", &d->digest, d->size, err) < 0 ||
	    file_read(p->downloads.dir, d->digest.hex, &text, err) < 0 ||
	    oci_decode_config(p->arena, text.text, text.len, &config, err) < 0)
		return -1;
	return oci_check_platform(&config, p->options->platform, err);
}

static int fetch_layers(struct pull *p, struct err *err)
{
	uint64_t bytes;

	if (sum_layers(&p->manifest, &bytes, err) < 0 ||
	    downloads_check_space(&p->downloads, bytes, err) < 0)
		return -1;
	for (size_t i = 0; i < p->manifest.count; i++) {
		const struct oci_descriptor *d = &p->manifest.entries[i];
		char label[64];

		(void)snprintf(label, sizeof(label), "layer %zu of %zu", i + 1, p->manifest.count);
		if (fetch_blob(p->fetcher, label, &d->digest, d->size, err) < 0)
			return -1;
	}
	return 0;
}

/* ---- the store ---- */

/* For the record: the reference, what it meant, and the platform where one was asked for. */
static const char *origin(const struct pull *p)
{
	struct reference ref = p->ref;

	ref.pinned = true;
	ref.digest = p->top.digest;
	return arena_printf(p->arena, "%s%s%s", reference_text(p->arena, &ref),
			    p->options->platform ? " " : "",
			    p->options->platform ? p->options->platform : "");
}

/* What brings it once more, into this name. */
static const char *again(const struct pull *p)
{
	auto_strbuf struct strbuf words = STRBUF(64 * KIB);
	struct reference ref = p->ref;

	ref.pinned = true;
	ref.digest = p->top.digest;
	strbuf_adds(&words, "pull ");
	if (p->options->platform)
		strbuf_addf(&words, "--platform %s ", p->options->platform);
	if (p->options->name)
		strbuf_addf(&words, "--name %s ", p->options->name);
	strbuf_adds(&words, reference_text(p->arena, &ref));
	return arena_strdup(p->arena, words.text);
}

/* What the name means until now; false when it means nothing. */
static bool find_present(const struct pull *p, struct manifest *out, struct digest *digest)
{
	struct image_name name;
	struct image image;
	struct err ignored;

	bool whole;

	if (image_name_read(p->store, p->name, &name, &ignored) < 0 ||
	    !image_name_is_pulled(&name) ||
	    image_load(p->store, p->arena, &name.manifest, out, &image, &ignored) < 0)
		return false;
	whole = image_whole(p->store, &image);
	image_release(&image);
	*digest = name.manifest;
	return whole && out->origin;
}

static int assemble(struct pull *p, struct digest *out, struct err *err)
{
	struct oci_options options = {
		.name = p->name,
		.origin = origin(p),
		.again = again(p),
		.platform = p->options->platform,
		.replace = p->options->replace,
		.progress = p->options->progress,
	};
	struct manifest present;
	struct digest digest;

	struct reference bare = p->ref;

	/* a tag that moved is no other image */
	bare.pinned = false;
	if (find_present(p, &present, &digest))
		options.replace |= reference_is_origin(p->arena, &bare, present.origin);
	return oci_assemble(p->store, p->downloads.dir, &p->top, &options, out, err);
}

/* Is it what is here already? Then nothing but documents was fetched. */
static bool is_present(const struct pull *p, struct digest *out)
{
	struct manifest present;

	return find_present(p, &present, out) && strcmp(present.origin, origin(p)) == 0;
}

/* As what it was made from is known when it is made: an index, where this machine's was picked. */
static int note_present(const struct pull *p, const struct digest *image, struct err *err)
{
	return p->options->platform ? 0 : sources_note(p->store, image, &p->documents, err);
}

static int pull(struct pull *p, struct digest *out, struct err *err)
{
	auto_turn struct turn turn = {.fd = -1};

	if (start(p, err) < 0 || fetch_documents(p, err) < 0 ||
	    turn_take(p->store, again(p), &turn, err) < 0)
		return -1;
	/* before, or while we waited for who pulls the same */
	turn.known = false;
	if (is_present(p, out))
		return note_present(p, out, err) < 0 ? -1 : fetch_end(&p->fetcher, err);
	if (fetch_config(p, err) < 0 || fetch_layers(p, err) < 0 || fetch_end(&p->fetcher, err) < 0)
		return -1;
	return assemble(p, out, err);
}

int image_pull(struct store *store, const char *ref, const struct pull_options *options,
	       struct digest *out, struct err *err)
{
	auto_arena struct arena *a = arena_new();
	struct pull p = {.store = store, .arena = a, .options = options, .downloads = {.dir = -1}};
	int r;

	if (reference_parse(a, ref, &p.ref, err) < 0)
		return -1;
	p.name = reference_text(a, &p.ref);
	if (options->name && image_name_parse(a, options->name, &p.name, err) < 0)
		return -1;
	r = pull(&p, out, err);
	fetch_drop(&p.fetcher);
	if (r == 0)
		(void)downloads_clean(&p.downloads, time(NULL) - STALE_SECONDS, false);
	downloads_close(&p.downloads);
	return r < 0 ? err_wrap(err, "pulling '%s'", ref) : 0;
}
