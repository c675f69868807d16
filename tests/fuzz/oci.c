/*
 * Documents of images: indexes, manifests, configs. What is read of them holds
 * what the types promise: hashes that are hashes, no more entries than may be,
 * and a config that is read again as it was written.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "image/manifest.h"
#include "image/oci.h"
#include "stepcell/json.h"
#include "stepcell/limits.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok)
{
	if (!ok)
		abort();
}

static void check_descriptor(const struct oci_descriptor *d)
{
	must(strspn(d->digest.hex, "0123456789abcdef") == DIGEST_HEX);
	must(d->media_type && strlen(d->media_type) <= 255);
}

static void check_document(struct arena *a, const char *type, const char *text, size_t size)
{
	const struct oci_descriptor *picked;
	struct oci_document doc;
	struct err err = {0};

	if (oci_decode(a, type, text, size, &doc, &err) < 0) {
		must(err.kind == ERR_USAGE && err.text[0]);
		return;
	}
	must(!type || strcmp(type, doc.media_type) == 0);
	must(doc.count <= LIMIT_OCI_ENTRIES);
	for (size_t i = 0; i < doc.count; i++)
		check_descriptor(&doc.entries[i]);
	if (doc.kind == OCI_MANIFEST)
		check_descriptor(&doc.config);
	else if (oci_pick(&doc, "linux/amd64", &picked, &err) == 0)
		must(picked >= doc.entries && picked < doc.entries + doc.count);
}

/* The store keeps what was read of a config: it must read it as what it is. */
static void check_config(struct arena *a, const char *text, size_t size)
{
	struct manifest_layer layer = {.tree = digest_of("", 0)};
	auto_strbuf struct strbuf once = STRBUF(MANIFEST_BYTES), twice = STRBUF(MANIFEST_BYTES);
	struct manifest m = {.name = "fuzz", .layers = &layer, .layer_count = 1}, again;
	struct oci_config config;
	struct err err = {0};

	if (oci_decode_config(a, text, size, &config, &err) < 0)
		return;
	must(config.diff_count <= LIMIT_OCI_LAYERS && config.env->kind == NODE_MAP);
	m.env = config.env;
	m.config = config.run;
	manifest_encode(a, &m, &once);
	must(!once.full);
	must(manifest_decode(a, once.text, once.len, &again, &err) == 0);
	manifest_encode(a, &again, &twice);
	must(once.len == twice.len && memcmp(once.text, twice.text, once.len) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const types[] = {NULL, OCI_INDEX_TYPE, DOCKER_MANIFEST_TYPE};
	auto_arena struct arena *a = arena_new();

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		check_document(a, types[i], (const char *)data, size);
	check_config(a, (const char *)data, size);
	return 0;
}
