/* answer: what code of ours in a job's cell says when it is done with files there. Private. */
#pragma once

#include <assert.h>
#include <limits.h>
#include <stdbool.h>

#include "stepcell/artifact.h"
#include "stepcell/err.h"

/* No pointers: it crosses a pipe. */
struct answer {
	struct artifact_summary summary;
	bool damaged; /* what was to be unpacked is not what was packed */
	struct err err;
};
static_assert(sizeof(struct answer) <= PIPE_BUF, "an answer is written whole");

/* In the cell: say it; the exit code. */
int answer_say(int fd, const struct answer *answer);

/* Outside, once the cell has ended: closes `*fd`. -1 with the cell's error. */
int answer_hear(int *fd, struct answer *out, struct err *err);
