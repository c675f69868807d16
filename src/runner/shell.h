/* shell: how the script of a `run:` is started. */
#pragma once

#include <stdbool.h>

#include "stepcell/arena.h"
#include "stepcell/decode.h"
#include "stepcell/err.h"

/* A line of arguments as words, by the rules that GitHub splits them by. */
struct texts shell_words(struct arena *a, const char *text);

struct shell {
	const char *const *argv;    /* NULL-ended; argv[0] is looked up in PATH */
	const char *extension;      /* of the script's file: ".sh", ".py", ".ps1" or "" */
	const char *before, *after; /* lines that the script's text is put between; "" mostly */
};

/*
 * The extension of a `shell:` (NULL: none was given), so that the script's
 * path can be made before shell_resolve() puts it into the arguments.
 */
const char *shell_extension(const char *shell);

/*
 * `shell` as the workflow gives it: the name of a known one, or a command
 * with {0} where the script's path goes. NULL: bash, or sh where the image has
 * no bash.
 */
int shell_resolve(struct arena *a, const char *shell, bool have_bash, const char *script,
		  struct shell *out, struct err *err);
