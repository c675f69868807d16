/* caching: what a step caches and gets back: of actions/cache, and of setup-python. Private. */
#pragma once

#include "runner/run.h"

/* Of a step, and of its post part. */
struct caching {
	struct texts keys;   /* the one that is wanted first, then those that will do */
	struct texts paths;  /* as they were given */
	bool lookup_only;    /* whether there is one, and no more */
	const char *matched; /* the key of what was found; NULL: nothing */
	struct digest blob;  /* of it */
	const char *scope;   /* likewise */
	bool guest;          /* it was found among the policy's own */
	int answer, staged;  /* while a cell runs */
};

/* Exactly the key that is wanted? */
bool caching_hit(const struct caching *c);

/* Find it and start unpacking: 1 when a cell runs now, 0 when all is done, -1. */
int caching_restore(struct step_run *step, struct caching *c, struct err *err);
/* That cell has ended. What is damaged is dropped, and as if it were not there. */
int caching_restored(struct step_run *step, struct caching *c, struct err *err);

/* Pack the paths and keep them under the key: likewise. What cannot be kept is a warning. */
int caching_save(struct step_run *step, struct caching *c, struct err *err);
int caching_saved(struct step_run *step, struct caching *c, struct err *err);
