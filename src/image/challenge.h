/* challenge: what a WWW-Authenticate field asks for (RFC 9110, 11.6.1). Private; pure. */
#pragma once

#include <stdbool.h>

#include "stepcell/arena.h"

/* NULL where it was not said. Nothing in it is believed yet. */
struct challenge {
	bool basic, bearer;
	const char *realm, *service, *scope, *error; /* of the bearer scheme */
};

/* False when it is none that can be read. Schemes that are not known are passed over. */
bool challenge_parse(struct arena *a, const char *text, struct challenge *out);
