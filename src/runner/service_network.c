/*
 * Where the services of a job are found. Usually all its cells share one loopback.
 * Where that cannot be, since a port is mapped to another or two services listen on
 * one, each service has an owner of its own, with that owner's loopback, and a cell
 * that leads to its ports (forward_start): from the job's loopback, and from the
 * other services', in which it has an address by its number.
 */
#include <string.h>

#include "runner/run.h"
#include "stepcell/fd.h"
#include "stepcell/proxy.h"
#include "stepcell/util.h"

#define HERE "127.0.0.1"

/* ---- names ---- */

static const char *address_of(const struct service *s)
{
	const size_t number = (size_t)(s - s->job->services) + 1;

	return arena_printf(s->job->arena, "127.0.1.%zu", number);
}

static void add_names(struct arena *a, struct hosts *hosts, const struct container *c,
		      const char *address)
{
	for (size_t i = 0; i <= c->names.count; i++) {
		hosts->list = arena_grow(a, hosts->list, hosts->count, sizeof(*hosts->list));
		hosts->list[hosts->count++] =
			(struct host){i ? c->names.list[i - 1] : c->name, address};
	}
}

/* Everybody's as one sees them who has services apart as neighbours, but `self` as itself. */
static struct hosts hosts_seen(struct job_run *job, const struct service *self, bool apart)
{
	struct hosts hosts = {0};

	for (size_t i = 0; i < job->service_count; i++) {
		const struct service *s = &job->services[i];

		add_names(job->arena, &hosts, &s->container,
			  apart && s != self ? address_of(s) : HERE);
	}
	return hosts;
}

struct hosts service_hosts(const struct service *s)
{
	return hosts_seen(s->job, s, s->job->apart);
}

/*
 * Without a container: the steps are on the host, as workflows see it, and a step may
 * well listen at a port that is a service's too. There names lead where ports: do.
 */
static bool has_addresses(const struct job_run *job)
{
	return job->apart && job->container;
}

/* ---- the plan ---- */

static void give_ports(struct job_run *job, const struct container *list)
{
	for (size_t i = 0; i < job->service_count; i++)
		job->services[i].container = list[i];
}

int service_networks_plan(struct job_run *job, struct container *list, struct err *err)
{
	const size_t count = job->service_count;
	const uint16_t reserved = ports_reserved(job->run->policy);

	for (size_t i = 0; i < count; i++)
		ports_expose(job->arena, &job->services[i].image, &list[i]);
	if (ports_check(list, count, reserved, err) < 0)
		return -1;
	job->apart = ports_apart(list, count, reserved);
	ports_assign(list, count, reserved);
	give_ports(job, list);
	job->hosts = hosts_seen(job, NULL, has_addresses(job));
	return 0;
}

/* ---- the ways to one service ---- */

struct ways {
	struct forward list[FORWARDS_MAX];
	size_t count;
};

static int add_way(struct ways *w, struct cell_owner *from, const char *address, uint16_t at,
		   uint16_t port, struct err *err)
{
	struct forward *f = &w->list[w->count];

	if (w->count == FORWARDS_MAX)
		return err_fail(err, ERR_USAGE, "more than %d ways to its ports", FORWARDS_MAX);
	if (cell_owner_listen(from, address, at, &f->listener, err) < 0)
		return -1;
	f->port = port;
	w->count++;
	return 0;
}

/* As `ports:` has it: localhost may be either address, and no IPv6 is no matter. */
static int add_published(struct ways *w, const struct service *s, const struct container_port *port,
			 struct err *err)
{
	struct err ignored = {0};

	if (!port->text)
		return 0;
	if (add_way(w, s->job->owner, HERE, port->outside, port->port, err) < 0)
		return -1;
	(void)add_way(w, s->job->owner, "::1", port->outside, port->port, &ignored);
	return 0;
}

/* By its name: from the job's container, and from services that do not listen on that port themselves. */
static int add_named(struct ways *w, const struct service *s, uint16_t port, struct err *err)
{
	struct job_run *job = s->job;
	const char *address = address_of(s);

	if (has_addresses(job) && add_way(w, job->owner, address, port, port, err) < 0)
		return -1;
	for (size_t i = 0; i < job->service_count; i++) {
		const struct service *other = &job->services[i];

		if (other != s && !ports_have(&other->container, port) &&
		    add_way(w, other->owner, address, port, port, err) < 0)
			return -1;
	}
	return 0;
}

static bool is_first(const struct container *c, size_t port)
{
	for (size_t i = 0; i < port; i++)
		if (c->ports[i].port == c->ports[port].port)
			return false;
	return true;
}

static int add_ways(struct ways *w, const struct service *s, struct err *err)
{
	const struct container *c = &s->container;

	for (size_t i = 0; i < c->port_count; i++)
		if (add_published(w, s, &c->ports[i], err) < 0 ||
		    (is_first(c, i) && add_named(w, s, c->ports[i].port, err) < 0))
			return -1;
	return 0;
}

static int open_ways(struct service *s, const struct ways *w, struct err *err)
{
	const struct run *run = s->job->run;
	const struct forward_spec spec = {
		.name = "forward",
		.state = run->home,
		.owner = s->owner,
		.require = run->require,
		.list = w->list,
		.count = w->count,
	};

	return w->count ? forward_start(&spec, &s->forward, err) : 0;
}

static int lead_to(struct service *s, struct err *err)
{
	struct ways ways = {.count = 0};
	int r = add_ways(&ways, s, err);

	if (r == 0)
		r = open_ways(s, &ways, err);
	for (size_t i = 0; i < ways.count; i++)
		fd_close(&ways.list[i].listener);
	return r < 0 ? err_wrap(err, "service '%s'", s->container.name) : 0;
}

/* ---- all of them ---- */

struct cell_owner *service_owner(const struct service *s)
{
	return s->owner ? s->owner : s->job->owner;
}

int service_networks_open(struct job_run *job, struct err *err)
{
	if (!job->apart)
		return 0;
	for (size_t i = 0; i < job->service_count; i++)
		if (cell_owner_open(job->run->home, &job->services[i].owner, err) < 0)
			return -1;
	for (size_t i = 0; i < job->service_count; i++)
		if (lead_to(&job->services[i], err) < 0)
			return -1;
	return 0;
}
