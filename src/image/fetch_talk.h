/* fetch_talk: what goes over the pipes between fetch.c and its worker. No pointers. Private. */
#pragma once

#include <stdint.h>

#include "image/reference.h"
#include "image/registry.h"
#include "stepcell/cell.h"
#include "stepcell/digest.h"
#include "stepcell/err.h"

enum fetch_kind {
	FETCH_DOCUMENT = 1, /* into FOLDER/HEX */
	FETCH_BLOB,
};

struct fetch_order {
	uint32_t kind;
	char tag[REFERENCE_TAG + 1]; /* of a document; "": by its digest */
	struct digest digest;
	uint64_t size; /* of a blob */
};

enum fetch_word {
	FETCH_PROGRESS = 1,
	FETCH_NOTE, /* in err.text */
	FETCH_DONE,
	FETCH_FAILED, /* in err */
};

struct fetch_reply {
	uint32_t word;
	uint64_t done, size;  /* bytes */
	struct digest digest; /* of a document */
	char type[128];
	struct err err;
};

/* The worker's side: FOLDER is /0, fds are orders to read and replies to write. */
struct fetch_work {
	struct registry_setup setup;
};
cell_fn fetch_serve;
