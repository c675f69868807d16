/* reference: "HOST[:PORT]/NAME[:TAG][@sha256:DIGEST]", checked whole. Private. */
#pragma once

#include <stdbool.h>

#include "stepcell/arena.h"
#include "stepcell/digest.h"
#include "stepcell/err.h"

#define REFERENCE_BYTES 255 /* of host and name together, as registries have it */
#define REFERENCE_TAG   128

struct reference {
	const char *host; /* "registry.example.com:5000", lower case; "" where none is named */
	const char *name; /* "ci/python": safe in a URL and in a scope as it is */
	const char *tag;  /* NULL only beside a digest */
	bool pinned;      /* there is a digest, and it alone says which image is meant */
	struct digest digest;
};

/* Where neither tag nor digest is given the tag is "latest". ERR_USAGE says what is wrong. */
int reference_parse(struct arena *a, const char *text, struct reference *out, struct err *err);

/* The same without a registry too, as workflows name images: "postgres:15", "team/db". */
int reference_parse_bare(struct arena *a, const char *text, struct reference *out, struct err *err);

/* "HOST[:PORT]" by the same rule; a host in brackets is an IPv6 address. */
bool host_is_valid(const char *text);

/* "a/b-c": what is asked of registries. */
bool repository_is_valid(const char *text);

/* The reference in its full form. */
const char *reference_text(struct arena *a, const struct reference *ref);

/* Was this pulled by it? `origin` is the full form with the digest that it meant then. */
bool reference_is_origin(struct arena *a, const struct reference *ref, const char *origin);
