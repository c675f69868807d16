/*
 * forward: from listeners in any network to the loopback of the one we are in.
 *
 * All clients are of one job and want one server, which are no strangers to each
 * other: one process serves them, from a fixed number of places. A place has the
 * buffers of one connection and is used again; nothing grows. While all are taken
 * the listeners are left alone, and who comes waits in the kernel's queue.
 */
#include "proxy/forward.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proxy/pump.h"
#include "stepcell/cell.h"
#include "stepcell/fd.h"
#include "stepcell/limits.h"
#include "stepcell/proxy.h"
#include "stepcell/util.h"

struct place {
	bool used;
	bool connecting;
	struct pollfd *fds; /* the client's and the server's, where it was asked for them */
	struct pump pump;
};

struct server {
	const uint16_t *ports;
	const int *listeners;
	size_t listener_count;
	struct place *places; /* FORWARD_CLIENTS */
	size_t running;
};

/* ---- one connection ---- */

/* What the kernel says where nobody listens is said to the client too: a reset, and no empty answer. */
static void reset(int client)
{
	const struct linger at_once = {.l_onoff = 1};

	(void)setsockopt(client, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
}

static void leave(struct server *s, struct place *p)
{
	fd_close(&p->pump.up.from);
	fd_close(&p->pump.up.to);
	p->used = false;
	s->running--;
}

static int connect_begin(uint16_t port)
{
	const struct sockaddr_in to = {.sin_family = AF_INET,
				       .sin_port = htons(port),
				       .sin_addr = {htonl(INADDR_LOOPBACK)}};
	auto_fd int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -1;
	if (connect(fd, (const struct sockaddr *)&to, sizeof(to)) < 0 && errno != EINPROGRESS)
		return -1;
	return take_fd(&fd);
}

static struct place *free_place(const struct server *s)
{
	for (size_t i = 0; i < FORWARD_CLIENTS; i++)
		if (!s->places[i].used)
			return &s->places[i];
	return NULL;
}

static void take_client(struct server *s, size_t listener)
{
	struct place *p = free_place(s);
	auto_fd int client = p ? accept4(s->listeners[listener], NULL, NULL, SOCK_CLOEXEC) : -1;
	auto_fd int server = client < 0 ? -1 : connect_begin(s->ports[listener]);

	if (server < 0) {
		if (client >= 0)
			reset(client);
		return;
	}
	pump_init(&p->pump, take_fd(&client), take_fd(&server), PUMP_ALL);
	p->used = p->connecting = true;
	p->fds = NULL;
	s->running++;
}

/* False when nobody listens there. */
static bool is_connected(struct place *p)
{
	const int fd = p->pump.up.to;
	int error = 0;

	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &(socklen_t){sizeof(error)}) < 0 || error)
		return false;
	p->connecting = false;
	return true;
}

/* False when it has ended. */
static bool go_on(struct place *p)
{
	if (p->connecting && p->fds[1].revents && !is_connected(p)) {
		reset(p->pump.up.from);
		return false;
	}
	if (p->connecting)
		return true;
	if (!pump_move(&p->pump, p->fds) || pump_is_left(&p->pump, p->fds))
		return false;
	return !p->pump.up.shut || !p->pump.down.shut;
}

/* ---- all of them ---- */

static void wants(struct place *p, struct pollfd *fds)
{
	p->fds = fds;
	if (!p->connecting) {
		pump_wants(&p->pump, fds);
		return;
	}
	fds[0] = (struct pollfd){.fd = -1};
	fds[1] = (struct pollfd){.fd = p->pump.up.to, .events = POLLOUT};
}

/* The listeners first, then two for each place that is used; how many. */
static size_t list_fds(struct server *s, struct pollfd *fds)
{
	const bool full = s->running == FORWARD_CLIENTS;
	size_t n = 0;

	for (; n < s->listener_count; n++)
		fds[n] = (struct pollfd){.fd = full ? -1 : s->listeners[n], .events = POLLIN};
	for (size_t i = 0; i < FORWARD_CLIENTS; i++) {
		if (!s->places[i].used)
			continue;
		wants(&s->places[i], fds + n);
		n += 2;
	}
	return n;
}

static int serve(struct server *s, struct pollfd *fds)
{
	for (;;) {
		const size_t count = list_fds(s, fds);

		if (poll(fds, count, -1) < 0 && errno != EINTR)
			return 1;
		for (size_t i = 0; i < FORWARD_CLIENTS; i++)
			if (s->places[i].used && !go_on(&s->places[i]))
				leave(s, &s->places[i]);
		for (size_t i = 0; i < s->listener_count; i++)
			if (fds[i].revents)
				take_client(s, i);
	}
}

/* A client that is gone before it is accepted must not be waited for. */
static int make_ready(const struct server *s)
{
	struct err ignored = {0};

	for (size_t i = 0; i < s->listener_count; i++)
		if (fd_nonblock(s->listeners[i], &ignored) < 0)
			return -1;
	return 0;
}

int forward_serve(void *arg, const int *fds, size_t fd_count)
{
	struct server s = {.ports = arg,
			   .listeners = fds,
			   .listener_count = fd_count,
			   .places = calloc(FORWARD_CLIENTS, sizeof(*s.places))};
	struct pollfd *list = calloc(fd_count + 2 * FORWARD_CLIENTS, sizeof(*list));

	/* who is killed for it, or ends, frees them */
	return s.places && list && make_ready(&s) == 0 ? serve(&s, list) : 1;
}

/* ---- from outside ---- */

int forward_start(const struct forward_spec *spec, struct cell **out, struct err *err)
{
	int fds[FORWARDS_MAX];
	uint16_t ports[FORWARDS_MAX];
	const struct cell_spec cell = {
		.name = spec->name,
		.state = spec->state,
		.owner = spec->owner,
		.fn = forward_serve,
		.fn_arg = ports,
		.fds = fds,
		.fd_count = spec->count,
		.limits = {.memory = 256 * MIB,
			   .pids = 4,
			   .open_files = spec->count + 2 * FORWARD_CLIENTS + 8},
		.network = CELL_NET_SHARED,
		.seccomp = "forward",
		.require = spec->require,
	};

	if (spec->count > FORWARDS_MAX)
		return err_fail(err, ERR_USAGE, "more than %d ports are to be forwarded",
				FORWARDS_MAX);
	for (size_t i = 0; i < spec->count; i++) {
		fds[i] = spec->list[i].listener;
		ports[i] = spec->list[i].port;
	}
	return cell_start(&cell, out, NULL, err) < 0 ? err_wrap(err, "starting the forwarder") : 0;
}
