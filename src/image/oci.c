#include "image/oci.h"

#include <string.h>

#include "stepcell/decode.h"
#include "stepcell/json.h"
#include "stepcell/limits.h"
#include "stepcell/strbuf.h"
#include "stepcell/util.h"

/* ---- media types ---- */

static const struct {
	const char *name;
	enum oci_kind kind;
} document_types[] = {
	{OCI_INDEX_TYPE, OCI_INDEX},
	{DOCKER_LIST_TYPE, OCI_INDEX},
	{OCI_MANIFEST_TYPE, OCI_MANIFEST},
	{DOCKER_MANIFEST_TYPE, OCI_MANIFEST},
};

static const struct {
	const char *name;
	enum compression compression;
} layer_types[] = {
	{"application/vnd.oci.image.layer.v1.tar", COMPRESSION_NONE},
	{"application/vnd.oci.image.layer.v1.tar+gzip", COMPRESSION_GZIP},
	{"application/vnd.oci.image.layer.v1.tar+zstd", COMPRESSION_ZSTD},
	{"application/vnd.oci.image.layer.nondistributable.v1.tar", COMPRESSION_NONE},
	{"application/vnd.oci.image.layer.nondistributable.v1.tar+gzip", COMPRESSION_GZIP},
	{"application/vnd.oci.image.layer.nondistributable.v1.tar+zstd", COMPRESSION_ZSTD},
	{"application/vnd.docker.image.rootfs.diff.tar", COMPRESSION_NONE},
	{"application/vnd.docker.image.rootfs.diff.tar.gzip", COMPRESSION_GZIP},
	{"application/vnd.docker.image.rootfs.diff.tar.zstd", COMPRESSION_ZSTD},
	{"application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", COMPRESSION_GZIP},
};

int oci_compression(const char *media_type, enum compression *out, struct err *err)
{
	for (size_t i = 0; i < COUNT(layer_types); i++) {
		if (strcmp(layer_types[i].name, media_type) != 0)
			continue;
		*out = layer_types[i].compression;
		return 0;
	}
	return err_fail(err, ERR_USAGE, "'%.100s' is no type of a layer that can be unpacked",
			media_type);
}

/* ---- descriptors ---- */

/* Texts that end up in messages and records. */
static bool decode_short(struct decode *d, const struct field *field, const struct node *value,
			 void *out)
{
	if (value->kind != NODE_STRING || strlen(value->text) > 255)
		return decode_wrong(d, value, "a short string");
	return decode_text(d, field, value, out);
}

static bool decode_sha256(struct decode *d, const struct field *field, const struct node *value,
			  void *out)
{
	(void)field;
	return digest_parse(value->kind == NODE_STRING ? value->text : "", out) ||
	       decode_wrong(d, value, "\"sha256:\" and 64 digits");
}

static const struct field platform_fields[] = {
	{"os", decode_short, offsetof(struct oci_descriptor, os), 0, NULL},
	{"architecture", decode_short, offsetof(struct oci_descriptor, architecture), 0, NULL},
	{"variant", decode_short, offsetof(struct oci_descriptor, variant), FIELD_NULL_OK, NULL},
};

static bool decode_platform(struct decode *d, const struct field *field, const struct node *value,
			    void *out)
{
	(void)field;
	return decode_map(d, platform_fields, COUNT(platform_fields), "a platform", value, out);
}

static const struct field annotation_fields[] = {
	{"org.opencontainers.image.ref.name", decode_short, offsetof(struct oci_descriptor, ref), 0,
	 NULL},
};

static bool decode_annotations(struct decode *d, const struct field *field,
			       const struct node *value, void *out)
{
	(void)field;
	return decode_map(d, annotation_fields, COUNT(annotation_fields), "annotations", value,
			  out);
}

/* `urls` are not here: a layer that lies elsewhere is asked of its registry, or not at all. */
static const struct field descriptor_fields[] = {
	{"mediaType", decode_short, offsetof(struct oci_descriptor, media_type), FIELD_REQUIRED,
	 NULL},
	{"digest", decode_sha256, offsetof(struct oci_descriptor, digest), FIELD_REQUIRED, NULL},
	{"size", decode_count, offsetof(struct oci_descriptor, size), FIELD_REQUIRED, NULL},
	{"platform", decode_platform, 0, FIELD_NULL_OK, NULL},
	{"annotations", decode_annotations, 0, FIELD_NULL_OK, NULL},
};

static bool decode_descriptor(struct decode *d, const struct field *field, const struct node *value,
			      void *out)
{
	(void)field;
	return decode_map(d, descriptor_fields, COUNT(descriptor_fields), "a descriptor", value,
			  out);
}

/* ---- documents ---- */

struct document_text {
	uint64_t schema;
	const char *media_type;
	const struct node *manifests, *layers, *old_layers;
	struct oci_descriptor config;
	bool has_config;
};

static bool decode_config(struct decode *d, const struct field *field, const struct node *value,
			  void *out)
{
	struct document_text *t = out;

	t->has_config = true;
	return decode_descriptor(d, field, value, &t->config);
}

static const struct field document_fields[] = {
	{"schemaVersion", decode_count, offsetof(struct document_text, schema), FIELD_REQUIRED,
	 NULL},
	{"mediaType", decode_short, offsetof(struct document_text, media_type), 0, NULL},
	{"manifests", decode_list, offsetof(struct document_text, manifests), 0, NULL},
	{"layers", decode_list, offsetof(struct document_text, layers), 0, NULL},
	{"fsLayers", decode_list, offsetof(struct document_text, old_layers), 0, NULL},
	{"config", decode_config, 0, 0, NULL},
};

/* What a document is by its type, and by what is in it: both must say the same. */
static int judge_kind(const struct document_text *t, const char *media_type, enum oci_kind *out,
		      struct err *err)
{
	if (t->schema != 2 || t->old_layers)
		return err_fail(err, ERR_USAGE, "schema %llu is not supported",
				(unsigned long long)t->schema);
	if (!t->manifests == !t->layers || (t->manifests && t->has_config))
		return err_fail(
			err, ERR_USAGE, "neither clearly an index nor clearly a manifest: %s",
			t->manifests ? "it has the parts of both" : "it has the parts of none");
	*out = t->manifests ? OCI_INDEX : OCI_MANIFEST;
	if (*out == OCI_MANIFEST && !t->has_config)
		return err_fail(err, ERR_USAGE, "a manifest without a config");
	if (!media_type)
		return 0;
	for (size_t i = 0; i < COUNT(document_types); i++)
		if (strcmp(document_types[i].name, media_type) == 0)
			return document_types[i].kind == *out
				       ? 0
				       : err_fail(err, ERR_USAGE, "has type '%s' and is none",
						  media_type);
	return err_fail(err, ERR_USAGE, "'%.100s' is no type of an image's documents", media_type);
}

static int decode_entries(struct decode *d, const struct node *list, size_t max,
			  struct oci_document *out, struct err *err)
{
	if (list->count > max)
		return err_fail(err, ERR_USAGE, "more than %zu entries", max);
	out->entries = arena_array(d->arena, list->count, sizeof(*out->entries));
	out->count = list->count;
	for (size_t i = 0; i < list->count; i++)
		if (!decode_descriptor(d, NULL, list->items[i], &out->entries[i]))
			return diags_fail(d->diags, err);
	return 0;
}

static int decode(struct arena *a, const char *media_type, const char *text, size_t len,
		  struct oci_document *out, struct err *err)
{
	struct diags diags = {.arena = a};
	struct decode d = {.arena = a, .diags = &diags, .foreign = true};
	struct document_text t = {0};
	struct oci_document doc = {0};
	const struct node *root;

	if (len > LIMIT_OCI_DOCUMENT)
		return err_fail(err, ERR_USAGE, "larger than %llu bytes",
				(unsigned long long)LIMIT_OCI_DOCUMENT);
	root = json_parse_unique(a, "document", text, len, err);
	if (!root)
		return -1;
	if (!decode_map(&d, document_fields, COUNT(document_fields), "an image's document", root,
			&t))
		return diags_fail(&diags, err);
	if (media_type && t.media_type && strcmp(media_type, t.media_type) != 0)
		return err_fail(err, ERR_USAGE, "came as '%.100s' and says of itself '%.100s'",
				media_type, t.media_type);
	doc.media_type = media_type ? media_type : t.media_type;
	if (judge_kind(&t, doc.media_type, &doc.kind, err) < 0)
		return -1;
	if (!doc.media_type)
		doc.media_type = doc.kind == OCI_INDEX ? OCI_INDEX_TYPE : OCI_MANIFEST_TYPE;
	doc.config = t.config;
	if (decode_entries(&d, doc.kind == OCI_INDEX ? t.manifests : t.layers,
			   doc.kind == OCI_INDEX ? LIMIT_OCI_ENTRIES : LIMIT_OCI_LAYERS, &doc,
			   err) < 0)
		return -1;
	*out = doc;
	return 0;
}

int oci_decode(struct arena *a, const char *media_type, const char *text, size_t len,
	       struct oci_document *out, struct err *err)
{
	return decode(a, media_type, text, len, out, err) < 0 ? err_wrap(err, "an image's document")
							      : 0;
}
