#include <math.h>
#include <string.h>

#include "stepcell/decode.h"
#include "stepcell/parse.h"

static const char *rule_of(const struct decode *d)
{
	return d->rule ? d->rule : "syntax-check";
}

bool decode_wrong(struct decode *d, const struct node *value, const char *expected)
{
	diag_error(d->diags, value->at, rule_of(d), "expected %s, found %s", expected,
		   node_kind_text(value->kind));
	return false;
}

static const struct field *find_field(const struct field *fields, size_t count, const char *key)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(fields[i].key, key) == 0)
			return &fields[i];
	return NULL;
}

static bool unknown_key(struct decode *d, const struct field *fields, size_t count,
			const char *what, const struct node *key)
{
	auto_strbuf struct strbuf known = STRBUF(400);

	for (size_t i = 0; i < count; i++)
		strbuf_addf(&known, "%s%s", i ? ", " : "", fields[i].key);
	diag_error(d->diags, key->at, rule_of(d), "unknown key '%s' in %s; expected one of %s",
		   key->text, what, known.text);
	return false;
}

static bool decode_pair(struct decode *d, const struct field *field, const struct node *value,
			void *out)
{
	if (value->kind == NODE_NULL && (field->flags & FIELD_NULL_OK))
		return true;
	return field->decode(d, field, value, (char *)out + field->offset);
}

bool decode_map(struct decode *d, const struct field *fields, size_t count, const char *what,
		const struct node *map, void *out)
{
	bool ok = true;

	if (map->kind != NODE_MAP)
		return decode_wrong(d, map, "a map");
	for (size_t i = 0; i < map->count; i++) {
		const struct node_pair *p = &map->pairs[i];
		const struct field *field = find_field(fields, count, p->key->text);

		if (!field && d->foreign)
			continue;
		ok &= field ? decode_pair(d, field, p->value, out)
			    : unknown_key(d, fields, count, what, p->key);
	}
	for (size_t i = 0; i < count; i++) {
		if (!(fields[i].flags & FIELD_REQUIRED) || node_get(map, fields[i].key))
			continue;
		diag_error(d->diags, map->at, rule_of(d), "missing '%s' in %s", fields[i].key,
			   what);
		ok = false;
	}
	return ok;
}

bool decode_text(struct decode *d, const struct field *field, const struct node *value, void *out)
{
	(void)field;
	if (!node_text(value))
		return decode_wrong(d, value, "a string");
	*(const char **)out = value->text;
	return true;
}

bool decode_flag(struct decode *d, const struct field *field, const struct node *value, void *out)
{
	(void)field;
	if (value->kind != NODE_BOOL)
		return decode_wrong(d, value, "true or false");
	*(bool *)out = value->truth;
	return true;
}

bool decode_count(struct decode *d, const struct field *field, const struct node *value, void *out)
{
	(void)field;
	if (value->kind != NODE_NUMBER || value->number < 0 || value->number > 0x1p53 ||
	    floor(value->number) != value->number)
		return decode_wrong(d, value, "a whole number");
	*(uint64_t *)out = (uint64_t)value->number;
	return true;
}

typedef int unit_fn(const char *text, uint64_t *out);

static bool decode_unit(struct decode *d, const struct node *value, unit_fn *parse,
			const char *expected, void *out)
{
	const char *text = node_text(value);

	if (!text)
		return decode_wrong(d, value, expected);
	if (parse(text, out) == 0)
		return true;
	diag_error(d->diags, value->at, rule_of(d), "expected %s, found '%s'", expected, text);
	return false;
}

bool decode_size(struct decode *d, const struct field *field, const struct node *value, void *out)
{
	(void)field;
	return decode_unit(d, value, parse_size, "a size such as 512MiB or 2GiB", out);
}

bool decode_duration(struct decode *d, const struct field *field, const struct node *value,
		     void *out)
{
	(void)field;
	return decode_unit(d, value, parse_duration, "a time such as 30s, 10m or 6h", out);
}

bool decode_node(struct decode *d, const struct field *field, const struct node *value, void *out)
{
	(void)d, (void)field;
	*(const struct node **)out = value;
	return true;
}

bool decode_list(struct decode *d, const struct field *field, const struct node *value, void *out)
{
	(void)field;
	if (value->kind != NODE_LIST)
		return decode_wrong(d, value, "a list");
	*(const struct node **)out = value;
	return true;
}

bool decode_texts(struct decode *d, const struct field *field, const struct node *value, void *out)
{
	struct texts *texts = out;
	size_t count = value->kind == NODE_LIST ? value->count : 1;
	const struct node *const *items =
		value->kind == NODE_LIST ? (const struct node *const *)value->items : &value;

	(void)field;
	texts->list = arena_array(d->arena, count + 1, sizeof(*texts->list));
	texts->count = 0;
	for (size_t i = 0; i < count; i++) {
		if (!node_text(items[i]))
			return decode_wrong(d, items[i], "a string, or a list of strings");
		texts->list[texts->count++] = items[i]->text;
	}
	return true;
}

bool decode_enum(struct decode *d, const struct field *field, const struct node *value, void *out)
{
	const char *const *names = field->arg;
	auto_strbuf struct strbuf known = STRBUF(400);
	const char *text = node_text(value);

	for (int i = 0; names[i]; i++) {
		if (text && strcmp(text, names[i]) == 0) {
			*(int *)out = i;
			return true;
		}
		strbuf_addf(&known, "%s%s", !i ? "" : names[i + 1] ? ", " : " or ", names[i]);
	}
	if (!text)
		return decode_wrong(d, value, known.text);
	diag_error(d->diags, value->at, rule_of(d), "expected %s, found '%s'", known.text, text);
	return false;
}
