/*
 * container: what `container:`, a service or a Docker action asks for, and
 * the root that its image gives. Nothing is fetched: an image is in the store
 * or the job does not start.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "stepcell/cell.h"
#include "stepcell/decode.h"
#include "stepcell/image.h"
#include "stepcell/node.h"
#include "stepcell/policy.h"
#include "stepcell/workflow.h"

struct run;

struct container_port {
	uint16_t port;    /* that the server listens on */
	uint16_t outside; /* of the job's loopback; 0: any, until ports_assign() */
	const char *text; /* as `job.services.NAME.ports` knows it: "5432", "53/udp"; NULL: the
			     image's word, and published nowhere */
	bool udp;
};

/* Names under which cells find services, and where. */
struct host {
	const char *name, *address;
};
struct hosts {
	struct host *list;
	size_t count;
};

struct container_volume {
	const char *from; /* of the host, absolute; NULL: the container's own */
	const char *at;
	bool writable;
};

/* How Docker finds out whether a container is well. */
struct container_health {
	bool set, none;
	const char *const *argv; /* NULL: it is not asked */
	uint64_t interval_ms, timeout_ms, start_ms, retries;
};

struct container {
	const char *name;  /* the service's; NULL: the job's own, or an action's */
	const char *image; /* as the workflow names it; NULL: there is none after all */
	struct node *env;
	struct container_port *ports;
	size_t port_count;
	struct container_volume *volumes;
	size_t volume_count;
	const char *entrypoint;         /* NULL: the image's */
	struct texts command;           /* none: the image's */
	const char *user, *workdir;     /* NULL: the image's */
	const char *stop_signal;        /* likewise */
	struct texts names;             /* beside its own, under which others find it */
	struct container_health health; /* what the workflow says of it */
	struct policy_limits limits;    /* the policy's, or less */
};

/* ---- container_read.c ---- */

/*
 * Read what a workflow says. Before the run has begun (`whole` false) env and
 * credentials are left alone: they may name what is not known yet. ERR_USAGE
 * for what is not served, and ERR_POLICY for what the policy does not grant.
 */
int container_read(const struct run *run, const struct expr_scope *scope,
		   const struct node *written, const char *name, bool whole, struct container *out,
		   struct err *err);

/* All services of a job, those without an image left out. */
int container_read_services(const struct run *run, const struct expr_scope *scope,
			    const struct node *services, bool whole, struct container **out,
			    size_t *count, struct err *err);

/* Ports that cannot be had, more services than the policy allows. */
int container_check_services(const struct run *run, const struct container *list, size_t count,
			     struct err *err);

/* ---- ports.c ---- */

/* The tcp port of a job's loopback that is not for services: a proxy's; 0: none. */
uint16_t ports_reserved(const struct policy *policy);
/* Do they need a network each: is a port mapped to another, does one listen on another's, or on `reserved`? */
bool ports_apart(const struct container *list, size_t count, uint16_t reserved);
/* ERR_USAGE: two want one port of the job's loopback; udp, or too many, where they are apart. */
int ports_check(const struct container *list, size_t count, uint16_t reserved, struct err *err);
/* Does it listen on that tcp port, as far as the workflow or its image says? */
bool ports_have(const struct container *c, uint16_t port);
/* Add the image's tcp ports, LIMIT_PORTS in all. */
void ports_expose(struct arena *a, const struct image *image, struct container *c);
/* Choose those that may be any, but not `reserved`: the same number where that is free. */
void ports_assign(struct container *list, size_t count, uint16_t reserved);

/* ---- container_options.c ---- */

/* The `options:` of docker create, as far as they are served. */
int container_options(const struct run *run, const char *text, struct container *out,
		      struct err *err);

/* ---- container_image.c ---- */

/* The image in the store, if the policy lets a workflow use it and its files are as they were. */
int container_image(struct run *run, const char *ref, struct image *out, struct err *err);

/* Who uid 1001 is in an image: the account that the image wants to run as, with that id. */
struct account {
	const char *name, *home, *shell;
	bool root; /* the image wants to be root, which nobody is here */
};
struct account account_of(struct arena *a, const struct image *image, const char *user);

/*
 * Fill `layer`, a directory that lies above the image: /etc/passwd, /etc/group
 * and /etc/hosts, and the places of `volumes` that the image lacks.
 */
int container_layer(struct arena *a, const struct image *image, const struct account *account,
		    const struct hosts *hosts, const struct container *c, const char *layer,
		    struct err *err);

/* The folders of the host among its volumes. */
size_t container_binds(struct arena *a, const struct container *c, struct cell_bind **out);

/* /etc/hosts in a layer that has an etc. */
int hosts_write(const struct hosts *hosts, const char *layer, struct err *err);

/* Entrypoint and command, an action's or the workflow's before the image's; NULL: neither has one. */
const char *const *container_argv(struct arena *a, const struct image *image,
				  const char *entrypoint, const struct texts *command,
				  struct err *err);

/* A list of strings of the image's configuration; none when it has none. */
struct texts container_config_texts(struct arena *a, const struct image *image, const char *key);
const char *container_config_text(const struct image *image, const char *key); /* NULL: "" too */

/* The image's variables in `env`. */
void container_env(struct arena *a, const struct image *image, struct node *env);

/* What the image says of its health, where the workflow says nothing else. */
struct container_health container_health_of(struct arena *a, const struct image *image,
					    const struct container *c);
