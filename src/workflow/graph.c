#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "stepcell/arena.h"
#include "workflow/graph.h"

static int by_id(const void *a, const void *b)
{
	const struct job *const *x = a, *const *y = b;

	return strcasecmp((*x)->id, (*y)->id);
}

static int id_of(const void *id, const void *job)
{
	return strcasecmp(id, (*(const struct job *const *)job)->id);
}

size_t graph_find(const struct graph *g, const char *id)
{
	const struct job **found =
		bsearch(id, g->by_id, g->workflow->job_count, sizeof(*g->by_id), id_of);

	return found ? (size_t)(*found - g->workflow->jobs) : SIZE_MAX;
}

/* Jobs whose needs are all ordered come next, in the order of the text. */
static void order_jobs(struct arena *a, struct graph *g)
{
	size_t count = g->workflow->job_count;
	size_t *open = arena_array(a, count + 1, sizeof(*open));
	size_t *first = arena_array(a, count + 1, sizeof(*first)); /* of the jobs that need i */
	size_t *dependents, total = 0;

	for (size_t i = 0; i < count; i++)
		for (size_t k = 0; k < g->workflow->jobs[i].need_count; k++)
			if (g->needs[i][k] != SIZE_MAX) {
				open[i]++;
				first[g->needs[i][k] + 1]++;
				total++;
			}
	for (size_t i = 0; i < count; i++)
		first[i + 1] += first[i];
	dependents = arena_array(a, total + 1, sizeof(*dependents));

	size_t *at = arena_array(a, count + 1, sizeof(*at));

	for (size_t i = 0; i < count; i++)
		for (size_t k = 0; k < g->workflow->jobs[i].need_count; k++)
			if (g->needs[i][k] != SIZE_MAX)
				dependents[first[g->needs[i][k]] + at[g->needs[i][k]]++] = i;
	for (size_t i = 0; i < count; i++)
		if (!open[i])
			g->order[g->ordered++] = i;
	for (size_t done = 0; done < g->ordered; done++) {
		size_t job = g->order[done];

		for (size_t k = first[job]; k < first[job + 1]; k++)
			if (--open[dependents[k]] == 0)
				g->order[g->ordered++] = dependents[k];
	}
}

void graph_build(struct arena *a, const struct workflow *w, struct graph *out)
{
	*out = (struct graph){.workflow = w};
	out->by_id = arena_array(a, w->job_count + 1, sizeof(*out->by_id));
	out->needs = arena_array(a, w->job_count + 1, sizeof(*out->needs));
	out->order = arena_array(a, w->job_count + 1, sizeof(*out->order));
	for (size_t i = 0; i < w->job_count; i++)
		out->by_id[i] = &w->jobs[i];
	qsort(out->by_id, w->job_count, sizeof(*out->by_id), by_id);
	for (size_t i = 0; i < w->job_count; i++) {
		out->needs[i] = arena_array(a, w->jobs[i].need_count + 1, sizeof(**out->needs));
		for (size_t k = 0; k < w->jobs[i].need_count; k++)
			out->needs[i][k] = graph_find(out, w->jobs[i].needs[k]);
	}
	order_jobs(a, out);
}
