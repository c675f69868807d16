/* image: what the files of `stepcell image` share. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "cli/store.h"

#define IMAGE_WORDS 1000 /* images that a command may be given */

/* Of all its subcommands. */
struct image_options {
	bool json, force, quiet, replace, prereleases, freethreaded, latest, network, all, dry_run,
		quarantine, toolchains;
	const char *on, *source, *out, *arch, *as, *name, *ref, *platform, *auth_file;
	const char *keep, *unused;
};

static inline const struct image_options *image_options(const struct session *s)
{
	return s->options;
}

/* image_show.c */
int image_cmd_list(struct session *s, struct err *err);
int image_cmd_show(struct session *s, struct err *err);
int image_cmd_sbom(struct session *s, struct err *err);

/* image_keep.c */
int image_cmd_verify(struct session *s, struct err *err);
int image_cmd_prune(struct session *s, struct err *err);
int image_cmd_lock(struct session *s, struct err *err);
int image_cmd_rm(struct session *s, struct err *err);

/* image_pull.c */
int image_cmd_pull(struct session *s, struct err *err);
