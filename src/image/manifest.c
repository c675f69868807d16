#include "image/manifest.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "image/run_config.h"
#include "image/store.h"
#include "stepcell/decode.h"
#include "stepcell/fd.h"
#include "stepcell/json.h"
#include "stepcell/limits.h"
#include "stepcell/path.h"
#include "stepcell/util.h"

/* ---- reading ---- */

bool decode_digest(struct decode *d, const struct field *field, const struct node *value, void *out)
{
	const char *text = value->kind == NODE_STRING ? value->text : "";

	(void)field;
	return digest_parse(text, out) || decode_wrong(d, value, "\"sha256:\" and 64 digits");
}

static const struct field layer_fields[] = {
	{"tree", decode_digest, offsetof(struct manifest_layer, tree), FIELD_REQUIRED, NULL},
	{"bytes", decode_count, offsetof(struct manifest_layer, bytes), FIELD_REQUIRED, NULL},
	{"entries", decode_count, offsetof(struct manifest_layer, entries), FIELD_REQUIRED, NULL},
};

static bool decode_layers(struct decode *d, const struct field *field, const struct node *value,
			  void *out)
{
	struct manifest *m = out;

	(void)field;
	if (value->kind != NODE_LIST || value->count == 0 || value->count > MANIFEST_LAYERS)
		return decode_wrong(d, value, "a list of 1 to 16 layers");
	m->layers = arena_array(d->arena, value->count, sizeof(*m->layers));
	m->layer_count = value->count;
	for (size_t i = 0; i < value->count; i++)
		if (!decode_map(d, layer_fields, COUNT(layer_fields), "a layer", value->items[i],
				&m->layers[i]))
			return false;
	return true;
}

static const struct field toolchain_fields[] = {
	{"version", decode_text, offsetof(struct manifest_toolchain, version), FIELD_REQUIRED,
	 NULL},
	{"path", decode_text, offsetof(struct manifest_toolchain, path), FIELD_REQUIRED, NULL},
	{"layers", decode_count, offsetof(struct manifest_toolchain, layers), FIELD_REQUIRED, NULL},
};

static bool decode_toolchains(struct decode *d, const struct field *field, const struct node *value,
			      void *out)
{
	struct manifest *m = out;

	(void)field;
	if (value->kind != NODE_LIST)
		return decode_wrong(d, value, "a list");
	m->toolchains = arena_array(d->arena, value->count, sizeof(*m->toolchains));
	m->toolchain_count = value->count;
	for (size_t i = 0; i < value->count; i++)
		if (!decode_map(d, toolchain_fields, COUNT(toolchain_fields), "a toolchain",
				value->items[i], &m->toolchains[i]))
			return false;
	return true;
}

static const struct field manifest_fields[] = {
	{"name", decode_text, offsetof(struct manifest, name), FIELD_REQUIRED, NULL},
	{"layers", decode_layers, 0, FIELD_REQUIRED, NULL},
	{"env", decode_node, offsetof(struct manifest, env), FIELD_REQUIRED, NULL},
	{"toolchains", decode_toolchains, 0, FIELD_REQUIRED, NULL},
	{"config", decode_run_config, offsetof(struct manifest, config), 0, NULL},
	{"origin", decode_text, offsetof(struct manifest, origin), 0, NULL},
	{"source", decode_digest, offsetof(struct manifest, source), 0, NULL},
};

static bool is_variable(const struct node_pair *pair)
{
	const char *name = pair->key->text;

	return *name && !strchr(name, '=') && pair->value->kind == NODE_STRING;
}

static int check(const struct manifest *m, struct err *err)
{
	if (!name_is_safe(m->name) || strcmp(m->name, "host") == 0)
		return err_fail(err, ERR_USAGE, "'%s' cannot be an image's name", m->name);
	if (m->env->kind != NODE_MAP)
		return err_fail(err, ERR_USAGE, "'env' must be a map");
	for (size_t i = 0; i < m->env->count; i++)
		if (!is_variable(&m->env->pairs[i]))
			return err_fail(err, ERR_USAGE, "'env' must be a map of names to texts");
	for (size_t i = 0; i < m->toolchain_count; i++)
		if (m->toolchains[i].layers > m->layer_count || m->toolchains[i].path[0] != '/' ||
		    !name_is_safe(m->toolchains[i].version))
			return err_fail(err, ERR_USAGE, "toolchain %s cannot be in this image",
					m->toolchains[i].version);
	return 0;
}

int manifest_decode(struct arena *a, const char *text, size_t len, struct manifest *out,
		    struct err *err)
{
	struct diags diags = {.arena = a};
	struct decode d = {.arena = a, .diags = &diags};
	struct manifest m = {0};
	const struct node *root = json_parse(a, "image manifest", text, len, err);

	if (!root)
		return -1;
	if (!decode_map(&d, manifest_fields, COUNT(manifest_fields), "an image manifest", root, &m))
		return diags_fail(&diags, err);
	if (check(&m, err) < 0)
		return err_wrap(err, "image manifest");
	*out = m;
	return 0;
}

/* ---- writing: always the same bytes for the same image ---- */

static const struct node *digest_node(struct arena *a, const struct digest *d)
{
	return node_string(a, arena_printf(a, "sha256:%s", d->hex));
}

static const struct node *layer_node(struct arena *a, const struct manifest_layer *layer)
{
	struct node *map = node_map(a);

	node_set(a, map, "tree", digest_node(a, &layer->tree));
	node_set(a, map, "bytes", node_number(a, (double)layer->bytes));
	node_set(a, map, "entries", node_number(a, (double)layer->entries));
	return map;
}

static const struct node *toolchain_node(struct arena *a, const struct manifest_toolchain *t)
{
	struct node *map = node_map(a);

	node_set_text(a, map, "version", t->version);
	node_set_text(a, map, "path", t->path);
	node_set(a, map, "layers", node_number(a, (double)t->layers));
	return map;
}

void manifest_encode(struct arena *a, const struct manifest *manifest, struct strbuf *out)
{
	struct node *map = node_map(a);
	struct node *layers = node_list(a);
	struct node *toolchains = node_list(a);

	for (size_t i = 0; i < manifest->layer_count; i++)
		node_add(a, layers, layer_node(a, &manifest->layers[i]));
	for (size_t i = 0; i < manifest->toolchain_count; i++)
		node_add(a, toolchains, toolchain_node(a, &manifest->toolchains[i]));
	node_set_text(a, map, "name", manifest->name);
	node_set(a, map, "layers", layers);
	node_set(a, map, "env", manifest->env);
	node_set(a, map, "toolchains", toolchains);
	if (manifest->config)
		node_set(a, map, "config", manifest->config);
	if (manifest->origin)
		node_set_text(a, map, "origin", manifest->origin);
	if (manifest->source.hex[0])
		node_set(a, map, "source", digest_node(a, &manifest->source));
	json_write_pretty(out, map);
	strbuf_addc(out, '\n');
}

/* ---- names ---- */

struct name_text {
	struct digest manifest;
	struct digest inputs;
	const char *origin;
};

static const struct field name_fields[] = {
	{"manifest", decode_digest, offsetof(struct name_text, manifest), FIELD_REQUIRED, NULL},
	{"inputs", decode_digest, offsetof(struct name_text, inputs), 0, NULL},
	{"origin", decode_text, offsetof(struct name_text, origin), 0, NULL},
};

void image_name_origin(struct image_name *name, const char *fmt, ...)
{
	va_list args;
	int n;

	va_start(args, fmt);
	n = vsnprintf(name->origin, sizeof(name->origin), fmt, args);
	va_end(args);
	/* half a path would be another one */
	if (n < 0 || (size_t)n >= sizeof(name->origin))
		name->origin[0] = '\0';
}

int image_name_read(struct store *store, const char *name, struct image_name *out, struct err *err)
{
	auto_arena struct arena *a = arena_new();
	auto_strbuf struct strbuf text = STRBUF(MANIFEST_BYTES);
	struct diags diags = {.arena = a};
	struct decode d = {.arena = a, .diags = &diags};
	struct name_text found = {0};
	const struct node *root;

	if (file_read(store->images, name, &text, err) < 0)
		return -1;
	root = json_parse(a, name, text.text, text.len, err);
	if (!root)
		return -1;
	if (!decode_map(&d, name_fields, COUNT(name_fields), "an image's name", root, &found))
		return diags_fail(&diags, err);
	*out = (struct image_name){.manifest = found.manifest,
				   .inputs = found.inputs,
				   .built = found.inputs.hex[0] != '\0'};
	if (found.origin)
		image_name_origin(out, "%s", found.origin);
	else if (out->built)
		image_name_origin(out, "build %s", name);
	return 0;
}

bool image_name_is_pulled(const struct image_name *name)
{
	return strncmp(name->origin, "pull ", strlen("pull ")) == 0;
}

int image_name_write(struct store *store, const char *name, const struct image_name *value,
		     struct err *err)
{
	auto_arena struct arena *a = arena_new();
	auto_strbuf struct strbuf text = STRBUF(MANIFEST_BYTES);
	struct node *map = node_map(a);

	node_set(a, map, "manifest", digest_node(a, &value->manifest));
	if (value->built)
		node_set(a, map, "inputs", digest_node(a, &value->inputs));
	if (value->origin[0])
		node_set_text(a, map, "origin", value->origin);
	json_write(&text, map);
	strbuf_addc(&text, '\n');
	return store_write(store, store->images, name, text.text, text.len, err);
}

int image_name_keep(struct store *store, const char *name, const struct strbuf *manifest,
		    struct err *err)
{
	const struct digest mine = digest_of(manifest->text, manifest->len);
	struct image_name there;
	struct err absent;

	if (image_name_read(store, name, &there, &absent) < 0 ||
	    digest_equal(&there.manifest, &mine))
		return 0;
	return err_fail(err, ERR_USAGE,
			"'%s' is another image here (sha256:%.12s); import with --replace to let "
			"the name mean sha256:%.12s",
			name, there.manifest.hex, mine.hex);
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
	image_name_origin(&value, "%s", origin ? origin : "");
	if (blob_put(store, manifest->text, manifest->len, &value.manifest, err) < 0 ||
	    image_name_write(store, name, &value, err) < 0)
		return -1;
	*out = value.manifest;
	return 0;
}
