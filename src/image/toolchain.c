/* toolchain: which image carries the Python that a job asks for. */
#include <string.h>

#include "image/manifest.h"
#include "image/store.h"
#include "image/version.h"
#include "stepcell/fd.h"
#include "stepcell/limits.h"

/* The best so far. */
struct choice {
	const char *range;
	struct version version;
	struct toolchain toolchain;
	bool found;
};

static int consider(struct choice *c, const struct toolchain *t, bool *better, struct err *err)
{
	struct version v;
	bool in_range;

	*better = false;
	if (!version_parse(t->version, &v))
		return 0;
	if (version_match(&v, c->range, &in_range, err) < 0)
		return -1;
	if (!in_range || (c->found && version_compare(&v, &c->version) <= 0))
		return 0;
	*c = (struct choice){c->range, v, *t, true};
	*better = true;
	return 0;
}

/* What the current root carries needs no layer, and wins whatever its version. */
static int search_current(const struct image *current, struct choice *c, struct err *err)
{
	bool better;

	for (size_t i = 0; current && i < current->toolchain_count; i++)
		if (consider(c, &current->toolchains[i], &better, err) < 0)
			return -1;
	return 0;
}

static void list_versions(const struct image *images, size_t count, const struct image *current,
			  struct strbuf *out)
{
	for (size_t i = 0; current && i < current->toolchain_count; i++)
		strbuf_addf(out, "%s%s (%s)", out->len ? ", " : "", current->toolchains[i].version,
			    current->name);
	for (size_t i = 0; i < count; i++)
		for (size_t t = 0; t < images[i].toolchain_count; t++)
			strbuf_addf(out, "%s%s (%s)", out->len ? ", " : "",
				    images[i].toolchains[t].version, images[i].name);
}

static int missing(const char *range, const char *have, struct err *err)
{
	unsigned major, minor;

	if (!*have)
		have = "none";
	if (version_minor(range, &major, &minor))
		return err_fail(err, ERR_SYSTEM,
				"no toolchain for Python %s; there are: %s. Build one: "
				"`stepcell image build python-%u.%u`",
				range, have, major, minor);
	return err_fail(err, ERR_SYSTEM,
			"no toolchain for Python %s; there are: %s. Build one: `stepcell image "
			"build python-3.11`, or another recipe of rootfs/",
			range, have);
}

/* The layers that make an image's toolchain work on another root; 0 when none do. */
static int portable_layers(struct store *store, struct arena *a, const struct image *image,
			   const char *version, size_t *out, struct err *err)
{
	auto_strbuf struct strbuf text = STRBUF(MANIFEST_BYTES);
	struct manifest m;

	*out = 0;
	if (blob_get(store, &image->digest, &text, NULL, err) < 0 ||
	    manifest_decode(a, text.text, text.len, &m, err) < 0)
		return -1;
	for (size_t i = 0; i < m.toolchain_count; i++)
		if (strcmp(m.toolchains[i].version, version) == 0)
			*out = (size_t)m.toolchains[i].layers;
	return 0;
}

static int search_store(struct store *store, struct arena *a, struct image *images, size_t count,
			struct choice *c, struct toolchain_match *match, struct err *err)
{
	for (size_t i = 0; i < count; i++) {
		for (size_t t = 0; t < images[i].toolchain_count; t++) {
			const struct toolchain *tool = &images[i].toolchains[t];
			size_t layers;
			bool better;

			if (portable_layers(store, a, &images[i], tool->version, &layers, err) < 0)
				return -1;
			if (layers == 0)
				continue;
			if (consider(c, tool, &better, err) < 0)
				return -1;
			if (!better)
				continue;
			match->layers = images[i].mounts[0].layers;
			match->layer_count = layers;
			match->env = images[i].env;
			fd_close(&match->lock);
			match->lock = take_fd(&images[i].lock);
		}
	}
	return 0;
}

/* Search what the store has besides; `have` gets the words for a message. */
static int search(struct store *store, struct arena *a, const struct image *current,
		  struct choice *c, struct toolchain_match *match, struct strbuf *have,
		  struct err *err)
{
	struct image *images;
	size_t count;
	int r;

	if (image_list(store, a, &images, &count, err) < 0)
		return -1;
	list_versions(images, count, current, have);
	r = search_store(store, a, images, count, c, match, err);
	for (size_t i = 0; i < count; i++)
		image_release(&images[i]);
	return r;
}

int image_toolchain(struct store *store, struct arena *a, const struct image *current,
		    const char *version, struct toolchain_match *out, struct err *err)
{
	auto_strbuf struct strbuf have = STRBUF(1024);
	struct choice c = {.range = version};
	struct toolchain_match match = {.lock = -1};
	bool ignored;

	/* What is no version is wrong usage, whatever there is. */
	if (version_match(&c.version, version, &ignored, err) < 0)
		return -1;
	if (search_current(current, &c, err) < 0)
		return -1;
	if (!c.found && search(store, a, current, &c, &match, &have, err) < 0) {
		fd_close(&match.lock);
		return -1;
	}
	if (!c.found)
		return missing(version, have.text, err);
	if (!match.env)
		match.env = current->env;
	match.toolchain = c.toolchain;
	*out = match;
	return 0;
}
