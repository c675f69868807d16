#include "image/login.h"

#include <string.h>

#include "stepcell/base64.h"
#include "stepcell/json.h"
#include "stepcell/limits.h"
#include "stepcell/util.h"

/* What a helper calls the user where the secret is an identity token. */
#define TOKEN_USER "<token>"

/* ---- one entry ---- */

static const char *text_of(const struct node *map, const char *key)
{
	const struct node *value = node_get(map, key);

	return value && value->kind == NODE_STRING && *value->text ? value->text : NULL;
}

/* "auth": base64 of USER:SECRET. Some writers pad it with zeros. */
static bool decode_pair(struct arena *a, const char *text, struct login *out)
{
	auto_strbuf struct strbuf pair = STRBUF(64 * KIB);
	const char *colon;

	if (!base64_decode(&pair, text) || pair.full)
		return false;
	colon = memchr(pair.text, ':', pair.len);
	if (colon) {
		out->user = arena_strndup(a, pair.text, (size_t)(colon - pair.text));
		out->secret = arena_strdup(a, colon + 1);
	}
	explicit_bzero(pair.text, pair.len);
	return colon && strlen(out->user) == (size_t)(colon - pair.text);
}

/* An entry may be empty: its secret is with a helper then. */
static int decode_entry(struct arena *a, const struct node *entry, struct login *out,
			struct err *err)
{
	const char *pair = text_of(entry, "auth");
	struct login login = {
		.user = text_of(entry, "username"),
		.secret = text_of(entry, "password"),
		.identity = text_of(entry, "identitytoken"),
		.bearer = text_of(entry, "registrytoken"),
	};

	if (pair && !decode_pair(a, pair, &login))
		return err_fail(err, ERR_USAGE, "an 'auth' is not base64 of USER:SECRET");
	if (!login.user || !login.secret)
		login.user = login.secret = NULL;
	*out = login;
	return 0;
}

bool login_is_set(const struct login *login)
{
	return login->secret || login->identity || login->bearer;
}

/* ---- keys ---- */

/* Old clients wrote URLs: "https://registry.example.com/v1/". */
static size_t bare_key(const char **key)
{
	static const char *const starts[] = {"https://", "http://"};
	static const char *const ends[] = {"/", "/v1", "/v2"};
	size_t len;

	for (size_t i = 0; i < COUNT(starts); i++)
		if (strncmp(*key, starts[i], strlen(starts[i])) == 0)
			*key += strlen(starts[i]);
	len = strlen(*key);
	for (size_t i = 0; i < COUNT(ends); i++) {
		size_t end = strlen(ends[i]);

		if (len > end && strncmp(*key + len - end, ends[i], end) == 0)
			len -= end;
	}
	return len;
}

/* The entry for exactly `key`, else one that means it. */
static const struct node *entry_for(const struct node *auths, const char *key)
{
	const struct node *exact = node_get(auths, key);

	for (size_t i = 0; !exact && auths && auths->kind == NODE_MAP && i < auths->count; i++) {
		const char *there = auths->pairs[i].key->text;
		size_t len = bare_key(&there);

		if (strlen(key) == len && strncmp(there, key, len) == 0)
			return auths->pairs[i].value;
	}
	return exact;
}

/* From "host/team/app" to "host". */
static int search_auths(struct arena *a, const struct node *auths, const char *key,
			const char *repository, struct login *out, struct err *err)
{
	char *path = arena_printf(a, "%s/%s", key, repository);
	size_t shortest = strlen(key);

	for (;;) {
		const struct node *entry = entry_for(auths, path);
		char *slash;

		if (entry && decode_entry(a, entry, out, err) < 0)
			return -1;
		if ((entry && login_is_set(out)) || strlen(path) <= shortest)
			return 0;
		slash = strrchr(path, '/');
		*slash = '\0';
		if (strlen(path) < shortest)
			return 0;
	}
}

/* ---- a file ---- */

/* [A-Za-z0-9_.-]: a helper is looked up in PATH, and must not be a path itself. */
static bool helper_is_safe(const char *name)
{
	return *name && strlen(name) < 64 &&
	       name[strspn(name,
			   "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-")] ==
		       '\0';
}

int login_decode(struct arena *a, const char *path, const char *text, size_t len, const char *key,
		 const char *repository, struct login *out, const char **helper, struct err *err)
{
	const struct node *root = json_parse(a, path, text, len, err);
	const char *name;

	*out = (struct login){0};
	*helper = NULL;
	if (!root)
		return -1;
	if (root->kind != NODE_MAP)
		return err_fail(err, ERR_USAGE, "'%s': expected a map, found %s", path,
				node_kind_text(root->kind));
	name = text_of(node_get(root, "credHelpers"), key);
	if (!name)
		name = text_of(root, "credsStore");
	if (name && !helper_is_safe(name))
		return err_fail(err, ERR_USAGE,
				"'%s': a credential helper cannot be called '%.64s'", path, name);
	*helper = name;
	if (search_auths(a, node_get(root, "auths"), key, repository, out, err) < 0)
		return err_wrap(err, "'%s'", path);
	return 0;
}

/* ---- helpers ---- */

int login_decode_helped(struct arena *a, const char *text, size_t len, struct login *out,
			struct err *err)
{
	const struct node *root = json_parse(a, "its answer", text, len, err);
	const char *user = text_of(root, "Username"), *secret = text_of(root, "Secret");

	*out = (struct login){0};
	if (!root)
		return -1;
	if (!user || !secret)
		return err_fail(err, ERR_USAGE, "its answer has no Username and Secret");
	if (strcmp(user, TOKEN_USER) == 0)
		out->identity = secret;
	else
		*out = (struct login){.user = user, .secret = secret};
	return 0;
}
