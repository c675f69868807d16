/* load: a policy file's text to a struct policy, by tables. What a file leaves out is denied. */
#include "stepcell/policy.h"

#include <ctype.h>
#include <string.h>

#include "policy/names.h"
#include "stepcell/network.h"
#include "stepcell/util.h"
#include "stepcell/yaml.h"

const char *const policy_checkout_names[] = {"overlay", "strict", "copy", NULL};
const char *const policy_proc_names[] = {"pid", "full", NULL};
const char *const policy_network_names[] = {"none", "proxy", "full", NULL};
const char *const policy_caches_names[] = {"none", "guest", "shared", NULL};
const char *const policy_audit_names[] = {"refused", "allowed", NULL};
const char *const policy_env_file_names[] = {"guarded", "any", NULL};

static_assert(COUNT(policy_checkout_names) == POLICY_COPY + 2, "name every policy_checkout");
static_assert(COUNT(policy_proc_names) == POLICY_PROC_FULL + 2, "name every policy_proc");
static_assert(COUNT(policy_caches_names) == POLICY_CACHES_SHARED + 2, "name every policy_caches");
static_assert(COUNT(policy_audit_names) == POLICY_AUDIT_ALLOWED + 2, "name every policy_audit");
static_assert(COUNT(policy_env_file_names) == POLICY_ENV_ANY + 2, "name every policy_env_file");
static_assert(COUNT(policy_network_names) == POLICY_NET_FULL + 2, "name every policy_network");

/* The names that the cell gives its walls; a test holds the two lists together. */
const char *const policy_wall_names[] = {"userns", "seccomp", "landlock", "cgroup",
					 "timens", "proc",    NULL};

/* ---- lists of names ---- */

static bool decode_names(struct decode *d, const struct field *field, const struct node *value,
			 void *out)
{
	struct policy_names *names = out;
	const char *text = value->kind == NODE_LIST ? NULL : node_text(value);

	names->names = (struct texts){0};
	names->all = text && strcmp(text, "all") == 0;
	if (names->all || (text && strcmp(text, "none") == 0))
		return true;
	if (value->kind != NODE_LIST)
		return decode_wrong(d, value, "none, all or a list of names");
	return decode_texts(d, field, value, &names->names);
}

/* Places of the host, which nobody grants wholesale. */
static bool decode_places(struct decode *d, const struct field *field, const struct node *value,
			  void *out)
{
	struct policy_names *places = out;

	if (!decode_names(d, field, value, out))
		return false;
	if (places->all)
		return decode_wrong(d, value, "none or a list of absolute paths");
	for (size_t i = 0; i < places->names.count; i++)
		if (places->names.list[i][0] != '/')
			return decode_wrong(d, value->items[i], "an absolute path");
	return true;
}

static bool wall_exists(const char *name)
{
	for (const char *const *n = policy_wall_names; *n; n++)
		if (strcmp(*n, name) == 0)
			return true;
	return false;
}

static bool decode_walls(struct decode *d, const struct field *field, const struct node *value,
			 void *out)
{
	struct texts *walls = out;
	const char *text = value->kind == NODE_LIST ? NULL : node_text(value);

	*walls = (struct texts){0};
	if (text && strcmp(text, "none") == 0)
		return true;
	if (value->kind != NODE_LIST)
		return decode_wrong(d, value, "none or a list of walls");
	if (!decode_texts(d, field, value, walls))
		return false;
	for (size_t i = 0; i < walls->count; i++) {
		if (wall_exists(walls->list[i]))
			continue;
		diag_error(d->diags, value->items[i]->at, "policy",
			   "unknown wall '%s': expected userns, seccomp, landlock, cgroup, timens "
			   "or proc",
			   walls->list[i]);
		return false;
	}
	return true;
}

/* ---- the network ---- */

static bool is_endpoint(const char *text)
{
	struct endpoint ignored;

	return endpoint_parse(text, strlen(text), 0, &ignored);
}

static bool is_network(const char *text)
{
	struct network ignored;

	return network_parse(text, &ignored);
}

/* A list of texts of one form, in words and as a judge. */
struct form {
	bool (*judge)(const char *text);
	const char *list, *one;
};

static const struct form endpoints = {is_endpoint, "a list of host:port",
				      "host:port such as packages.example.com:443"};
static const struct form networks = {is_network, "a list of networks",
				     "a network such as 10.0.0.0/8"};

static bool decode_forms(struct decode *d, const struct field *field, const struct node *value,
			 void *out)
{
	const struct form *form = field->arg;
	struct texts *list = out;

	if (value->kind != NODE_LIST)
		return decode_wrong(d, value, form->list);
	if (!decode_texts(d, field, value, list))
		return false;
	for (size_t i = 0; i < list->count; i++) {
		if (form->judge(list->list[i]))
			continue;
		diag_error(d->diags, value->items[i]->at, "policy", "expected %s, found '%s'",
			   form->one, list->list[i]);
		return false;
	}
	return true;
}

static const struct field network_fields[] = {
	{"mode", decode_enum, offsetof(struct policy, network), FIELD_REQUIRED,
	 policy_network_names},
	{"allow", decode_forms, offsetof(struct policy, network_allow), 0, &endpoints},
	{"internal", decode_forms, offsetof(struct policy, network_internal), 0, &networks},
};

static bool decode_network(struct decode *d, const struct field *field, const struct node *value,
			   void *out)
{
	struct policy *p = out;

	(void)field;
	if (!decode_map(d, network_fields, COUNT(network_fields), "network", value, p))
		return false;
	if ((p->network == POLICY_NET_PROXY) == (p->network_allow.count > 0) &&
	    (p->network == POLICY_NET_PROXY || !p->network_internal.count))
		return true;
	diag_error(d->diags, value->at, "policy",
		   p->network == POLICY_NET_PROXY
			   ? "'network': mode proxy needs 'allow', a list of host:port"
			   : "'network': only mode proxy takes 'allow' and 'internal'");
	return false;
}

/* ---- the whole ---- */

static bool decode_file_name(struct decode *d, const struct field *field, const struct node *value,
			     void *out)
{
	const char **name = out;

	if (!decode_text(d, field, value, name))
		return false;
	if (policy_name_ok(*name))
		return true;
	diag_error(d->diags, value->at, "policy",
		   "'%s': expected a name of letters, digits, '-' and '_', found '%s'", field->key,
		   *name);
	return false;
}

static const struct field policy_fields[] = {
	{"name", decode_file_name, offsetof(struct policy, name), FIELD_REQUIRED, NULL},
	{"checkout", decode_enum, offsetof(struct policy, checkout), 0, policy_checkout_names},
	{"proc", decode_enum, offsetof(struct policy, proc), 0, policy_proc_names},
	{"network", decode_network, 0 /* several members */, 0, NULL},
	{"secrets", decode_names, offsetof(struct policy, secrets), 0, NULL},
	{"environments", decode_names, offsetof(struct policy, environments), 0, NULL},
	{"images", decode_names, offsetof(struct policy, images), 0, NULL},
	{"volumes", decode_places, offsetof(struct policy, volumes), 0, NULL},
	{"limits", policy_decode_limits, offsetof(struct policy, limits), 0, NULL},
	{"seccomp", decode_file_name, offsetof(struct policy, seccomp), 0, NULL},
	{"audit", decode_enum, offsetof(struct policy, audit), 0, policy_audit_names},
	{"caches", decode_enum, offsetof(struct policy, caches), 0, policy_caches_names},
	{"env-file", decode_enum, offsetof(struct policy, env_file), 0, policy_env_file_names},
	{"require", decode_walls, offsetof(struct policy, require), 0, NULL},
};

bool policy_name_ok(const char *name)
{
	size_t len = strlen(name);

	return len > 0 && len <= 64 && isalnum((unsigned char)name[0]) &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") ==
		       len;
}

/* The line that says `key`: a list may begin on the next. */
static struct place place_of(const struct node *root, const char *key)
{
	for (size_t i = 0; i < root->count; i++)
		if (strcmp(root->pairs[i].key->text, key) == 0)
			return root->pairs[i].key->at;
	return root->at;
}

struct policy *policy_load(struct arena *a, const char *path, const char *text, size_t len,
			   struct diags *diags)
{
	static const char *walls[] = {"userns", "seccomp", "landlock"};
	struct decode d = {.arena = a, .diags = diags, .rule = "policy"};
	const struct node *root = yaml_parse(a, path, text, len, diags);
	struct policy *p = arena_alloc(a, sizeof(*p));

	if (!root)
		return NULL;
	*p = (struct policy){
		.path = arena_strdup(a, path),
		.limits = policy_limits_default,
		.seccomp = "default",
		.caches = POLICY_CACHES_GUEST,
		.require = {.list = walls, .count = COUNT(walls)},
	};
	if (!decode_map(&d, policy_fields, COUNT(policy_fields), "the policy", root, p))
		return NULL;
	p->network_at = place_of(root, "network");
	p->audit_at = place_of(root, "audit");
	p->secrets.at = place_of(root, "secrets");
	p->environments.at = place_of(root, "environments");
	p->images.at = place_of(root, "images");
	p->volumes.at = place_of(root, "volumes");
	return p;
}
