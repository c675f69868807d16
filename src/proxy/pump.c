#include "proxy/pump.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

static void way_init(struct way *w, int from, int to, uint64_t left)
{
	w->from = from;
	w->to = to;
	w->start = w->end = 0;
	w->left = left;
	w->held = w->ended = w->shut = false;
}

void pump_init(struct pump *p, int client, int server, uint64_t more)
{
	way_init(&p->up, client, server, more);
	way_init(&p->down, server, client, PUMP_ALL);
}

static void take(struct way *w)
{
	size_t room = PUMP_BUFFER - w->end;
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

void pump_pass_end(struct way *w)
{
	if (!w->ended || w->shut || w->start < w->end)
		return;
	w->shut = true;
	if (w->left)
		(void)shutdown(w->to, SHUT_WR);
}

static short wanted_in(const struct way *w)
{
	return !w->ended && w->end < PUMP_BUFFER && w->left ? POLLIN : 0;
}

static short wanted_out(const struct way *w)
{
	return !w->held && w->start < w->end ? POLLOUT : 0;
}

void pump_wants(const struct pump *p, struct pollfd fds[2])
{
	fds[0] = (struct pollfd){.fd = p->up.from,
				 .events = (short)(wanted_in(&p->up) | wanted_out(&p->down))};
	fds[1] = (struct pollfd){.fd = p->up.to,
				 .events = (short)(wanted_in(&p->down) | wanted_out(&p->up))};
	/* who has hung up says so all the time, also when the rest of it must wait */
	if (!fds[1].events)
		fds[1].fd = -1;
	if (!fds[0].events && p->down.shut)
		fds[0].fd = -1;
}

static bool move(struct way *w, short from, short to)
{
	if (from & (POLLIN | POLLHUP | POLLERR) && wanted_in(w))
		take(w);
	if (to & (POLLOUT | POLLERR) && wanted_out(w) && !give(w))
		return false;
	if (!w->held)
		pump_pass_end(w);
	return true;
}

bool pump_move(struct pump *p, const struct pollfd fds[2])
{
	return move(&p->up, fds[0].revents, fds[1].revents) &&
	       move(&p->down, fds[1].revents, fds[0].revents);
}

bool pump_is_left(const struct pump *p, const struct pollfd fds[2])
{
	/* where both ends have said that they say no more, hanging up is no news: the rest goes up */
	return fds[0].revents & (POLLERR | POLLNVAL) ||
	       (fds[0].revents & POLLHUP && !p->down.shut && !wanted_in(&p->up) &&
		!wanted_out(&p->down));
}
