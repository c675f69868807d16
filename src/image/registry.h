/*
 * registry: the distribution API, spoken to one place after another. Private; it
 * runs in a worker, and nothing that a registry says is believed here: digest,
 * size and type are what was asked for, or it is an error.
 */
#pragma once

#include <stdint.h>

#include "image/curl.h"
#include "image/http.h"
#include "image/registries.h"
#include "stepcell/digest.h"
#include "stepcell/err.h"

struct registry;

/* Told while it works: how far, or what went wrong and is tried again or elsewhere. */
struct registry_news {
	void (*progress)(void *arg, uint64_t done, uint64_t size);
	void (*note)(void *arg, const char *text);
	void *arg;
};

/* A file of authorities, read where there still are files. */
struct authority {
	const char *text;
	size_t len;
};

struct registry_setup {
	const struct curl_api *api;
	struct endpoints endpoints;
	const struct authority *authorities; /* one an endpoint */
	struct http_proxies proxies;
	struct registry_news news;
};

int registry_open(const struct registry_setup *setup, struct registry **out, struct err *err);
void registry_close(struct registry **registry);

/* What a document turned out to be. */
struct registry_document {
	struct digest digest; /* of the bytes in `text` */
	char type[128];       /* one of the four that were asked for */
};

/* By `digest`, or by `tag` where that is NULL. */
int registry_document(struct registry *r, const char *tag, const struct digest *digest,
		      struct strbuf *text, struct registry_document *out, struct err *err);

/*
 * A blob of exactly `size` bytes into `fd`, an empty file or the start of one
 * that was broken off. It is whole and flushed when this returns 0.
 */
int registry_blob(struct registry *r, const struct digest *digest, uint64_t size, int fd,
		  struct err *err);
