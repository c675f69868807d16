/*
 * What a workflow says of its services, options and all, and behind a zero byte what an image says of its
 * ports: refused with a reason, or read within limits, and then every port can be had.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "runner/run.h"
#include "stepcell/json.h"
#include "stepcell/limits.h"
#include "stepcell/yaml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define RESERVED 3128

static struct run run;
static struct policy policy = {.name = "p", .path = "p.yml"};
static const char contexts[] = "{\"matrix\": {\"image\": \"db\", \"port\": \"5433:5432\"}}";

static void check_one(const struct container *c)
{
	if (!c->name || !c->image || c->port_count > LIMIT_PORTS || c->volume_count > LIMIT_VOLUMES)
		abort();
	for (size_t i = 0; i < c->volume_count; i++)
		if (c->volumes[i].at[0] != '/' ||
		    (c->volumes[i].from && c->volumes[i].from[0] != '/'))
			abort();
	for (size_t i = 0; i < c->names.count; i++)
		if (strpbrk(c->names.list[i], " \t\n#"))
			abort(); /* it goes into /etc/hosts */
	if (c->health.interval_ms > UINT64_C(24) * 3600 * 1000)
		abort();
}

/* Every port that is published has a place of the job's loopback to itself. */
static void check_ports(const struct container *list, size_t count)
{
	const bool apart = ports_apart(list, count, RESERVED);
	uint8_t taken[2][65536] = {0};

	for (size_t i = 0; i < count; i++)
		for (size_t j = 0; j < list[i].port_count; j++) {
			const struct container_port *p = &list[i].ports[j];

			if (!p->port || (p->outside == RESERVED && !p->udp) || (apart && p->udp) ||
			    (!p->text != !p->outside))
				abort();
			if (p->text &&
			    (taken[p->udp][p->outside]++ || (!apart && p->outside != p->port)))
				abort();
		}
}

static void read_services(struct arena *a, const struct node *services, const struct node *config)
{
	struct err err = {0};
	const struct expr_scope scope = {
		.contexts = json_parse(a, "contexts", contexts, strlen(contexts), &err),
		.memory = MIB};
	const struct image image = {.config = config};
	struct container *list;
	size_t count;

	if (container_read_services(&run, &scope, services, true, &list, &count, &err) < 0) {
		if (err.kind == ERR_NONE || !err.text[0])
			abort();
		return;
	}
	for (size_t i = 0; i < count; i++) {
		ports_expose(a, &image, &list[i]);
		check_one(&list[i]);
	}
	if (ports_check(list, count, RESERVED, &err) < 0)
		return;
	ports_assign(list, count, RESERVED);
	check_ports(list, count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *places[] = {"/srv/data", "/srv/cache:rw"};
	const uint8_t *zero = size ? memchr(data, 0, size) : NULL;
	const size_t len = zero ? (size_t)(zero - data) : size;
	struct arena *a = arena_new();
	struct diags diags = {.arena = a};
	struct err err = {0};
	const struct node *services = yaml_parse(a, "s.yml", (const char *)data, len, &diags);
	const struct node *config =
		zero ? json_parse(a, "config", (const char *)zero + 1, size - len - 1, &err) : NULL;

	policy.volumes.names = (struct texts){places, 2};
	run.arena = a;
	run.policy = &policy;
	if (services)
		read_services(a, services, config);
	arena_free(&a);
	return 0;
}
