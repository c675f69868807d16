/*
 * docker_archive: what `docker save` writes. A list says of each image which
 * file is its config and which are its layers, lowest first. Nothing says how
 * large they are, or how they hash: the config has the hashes of what they
 * unpack to, and its own hash is its name.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "image/layout.h"
#include "image/oci.h"
#include "image/tree.h"
#include "stepcell/decode.h"
#include "stepcell/fd.h"
#include "stepcell/json.h"
#include "stepcell/limits.h"
#include "stepcell/path.h"
#include "stepcell/util.h"

struct saved {
	const char *config;
	struct texts tags, layers;
};

static const struct field saved_fields[] = {
	{"Config", decode_text, offsetof(struct saved, config), FIELD_REQUIRED, NULL},
	{"RepoTags", decode_texts, offsetof(struct saved, tags), FIELD_NULL_OK, NULL},
	{"Layers", decode_texts, offsetof(struct saved, layers), FIELD_REQUIRED, NULL},
};

static int read_list(struct arena *a, int dir, struct saved **out, size_t *count, struct err *err)
{
	auto_strbuf struct strbuf text = STRBUF(LIMIT_OCI_DOCUMENT);
	struct diags diags = {.arena = a};
	struct decode d = {.arena = a, .diags = &diags, .foreign = true};
	const struct node *root;

	if (file_read(dir, "manifest.json", &text, err) < 0)
		return err->sys == ENOENT
			       ? err_fail(err, ERR_USAGE,
					  "no Docker archive: it has no file manifest.json")
			       : -1;
	root = json_parse_unique(a, "manifest.json", text.text, text.len, err);
	if (!root)
		return -1;
	if (root->kind != NODE_LIST || !root->count || root->count > LIMIT_OCI_ENTRIES)
		return err_fail(err, ERR_USAGE, "manifest.json is no list of images");
	*out = arena_array(a, root->count, sizeof(**out));
	*count = root->count;
	for (size_t i = 0; i < root->count; i++)
		if (!decode_map(&d, saved_fields, COUNT(saved_fields), "a saved image",
				root->items[i], &(*out)[i]))
			return diags_fail(&diags, err);
	return 0;
}

/* ---- which of them ---- */

/* "python:3.11" of ".../python:3.11", or its tag alone. */
static bool is_called(const char *tag, const char *ref)
{
	size_t len = strlen(tag), n = strlen(ref);

	return len >= n && strcmp(tag + len - n, ref) == 0 &&
	       (len == n || tag[len - n - 1] == '/' || tag[len - n - 1] == ':');
}

static const char *tag_called(const struct saved *image, const char *ref)
{
	for (size_t i = 0; i < image->tags.count; i++)
		if (is_called(image->tags.list[i], ref))
			return image->tags.list[i];
	return NULL;
}

static int not_called(const struct saved *list, size_t count, const char *ref, struct err *err)
{
	auto_strbuf struct strbuf names = STRBUF(512);

	for (size_t i = 0; i < count; i++)
		for (size_t t = 0; t < list[i].tags.count; t++)
			strbuf_addf(&names, "%s%s", names.len ? ", " : "", list[i].tags.list[t]);
	return err_fail(err, ERR_USAGE, "%s: %s; name one with --ref",
			ref ? "there is no image of that name in it"
			    : "there are several images in it",
			names.len ? names.text : "they have no names");
}

static int choose(const struct saved *list, size_t count, const char *ref, const struct saved **out,
		  const char **tag, struct err *err)
{
	if (!ref) {
		*out = list;
		*tag = list[0].tags.count ? list[0].tags.list[0] : NULL;
		return count == 1 ? 0 : not_called(list, count, ref, err);
	}
	for (size_t i = 0; i < count; i++) {
		*out = &list[i];
		*tag = tag_called(*out, ref);
		if (*tag)
			return 0;
	}
	return not_called(list, count, ref, err);
}

/* ---- its files ---- */

/* A layer that several images have is there once, and elsewhere a link. */
static int open_file(int dir, const char *path, struct err *err)
{
	auto_fd int fd = open_beneath(dir, path, O_RDONLY | O_NONBLOCK, 0, err);
	struct stat st;

	if (fd < 0)
		return err_wrap(err, "'%.200s'", path);
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return err_fail(err, ERR_USAGE, "'%.200s' is no file", path);
	return take_fd(&fd);
}

/* Old and new archives: HEX.json, and blobs/sha256/HEX. */
static bool named_hash(struct arena *a, const char *path, struct digest *out)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;

	return digest_parse(arena_printf(a, "sha256:%.*s", (int)strcspn(name, "."), name), out);
}

static int read_config(struct arena *a, int dir, const char *path, struct oci_source *out,
		       struct err *err)
{
	auto_strbuf struct strbuf text = STRBUF(LIMIT_OCI_DOCUMENT);
	auto_fd int fd = open_file(dir, path, err);
	struct digest named;

	if (fd < 0 || read_capped(fd, &text, err) < 0)
		return -1;
	out->digest = digest_of(text.text, text.len);
	if (named_hash(a, path, &named) && !digest_equal(&named, &out->digest))
		return err_fail(err, ERR_USAGE, "config '%.200s' is damaged: it hashes to %s", path,
				out->digest.hex);
	return oci_decode_config(a, text.text, text.len, &out->config, err);
}

static int open_layers(struct arena *a, int dir, const struct saved *image, struct oci_source *out,
		       struct err *err)
{
	if (image->layers.count != out->config.diff_count)
		return err_fail(err, ERR_USAGE, "%zu layers, and hashes of %zu in its config",
				image->layers.count, out->config.diff_count);
	out->layers = arena_array(a, image->layers.count, sizeof(*out->layers));
	for (size_t i = 0; i < image->layers.count; i++) {
		int fd = open_file(dir, image->layers.list[i], err);

		if (fd < 0)
			return -1;
		out->layers[out->count++] =
			(struct tree_layer){fd, COMPRESSION_ANY, out->config.diff_ids[i]};
	}
	return 0;
}

int docker_import(struct store *store, int dir, const struct import_options *options,
		  const char *again, struct digest *out, struct err *err)
{
	auto_arena struct arena *a = arena_new();
	struct oci_options oci = {.again = again,
				  .platform = options->platform,
				  .replace = options->replace,
				  .progress = options->progress};
	struct oci_source source = {0};
	const struct saved *image = NULL;
	struct saved *list = NULL;
	const char *tag = NULL;
	size_t count = 0;
	int r;

	if (read_list(a, dir, &list, &count, err) < 0 ||
	    choose(list, count, options->ref, &image, &tag, err) < 0 ||
	    import_name(a, options, tag, &oci.name, err) < 0)
		return -1;
	r = read_config(a, dir, image->config, &source, err);
	if (r == 0)
		r = open_layers(a, dir, image, &source, err);
	if (r == 0)
		r = oci_make(store, a, &source, &oci, out, err);
	oci_source_release(&source);
	return r < 0 ? err_wrap(err, "image '%s'", oci.name) : 0;
}
