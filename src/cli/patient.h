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
};

/* NULL with `err`. fclose() ends it. */
FILE *patient_open(struct patient *p, struct err *err);
