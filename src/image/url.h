/* url: where a request goes, read by the one who will send it. Private. */
#pragma once

#include <stdbool.h>

#include "image/curl.h"
#include "stepcell/arena.h"
#include "stepcell/err.h"

#define URL_BYTES 8192 /* signed ones of object stores have some 2 KiB */

struct url {
	const char *text;
	const char *origin; /* "https://registry.example.com:443": scheme, host and port */
	const char *host;   /* "registry.example.com", "[::1]" */
	bool https, loopback;
};

/*
 * `text`, which may be relative to `base` (NULL: it may not). Only http and https
 * are URLs here, and none with a user in it.
 */
int url_parse(const struct curl_api *api, struct arena *a, const struct url *base, const char *text,
	      struct url *out, struct err *err);

/* This machine, by its name: "localhost", 127.0.0.0/8, "[::1]", with or without a port. */
bool host_is_loopback(const char *host);

bool url_same_origin(const struct url *a, const struct url *b);
