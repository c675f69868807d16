/*
 * relay: two directions, each with one buffer.
 *
 * The client's is held back at first where it is a tunnel, until its first bytes
 * have shown that a TLS client wants the server it was allowed. The server's is
 * free from the beginning: in some protocols it speaks first.
 */
#include "proxy/relay.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proxy/hello.h"
#include "stepcell/util.h"

#define IDLE_MS  300000
#define BUFFER   (64 * 1024)
#define TLS_PORT 443

static_assert(BUFFER >= HELLO_BYTES, "a hello is looked at whole");
static_assert(BUFFER >= RELAY_FIRST, "what goes first must fit");

struct way {
	int from, to;
	char bytes[BUFFER];
	size_t start, end; /* what is in it */
	uint64_t left;     /* that may still be taken */
	bool held;         /* taken, and not passed on yet */
	bool ended;        /* there is no more to take */
	bool shut;         /* and `to` knows */
};

static void take(struct way *w)
{
	size_t room = BUFFER - w->end;
	ssize_t n;

	room = room < w->left ? room : (size_t)w->left;
	n = recv(w->from, w->bytes + w->end, room, MSG_DONTWAIT);
	if (n > 0) {
		w->end += (size_t)n;
		w->left -= (uint64_t)n;
	}
	if (n == 0 || !w->left || (n < 0 && errno != EAGAIN && errno != EINTR))
		w->ended = true;
}

/* False when `to` is gone. */
static bool give(struct way *w)
{
	ssize_t n =
		send(w->to, w->bytes + w->start, w->end - w->start, MSG_DONTWAIT | MSG_NOSIGNAL);

	if (n < 0 && errno != EAGAIN && errno != EINTR)
		return false;
	w->start += n > 0 ? (size_t)n : 0;
	if (w->start == w->end)
		w->start = w->end = 0;
	return true;
}

/* Where a body ends the connection goes on; only the end of a tunnel is passed on. */
static void pass_end(struct way *w)
{
	if (!w->ended || w->shut || w->start < w->end)
		return;
	w->shut = true;
	if (w->left)
		(void)shutdown(w->to, SHUT_WR);
}

static short wanted_in(const struct way *w)
{
	return !w->ended && w->end < BUFFER && w->left ? POLLIN : 0;
}

static short wanted_out(const struct way *w)
{
	return !w->held && w->start < w->end ? POLLOUT : 0;
}

/* ---- the tunnel's first bytes ---- */

static bool judge_name(const struct request *r, const char *name, struct refusal *why)
{
	if (!*name || strcmp(name, r->to.host) == 0)
		return true;
	return refuse(why, 403, "the TLS client asks for another server, '%.100s'", name);
}

static bool judge_tunnel(struct way *up, const struct request *r, struct refusal *why)
{
	char name[256];

	switch (hello_parse((const uint8_t *)up->bytes, up->end, name)) {
	case HELLO_MORE:
		return up->end < BUFFER || refuse(why, 403, "its TLS never begins");
	case HELLO_OTHER:
		up->held = false;
		return r->to.port != TLS_PORT || refuse(why, 403, "it is no TLS, to port 443");
	case HELLO_TLS:
		up->held = false;
		return judge_name(r, name, why);
	case HELLO_HIDES:
		return refuse(why, 403, "the TLS client hides which server it asks for (ECH)");
	case HELLO_WRONG:
		break;
	}
	return refuse(why, 403, "its TLS makes no sense");
}

/* ---- both ways ---- */

static bool move(struct way *w, short from, short to)
{
	if (from & (POLLIN | POLLHUP | POLLERR) && wanted_in(w))
		take(w);
	if (to & (POLLOUT | POLLERR) && wanted_out(w) && !give(w))
		return false;
	if (!w->held)
		pass_end(w);
	return true;
}

/* A client that has gone away must not keep a server busy, though nothing is wanted of it. */
static bool is_gone(const struct pollfd *fd, const struct way *from, const struct way *to)
{
	return fd->revents & (POLLERR | POLLNVAL) ||
	       (fd->revents & POLLHUP && !wanted_in(from) && !wanted_out(to));
}

/* The client's end has come while it was held: with nothing, as some do who only listen. */
static bool end_held(struct way *up)
{
	if (!up->held || !up->ended)
		return true;
	up->held = false;
	pass_end(up);
	return !up->end;
}

static bool relay_ways(struct way *up, struct way *down, const struct request *r,
		       struct refusal *why)
{
	int n;

	while (!down->shut) {
		struct pollfd fds[] = {
			{.fd = up->from, .events = (short)(wanted_in(up) | wanted_out(down))},
			{.fd = up->to, .events = (short)(wanted_in(down) | wanted_out(up))},
		};

		/* a server that has hung up says so all the time, also when its rest must wait */
		fds[1].fd = fds[1].events ? up->to : -1;
		n = poll(fds, COUNT(fds), IDLE_MS);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0 || !move(up, fds[0].revents, fds[1].revents) ||
		    !move(down, fds[1].revents, fds[0].revents))
			return true;
		if (up->held && up->end && !judge_tunnel(up, r, why))
			return false;
		if (is_gone(&fds[0], up, down) || !end_held(up))
			return true;
	}
	return true;
}

bool relay(int client, int server, const struct request *request, const struct strbuf *first,
	   uint64_t more, struct refusal *why)
{
	struct way up = {.from = client, .to = server, .left = more, .held = request->tunnel};
	struct way down = {.from = server, .to = client, .left = RELAY_ALL};

	memcpy(up.bytes, first->text, first->len);
	up.end = first->len;
	up.ended = !more;
	if (up.held && up.end && !judge_tunnel(&up, request, why))
		return false;
	return relay_ways(&up, &down, request, why);
}
