/* problem_file: a file of problem matchers, and what one matcher is. Private to problem*.c. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "runner/regexp.h"
#include "stepcell/err.h"

/* What a pattern can take from a line. */
enum part {
	PART_FILE,
	PART_FROM,
	PART_LINE,
	PART_COLUMN,
	PART_SEVERITY,
	PART_CODE,
	PART_MESSAGE,
	PART_COUNT
};

struct problem_pattern {
	struct regexp *regexp;
	int group[PART_COUNT]; /* -1: not taken */
	bool loop;
};

/* What the patterns of a matcher have found so far. */
struct problem_found {
	bool set;
	char *part[PART_COUNT]; /* NULL: not asked for yet */
};
void problem_found_clear(struct problem_found *f); /* of one whose parts were malloc'ed */

struct matcher_model {
	char *owner;
	const char *severity; /* "" is error */
	struct problem_pattern *patterns;
	struct problem_found *running; /* after pattern i */
	size_t count;
};
void matcher_model_reset(struct matcher_model *m);
void matcher_model_free(struct matcher_model **m);

/* "error", "warning" or "notice" in any case, "" as the first; NULL for another word. */
const char *problem_level(const char *severity);

/* At most LIMIT_PROBLEMS of them, the caller's; nothing on failure. */
int problem_file_read(const char *text, size_t len, struct matcher_model **out, size_t *count,
		      struct err *err);
