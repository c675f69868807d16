/* find: names and digests to images that are there. Nothing is copied or unpacked here. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "image/folder.h"
#include "image/host.h"
#include "image/manifest.h"
#include "image/reference.h"
#include "image/store.h"
#include "image/verify.h"
#include "stepcell/fd.h"
#include "stepcell/limits.h"
#include "stepcell/path.h"

#define MEANINGS 3 /* of a name, while it is looked up */

const char *time_text(struct arena *a, time_t when)
{
	struct tm tm;
	char text[32];

	(void)gmtime_r(&when, &tm);
	(void)strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm);
	return arena_strdup(a, text);
}

static int absent(struct store *store, struct arena *a, const char *hex, struct err *err)
{
	const char *aside = arena_printf(a, "%s.0", hex);
	const int sys = errno;

	if (faccessat(store->quarantine, aside, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return err_fail(err, ERR_SYSTEM,
				"layer %.12s was found changed, and is set aside as "
				"%s/quarantine/%s",
				hex, store->path, aside);
	errno = sys;
	return err_sys(err, "layer %s is not in the store", hex);
}

/* The layers of a manifest as paths; each tree must be there. */
static int describe_layers(struct store *store, struct arena *a, const struct manifest *m,
			   struct image *out, struct err *err)
{
	struct cell_layer *layers = arena_array(a, m->layer_count, sizeof(*layers));
	struct image_tree *trees = arena_array(a, m->layer_count, sizeof(*trees));
	struct image_mount *mount = arena_alloc(a, sizeof(*mount));
	struct stat st;

	for (size_t i = 0; i < m->layer_count; i++) {
		const char *hex = m->layers[i].tree.hex;

		if (fstatat(store->trees, arena_printf(a, "%s/root", hex), &st, 0) < 0)
			return absent(store, a, hex, err);
		layers[i].path = arena_printf(a, "%s/trees/%s/root", store->path, hex);
		out->bytes += m->layers[i].bytes;
		trees[i] = (struct image_tree){m->layers[i].tree, m->layers[i].bytes,
					       m->layers[i].entries};
	}
	out->trees = trees;
	out->tree_count = m->layer_count;
	*mount = (struct image_mount){.at = "/", .layers = layers, .layer_count = m->layer_count};
	out->mounts = mount;
	out->mount_count = 1;
	return 0;
}

static void describe_toolchains(struct arena *a, const struct manifest *m, struct image *out)
{
	out->toolchains = arena_array(a, m->toolchain_count, sizeof(*out->toolchains));
	out->toolchain_count = m->toolchain_count;
	for (size_t i = 0; i < m->toolchain_count; i++)
		out->toolchains[i] = (struct toolchain){.version = m->toolchains[i].version,
							.path = m->toolchains[i].path,
							.image = m->name};
}

int image_load(struct store *store, struct arena *a, const struct digest *digest,
	       struct manifest *manifest, struct image *out, struct err *err)
{
	auto_strbuf struct strbuf text = STRBUF(MANIFEST_BYTES);
	auto_fd int lock = -1;
	struct image image = {.digest = *digest, .lock = -1};
	struct stat st;

	if (blob_get(store, digest, &text, &lock, err) < 0 ||
	    manifest_decode(a, text.text, text.len, manifest, err) < 0 ||
	    describe_layers(store, a, manifest, &image, err) < 0)
		return -1;
	if (fstat(lock, &st) < 0)
		return err_sys(err, "cannot read manifest %s", digest->hex);
	describe_toolchains(a, manifest, &image);
	image.name = manifest->name;
	image.env = manifest->env;
	image.config = manifest->config;
	image.source = manifest->source;
	image.created = time_text(a, st.st_mtim.tv_sec);
	image.lock = take_fd(&lock);
	*out = image;
	return 0;
}

/* Which images there are, for a message: "python-3.10, python-3.11". */
static void add_names(struct store *store, struct strbuf *out)
{
	auto_strbuf struct strbuf names = STRBUF(65536);
	struct err ignored;

	strbuf_adds(out, "host");
	if (folder_list(store->images, &names, &ignored) < 0)
		return;
	for_each_name(name, &names) if (name_is_safe(name)) strbuf_addf(out, ", %s", name);
}

static int not_found(struct store *store, const char *ref, struct err *err)
{
	auto_strbuf struct strbuf names = STRBUF(1024);

	add_names(store, &names);
	return err_fail(err, ERR_SYSTEM,
			"there is no image '%s'; the store has: %s. `stepcell image build %s` "
			"builds one where rootfs/ has a recipe of that name, `stepcell image pull "
			"HOST/NAME:TAG` takes one from a registry",
			ref, names.text, ref);
}

/* Nothing is pulled by being named: what runs is what was put here before. */
static int find_pulled(struct store *store, const char *text, struct digest *out, struct err *err)
{
	auto_arena struct arena *a = arena_new();
	struct image image = {.lock = -1};
	struct image_name name;
	struct manifest manifest;
	struct reference ref;
	bool found;

	if (reference_parse(a, text, &ref, err) < 0)
		return -1;
	found = image_name_read(store, reference_store_name(a, &ref), &name, err) == 0;
	if (!found && err->sys != ENOENT)
		return -1;
	if (found && image_load(store, a, &name.manifest, &manifest, &image, err) < 0)
		return -1;
	image_release(&image);
	if (!found || !image_name_is_pulled(&name) || !manifest.origin ||
	    !reference_is_origin(a, &ref, manifest.origin))
		return err_fail(
			err, ERR_SYSTEM,
			"the store has no image '%s'; `stepcell image pull %s` takes it from "
			"its registry",
			text, text);
	*out = name.manifest;
	return 0;
}

static int resolve(struct store *store, const char *ref, struct digest *out, struct err *err)
{
	struct image_name name;

	if (digest_parse(ref, out))
		return faccessat(store->blobs, out->hex, F_OK, 0) < 0 ? not_found(store, ref, err)
								      : 0;
	if (strchr(ref, '/'))
		return find_pulled(store, ref, out, err);
	if (!name_is_safe(ref))
		return err_fail(err, ERR_USAGE, "'%s' is neither an image's name nor a digest",
				ref);
	if (image_name_read(store, ref, &name, err) < 0)
		return err->sys == ENOENT ? not_found(store, ref, err) : -1;
	*out = name.manifest;
	return 0;
}

int image_find(struct store *store, struct arena *a, const char *ref, struct image *out,
	       struct err *err)
{
	struct manifest manifest;
	struct digest digest;

	if (strcmp(ref, "host") == 0)
		return host_find(store, a, out, err);
	/* a name may be given another meaning, and the old one be collected, in between */
	for (unsigned i = 0; i < MEANINGS; i++) {
		if (resolve(store, ref, &digest, err) < 0)
			return -1;
		if (image_load(store, a, &digest, &manifest, out, err) == 0)
			return 0;
		if (err->sys != ENOENT || faccessat(store->blobs, digest.hex, F_OK, 0) == 0)
			break;
	}
	add_remedy(store, &digest, err);
	return err_wrap(err, "image '%s'", ref);
}

void image_release(struct image *image)
{
	fd_close(&image->lock);
}

/* One that cannot be used is listed all the same: its name is there, and says what to bring back. */
static struct image find_for_list(struct store *store, struct arena *a, const char *name)
{
	struct image image = {.lock = -1};
	struct image_name meaning;
	struct err err;

	if (image_find(store, a, name, &image, &err) == 0)
		return image;
	image = (struct image){
		.name = arena_strdup(a, name),
		.env = node_map(a),
		.created = "",
		.problem = arena_strdup(a, err.text),
		.lock = -1,
	};
	if (image_name_read(store, name, &meaning, &err) == 0)
		image.digest = meaning.manifest;
	return image;
}

int image_list(struct store *store, struct arena *a, struct image **out, size_t *count,
	       struct err *err)
{
	auto_strbuf struct strbuf names = STRBUF(MIB);
	struct image *list = NULL;
	size_t n = 0;

	if (folder_list(store->images, &names, err) < 0)
		return -1;
	for_each_name(name, &names)
	{
		if (!name_is_safe(name))
			continue;
		list = arena_grow(a, list, n, sizeof(*list));
		list[n++] = find_for_list(store, a, name);
	}
	*out = list;
	*count = n;
	return 0;
}

/* The path below a mount, or NULL when it does not lie there. */
static const char *below(const char *at, const char *path)
{
	size_t len = strcmp(at, "/") == 0 ? 0 : strlen(at);

	return strncmp(path, at, len) == 0 && path[len] == '/' ? path + len + 1 : NULL;
}

bool image_has(const struct image *image, const char *path)
{
	for (size_t i = 0; i < image->mount_count; i++) {
		const struct image_mount *m = &image->mounts[i];
		const char *rest = below(m->at, path);

		for (size_t j = 0; rest && j < m->layer_count; j++) {
			char full[PATH_MAX];
			struct err ignored;

			if (path_join(full, sizeof(full), m->layers[j].path, rest, &ignored) == 0 &&
			    faccessat(AT_FDCWD, full, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
				return true;
		}
	}
	return false;
}
