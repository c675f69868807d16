/*
 * relay: a pump that looks at what it moves.
 *
 * What the client says is held back at first where it is a tunnel, until its first
 * bytes have shown that a TLS client wants the server it was allowed. The server is
 * free from the beginning: in some protocols it speaks first.
 */
#include "proxy/relay.h"

#include <errno.h>
#include <string.h>

#include "proxy/hello.h"
#include "stepcell/util.h"

#define IDLE_MS  300000
#define TLS_PORT 443

static_assert(PUMP_BUFFER >= HELLO_BYTES, "a hello is looked at whole");
static_assert(PUMP_BUFFER >= RELAY_FIRST, "what goes first must fit");

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
		return up->end < PUMP_BUFFER || refuse(why, 403, "its TLS never begins");
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

/* The client's end has come while it was held: with nothing, as some do who only listen. */
static bool end_held(struct way *up)
{
	if (!up->held || !up->ended)
		return true;
	up->held = false;
	pump_pass_end(up);
	return !up->end;
}

static bool relay_ways(struct pump *p, const struct request *r, struct refusal *why)
{
	struct way *up = &p->up;
	int n;

	while (!p->down.shut) {
		struct pollfd fds[2];

		pump_wants(p, fds);
		n = poll(fds, COUNT(fds), IDLE_MS);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0 || !pump_move(p, fds))
			return true;
		if (up->held && up->end && !judge_tunnel(up, r, why))
			return false;
		if (pump_is_left(p, fds) || !end_held(up))
			return true;
	}
	return true;
}

bool relay(int client, int server, const struct request *request, const struct strbuf *first,
	   uint64_t more, struct refusal *why)
{
	struct pump p;
	struct way *up = &p.up;

	pump_init(&p, client, server, more);
	memcpy(up->bytes, first->text, first->len);
	up->end = first->len;
	up->ended = !more;
	up->held = request->tunnel;
	if (up->held && up->end && !judge_tunnel(up, request, why))
		return false;
	return relay_ways(&p, request, why);
}
