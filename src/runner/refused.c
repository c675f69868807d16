/* What a filter refused a step or a service, for the journal and for whoever shows it. */
#include <string.h>

#include "runner/run.h"
#include "stepcell/limits.h"

/* The name is the step's to choose: any bytes. */
static const char *program_name(struct arena *a, const struct cell_refusal *r)
{
	auto_strbuf struct strbuf name = STRBUF(KIB);

	strbuf_add_visible(&name, r->program, strlen(r->program));
	return arena_strdup(a, name.text);
}

static const struct node *refusal_node(struct arena *a, const struct cell_refusal *r,
				       const struct run *run)
{
	struct node *map = node_map(a);
	const char *program = program_name(a, r);

	node_set_text(a, map, "call", r->call);
	if (*r->arguments)
		node_set_text(a, map, "arguments", r->arguments);
	node_set_text(a, map, "answer", r->answer);
	node_set_text(a, map, "program", run ? output_masked(run, program) : program);
	node_set(a, map, "count", node_number(a, (double)r->count));
	return map;
}

/* What is known by its number alone. */
static void add_sum(struct arena *a, struct node *list, const char *what, const char *answer,
		    uint64_t count)
{
	struct node *map = node_map(a);

	if (!count)
		return;
	node_set_text(a, map, "call", what);
	if (answer)
		node_set_text(a, map, "answer", answer);
	node_set(a, map, "count", node_number(a, (double)count));
	node_add(a, list, map);
}

static void add_all(struct arena *a, struct node *list, const struct cell_audit *audit,
		    const struct run *run)
{
	for (size_t i = 0; i < audit->count; i++)
		node_add(a, list, refusal_node(a, &audit->rows[i], run));
	add_sum(a, list, "network", "ENETUNREACH", audit->no_route);
	add_sum(a, list, "others", NULL, audit->others);
}

void runner_refused(struct arena *a, const struct cell_audit *audit, struct node *list)
{
	add_all(a, list, audit, NULL);
}

static void write_list(struct job_run *job, const struct cell *cell)
{
	struct run *run = job->run;
	struct node *list = node_list(job->arena);
	struct cell_audit *audit = arena_alloc(job->arena, sizeof(*audit));

	cell_audit(cell, audit);
	add_all(job->arena, list, audit, run);
	journal_node(run->journal, "refused", list);
	(void)journal_end(run->journal, &run->fatal);
}

void refused_write(struct step_run *step)
{
	struct run *run = step->job->run;

	if (!run->options->audit)
		return;
	journal_begin(run->journal, "audit");
	journal_text(run->journal, "job", step->job->plan->id);
	journal_number(run->journal, "step", step->number);
	write_list(step->job, step->cell);
}

void refused_write_service(struct service *s)
{
	if (!s->job->run->options->audit)
		return;
	service_event(s, "audit");
	write_list(s->job, s->cell);
}
