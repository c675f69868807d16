/* graph: jobs by id and what they need. */
#pragma once

#include "stepcell/workflow.h"

struct graph {
	const struct workflow *workflow;
	const struct job **by_id; /* sorted, case does not count */
	size_t **needs; /* of each job: indices into workflow->jobs, SIZE_MAX where unknown */
	size_t *order;  /* indices in an order in which every need comes first */
	size_t ordered; /* fewer than the jobs: the rest are in cycles, or need such */
};

/* SIZE_MAX: there is none. */
size_t graph_find(const struct graph *g, const char *id);
void graph_build(struct arena *a, const struct workflow *w, struct graph *out);
