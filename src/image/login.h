/* login: what the caller may show a registry, from the files in which such things are kept. Private. */
#pragma once

#include "image/registries.h"
#include "stepcell/err.h"

/*
 * The login for `key` (a registry's host, as a rule) and a repository there.
 * `file` is the one file to look into; NULL: $REGISTRY_AUTH_FILE, else in this order
 * $XDG_RUNTIME_DIR/containers/auth.json, ~/.config/containers/auth.json,
 * ~/.docker/config.json (or below $DOCKER_CONFIG). In a file a key of more of the
 * repository's path comes before one of less. Where the file says so, a credential
 * helper is run. None is no error: all of `out` is NULL then.
 */
int login_find(struct arena *a, const char *file, const char *key, const char *repository,
	       struct login *out, struct err *err);

/* Is there anything in it? */
bool login_is_set(const struct login *login);

/*
 * What a file's text says of it; `*helper` is the helper that knows better, or
 * NULL: a name that is safe behind "docker-credential-". Then what a helper said.
 */
int login_decode(struct arena *a, const char *path, const char *text, size_t len, const char *key,
		 const char *repository, struct login *out, const char **helper, struct err *err);
int login_decode_helped(struct arena *a, const char *text, size_t len, struct login *out,
			struct err *err);
