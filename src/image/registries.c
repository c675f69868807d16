#include "image/registries.h"

#include <string.h>

#include "image/url.h"
#include "stepcell/util.h"

/* What the configuration says of one host. */
struct settings {
	const char *location; /* HOST[:PORT][/PREFIX], where it is not at its own name */
	const char *credentials, *ca;
	struct texts tokens;
	const struct node *mirrors;
	bool plain;
};

struct mirror {
	const char *location;
	bool tags;
};

static bool wrong_location(struct decode *d, const struct node *value)
{
	(void)decode_wrong(d, value, "HOST[:PORT][/PREFIX]");
	return false;
}

static bool decode_location(struct decode *d, const struct field *field, const struct node *value,
			    void *out)
{
	const char *text = node_text(value), *slash = text ? strchr(text, '/') : NULL;
	const char *host;

	(void)field;
	if (!text)
		return wrong_location(d, value);
	host = arena_strndup(d->arena, text, slash ? (size_t)(slash - text) : strlen(text));
	if (!host_is_valid(host) || (slash && !repository_is_valid(slash + 1)))
		return wrong_location(d, value);
	*(const char **)out = text;
	return true;
}

static bool decode_path(struct decode *d, const struct field *field, const struct node *value,
			void *out)
{
	const char *text = node_text(value);

	(void)field;
	if (!text || text[0] != '/')
		return decode_wrong(d, value, "an absolute path");
	*(const char **)out = text;
	return true;
}

static const struct field settings_fields[] = {
	{"location", decode_location, offsetof(struct settings, location), 0, NULL},
	{"credentials", decode_text, offsetof(struct settings, credentials), 0, NULL},
	{"ca", decode_path, offsetof(struct settings, ca), 0, NULL},
	{"tokens", decode_texts, offsetof(struct settings, tokens), 0, NULL},
	{"mirrors", decode_list, offsetof(struct settings, mirrors), 0, NULL},
	{"plain-http", decode_flag, offsetof(struct settings, plain), 0, NULL},
};

static const struct field mirror_fields[] = {
	{"location", decode_location, offsetof(struct mirror, location), FIELD_REQUIRED, NULL},
	{"tags", decode_flag, offsetof(struct mirror, tags), 0, NULL},
};

static bool decode_settings(struct decode *d, const struct node *config, const char *host,
			    struct settings *out)
{
	const struct node *map = node_get_nocase(config, host);
	struct settings s = {.plain = host_is_loopback(host)};

	if (map && !decode_map(d, settings_fields, COUNT(settings_fields), "a registry", map, &s))
		return false;
	*out = s;
	return true;
}

/* The host of a location, and what a repository is called below its prefix. */
static void place(struct arena *a, const char *location, const char *name, struct endpoint *out)
{
	const char *slash = strchr(location, '/');

	out->host = slash ? arena_strndup(a, location, (size_t)(slash - location)) : location;
	out->name = slash ? arena_printf(a, "%s/%s", slash + 1, name) : name;
}

static void settle(struct endpoint *e, const struct settings *s)
{
	e->key = s->credentials ? s->credentials : e->host;
	e->plain = s->plain;
	e->tokens = s->tokens;
	e->ca = s->ca;
}

static bool decode_mirror(struct decode *d, const struct node *config, const struct node *value,
			  const struct reference *ref, struct endpoint *out)
{
	struct mirror m = {0};
	struct settings s;

	if (value->kind == NODE_MAP
		    ? !decode_map(d, mirror_fields, COUNT(mirror_fields), "a mirror", value, &m)
		    : !decode_location(d, NULL, value, &m.location))
		return false;
	place(d->arena, m.location, ref->name, out);
	out->tags = m.tags;
	if (!decode_settings(d, config, out->host, &s))
		return false;
	settle(out, &s);
	return true;
}

static bool decode_mirrors(struct decode *d, const struct node *config, const struct node *mirrors,
			   const struct reference *ref, struct endpoints *out)
{
	for (size_t i = 0; mirrors && i < mirrors->count; i++)
		if (!decode_mirror(d, config, mirrors->items[i], ref, &out->list[out->count++]))
			return false;
	return true;
}

/* All of the configuration is checked, not only what this reference needs. */
static bool list_plain(struct decode *d, const struct node *config, struct texts *out)
{
	bool fine = true;

	out->list = arena_array(d->arena, (config ? config->count : 0) + 1, sizeof(*out->list));
	for (size_t i = 0; config && i < config->count; i++) {
		const struct node *key = config->pairs[i].key;
		struct settings s;

		if (!host_is_valid(key->text)) {
			diag_error(d->diags, key->at, "syntax", "'%s' is no HOST[:PORT]",
				   key->text);
			fine = false;
		} else if (!decode_settings(d, config, key->text, &s)) {
			fine = false;
		} else if (s.plain) {
			out->list[out->count++] = key->text;
		}
	}
	return fine;
}

bool registries_decode(struct arena *a, const struct node *config, const struct reference *ref,
		       struct endpoints *out, struct diags *diags)
{
	struct decode d = {.arena = a, .diags = diags};
	struct endpoints found = {0};
	struct endpoint *self;
	struct settings s;

	if (config && config->kind == NODE_NULL)
		config = NULL;
	if (config && config->kind != NODE_MAP)
		return decode_wrong(&d, config, "a map of hosts");
	if (!list_plain(&d, config, &found.plain) || !decode_settings(&d, config, ref->host, &s))
		return false;
	found.list = arena_array(a, (s.mirrors ? s.mirrors->count : 0) + 1, sizeof(*found.list));
	if (!decode_mirrors(&d, config, s.mirrors, ref, &found))
		return false;
	self = &found.list[found.count++];
	place(a, s.location ? s.location : ref->host, ref->name, self);
	self->tags = true;
	settle(self, &s);
	if (!s.credentials)
		self->key = ref->host;
	*out = found;
	return true;
}
