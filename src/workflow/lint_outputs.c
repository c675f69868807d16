/* Outputs of jobs that nothing reads. They are seen by this file alone, so that it can be told. */
#include <string.h>

#include "workflow/lint.h"

/* Which outputs of one job are read. */
struct outputs_read {
	bool all;
	bool *each; /* in the order of the map */
};

void lint_expect_reads(struct lint *l)
{
	const struct workflow *w = l->workflow;

	l->reads = arena_array(l->checker.arena, w->job_count + 1, sizeof(*l->reads));
	for (size_t i = 0; i < w->job_count; i++)
		if (w->jobs[i].outputs && w->jobs[i].outputs->kind == NODE_MAP)
			l->reads[i].each = arena_array(l->checker.arena,
						       w->jobs[i].outputs->count + 1, sizeof(bool));
}

static void read_one(struct lint *l, size_t job, const char *name)
{
	const struct node *outputs = l->workflow->jobs[job].outputs;

	if (!l->reads[job].each || l->reads[job].all)
		return;
	if (strcmp(name, "*") == 0 || !lint_afford(l, outputs->count)) {
		l->reads[job].all = true;
		return;
	}
	for (size_t i = 0; i < outputs->count; i++)
		if (strcasecmp(outputs->pairs[i].key->text, name) == 0)
			l->reads[job].each[i] = true;
}

/* needs.JOB.outputs.NAME; what is less exact reads all that it may. */
static void read_path(struct lint *l, const struct lint_path *p)
{
	size_t job = p->count > 1 ? graph_find(l->graph, p->parts[1]) : SIZE_MAX;
	const char *name = p->count > 3 ? p->parts[3] : "*";

	if (p->count > 2 && strcasecmp(p->parts[2], "result") == 0)
		return;
	if (job != SIZE_MAX)
		read_one(l, job, name);
	else
		l->reads_all = true;
}

void lint_note_read(struct lint *l, const struct expr_node *n)
{
	struct lint_path path;

	if (!l->reads || l->reads_all)
		return;
	if (lint_path_of(n, &path)) {
		if (strcasecmp(path.parts[0], "needs") == 0 ||
		    strcasecmp(path.parts[0], "jobs") == 0)
			read_path(l, &path);
		return;
	}
	for (size_t i = 0; i < n->count; i++)
		lint_note_read(l, n->kids[i]);
}

void lint_unread(struct lint *l)
{
	for (size_t i = 0; !l->reads_all && i < l->workflow->job_count; i++) {
		const struct job *job = &l->workflow->jobs[i];

		if (!l->reads[i].each || l->reads[i].all)
			continue;
		for (size_t k = 0; k < job->outputs->count; k++)
			if (!l->reads[i].each[k] &&
			    !template_has_expr(job->outputs->pairs[k].key->text))
				diag_warn(l->checker.diags, job->outputs->pairs[k].key->at,
					  "unused-output",
					  "nothing reads the output '%.100s' of job '%s'",
					  job->outputs->pairs[k].key->text, job->id);
	}
}
