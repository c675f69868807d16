/* find: names and digests to images that are there. Nothing is copied or unpacked here. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "image/host.h"
#include "image/manifest.h"
#include "image/names.h"
#include "image/reference.h"
#include "image/sources.h"
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
static void add_names(struct store *store, struct arena *a, struct strbuf *out)
{
	struct image_record *records = NULL;
	struct err ignored;
	size_t count = 0;

	strbuf_adds(out, "host");
	(void)image_names(store, a, &records, &count, &ignored);
	for (size_t i = 0; i < count; i++)
		strbuf_addf(out, ", %s", records[i].name);
}

const char *image_advice(struct arena *a, const char *ref)
{
	struct reference r;
	struct err bare;

	if (reference_parse(a, ref, &r, &bare) == 0)
		return arena_printf(a, "`stepcell image pull %s` takes it from its registry", ref);
	if (reference_parse_bare(a, ref, &r, &bare) == 0 && r.pinned)
		return arena_printf(a, "`stepcell image pull HOST/%s` takes it from a registry",
				    ref);
	return arena_printf(
		a,
		"%s%s%s`stepcell image pull --name %s HOST/NAME:TAG` takes one from a "
		"registry, `stepcell image import --name %s FILE` from a file",
		name_is_safe(ref) ? "`stepcell image build " : "", name_is_safe(ref) ? ref : "",
		name_is_safe(ref) ? "` builds one where rootfs/ has a recipe of that name, " : "",
		ref, ref);
}

static int not_found(struct store *store, const char *ref, struct err *err)
{
	auto_arena struct arena *a = arena_new();
	auto_strbuf struct strbuf names = STRBUF(1024);
	struct digest digest;

	add_names(store, a, &names);
	(void)err_fail(err, ERR_SYSTEM, "there is no image '%s'; the store has: %s%s%s", ref,
		       names.text, digest_parse(ref, &digest) ? "" : ". ",
		       digest_parse(ref, &digest) ? "" : image_advice(a, ref));
	err->sys = ENOENT;
	return -1;
}

/* By one of the names that it may have. Nothing is pulled by being named. */
static int find_named(struct store *store, const char *ref, const char *const *names,
		      struct digest *out, struct err *err)
{
	struct image_name found;

	for (; *names; names++) {
		if (image_name_read(store, *names, &found, err) == 0) {
			*out = found.manifest;
			return 0;
		}
		if (err->sys != ENOENT)
			return -1;
	}
	return not_found(store, ref, err);
}

/* "postgres" is an image of that plain name, or else the latest of those; a digest says it alone. */
static int resolve(struct store *store, const char *ref, struct digest *out, struct err *err)
{
	auto_arena struct arena *a = arena_new();
	const char *names[3] = {NULL};
	struct reference r = {0};
	size_t n = 0;
	int found;

	if (digest_parse(ref, out))
		return faccessat(store->blobs, out->hex, F_OK, 0) < 0 ? not_found(store, ref, err)
								      : 0;
	if (name_is_safe(ref))
		names[n++] = ref;
	if (reference_parse_bare(a, ref, &r, err) == 0)
		names[n++] = reference_text(a, &r);
	else if (!n)
		return err_fail(err, ERR_USAGE, "'%.200s' is neither an image's name nor a digest",
				ref);
	if (!r.pinned)
		return find_named(store, ref, names, out, err);
	found = sources_find(store, a, &r, out, err);
	return found > 0 ? 0 : found < 0 ? -1 : not_found(store, ref, err);
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
	(void)err_wrap(err, "image '%s'", ref);
	err->sys = 0; /* a part of it is missing: not it */
	return -1;
}

void image_release(struct image *image)
{
	fd_close(&image->lock);
}

int image_blame(const char *name, struct err *err)
{
	if (err->kind == ERR_USAGE && (err->sys == ELOOP || err->sys == ENOTDIR))
		(void)err_wrap(err, "image '%s'", name);
	return -1;
}

/* One that cannot be used is listed all the same: its name is there, and says what to bring back. */
static struct image find_for_list(struct store *store, struct arena *a,
				  const struct image_record *record)
{
	struct image image = {.lock = -1};
	struct err err;

	if (image_find(store, a, record->name, &image, &err) == 0)
		return image;
	return (struct image){
		.name = record->name,
		.env = node_map(a),
		.created = "",
		.problem = arena_strdup(a, err.text),
		.digest = record->meaning.manifest,
		.lock = -1,
	};
}

int image_list(struct store *store, struct arena *a, struct image **out, size_t *count,
	       struct err *err)
{
	struct image_record *records;
	struct image *list;
	size_t n;

	if (image_names(store, a, &records, &n, err) < 0)
		return -1;
	list = arena_array(a, n, sizeof(*list));
	for (size_t i = 0; i < n; i++)
		list[i] = find_for_list(store, a, &records[i]);
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
