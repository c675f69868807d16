/* request: the head of what a client asks. Private; pure. */
#pragma once

#include "proxy/rules.h"
#include "stepcell/limits.h"
#include "stepcell/strbuf.h"

#define REQUEST_HEAD (16 * KIB)

struct request {
	struct endpoint to;
	bool tunnel;        /* CONNECT: bytes both ways */
	char method[17];    /* of a plain request */
	const char *target; /* its path, in the text that was parsed */
	size_t target_len;
	uint64_t body; /* bytes that follow its head */
	size_t head;   /* the head's length, with the empty line */
};

/* Why a request is not served. */
struct refusal {
	int status; /* HTTP's */
	char why[160];
};

/* The length of a head that is whole; 0: there is more to come. */
size_t request_head_len(const char *text, size_t len);

/* `text` holds a whole head. False with the reason; out->to is set as far as it was read. */
bool request_parse(const char *text, size_t len, struct request *out, struct refusal *why);

/* The head for the server: without what was meant for us, and the last on its connection. */
void request_write(const struct request *request, const char *text, struct strbuf *out);

bool refuse(struct refusal *why, int status, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
