/*
 * patient: standard output, when its reader takes its time. A pager that shows
 * its first page, a terminal that was stopped: what is to be shown waits, and
 * meanwhile somebody sees to the limits of the cells that run.
 */
#pragma once

#include <stdio.h>

#include "stepcell/runner.h"

struct patient {
	int fd;
	struct run_keeper keeper; /* for the runner to fill */
	int lost;                 /* errno of what could not be written */
};

/* NULL with `err`. */
FILE *patient_open(struct patient *p, struct err *err);

/* The code of the command that printed there, or -1 when that was not all written and it says success. */
int patient_end(struct patient *p, FILE *out, int code, struct err *err);
