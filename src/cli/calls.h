/* calls: finds the workflows that others call, by --file REF=PATH or below a directory. */
#pragma once

#include "cli/options.h"
#include "stepcell/arena.h"
#include "stepcell/workflow.h"

struct calls {
	struct arena *arena;
	struct diags *diags;
	const struct option_list *files; /* REF=PATH */
	struct called *list;             /* what was looked for before */
	size_t count;
};

/* A workflow_find_fn; `arg` is a struct calls. ./path is below the current directory. */
workflow_find_fn calls_find;
