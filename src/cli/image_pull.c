/* stepcell image pull: an image from a registry. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/image.h"

int image_cmd_pull(struct session *s, struct err *err)
{
	const struct image_options *o = image_options(s);
	const char *term = getenv("TERM");
	const struct pull_options options = {
		.name = o->name,
		.platform = o->platform,
		.auth_file = o->auth_file,
		.replace = o->replace,
		.progress = o->quiet ? NULL : stderr,
		.live = isatty(STDERR_FILENO) && term && strcmp(term, "dumb") != 0,
	};
	struct digest digest;

	if (image_pull(s->store, s->words[0], &options, &digest, err) < 0)
		return -1;
	(void)printf("sha256:%s\n", digest.hex);
	return 0;
}
