/* hello: how a TLS client begins. Private; pure. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define HELLO_BYTES (32 * 1024) /* of one that is looked at; a usual one has 500 to 2,000 */

enum hello_kind {
	HELLO_MORE,  /* not yet whole */
	HELLO_OTHER, /* no TLS */
	HELLO_TLS,   /* `name` is the server's, "" when it says none */
	HELLO_HIDES, /* the name of another server may be encrypted inside (ECH) */
	HELLO_WRONG, /* begins as TLS does, and makes no sense */
};

/* The first bytes of a client; `name` holds 256. RFC 8446, 4.1.2; RFC 6066, 3. */
enum hello_kind hello_parse(const uint8_t *bytes, size_t len, char *name);
