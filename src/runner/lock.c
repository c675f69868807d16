#include "runner/lock.h"

#include <string.h>
#include <strings.h>

#include "stepcell/decode.h"
#include "stepcell/util.h"
#include "stepcell/yaml.h"

struct entry {
	const char *commit, *tree;
};

static const struct field entry_fields[] = {
	{"commit", decode_text, offsetof(struct entry, commit), 0, NULL},
	{"tree", decode_text, offsetof(struct entry, tree), FIELD_REQUIRED, NULL},
};

static bool decode_entry(struct decode *d, const struct node *value, struct entry *out)
{
	struct digest ignored;

	*out = (struct entry){.commit = ""};
	if (!decode_map(d, entry_fields, COUNT(entry_fields), "a locked action", value, out))
		return false;
	return digest_parse(out->tree, &ignored) ||
	       decode_wrong(d, node_get(value, "tree"), "\"sha256:\" and 64 digits");
}

/* A lock is a map of one key, which is a map of entries. */
struct kind {
	const char *key, *what;
	bool (*decode)(struct decode *d, const struct node *value);
};

static const struct node *parse(struct arena *a, const struct kind *kind, const char *name,
				const char *text, size_t len, struct err *err)
{
	const struct field fields[] = {{kind->key, decode_node, 0, FIELD_REQUIRED, NULL}};
	struct diags diags = {.arena = a};
	struct decode d = {.arena = a, .diags = &diags};
	const struct node *root = yaml_parse(a, name, text, len, &diags), *map = NULL;
	bool ok = root && decode_map(&d, fields, COUNT(fields), kind->what, root, &map);

	if (ok && map->kind != NODE_MAP)
		ok = decode_wrong(&d, map, "a map");
	for (size_t i = 0; ok && i < map->count; i++)
		ok = kind->decode(&d, map->pairs[i].value);
	if (ok)
		return map;
	(void)diags_fail(&diags, err);
	return NULL;
}

/* ---- actions ---- */

static bool check_entry(struct decode *d, const struct node *value)
{
	struct entry entry;

	return decode_entry(d, value, &entry);
}

const struct node *lock_parse(struct arena *a, const char *name, const char *text, size_t len,
			      struct err *err)
{
	static const struct kind kind = {"actions", "a lock of actions", check_entry};

	return parse(a, &kind, name, text, len, err);
}

/* Owner and repository in any case, the ref as it is. */
static const struct node *find(struct arena *a, const struct node *lock,
			       const struct stored_action *action)
{
	const char *name = arena_printf(a, "%s@%s", action->repository, action->ref);
	size_t repository = strlen(action->repository);

	for (size_t i = 0; i < lock->count; i++) {
		const char *key = lock->pairs[i].key->text;

		if (strncasecmp(key, name, repository) == 0 &&
		    strcmp(key + repository, name + repository) == 0)
			return lock->pairs[i].value;
	}
	return NULL;
}

int lock_agrees(struct arena *a, const struct node *lock, const struct stored_action *action,
		struct err *err)
{
	struct diags diags = {.arena = a};
	struct decode d = {.arena = a, .diags = &diags};
	const struct node *value = find(a, lock, action);
	struct entry entry;
	struct digest tree;

	if (!value)
		return err_fail(err, ERR_USAGE, "'%s@%s' is not in it", action->repository,
				action->ref);
	if (!decode_entry(&d, value, &entry) || !digest_parse(entry.tree, &tree))
		return diags_fail(&diags, err);
	if (*entry.commit && strcmp(entry.commit, action->commit) != 0)
		return err_fail(err, ERR_USAGE, "it has commit %s, the store has %s", entry.commit,
				*action->commit ? action->commit : "none");
	if (!digest_equal(&tree, &action->tree))
		return err_fail(err, ERR_USAGE, "it has tree %.12s, the store has %.12s", tree.hex,
				action->tree.hex);
	return 0;
}

/* ---- images ---- */

struct locked_image {
	const char *digest;
	const char *origin; /* for who reads it: what brings the image */
};

static const struct field image_fields[] = {
	{"digest", decode_text, offsetof(struct locked_image, digest), FIELD_REQUIRED, NULL},
	{"origin", decode_text, offsetof(struct locked_image, origin), 0, NULL},
};

static bool decode_image(struct decode *d, const struct node *value, struct locked_image *out)
{
	struct digest ignored;

	*out = (struct locked_image){.origin = ""};
	if (!decode_map(d, image_fields, COUNT(image_fields), "a locked image", value, out))
		return false;
	return digest_parse(out->digest, &ignored) ||
	       decode_wrong(d, node_get(value, "digest"), "\"sha256:\" and 64 digits");
}

static bool check_image(struct decode *d, const struct node *value)
{
	struct locked_image image;

	return decode_image(d, value, &image);
}

const struct node *images_lock_parse(struct arena *a, const char *name, const char *text,
				     size_t len, struct err *err)
{
	static const struct kind kind = {"images", "a lock of images", check_image};

	return parse(a, &kind, name, text, len, err);
}

int images_lock_agrees(struct arena *a, const struct node *lock, const char *image,
		       const struct digest *digest, struct err *err)
{
	struct diags diags = {.arena = a};
	struct decode d = {.arena = a, .diags = &diags};
	const struct node *value = node_get(lock, image);
	struct locked_image locked;
	struct digest must;

	if (!value)
		return err_fail(err, ERR_USAGE, "'%s' is not in it", image);
	if (!decode_image(&d, value, &locked) || !digest_parse(locked.digest, &must))
		return diags_fail(&diags, err);
	if (digest_equal(&must, digest))
		return 0;
	if (*locked.origin)
		return err_fail(err, ERR_USAGE,
				"'%s' must be sha256:%.12s, the store has sha256:%.12s; it came by "
				"`stepcell image %.500s`",
				image, must.hex, digest->hex, locked.origin);
	return err_fail(err, ERR_USAGE, "'%s' must be sha256:%.12s, the store has sha256:%.12s",
			image, must.hex, digest->hex);
}
