/*
 * fetch: the worker that talks to registries. It has the network and one folder;
 * it is told by digest what to bring, and is believed nothing: a document is read
 * here, hashed again, and only then understood. Private.
 */
#pragma once

#include <stdio.h>

#include "image/registry.h"
#include "stepcell/strbuf.h"

struct fetcher;

struct fetch_setup {
	const char *folder; /* absolute: FOLDER/HEX is whole, FOLDER/partial/HEX may not be */
	struct endpoints endpoints;
	FILE *progress; /* gets lines of talk; NULL: none */
	bool live;      /* it is a terminal: one line moves */
};

int fetch_start(const struct fetch_setup *setup, struct fetcher **out, struct err *err);
int fetch_end(struct fetcher **fetcher, struct err *err);
void fetch_drop(struct fetcher **fetcher); /* whatever it says; NULL is fine */

/* By `digest`, or by `tag` where that is NULL. `type` is what the registry called it, or "". */
int fetch_document(struct fetcher *f, const char *tag, const struct digest *digest,
		   struct strbuf *text, char type[128], struct err *err);

/* `label` names it in the talk: "layer 2 of 5". */
int fetch_blob(struct fetcher *f, const char *label, const struct digest *digest, uint64_t size,
	       struct err *err);
