/* bench: the world that cells are measured in, and the clock. Root alone. */
#pragma once

#include <stddef.h>
#include <stdlib.h>

#include "bare.h"
#include "stepcell/cell.h"
#include "stepcell/err.h"
#include "stepcell/log.h"

struct bench {
	const char *dir; /* where everything lies; the caller removes it */
	char state[128], skeleton[128], upper[2][128], policy[4200];
	struct cell_owner *owner;
	struct bare bare;
	struct err err;
};

#define MUST(call)                                                                                 \
	do {                                                                                       \
		if ((call) < 0) {                                                                  \
			log_error(&b->err);                                                        \
			exit(1);                                                                   \
		}                                                                                  \
	} while (0)

/* ---- the world (world.c) ---- */

void world_make(struct bench *b, const char *dir);

/* A fresh pair of uppers for the next cell: made and removed off the clock. */
void world_uppers(struct bench *b);
void world_drop_uppers(struct bench *b);

/* A cell with every wall up, overlays for / and /usr, and three limits. */
void world_spec(const struct bench *b, struct cell_spec *out);

/* ---- the clock ---- */

double real_ms(void);                       /* one that no time namespace shifts */
double median(double *times, size_t count); /* sorts them */

/* ---- what is measured ---- */

void phases_report(struct bench *b, size_t rounds); /* phases.c */
void load_report(struct bench *b);   /* inside.c: the same work on the host and in a cell */
void memory_report(struct bench *b); /* inside.c: what a running cell holds */

/* The half of a start that can be done before; run_cell() takes it. */
void cell_ahead(struct bench *b);

/* One start to exit of /usr/bin/true in a cell. */
void run_cell(struct bench *b);
