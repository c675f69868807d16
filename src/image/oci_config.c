/*
 * oci_config: what an image says about itself, and how to run it.
 *
 * The `config` of an image is kept with it, in the store's manifest: what is not
 * in these tables is dropped, what is in them is checked, so that who runs the
 * image finds texts where texts belong.
 */
#include <string.h>

#include "image/oci.h"
#include "image/run_config.h"
#include "stepcell/decode.h"
#include "stepcell/json.h"
#include "stepcell/limits.h"
#include "stepcell/util.h"

/* ---- the values ---- */

static bool decode_string(struct decode *d, const struct field *field, const struct node *value,
			  void *out)
{
	if (value->kind != NODE_STRING)
		return decode_wrong(d, value, "a string");
	return decode_node(d, field, value, out);
}

static bool decode_strings(struct decode *d, const struct field *field, const struct node *value,
			   void *out)
{
	if (value->kind != NODE_LIST)
		return decode_wrong(d, value, "a list of strings");
	for (size_t i = 0; i < value->count; i++)
		if (value->items[i]->kind != NODE_STRING)
			return decode_wrong(d, value->items[i], "a string");
	return decode_node(d, field, value, out);
}

/* NAME=VALUE, and a name that can be one. */
static bool decode_env(struct decode *d, const struct field *field, const struct node *value,
		       void *out)
{
	if (!decode_strings(d, field, value, out))
		return false;
	if (value->count > LIMIT_ENV_PAIRS)
		return decode_wrong(d, value, "fewer variables");
	for (size_t i = 0; i < value->count; i++) {
		const char *equals = strchr(value->items[i]->text, '=');

		if (!equals || equals == value->items[i]->text)
			return decode_wrong(d, value->items[i], "NAME=VALUE");
	}
	return true;
}

/* "" is the root; a relative one is relative to it. */
static bool decode_path(struct decode *d, const struct field *field, const struct node *value,
			void *out)
{
	if (value->kind != NODE_STRING || strlen(value->text) > LIMIT_PATH)
		return decode_wrong(d, value, "a path");
	return decode_node(d, field, value, out);
}

/* A set, which the specification writes as a map to empty maps. */
static bool decode_set(struct decode *d, const struct field *field, const struct node *value,
		       void *out)
{
	if (value->kind != NODE_MAP)
		return decode_wrong(d, value, "a map");
	for (size_t i = 0; i < value->count; i++)
		if (value->pairs[i].value->kind != NODE_MAP)
			return decode_wrong(d, value->pairs[i].value, "an empty map");
	return decode_node(d, field, value, out);
}

static bool decode_whole(struct decode *d, const struct field *field, const struct node *value,
			 void *out)
{
	uint64_t ignored;

	return decode_count(d, field, value, &ignored) && decode_node(d, field, value, out);
}

/* ---- what of a config is kept ---- */

/* Times are nanoseconds, as Docker writes them. */
struct health {
	const struct node *test, *interval, *timeout, *start_period, *start_interval, *retries;
};

static const struct field health_fields[] = {
	{"Test", decode_strings, offsetof(struct health, test), FIELD_NULL_OK, NULL},
	{"Interval", decode_whole, offsetof(struct health, interval), FIELD_NULL_OK, NULL},
	{"Timeout", decode_whole, offsetof(struct health, timeout), FIELD_NULL_OK, NULL},
	{"StartPeriod", decode_whole, offsetof(struct health, start_period), FIELD_NULL_OK, NULL},
	{"StartInterval", decode_whole, offsetof(struct health, start_interval), FIELD_NULL_OK,
	 NULL},
	{"Retries", decode_whole, offsetof(struct health, retries), FIELD_NULL_OK, NULL},
};

struct run {
	const struct node *entrypoint, *cmd, *env, *user, *dir, *ports, *volumes, *health, *signal;
};

/* The fields that were given, in the tables' order: one text for one config. */
static const struct node *keep(struct arena *a, const struct field *fields, size_t count,
			       const void *values)
{
	struct node *map = node_map(a);

	for (size_t i = 0; i < count; i++) {
		const struct node *value =
			*(const struct node *const *)((const char *)values + fields[i].offset);

		if (value)
			node_set(a, map, fields[i].key, value);
	}
	return map;
}

static bool decode_health(struct decode *d, const struct field *field, const struct node *value,
			  void *out)
{
	struct health health = {0};

	(void)field;
	if (!decode_map(d, health_fields, COUNT(health_fields), "a health check", value, &health))
		return false;
	*(const struct node **)out = keep(d->arena, health_fields, COUNT(health_fields), &health);
	return true;
}

static const struct field run_fields[] = {
	{"Entrypoint", decode_strings, offsetof(struct run, entrypoint), FIELD_NULL_OK, NULL},
	{"Cmd", decode_strings, offsetof(struct run, cmd), FIELD_NULL_OK, NULL},
	{"Env", decode_env, offsetof(struct run, env), FIELD_NULL_OK, NULL},
	{"User", decode_string, offsetof(struct run, user), FIELD_NULL_OK, NULL},
	{"WorkingDir", decode_path, offsetof(struct run, dir), FIELD_NULL_OK, NULL},
	{"ExposedPorts", decode_set, offsetof(struct run, ports), FIELD_NULL_OK, NULL},
	{"Volumes", decode_set, offsetof(struct run, volumes), FIELD_NULL_OK, NULL},
	{"Healthcheck", decode_health, offsetof(struct run, health), FIELD_NULL_OK, NULL},
	{"StopSignal", decode_string, offsetof(struct run, signal), FIELD_NULL_OK, NULL},
};

bool decode_run_config(struct decode *d, const struct field *field, const struct node *value,
		       void *out)
{
	struct run run = {0};

	(void)field;
	if (!decode_map(d, run_fields, COUNT(run_fields), "an image's config", value, &run))
		return false;
	*(const struct node **)out = keep(d->arena, run_fields, COUNT(run_fields), &run);
	return true;
}

/* ---- the whole document ---- */

struct rootfs {
	const char *type;
	const struct node *diff_ids;
};

static const struct field rootfs_fields[] = {
	{"type", decode_text, offsetof(struct rootfs, type), FIELD_REQUIRED, NULL},
	{"diff_ids", decode_strings, offsetof(struct rootfs, diff_ids), FIELD_REQUIRED, NULL},
};

static bool decode_rootfs(struct decode *d, const struct field *field, const struct node *value,
			  void *out)
{
	struct oci_config *config = out;
	struct rootfs rootfs;

	(void)field;
	if (!decode_map(d, rootfs_fields, COUNT(rootfs_fields), "a root", value, &rootfs))
		return false;
	if (strcmp(rootfs.type, "layers") != 0 || rootfs.diff_ids->count > LIMIT_OCI_LAYERS)
		return decode_wrong(d, value, "a root of layers, not too many");
	config->diff_count = rootfs.diff_ids->count;
	config->diff_ids = arena_array(d->arena, config->diff_count, sizeof(*config->diff_ids));
	for (size_t i = 0; i < config->diff_count; i++)
		if (!digest_parse(rootfs.diff_ids->items[i]->text, &config->diff_ids[i]))
			return decode_wrong(d, rootfs.diff_ids->items[i],
					    "\"sha256:\" and 64 digits");
	return true;
}

static const struct field config_fields[] = {
	{"os", decode_text, offsetof(struct oci_config, os), FIELD_REQUIRED, NULL},
	{"architecture", decode_text, offsetof(struct oci_config, architecture), FIELD_REQUIRED,
	 NULL},
	{"variant", decode_text, offsetof(struct oci_config, variant), FIELD_NULL_OK, NULL},
	{"rootfs", decode_rootfs, 0, FIELD_REQUIRED, NULL},
	{"config", decode_run_config, offsetof(struct oci_config, run), FIELD_NULL_OK, NULL},
};

/* Of two of a name the last counts, as for a shell. */
static const struct node *env_map(struct arena *a, const struct node *run)
{
	const struct node *list = node_get(run, "Env");
	struct node *map = node_map(a);

	for (size_t i = 0; list && i < list->count; i++) {
		const char *text = list->items[i]->text;
		const char *equals = strchr(text, '=');

		node_set_text(a, map, arena_strndup(a, text, (size_t)(equals - text)), equals + 1);
	}
	return map;
}

static int check_size(const struct node *run, struct err *err)
{
	auto_strbuf struct strbuf text = STRBUF(LIMIT_OCI_CONFIG);

	json_write(&text, run);
	return text.full ? err_fail(err, ERR_USAGE, "more than %llu bytes of what to run",
				    (unsigned long long)LIMIT_OCI_CONFIG)
			 : 0;
}

static int decode(struct arena *a, const char *text, size_t len, struct oci_config *out,
		  struct err *err)
{
	struct diags diags = {.arena = a};
	struct decode d = {.arena = a, .diags = &diags, .foreign = true};
	struct oci_config config = {0};
	const struct node *root;

	if (len > LIMIT_OCI_DOCUMENT)
		return err_fail(err, ERR_USAGE, "larger than %llu bytes",
				(unsigned long long)LIMIT_OCI_DOCUMENT);
	root = json_parse_unique(a, "config", text, len, err);
	if (!root)
		return -1;
	if (!decode_map(&d, config_fields, COUNT(config_fields), "an image's config", root,
			&config))
		return diags_fail(&diags, err);
	if (!config.run)
		config.run = node_map(a);
	if (check_size(config.run, err) < 0)
		return -1;
	config.env = env_map(a, config.run);
	*out = config;
	return 0;
}

int oci_decode_config(struct arena *a, const char *text, size_t len, struct oci_config *out,
		      struct err *err)
{
	return decode(a, text, len, out, err) < 0 ? err_wrap(err, "an image's config") : 0;
}
