#include "image/recipe.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "image/reference.h"
#include "stepcell/fd.h"
#include "stepcell/limits.h"
#include "stepcell/path.h"
#include "stepcell/util.h"
#include "stepcell/yaml.h"

static const char *const kinds[] = {"debian", "prefix", "layer", "oci", NULL};
static const char *const networks[] = {"none", "full", NULL};
static_assert(COUNT(kinds) == RECIPE_OCI + 2, "name every recipe_kind");
static_assert(COUNT(networks) == RECIPE_NET_FULL + 2, "name every recipe_network");

static const struct field debian_fields[] = {
	{"kind", decode_enum, offsetof(struct recipe, kind), FIELD_REQUIRED, kinds},
	{"suite", decode_text, offsetof(struct recipe, suite), FIELD_REQUIRED, NULL},
	{"mirror", decode_text, offsetof(struct recipe, mirror), 0, NULL},
	{"snapshot", decode_text, offsetof(struct recipe, snapshot), 0, NULL},
	{"packages", decode_texts, offsetof(struct recipe, packages), FIELD_REQUIRED, NULL},
	{"without", decode_texts, offsetof(struct recipe, without), 0, NULL},
	{"scripts", decode_texts, offsetof(struct recipe, scripts), 0, NULL},
	{"env", decode_node, offsetof(struct recipe, env), 0, NULL},
};

static const struct field like_fields[] = {
	{"kind", decode_enum, offsetof(struct recipe, kind), FIELD_REQUIRED, kinds},
	{"like", decode_text, offsetof(struct recipe, like), FIELD_REQUIRED, NULL},
	{"packages", decode_texts, offsetof(struct recipe, packages), FIELD_REQUIRED, NULL},
};

static const struct field prefix_fields[] = {
	{"kind", decode_enum, offsetof(struct recipe, kind), FIELD_REQUIRED, kinds},
	{"base", decode_text, offsetof(struct recipe, base), FIELD_REQUIRED, NULL},
	{"python", decode_text, offsetof(struct recipe, python), FIELD_REQUIRED, NULL},
	{"source", decode_texts, offsetof(struct recipe, sources), FIELD_REQUIRED, NULL},
	{"env", decode_node, offsetof(struct recipe, env), 0, NULL},
};

static const struct field file_fields[] = {
	{"from", decode_text, offsetof(struct recipe_file, from), FIELD_REQUIRED, NULL},
	{"to", decode_text, offsetof(struct recipe_file, to), FIELD_REQUIRED, NULL},
	{"executable", decode_flag, offsetof(struct recipe_file, executable), 0, NULL},
};

static bool decode_files(struct decode *d, const struct field *field, const struct node *value,
			 void *out)
{
	struct recipe *r = out;

	(void)field;
	if (value->kind != NODE_LIST)
		return decode_wrong(d, value, "a list of files");
	r->files = arena_array(d->arena, value->count, sizeof(*r->files));
	for (size_t i = 0; i < value->count; i++)
		if (!decode_map(d, file_fields, COUNT(file_fields), "a file", value->items[i],
				&r->files[r->file_count++]))
			return false;
	return true;
}

static const struct field layer_fields[] = {
	{"kind", decode_enum, offsetof(struct recipe, kind), FIELD_REQUIRED, kinds},
	{"base", decode_text, offsetof(struct recipe, base), FIELD_REQUIRED, NULL},
	{"packages", decode_texts, offsetof(struct recipe, packages), 0, NULL},
	{"mirror", decode_text, offsetof(struct recipe, mirror), 0, NULL},
	{"snapshot", decode_text, offsetof(struct recipe, snapshot), 0, NULL},
	{"files", decode_files, 0 /* several members */, 0, NULL},
	{"commands", decode_texts, offsetof(struct recipe, commands), 0, NULL},
	{"network", decode_enum, offsetof(struct recipe, network), 0, networks},
	{"env", decode_node, offsetof(struct recipe, env), 0, NULL},
};

static const struct field oci_fields[] = {
	{"kind", decode_enum, offsetof(struct recipe, kind), FIELD_REQUIRED, kinds},
	{"ref", decode_text, offsetof(struct recipe, ref), FIELD_REQUIRED, NULL},
	{"platform", decode_text, offsetof(struct recipe, platform), 0, NULL},
	{"env", decode_node, offsetof(struct recipe, env), 0, NULL},
};

/* What becomes a word of a command line must not be taken for an option, or for two words. */
static int check_word(const char *what, const char *word, struct err *err)
{
	if (!*word || *word == '-' || strpbrk(word, " \t\n,'\"\\$`;&|<>"))
		return err_fail(err, ERR_USAGE, "'%s' cannot be %s", word, what);
	return 0;
}

static int check_words(const char *what, const struct texts *words, struct err *err)
{
	for (size_t i = 0; i < words->count; i++)
		if (check_word(what, words->list[i], err) < 0)
			return -1;
	return 0;
}

static int check_env(const struct node *env, struct err *err)
{
	if (!env)
		return 0;
	if (env->kind != NODE_MAP)
		return err_fail(err, ERR_USAGE, "'env' must be a map");
	for (size_t i = 0; i < env->count; i++)
		if (!node_text(env->pairs[i].value))
			return err_fail(err, ERR_USAGE, "'env': the value of '%s' must be a text",
					env->pairs[i].key->text);
	return 0;
}

static int check_scripts(const struct recipe *r, struct err *err)
{
	for (size_t i = 0; i < r->scripts.count; i++)
		if (!name_is_safe(r->scripts.list[i]))
			return err_fail(err, ERR_USAGE,
					"script '%s' must be a file beside the recipe",
					r->scripts.list[i]);
	return 0;
}

/* A day and a time of it, as archives of all days call them: 20250520T000000Z. */
static int check_snapshot(const char *day, struct err *err)
{
	static const char form[] = "00000000T000000Z";

	for (size_t i = 0; day && i < sizeof(form); i++)
		if (form[i] == '0' ? day[i] < '0' || day[i] > '9' : day[i] != form[i])
			return err_fail(err, ERR_USAGE,
					"snapshot '%s': expected a time such as 20250520T000000Z",
					day);
	return 0;
}

static int check_base(const struct recipe *r, struct err *err)
{
	return name_is_safe(r->base)
		       ? 0
		       : err_fail(err, ERR_USAGE, "'%s' cannot be the name of a base", r->base);
}

/* Which packages, and where they come from. */
static int check_archive(const struct recipe *r, struct err *err)
{
	if ((r->mirror && check_word("a mirror", r->mirror, err) < 0) ||
	    check_words("a package", &r->packages, err) < 0)
		return -1;
	return check_snapshot(r->snapshot, err);
}

/* An absolute path without an empty part, "." or "..". */
static bool path_is_plain(const char *path)
{
	while (*path == '/') {
		size_t len = strcspn(++path, "/");

		if (!len || (len <= 2 && strspn(path, ".") >= len))
			return false;
		path += len;
	}
	return !*path;
}

static int check_layer(const struct recipe *r, struct err *err)
{
	for (size_t i = 0; i < r->file_count; i++) {
		if (!name_is_safe(r->files[i].from))
			return err_fail(err, ERR_USAGE, "'%s' must be a file beside the recipe",
					r->files[i].from);
		if (*r->files[i].to != '/' || !path_is_plain(r->files[i].to))
			return err_fail(err, ERR_USAGE, "'%s' is no plain absolute path",
					r->files[i].to);
	}
	if (!r->packages.count && !r->file_count && !r->commands.count && !r->env)
		return err_fail(err, ERR_USAGE,
				"it has no packages, files, commands or env: nothing to add");
	return check_archive(r, err) < 0 ? -1 : check_base(r, err);
}

static int check_oci(const struct recipe *r, struct err *err)
{
	auto_arena struct arena *a = arena_new();
	struct reference ref;

	if (reference_parse(a, r->ref, &ref, err) < 0)
		return -1;
	return ref.pinned ? 0
			  : err_fail(err, ERR_USAGE,
				     "ref '%s' has no digest: a recipe says which image it means, "
				     "HOST/NAME@sha256:DIGEST",
				     r->ref);
}

static int check_like(const struct recipe *r, struct err *err)
{
	return name_is_safe(r->like)
		       ? check_words("a package", &r->packages, err)
		       : err_fail(err, ERR_USAGE, "'%s' cannot be the name of a recipe", r->like);
}

static int check_debian(const struct recipe *r, struct err *err)
{
	if (r->like)
		return check_like(r, err);
	if (check_word("a suite", r->suite, err) < 0 || check_words("a path", &r->without, err) < 0)
		return -1;
	return check_archive(r, err);
}

/* What a recipe of each kind may say, and whether that makes sense. */
static const struct {
	const struct field *fields;
	size_t count;
	const char *what;
	int (*check)(const struct recipe *r, struct err *err);
} schemas[] = {
	[RECIPE_DEBIAN] = {debian_fields, COUNT(debian_fields), "a recipe", check_debian},
	[RECIPE_PREFIX] = {prefix_fields, COUNT(prefix_fields), "a prefix recipe", check_base},
	[RECIPE_LAYER] = {layer_fields, COUNT(layer_fields), "a layer recipe", check_layer},
	[RECIPE_OCI] = {oci_fields, COUNT(oci_fields), "an oci recipe", check_oci},
};

static int check(const struct recipe *r, struct err *err)
{
	if (check_env(r->env, err) < 0 || check_scripts(r, err) < 0)
		return -1;
	return schemas[r->kind].check(r, err);
}

static int kind_of(const struct node *root)
{
	const char *kind = node_text(node_get(root, "kind"));

	for (int i = 0; kind && kinds[i]; i++)
		if (strcmp(kind, kinds[i]) == 0)
			return i;
	return RECIPE_DEBIAN; /* whose table says what is wrong */
}

/* "/a/rootfs/python-3.10.yml" to "/a/rootfs" and "python-3.10". */
static int split_path(struct arena *a, const char *path, struct recipe *out, struct err *err)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;
	const char *dot = strrchr(name, '.');

	out->folder = slash ? arena_strndup(a, path, (size_t)(slash - path)) : ".";
	out->name = arena_strndup(a, name, dot ? (size_t)(dot - name) : strlen(name));
	if (!name_is_safe(out->name) || strcmp(out->name, "host") == 0)
		return err_fail(err, ERR_USAGE, "'%s' cannot be the name of an image", out->name);
	return 0;
}

int recipe_parse(struct arena *a, const char *file, const char *text, size_t len,
		 struct recipe *out, struct err *err)
{
	struct diags diags = {.arena = a};
	struct decode d = {.arena = a, .diags = &diags};
	struct recipe r = {.text = arena_strndup(a, text, len)};
	const struct node *root = yaml_parse(a, file, text, len, &diags);
	bool ok;
	int kind;

	if (!root)
		return diags_fail(&diags, err);
	kind = kind_of(root);
	if (kind == RECIPE_DEBIAN && node_get(root, "like"))
		ok = decode_map(&d, like_fields, COUNT(like_fields), "a recipe", root, &r);
	else
		ok = decode_map(&d, schemas[kind].fields, schemas[kind].count, schemas[kind].what,
				root, &r);
	if (!ok)
		return diags_fail(&diags, err);
	if (check(&r, err) < 0 || split_path(a, file, &r, err) < 0)
		return err_wrap(err, "%s", file);
	*out = r;
	return 0;
}

static int load(struct arena *a, const char *ref, const char *path, struct recipe *out,
		struct err *err)
{
	auto_strbuf struct strbuf text = STRBUF(LIMIT_RECIPE_BYTES);

	if (file_read(AT_FDCWD, path, &text, err) < 0) {
		if (err->sys == ENOENT)
			return err_fail(err, ERR_USAGE, "there is no recipe '%s': no file '%s'",
					ref, path);
		return err_wrap(err, "recipe '%s'", ref);
	}
	return recipe_parse(a, path, text.text, text.len, out, err);
}

static struct texts joined(struct arena *a, const struct texts *x, const struct texts *y)
{
	struct texts all = {arena_array(a, x->count + y->count, sizeof(*all.list)), 0};

	for (size_t i = 0; i < x->count; i++)
		all.list[all.count++] = x->list[i];
	for (size_t i = 0; i < y->count; i++)
		all.list[all.count++] = y->list[i];
	return all;
}

/* All of the recipe that it is like, and its own packages behind that one's. */
static int extend(struct arena *a, struct recipe *r, struct err *err)
{
	const char *path = arena_printf(a, "%s/%s.yml", r->folder, r->like);
	const struct recipe own = *r;
	struct recipe all = {0};

	if (load(a, own.like, path, &all, err) < 0)
		return err_wrap(err, "recipe '%s'", own.name);
	if (all.like || all.kind != RECIPE_DEBIAN)
		return err_fail(err, ERR_USAGE,
				"recipe '%s' can only be like one that lists its packages itself, "
				"which '%s' does not",
				own.name, own.like);
	all.packages = joined(a, &all.packages, &own.packages);
	all.name = own.name;
	all.like = own.like;
	all.text = arena_printf(a, "%s\n%s", own.text, all.text);
	*r = all;
	return 0;
}

int recipe_load(struct arena *a, const char *data, const char *ref, struct recipe *out,
		struct err *err)
{
	const char *path = ref;
	struct recipe r = {0};

	if (!strchr(ref, '/')) {
		if (!name_is_safe(ref))
			return err_fail(err, ERR_USAGE, "'%s' is no name of a recipe", ref);
		path = arena_printf(a, "%s/rootfs/%s.yml", data, ref);
	}
	if (load(a, ref, path, &r, err) < 0 || (r.like && extend(a, &r, err) < 0))
		return -1;
	*out = r;
	return 0;
}
