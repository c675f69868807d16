/*
 * http: one exchange at a time over libcurl, and nothing done behind the
 * caller's back: no redirect is followed, no .netrc is read, no other scheme
 * spoken, no body decoded. Private; it runs in a worker.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "image/curl.h"
#include "image/url.h"
#include "stepcell/arena.h"
#include "stepcell/err.h"
#include "stepcell/strbuf.h"

struct http; /* connections, kept for the next request */

/* What the environment says about proxies; NULL: nothing. Never for loopback. */
struct http_proxies {
	const char *http, *https, *none;
};

int http_open(const struct curl_api *api, const struct http_proxies *proxies, struct http **out,
	      struct err *err);
void http_close(struct http **http); /* NULL is fine */

/* A status, and the fields that are looked at; NULL where one was not sent. */
struct http_response {
	long status;
	uint64_t length; /* UINT64_MAX: not said */
	const char *type, *location, *range, *retry_after, *challenge, *digest;
	const char *problem; /* of a status that is no success: the start of its body */
};

/*
 * Gets a body of status 200 or 206 as it comes: the first time with `len` 0, when
 * the response's fields are known. -1 with `err` set ends the exchange.
 */
typedef int http_sink(void *arg, const struct http_response *response, const void *bytes,
		      size_t len, struct err *err);

struct http_request {
	const struct url *url;
	const char *const *fields; /* "Accept: ...", NULL-ended; may be NULL */
	const char *form;          /* sent by POST; NULL: GET */
	const char *ca;            /* PEM text of the authorities that are believed */
	size_t ca_len;
	bool plain_ok; /* without TLS the peer may be another machine */
	bool small;    /* it should be there in a minute or two */
	http_sink *sink;
	void *arg;
};

/*
 * 0 with any status, or -1. `again`: the same might work later. What comes out of
 * the sink with -1 is never tried again. The arena owns the response.
 */
int http_send(struct http *http, struct arena *a, const struct http_request *request,
	      struct http_response *out, bool *again, struct err *err);

/* "name=value" for a form or a query, its value encoded; '&' before it where something is. */
void http_add_pair(struct http *http, struct strbuf *out, const char *name, const char *value);

/* How long a Retry-After asks to wait, from `now` on: seconds, or a date; -1: it makes no sense. */
int64_t http_retry_after(const struct curl_api *api, const char *text, int64_t now);
