/* rules: which hosts and which addresses may be reached. Private. */
#pragma once

#include <stdbool.h>
#include <sys/socket.h>

#include "stepcell/network.h"
#include "stepcell/proxy.h"

bool rules_allow(const struct proxy_rules *rules, const struct endpoint *to);

/* Is the host an address that the rules name, and so needs no further look? */
bool endpoint_is_address(const struct endpoint *to);

/* May a name lead there: a public address, or one of the internal networks? */
bool rules_allow_address(const struct proxy_rules *rules, const struct sockaddr *address);
