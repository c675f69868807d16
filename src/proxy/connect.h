/* connect: from a host that is allowed to a connection. Private. */
#pragma once

#include "proxy/request.h"

/* A connected, non-blocking socket, or -1 with the reason. */
int connect_to(const struct proxy_rules *rules, const struct endpoint *to, struct refusal *why);
