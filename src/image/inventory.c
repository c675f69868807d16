#include "image/inventory.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "image/folder.h"
#include "image/used.h"
#include "stepcell/fd.h"
#include "stepcell/json.h"
#include "stepcell/limits.h"
#include "stepcell/path.h"

static bool digest_of_name(const char *hex, struct digest *out)
{
	char text[sizeof("sha256:") + DIGEST_HEX];

	return strlen(hex) == DIGEST_HEX && stpcpy(stpcpy(text, "sha256:"), hex) &&
	       digest_parse(text, out);
}

/* Whatever looks like a digest is taken for one: what is kept in vain costs only space. */
static void add_references(struct arena *a, struct kept_image *image, const struct node *node)
{
	struct digest digest;

	if (node->kind == NODE_STRING && digest_parse(node->text, &digest)) {
		image->refers = arena_grow(a, image->refers, image->refer_count, sizeof(digest));
		image->refers[image->refer_count++] = digest;
	}
	for (size_t i = 0; node->kind == NODE_LIST && i < node->count; i++)
		add_references(a, image, node->items[i]);
	for (size_t i = 0; node->kind == NODE_MAP && i < node->count; i++)
		add_references(a, image, node->pairs[i].value);
}

static void later(time_t *used, time_t other)
{
	if (other > *used)
		*used = other;
}

/* False for a blob that is no image's manifest, or a damaged one. */
static bool read_image(struct inventory *inv, const char *hex, struct kept_image *out)
{
	auto_strbuf struct strbuf text = STRBUF(MANIFEST_BYTES);
	const struct node *root;
	struct manifest m;
	struct stat st;
	struct err not_ours;

	*out = (struct kept_image){.lock = -1};
	if (!digest_of_name(hex, &out->digest) ||
	    blob_get(inv->store, &out->digest, &text, NULL, &not_ours) < 0 ||
	    manifest_decode(inv->arena, text.text, text.len, &m, &not_ours) < 0 ||
	    fstatat(inv->store->blobs, hex, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return false;
	root = json_parse(inv->arena, hex, text.text, text.len, &not_ours);
	if (root)
		add_references(inv->arena, out, root);
	out->trees = m.layers;
	out->tree_count = m.layer_count;
	out->used = image_touched(inv->store, &out->digest);
	later(&out->used, st.st_mtim.tv_sec);
	return root != NULL;
}

static int take_images(struct inventory *inv, struct err *err)
{
	auto_strbuf struct strbuf names = STRBUF(64 * MIB);

	if (folder_list(inv->store->blobs, &names, err) < 0)
		return -1;
	for_each_name(hex, &names)
	{
		struct kept_image image;

		if (!read_image(inv, hex, &image))
			continue;
		inv->images = arena_grow(inv->arena, inv->images, inv->count, sizeof(*inv->images));
		inv->images[inv->count++] = image;
	}
	return 0;
}

static struct kept_image *find(struct inventory *inv, const struct digest *digest)
{
	for (size_t i = 0; i < inv->count; i++)
		if (digest_equal(&inv->images[i].digest, digest))
			return &inv->images[i];
	return NULL;
}

static void take_name(struct inventory *inv, const struct image_record *record)
{
	struct kept_image *image = record->broken ? NULL : find(inv, &record->meaning.manifest);
	struct stat st;

	if (!image) {
		inv->lost = arena_grow(inv->arena, inv->lost, inv->lost_count, sizeof(*record));
		inv->lost[inv->lost_count++] = *record;
		return;
	}
	image->names = arena_grow(inv->arena, image->names, image->name_count, sizeof(*record));
	image->names[image->name_count++] = *record;
	if (fstatat(inv->store->images, record->file, &st, AT_SYMLINK_NOFOLLOW) == 0)
		later(&image->used, st.st_mtim.tv_sec);
}

int inventory_take(struct inventory *inv, struct err *err)
{
	struct image_record *records;
	size_t count;

	if (take_images(inv, err) < 0 ||
	    image_names(inv->store, inv->arena, &records, &count, err) < 0)
		return -1;
	for (size_t i = 0; i < count; i++)
		take_name(inv, &records[i]);
	return 0;
}

void inventory_release(struct inventory *inv)
{
	for (size_t i = 0; i < inv->count; i++)
		fd_close(&inv->images[i].lock);
}

bool inventory_refers(const struct inventory *inv, const char *hex)
{
	for (size_t i = 0; i < inv->count; i++) {
		const struct kept_image *image = &inv->images[i];

		if (image->why)
			continue;
		if (strcmp(image->digest.hex, hex) == 0)
			return true;
		for (size_t r = 0; r < image->refer_count; r++)
			if (strcmp(image->refers[r].hex, hex) == 0)
				return true;
	}
	return false;
}

/* Has an image before this one, that stays too, the same tree? */
static bool counted(const struct inventory *inv, size_t before, const struct digest *tree)
{
	for (size_t i = 0; i < before; i++)
		for (size_t t = 0; !inv->images[i].why && t < inv->images[i].tree_count; t++)
			if (digest_equal(&inv->images[i].trees[t].tree, tree))
				return true;
	return false;
}

uint64_t inventory_bytes(const struct inventory *inv)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < inv->count; i++)
		for (size_t t = 0; !inv->images[i].why && t < inv->images[i].tree_count; t++)
			if (!counted(inv, i, &inv->images[i].trees[t].tree))
				bytes += inv->images[i].trees[t].bytes;
	return bytes;
}
