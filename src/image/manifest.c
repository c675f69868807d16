#include "image/manifest.h"

#include <string.h>

#include "image/names.h"
#include "image/run_config.h"
#include "stepcell/decode.h"
#include "stepcell/json.h"
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
	if (!image_name_is_valid(m->name))
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
