/* uses: what a `uses:` names. */
#pragma once

#include "stepcell/arena.h"
#include "stepcell/err.h"

enum uses_kind {
	USES_REPOSITORY, /* owner/repo[/path]@ref */
	USES_LOCAL,      /* ./path, of the workspace */
	USES_SELF,       /* $/path, of the repository of the workflow at its commit */
	USES_IMAGE,      /* docker://image */
};

struct uses {
	enum uses_kind kind;
	const char *owner, *repo, *ref; /* of a repository, else NULL */
	const char *path;               /* below the repository or the workspace; "" is its top */
	const char *image;              /* of an image, else NULL */
};

/* 0, or -1 with ERR_USAGE. A path still needs path.h: it may hold "..". */
int uses_parse(struct arena *a, const char *text, struct uses *out, struct err *err);
