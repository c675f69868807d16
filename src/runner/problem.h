/*
 * problem: problem matchers, which find errors and warnings in what a step says.
 *
 * A matcher has an owner and one regular expression, or several that have to
 * match one line after the other; the last of several may go on matching. The
 * file that says so is GitHub's: {"problemMatcher": [{owner, severity?, pattern:
 * [{regexp, file?, fromPath?, line?, column?, severity?, code?, message?,
 * loop?}]}]}, where the numbers are those of groups.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "stepcell/arena.h"
#include "stepcell/err.h"

struct problems; /* the matchers of a job */

struct problems *problems_new(void);
void problems_free(struct problems **p); /* NULL is fine */

/*
 * Add the matchers of a file; one of the same owner is replaced. The owners that
 * were added are listed in `names`, when it is not NULL ("a, b"; the arena's).
 * ERR_USAGE when the file is none, and nothing is added.
 */
int problems_add(struct problems *p, struct arena *a, const char *text, size_t len,
		 const char **names, struct err *err);

void problems_remove(struct problems *p, const char *owner);
/* Those that the file would add. */
int problems_remove_file(struct problems *p, const char *text, size_t len, struct err *err);

bool problems_any(const struct problems *p);

/* A new step: a match over several lines does not begin in one and end in another. */
void problems_reset(struct problems *p);

struct problem {
	const char *level; /* "error", "warning", "notice" */
	const char *owner, *message;
	const char *file, *from, *code; /* as the line has them; or NULL */
	unsigned line, col;             /* 0: not given */
};

/*
 * Look at a line (valid UTF-8). True with a problem, its texts in the arena. A
 * matcher that takes too long is removed; `*removed` then says which and why.
 */
bool problems_match(struct problems *p, struct arena *a, const char *line, size_t len,
		    struct problem *out, const char **removed);

/*
 * Where a problem's file lies: below the folder of `from`, else below
 * `workspace`. The path from the workspace on, or NULL when it is outside.
 */
const char *problem_path(struct arena *a, const struct problem *p, const char *workspace);
