/* Which ports of a job's services lead where, and whether they can share its loopback. */
#include <string.h>

#include "runner/run.h"
#include "stepcell/limits.h"
#include "stepcell/parse.h"
#include "stepcell/proxy.h"
#include "stepcell/util.h"

/* ---- sets of ports: lists are a stranger's, and looked through once ---- */

struct port_set {
	uint8_t bits[2][65536 / 8];
};

static bool has(const struct port_set *set, bool udp, uint16_t port)
{
	return set->bits[udp][port / 8] >> (port % 8) & 1;
}

static void add(struct port_set *set, bool udp, uint16_t port)
{
	set->bits[udp][port / 8] |= (uint8_t)(1 << (port % 8));
}

/* ---- can they share? ---- */

uint16_t ports_reserved(const struct policy *policy)
{
	return policy->network == POLICY_NET_PROXY ? PROXY_PORT : 0;
}

bool ports_apart(const struct container *list, size_t count, uint16_t reserved)
{
	struct port_set seen = {0};

	add(&seen, false, reserved);
	for (size_t i = 0; i < count; i++) {
		const struct container *c = &list[i];

		for (size_t j = 0; j < c->port_count; j++)
			if ((c->ports[j].outside && c->ports[j].outside != c->ports[j].port) ||
			    has(&seen, c->ports[j].udp, c->ports[j].port))
				return true;
		for (size_t j = 0; j < c->port_count; j++)
			add(&seen, c->ports[j].udp, c->ports[j].port);
	}
	return false;
}

/* ---- what cannot be ---- */

static const char *who_has(const struct container *list, const struct container_port *port)
{
	for (;; list++)
		for (size_t j = 0; j < list->port_count; j++)
			if (list->ports[j].outside == port->outside &&
			    list->ports[j].udp == port->udp)
				return list->name;
}

static int check_outside(const struct container *list, size_t count, uint16_t reserved,
			 struct err *err)
{
	struct port_set taken = {0};

	for (size_t i = 0; i < count; i++)
		for (size_t j = 0; j < list[i].port_count; j++) {
			const struct container_port *port = &list[i].ports[j];

			if (!port->outside)
				continue;
			if (port->outside == reserved && !port->udp)
				return err_fail(err, ERR_USAGE,
						"service '%s' wants port %u of the job's loopback, "
						"where its proxy is",
						list[i].name, reserved);
			if (has(&taken, port->udp, port->outside))
				return err_fail(err, ERR_USAGE,
						"services '%s' and '%s' both want port %u of the "
						"job's loopback; leave the number out, and each "
						"gets one",
						who_has(list, port), list[i].name, port->outside);
			add(&taken, port->udp, port->outside);
		}
	return 0;
}

static int check_apart(const struct container *list, size_t count, struct err *err)
{
	if (count > LIMIT_SERVICES_APART)
		return err_fail(err, ERR_USAGE,
				"more than %u services, which need a network each: a port is "
				"mapped to another, or two of them listen on one",
				LIMIT_SERVICES_APART);
	for (size_t i = 0; i < count; i++)
		for (size_t j = 0; j < list[i].port_count; j++)
			if (list[i].ports[j].udp)
				return err_fail(
					err, ERR_USAGE,
					"service '%s': port %s: the services of this job need a "
					"network each, for a port is mapped to another, or two of "
					"them listen on one; only tcp leads there",
					list[i].name, list[i].ports[j].text);
	return 0;
}

int ports_check(const struct container *list, size_t count, uint16_t reserved, struct err *err)
{
	if (check_outside(list, count, reserved, err) < 0)
		return -1;
	return ports_apart(list, count, reserved) ? check_apart(list, count, err) : 0;
}

/* ---- what an image says ---- */

bool ports_have(const struct container *c, uint16_t port)
{
	for (size_t i = 0; i < c->port_count; i++)
		if (c->ports[i].port == port && !c->ports[i].udp)
			return true;
	return false;
}

/* "5432/tcp"; others are not led to. */
static bool exposed_port(const char *text, uint64_t *out)
{
	const size_t len = strcspn(text, "/");
	char digits[8];

	if (len >= sizeof(digits) || (text[len] && strcmp(text + len, "/tcp") != 0))
		return false;
	memcpy(digits, text, len);
	digits[len] = '\0';
	return parse_u64(digits, 1, 65535, out) == 0;
}

void ports_expose(struct arena *a, const struct image *image, struct container *c)
{
	const struct node *set = node_get(image->config, "ExposedPorts");
	uint64_t port;

	for (size_t i = 0; set && set->kind == NODE_MAP && i < set->count; i++) {
		if (c->port_count == LIMIT_PORTS)
			return;
		if (!exposed_port(set->pairs[i].key->text, &port) || ports_have(c, (uint16_t)port))
			continue;
		c->ports = arena_grow(a, c->ports, c->port_count, sizeof(*c->ports));
		c->ports[c->port_count++] = (struct container_port){.port = (uint16_t)port};
	}
}

/* ---- those that may be any ---- */

#define FIRST_OF_ANY 32768 /* where Linux begins, and Docker with it */

static uint16_t any_port(const struct port_set *taken, uint16_t wish)
{
	if (!has(taken, false, wish))
		return wish;
	for (uint16_t port = FIRST_OF_ANY; port; port++)
		if (!has(taken, false, port))
			return port;
	return wish; /* all are taken: listening says so */
}

void ports_assign(struct container *list, size_t count, uint16_t reserved)
{
	struct port_set taken = {0};

	add(&taken, false, reserved);
	for (size_t i = 0; i < count; i++)
		for (size_t j = 0; j < list[i].port_count; j++)
			add(&taken, list[i].ports[j].udp, list[i].ports[j].outside);
	for (size_t i = 0; i < count; i++)
		for (size_t j = 0; j < list[i].port_count; j++) {
			struct container_port *port = &list[i].ports[j];

			if (port->outside || !port->text)
				continue;
			port->outside = port->udp ? port->port : any_port(&taken, port->port);
			add(&taken, port->udp, port->outside);
		}
}
