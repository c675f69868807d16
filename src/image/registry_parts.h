/* registry_parts: what the files of the registry client share. Private to them. */
#pragma once

#include "image/registry.h"
#include "image/url.h"
#include "stepcell/util.h"

/* An endpoint, and what it has let itself be shown so far. */
struct source {
	const struct endpoint *at;
	struct authority ca;
	struct url base;    /* "https://registry.example.com" */
	struct url *tokens; /* of others that its login may be sent to */
	const char *permit; /* "Authorization: ...", or NULL */
	uint64_t permit_until_ms;
	const char *withheld_at; /* an origin that asked for the login and must not have it */
};

struct registry {
	struct arena *arena;
	const struct curl_api *api;
	struct http *http;
	struct registry_news news;
	struct source *sources;
	size_t count;
	struct url *plain; /* who may be spoken to without TLS */
	size_t plain_count;
};

/* One request to a place, and what came of it. */
struct ask {
	const char *path;   /* "manifests/latest", "blobs/sha256:..." */
	const char *accept; /* a whole field, or NULL */
	uint64_t offset;    /* only what lies behind so many bytes */
	bool small;
	http_sink *sink;
	void *arg;
	/* results */
	const char *answered;    /* the origin that did, where that is not the place asked */
	bool again;              /* it might work another time */
	bool past_end;           /* there is nothing behind `offset` */
	const char *retry_after; /* when the place asked for patience */
};

/* May this be spoken to without TLS? To whom there is TLS: always true. */
bool registry_may_ask(const struct registry *r, const struct url *url);

/*
 * registry_auth.c: something to show to a source that answered 401 with this challenge, in
 * `permit`. -1 when there is nothing, and the reason; `ask` says whether it may be
 * otherwise another time.
 */
int registry_authenticate(struct registry *r, struct arena *a, struct source *source,
			  const char *text, struct ask *ask, struct err *err);

/* registry_ask.c: a status that is no success, in words. Returns -1. */
int registry_refuse(struct arena *a, struct ask *ask, const struct http_response *response,
		    struct err *err);

/* registry_ask.c: 0 when the sink got a body. */
int registry_ask(struct registry *r, struct source *source, struct ask *ask, struct err *err);

/*
 * registry.c: ask each place until one has it; by tag only those that may say what
 * a tag means. The error is the last one's, the registry's own.
 */
typedef int source_fn(struct registry *r, struct source *source, void *arg, struct err *err);
int registry_from_any(struct registry *r, bool by_tag, source_fn *from, void *arg, struct err *err);

/* registry_wait.c: wait before another try; -1, with `err` as it was, when there is to be none. */
struct patience {
	unsigned tries;
};
int registry_wait(struct registry *r, struct patience *p, const struct ask *ask, struct err *err);
