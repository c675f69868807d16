/*
 * The record of a plain name is the file images/NAME. A reference has bytes that
 * no file's name may have: its record is images/@HEX, where HEX hashes it, and
 * says the reference itself.
 */
#include "image/names.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "image/folder.h"
#include "image/manifest.h"
#include "image/reference.h"
#include "stepcell/decode.h"
#include "stepcell/fd.h"
#include "stepcell/json.h"
#include "stepcell/limits.h"
#include "stepcell/path.h"
#include "stepcell/util.h"

/* ---- what is a name ---- */

static bool is_plain(const char *name)
{
	return name_is_safe(name) && strcmp(name, "host") != 0;
}

/* In its full form alone: "a.b/c" is none, for it is "a.b/c:latest". A digest of the store's is none. */
static bool is_reference(struct arena *a, const char *name, struct reference *ref)
{
	struct digest digest;
	struct err ignored;

	return !digest_parse(name, &digest) && reference_parse_bare(a, name, ref, &ignored) == 0 &&
	       strcmp(reference_text(a, ref), name) == 0;
}

bool image_name_is_valid(const char *name)
{
	auto_arena struct arena *a = arena_new();
	struct reference ref;

	return is_plain(name) || is_reference(a, name, &ref);
}

bool image_name_is_claim(const char *name)
{
	auto_arena struct arena *a = arena_new();
	struct reference ref;

	return is_reference(a, name, &ref) && (ref.pinned || *ref.host);
}

int image_name_parse(struct arena *a, const char *text, const char **out, struct err *err)
{
	struct reference ref;
	struct digest digest;

	if (is_plain(text) && text[0] != '-') {
		*out = arena_strdup(a, text);
		return 0;
	}
	if (name_is_safe(text) || digest_parse(text, &digest) ||
	    reference_parse_bare(a, text, &ref, err) < 0 || ref.pinned)
		return err_fail(
			err, ERR_USAGE,
			"'%.200s' cannot be an image's name: write one such as python-3.11, "
			"postgres:15 or registry.example.com/team/db:15",
			text);
	*out = reference_text(a, &ref);
	return 0;
}

/* ---- records ---- */

#define FILE_BYTES (1 + DIGEST_HEX + 128)

static void file_of(const char *name, char out[static FILE_BYTES])
{
	if (name_is_safe(name))
		(void)snprintf(out, FILE_BYTES, "%s", name);
	else
		(void)snprintf(out, FILE_BYTES, "@%s", digest_of(name, strlen(name)).hex);
}

struct record_text {
	struct digest manifest;
	struct digest inputs;
	const char *origin;
	const char *name; /* of a reference; NULL: the file's */
};

static const struct field record_fields[] = {
	{"manifest", decode_digest, offsetof(struct record_text, manifest), FIELD_REQUIRED, NULL},
	{"inputs", decode_digest, offsetof(struct record_text, inputs), 0, NULL},
	{"origin", decode_text, offsetof(struct record_text, origin), 0, NULL},
	{"name", decode_text, offsetof(struct record_text, name), 0, NULL},
};

/* Half a path would be another one: an origin that is too long is none. */
static void set_origin(struct image_name *name, const char *text)
{
	int n = snprintf(name->origin, sizeof(name->origin), "%s", text);

	if (n < 0 || (size_t)n >= sizeof(name->origin))
		name->origin[0] = '\0';
}

static int read_record(struct store *store, struct arena *a, const char *file,
		       struct image_record *out, struct err *err)
{
	auto_strbuf struct strbuf text = STRBUF(MANIFEST_BYTES);
	struct diags diags = {.arena = a};
	struct decode d = {.arena = a, .diags = &diags};
	struct record_text found = {0};
	const struct node *root;
	char own[FILE_BYTES];

	if (file_read(store->images, file, &text, err) < 0)
		return -1;
	root = json_parse(a, file, text.text, text.len, err);
	if (!root)
		return -1;
	if (!decode_map(&d, record_fields, COUNT(record_fields), "an image's name", root, &found))
		return diags_fail(&diags, err);
	out->name = found.name ? found.name : out->file;
	file_of(out->name, own);
	if (strcmp(own, file) != 0)
		return err_fail(err, ERR_SYSTEM, "the record '%s' of the store is of another name",
				file);
	out->meaning = (struct image_name){.manifest = found.manifest,
					   .inputs = found.inputs,
					   .built = found.inputs.hex[0] != '\0'};
	if (found.origin)
		set_origin(&out->meaning, found.origin);
	else if (out->meaning.built)
		set_origin(&out->meaning, arena_printf(a, "build %s", out->name));
	return 0;
}

int image_name_read(struct store *store, const char *name, struct image_name *out, struct err *err)
{
	auto_arena struct arena *a = arena_new();
	struct image_record record;
	char file[FILE_BYTES];

	file_of(name, file);
	record.file = file;
	if (read_record(store, a, file, &record, err) < 0)
		return -1;
	*out = record.meaning;
	return 0;
}

bool image_name_is_pulled(const struct image_name *name)
{
	return strncmp(name->origin, "pull ", strlen("pull ")) == 0;
}

bool image_name_is_toolchain(const struct image_name *name)
{
	return name->built ||
	       strncmp(name->origin, IMPORT_TOOLCHAINS " ", strlen(IMPORT_TOOLCHAINS " ")) == 0 ||
	       strcmp(name->origin, IMPORT_TOOLCHAINS) == 0;
}

static int write_record(struct store *store, const char *name, const struct image_name *value,
			struct err *err)
{
	auto_arena struct arena *a = arena_new();
	auto_strbuf struct strbuf text = STRBUF(MANIFEST_BYTES);
	struct node *map = node_map(a);
	char file[FILE_BYTES];

	file_of(name, file);
	node_set_text(a, map, "manifest", arena_printf(a, "sha256:%s", value->manifest.hex));
	if (value->built)
		node_set_text(a, map, "inputs", arena_printf(a, "sha256:%s", value->inputs.hex));
	if (value->origin[0])
		node_set_text(a, map, "origin", value->origin);
	if (strcmp(file, name) != 0)
		node_set_text(a, map, "name", name);
	json_write(&text, map);
	strbuf_addc(&text, '\n');
	return store_write(store, store->images, file, text.text, text.len, err);
}

/* ---- all of them ---- */

static int by_name(const void *a, const void *b)
{
	const struct image_record *x = a, *y = b;

	return strcmp(x->name, y->name);
}

int image_names(struct store *store, struct arena *a, struct image_record **out, size_t *count,
		struct err *err)
{
	auto_strbuf struct strbuf files = STRBUF(64 * MIB);
	struct image_record *list = NULL;
	struct err unreadable;
	size_t n = 0;

	if (folder_list(store->images, &files, err) < 0)
		return -1;
	for_each_name(file, &files)
	{
		struct image_record record = {.file = arena_strdup(a, file)};

		if (file[0] != '@' && !name_is_safe(file))
			continue;
		record.broken = read_record(store, a, record.file, &record, &unreadable) < 0;
		if (record.broken)
			record.name = record.file;
		list = arena_grow(a, list, n, sizeof(*list));
		list[n++] = record;
	}
	if (n)
		qsort(list, n, sizeof(*list), by_name);
	*out = list;
	*count = n;
	return 0;
}

/* ---- giving one ---- */

/* Who says "postgres" means the image that is called so, and where there is none "postgres:latest". */
static const char *meaning_of(struct store *store, struct arena *a, const char *name,
			      struct image_name *out)
{
	struct reference ref;
	struct err none;

	if (image_name_read(store, name, out, &none) == 0)
		return name;
	if (!name_is_safe(name) || reference_parse_bare(a, name, &ref, &none) < 0)
		return NULL;
	name = reference_text(a, &ref);
	return image_name_read(store, name, out, &none) == 0 ? name : NULL;
}

int image_name_keep(struct store *store, const char *name, const struct strbuf *manifest,
		    struct err *err)
{
	auto_arena struct arena *a = arena_new();
	const struct digest mine = digest_of(manifest->text, manifest->len);
	struct image_name there;
	const char *means = meaning_of(store, a, name, &there);

	if (!means || digest_equal(&there.manifest, &mine))
		return 0;
	return err_fail(err, ERR_USAGE,
			"'%s' is another image here (%s%ssha256:%.12s); import with --replace to "
			"let the name mean sha256:%.12s",
			name, strcmp(means, name) == 0 ? "" : means,
			strcmp(means, name) == 0 ? "" : ", ", there.manifest.hex, mine.hex);
}

int image_publish(struct store *store, const char *name, const struct strbuf *manifest,
		  const struct digest *inputs, const char *origin, struct digest *out,
		  struct err *err)
{
	struct image_name value = {.built = inputs != NULL};

	if (manifest->full)
		return err_fail(err, ERR_USAGE, "the image's manifest is too long");
	if (inputs)
		value.inputs = *inputs;
	set_origin(&value, origin ? origin : "");
	if (blob_put(store, manifest->text, manifest->len, &value.manifest, err) < 0 ||
	    write_record(store, name, &value, err) < 0)
		return -1;
	*out = value.manifest;
	return 0;
}
