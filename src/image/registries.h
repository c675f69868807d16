/* registries: where an image may come from, by the operator's configuration. Private. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "image/reference.h"
#include "stepcell/decode.h"
#include "stepcell/node.h"

/* NULL where there is none of a kind. Never printed, never logged. */
struct login {
	const char *user, *secret;
	const char *identity; /* a refresh token, for the server of tokens */
	const char *bearer;   /* a token that the registry takes as it is */
};

/* One place to ask. */
struct endpoint {
	const char *host;    /* "mirror.example.com:5000" */
	const char *name;    /* what the repository is called there */
	const char *key;     /* what files of logins call it */
	bool plain;          /* spoken to without TLS */
	bool tags;           /* it may say what a tag means */
	struct texts tokens; /* URLs of others that its logins may be sent to */
	const char *ca;      /* a file of authorities; NULL: the host's */
	struct login login;
};

struct endpoints {
	struct endpoint *list; /* mirrors in their order, the registry itself last */
	size_t count;
	struct texts plain; /* hosts that the operator lets be spoken to without TLS */
};

/* `config`: the section "registries", or NULL. False when a diag was added. */
bool registries_decode(struct arena *a, const struct node *config, const struct reference *ref,
		       struct endpoints *out, struct diags *diags);
