/* What a workflow says about a container, key by key. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runner/container.h"
#include "runner/run.h"
#include "runner/shell.h"
#include "stepcell/limits.h"
#include "stepcell/parse.h"
#include "stepcell/util.h"

/* ---- ports ---- */

static int port_number(const char *text, size_t len, uint64_t *out)
{
	char digits[8];

	if (len >= sizeof(digits))
		return -1;
	memcpy(digits, text, len);
	digits[len] = '\0';
	return parse_u64(digits, 1, 65535, out);
}

/* [[ADDRESS:][HOST]:]PORT[/tcp|/udp]; the address is any of the job's loopback. */
static int port_parse(struct arena *a, const char *text, struct container_port *out,
		      struct err *err)
{
	const char *slash = strchr(text, '/');
	const char *end = slash ? slash : text + strlen(text), *port = end, *host;
	uint64_t inside, outside = 0;

	while (port > text && port[-1] != ':')
		port--;
	for (host = port > text ? port - 1 : text; host > text && host[-1] != ':';)
		host--;
	if (port_number(port, (size_t)(end - port), &inside) < 0 ||
	    (slash && strcmp(slash, "/tcp") != 0 && strcmp(slash, "/udp") != 0) ||
	    (port > text && port - 1 > host &&
	     port_number(host, (size_t)(port - 1 - host), &outside) < 0))
		return err_fail(err, ERR_USAGE, "ports: expected 5432 or 5433:5432, found '%.100s'",
				text);
	*out = (struct container_port){.port = (uint16_t)inside,
				       .outside = (uint16_t)outside,
				       .udp = slash && strcmp(slash, "/udp") == 0};
	out->text = arena_printf(a, "%u%s", (unsigned)inside, out->udp ? "/udp" : "");
	return 0;
}

static bool is_said(const struct container *c, const struct container_port *port)
{
	for (size_t i = 0; i < c->port_count; i++)
		if (c->ports[i].port == port->port && c->ports[i].outside == port->outside &&
		    c->ports[i].udp == port->udp)
			return true;
	return false;
}

static int read_port(const struct run *run, const char *text, struct container *c, struct err *err)
{
	struct container_port port;

	if (port_parse(run->arena, text, &port, err) < 0)
		return -1;
	if (is_said(c, &port))
		return 0;
	if (c->port_count == LIMIT_PORTS)
		return err_fail(err, ERR_USAGE, "ports: more than %u of them", LIMIT_PORTS);
	c->ports = arena_grow(run->arena, c->ports, c->port_count, sizeof(*c->ports));
	c->ports[c->port_count++] = port;
	return 0;
}

/* ---- volumes ---- */

static bool lies_in(const char *path, const char *folder)
{
	const size_t len = strcmp(folder, "/") == 0 ? 0 : strlen(folder);

	return strncmp(path, folder, len) == 0 && (path[len] == '/' || path[len] == '\0');
}

/*
 * What stepcell keeps decides over every later cell: images, filters, caches. A
 * policy that means a home folder does not mean that.
 */
static int check_apart(const struct run *run, const char *from, struct err *err)
{
	char real[PATH_MAX];

	if (!*run->home || !realpath(from, real)) /* what is not there is told by who mounts it */
		return 0;
	if (!lies_in(real, run->home) && !lies_in(run->home, real))
		return 0;
	return err_fail(err, ERR_POLICY,
			"volume '%s' is refused: stepcell's own state is in '%s', and no container "
			"may write there",
			from, run->home);
}

/*
 * [SOURCE:]PLACE[:ro|rw]. A named volume is the container's own: what two of
 * them share would lie outside of every count.
 */
static int read_volume(const struct run *run, const char *text, struct container *c,
		       struct err *err)
{
	struct arena *a = run->arena;
	const char *colon = strchr(text, ':');
	const char *at = colon ? colon + 1 : text, *mode = strchr(at, ':');
	struct container_volume v = {.writable = true};

	v.at = arena_strndup(a, at, mode ? (size_t)(mode - at) : strlen(at));
	if (*v.at != '/' || !v.at[1] || (mode && !strstr(":ro:rw", mode)))
		return err_fail(err, ERR_USAGE,
				"volumes: expected [SOURCE:]/PLACE[:ro], found '%.100s'", text);
	if (c->volume_count == LIMIT_VOLUMES || strlen(v.at) > LIMIT_VOLUME_PLACE)
		return err_fail(err, ERR_USAGE, "volumes: more than %u of them, or %u bytes",
				LIMIT_VOLUMES, LIMIT_VOLUME_PLACE);
	v.writable = !mode || strcmp(mode, ":ro") != 0;
	if (colon && *text == '/') {
		v.from = arena_strndup(a, text, (size_t)(colon - text));
		if (policy_allow_volume(run->policy, v.from, v.writable, err) < 0 ||
		    (v.writable && check_apart(run, v.from, err) < 0))
			return -1;
	}
	c->volumes = arena_grow(a, c->volumes, c->volume_count, sizeof(*c->volumes));
	c->volumes[c->volume_count++] = v;
	return 0;
}

/* ---- the keys ---- */

struct reading {
	const struct run *run;
	struct container *out;
};

typedef int key_fn(struct reading *r, const struct node *value, struct err *err);

static int read_image(struct reading *r, const struct node *value, struct err *err)
{
	const char *image = expr_text(r->run->arena, value);

	(void)err;
	if (strncmp(image, "docker://", 9) == 0)
		image += 9;
	r->out->image = *image ? image : NULL;
	return 0;
}

static int read_options(struct reading *r, const struct node *value, struct err *err)
{
	return container_options(r->run, expr_text(r->run->arena, value), r->out, err);
}

typedef int item_fn(const struct run *run, const char *text, struct container *c, struct err *err);

static int read_list(struct reading *r, const struct node *value, item_fn *take, struct err *err)
{
	if (value->kind != NODE_LIST)
		return 0; /* a null */
	for (size_t i = 0; i < value->count; i++)
		if (take(r->run, expr_text(r->run->arena, value->items[i]), r->out, err) < 0)
			return -1;
	return 0;
}

static int read_ports(struct reading *r, const struct node *value, struct err *err)
{
	return read_list(r, value, read_port, err);
}

static int read_volumes(struct reading *r, const struct node *value, struct err *err)
{
	return read_list(r, value, read_volume, err);
}

static int read_entrypoint(struct reading *r, const struct node *value, struct err *err)
{
	const char *text = expr_text(r->run->arena, value);

	(void)err;
	r->out->entrypoint = *text ? text : NULL;
	return 0;
}

static int read_command(struct reading *r, const struct node *value, struct err *err)
{
	(void)err;
	r->out->command = shell_words(r->run->arena, expr_text(r->run->arena, value));
	return 0;
}

/* What `options` say comes last, and so before all of it. */
static int read_env(struct reading *r, const struct node *value, struct err *err)
{
	struct node *env = node_map(r->run->arena);

	if (value->count > LIMIT_ENV_PAIRS)
		return err_fail(err, ERR_USAGE, "env: more than %u variables", LIMIT_ENV_PAIRS);
	for (size_t i = 0; value->kind == NODE_MAP && i < value->count; i++)
		node_set_text(r->run->arena, env, value->pairs[i].key->text,
			      expr_text(r->run->arena, value->pairs[i].value));
	r->out->env = env;
	return 0;
}

/* In the order in which they are read; credentials are for whoever fetches. */
static const struct {
	const char *key;
	key_fn *read;
	bool late; /* not before the run has begun */
} keys[] = {
	{"image", read_image, false},           {"env", read_env, true},
	{"entrypoint", read_entrypoint, false}, {"command", read_command, false},
	{"ports", read_ports, false},           {"volumes", read_volumes, false},
	{"options", read_options, false},
};

/* A string is the image alone. */
static const struct node *value_of(const struct node *written, size_t key)
{
	if (written->kind != NODE_MAP)
		return key == 0 ? written : NULL;
	return node_get(written, keys[key].key);
}

/* `scope` NULL: `written` is what an expression gave, and data is not evaluated. */
static int read_keys(struct reading *r, const struct expr_scope *scope, const struct node *written,
		     bool whole, struct err *err)
{
	for (size_t i = 0; i < COUNT(keys); i++) {
		const struct node *tree = value_of(written, i), *value = tree;

		if (!tree || (keys[i].late && !whole))
			continue;
		if (scope && scope_tree(r->run->arena, scope, keys[i].key, tree, &value, err) < 0)
			return -1;
		/* an expression may have been the whole of it */
		if (i == 0 && scope && value->kind == NODE_MAP)
			return read_keys(r, NULL, value, whole, err);
		if (value->kind != NODE_NULL && keys[i].read(r, value, err) < 0)
			return -1;
	}
	return 0;
}

int container_read(const struct run *run, const struct expr_scope *scope,
		   const struct node *written, const char *name, bool whole, struct container *out,
		   struct err *err)
{
	struct reading r = {run, out};

	*out = (struct container){.name = name, .limits = run->policy->limits};
	return read_keys(&r, scope, written, whole, err);
}

int container_read_services(const struct run *run, const struct expr_scope *scope,
			    const struct node *services, bool whole, struct container **out,
			    size_t *count, struct err *err)
{
	struct container *list = NULL;

	*count = 0;
	for (size_t i = 0; services && services->kind == NODE_MAP && i < services->count; i++) {
		const char *name = services->pairs[i].key->text;

		list = arena_grow(run->arena, list, *count, sizeof(*list));
		if (container_read(run, scope, services->pairs[i].value, name, whole, &list[*count],
				   err) < 0)
			return err_wrap(err, "service '%s'", name);
		*count += list[*count].image != NULL;
	}
	*out = list;
	return container_check_services(run, list, *count, err);
}

/* ---- all of them together ---- */

int container_check_services(const struct run *run, const struct container *list, size_t count,
			     struct err *err)
{
	const struct policy *p = run->policy;

	if (count && p->network == POLICY_NET_FULL)
		return err_fail(err, ERR_POLICY,
				"policy '%s' gives its jobs the caller's network, where services "
				"would listen for everybody; choose one with network none",
				p->name);
	if (p->limits.services && count > p->limits.services)
		return err_fail(err, ERR_POLICY,
				"a job of policy '%s' has %llu services at most, and this one has "
				"%zu",
				p->name, (unsigned long long)p->limits.services, count);
	return ports_check(list, count, ports_reserved(p), err);
}
