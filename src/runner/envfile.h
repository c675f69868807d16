/*
 * envfile: the files by which a step talks to the steps behind it: GITHUB_ENV,
 * GITHUB_OUTPUT, GITHUB_STATE (names and values) and GITHUB_PATH (lines).
 *
 * The bytes are a stranger's: NULs are refused, bytes that are no UTF-8 become
 * U+FFFD.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "stepcell/arena.h"
#include "stepcell/decode.h"
#include "stepcell/err.h"

enum envfile_kind {
	ENVFILE_ENV,
	ENVFILE_ENV_GUARDED, /* names that steer later programs are refused too */
	ENVFILE_OUTPUT,
	ENVFILE_STATE,
};

struct envfile_pair {
	const char *name, *value;
	const char *refused; /* that it must not be used, and why; or NULL */
	unsigned line;
};

struct envfile_pairs {
	struct envfile_pair *list; /* in the order of the file: a later one wins */
	size_t count;
};

/*
 * NAME=VALUE lines and NAME<<DELIMITER blocks. 0, or -1 with ERR_USAGE
 * ("line 3: ..."): the file counts for nothing and the step fails.
 */
int envfile_parse(struct arena *a, const char *text, size_t len, enum envfile_kind kind,
		  struct envfile_pairs *out, struct err *err);

/* Why a step may not set this variable for later steps, or NULL. */
const char *envfile_refuses(const char *name, bool guarded);

/* Directories for PATH, one a line; empty lines are skipped. The last one goes in front. */
int pathfile_parse(struct arena *a, const char *text, size_t len, struct texts *out,
		   struct err *err);
