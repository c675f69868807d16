/* walls: which of them this host lacks. */
#pragma once

#include "cgroup.h"
#include "stepcell/cell.h"

/* Bits of enum cell_wall; of CELL_WALL_CGROUP: this one does not cover these limits. */
unsigned walls_missing(const struct cgroup *cgroup, const struct cell_limits *limits);

/* The error that names those of `refused`. */
int walls_refuse(unsigned refused, struct err *err);

/*
 * One without which there is no cell at all, tried, with the reason and the mend
 * in `err`; else 0. Asked of a start that failed alone: one that works has them all.
 */
unsigned walls_needed_missing(const char *state, struct err *err);
