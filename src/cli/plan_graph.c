/*
 * The dependency graph of a plan as a tree: each job stands once, below the
 * need that it waits for longest, with what else it needs behind it. The jobs
 * of one matrix are one line.
 */
#include <stdio.h>
#include <string.h>

#include "cli/plan_show.h"
#include "stepcell/arena.h"

struct vertex {
	const struct planned_job *job;
	size_t combinations;
	struct vertex *above, *first, *last, *next; /* parent, children, sibling */
	size_t depth;
};

struct forest {
	struct arena *arena;
	struct vertex *list; /* in the order of the plan: needs come first */
	size_t count;
	struct vertex top;
};

static bool is_same(const struct planned_job *a, const struct planned_job *b)
{
	return a->job == b->job && a->caller == b->caller && !a->job->uses;
}

/* The last vertex of the job `id` beside `of`: in its workflow, and its call. */
static struct vertex *find(struct forest *f, const struct planned_job *of, const char *id)
{
	for (size_t i = f->count; i-- > 0;)
		if (f->list[i].job->caller == of->caller &&
		    strcasecmp(f->list[i].job->job->id, id) == 0)
			return &f->list[i];
	return NULL;
}

static struct vertex *find_caller(struct forest *f, const struct planned_job *of)
{
	for (size_t i = f->count; of->caller && i-- > 0;)
		if (strcmp(f->list[i].job->id, of->caller->id) == 0)
			return &f->list[i];
	return &f->top;
}

static void hang(struct forest *f, struct vertex *v)
{
	const struct job *job = v->job->job;

	v->above = find_caller(f, v->job);
	for (size_t i = 0; i < job->need_count; i++) {
		struct vertex *need = find(f, v->job, job->needs[i]);

		if (need && need->depth >= v->above->depth)
			v->above = need;
	}
	v->depth = v->above->depth + 1;
	if (v->above->last)
		v->above->last->next = v;
	else
		v->above->first = v;
	v->above->last = v;
}

static void grow(struct forest *f, const struct plan *p, plan_shown_fn *shown, const void *arg)
{
	f->list = arena_array(f->arena, p->count + 1, sizeof(*f->list));
	for (size_t i = 0; i < p->count; i++) {
		struct vertex *v = &f->list[f->count];

		if (!shown(arg, &p->jobs[i]))
			continue;
		if (f->count && is_same(v[-1].job, &p->jobs[i])) {
			v[-1].combinations++;
			continue;
		}
		*v = (struct vertex){.job = &p->jobs[i], .combinations = 1};
		hang(f, v);
		f->count++;
	}
}

/* "test (x4) + lint, build [no]" */
static void print_vertex(const struct vertex *v)
{
	const struct job *job = v->job->job;
	const char *separator = "  + ";
	auto_arena struct arena *scratch = arena_new();

	(void)printf("%s", v->combinations > 1 || v->job->matrix_depends
				   ? job->id
				   : plan_visible(scratch, v->job->name));
	if (v->job->matrix_depends)
		(void)printf(" (matrix not known yet)");
	else if (v->combinations > 1)
		(void)printf(" (x%zu)", v->combinations);
	for (size_t i = 0; i < job->need_count; i++) {
		if (v->above->job && v->above->job->caller == v->job->caller &&
		    strcasecmp(v->above->job->job->id, job->needs[i]) == 0)
			continue;
		(void)printf("%s%s", separator, job->needs[i]);
		separator = ", ";
	}
	if (v->job->runs != RUNS_YES)
		(void)printf("  [%s]", plan_runs_word(v->job->runs));
	(void)printf("\n");
}

#define INDENT_MAX 4096

/* `indent` is written to and left as it was. */
static void print_below(const struct vertex *v, struct strbuf *indent)
{
	for (const struct vertex *c = v->first; c; c = c->next) {
		size_t before = indent->len;

		(void)printf("  %s%s", indent->text, v->above ? c->next ? "|- " : "`- " : "");
		print_vertex(c);
		if (v->above)
			strbuf_adds(indent, c->next ? "|  " : "   ");
		if (!indent->full)
			print_below(c, indent);
		else if (c->first)
			(void)printf("  ... more jobs below, too deep to draw\n");
		strbuf_cut(indent, before);
	}
}

void plan_print_graph(const struct plan *p, plan_shown_fn *shown, const void *arg)
{
	auto_arena struct arena *a = arena_new();
	auto_strbuf struct strbuf indent = STRBUF(INDENT_MAX);
	struct forest f = {.arena = a};

	strbuf_adds(&indent, "");
	grow(&f, p, shown, arg);
	print_below(&f.top, &indent);
}
