/* relay: bytes between a client and a server. Private. */
#pragma once

#include "proxy/pump.h"
#include "proxy/request.h"

/*
 * Move bytes until both have ended, one is gone, or nothing has come for minutes.
 * The server gets `first`, at most RELAY_FIRST bytes, and then `more` bytes of the
 * client's: all of them where it is PUMP_ALL. False when a tunnel is not what it
 * was allowed for.
 */
#define RELAY_FIRST (3 * REQUEST_HEAD)
bool relay(int client, int server, const struct request *request, const struct strbuf *first,
	   uint64_t more, struct refusal *why);
