#include "report/view.h"

#include <stdlib.h>
#include <string.h>

#include "report/text.h"
#include "stepcell/json.h"
#include "stepcell/limits.h"
#include "stepcell/util.h"

double event_number(const struct node *event, const char *key)
{
	const struct node *n = node_get(event, key);

	return n && n->kind == NODE_NUMBER ? n->number : 0;
}

const char *event_text(struct report_terminal *t, const struct node *event, const char *key)
{
	const char *text = node_text(node_get(event, key));
	auto_strbuf struct strbuf shown = STRBUF(LIMIT_SUMMARY);

	if (!text)
		return NULL;
	text_escaped(text, &shown);
	return arena_strdup(t->arena, shown.text);
}

enum view_state view_state_of(const char *verdict)
{
	static const struct {
		const char *name;
		enum view_state state;
	} names[] = {
		{"success", VIEW_SUCCESS},
		{"cancelled", VIEW_CANCELLED},
		{"skipped", VIEW_SKIPPED},
	};

	for (size_t i = 0; verdict && i < COUNT(names); i++)
		if (strcmp(names[i].name, verdict) == 0)
			return names[i].state;
	return VIEW_FAILURE;
}

/* Take the name in an event where it is that of the job or step, and not of a group or an artifact. */
static void learn_name(struct report_terminal *t, const struct node *event, const char *prefix,
		       const char **name)
{
	const char *type = node_text(node_get(event, "type"));
	const char *said = node_text(node_get(event, "name"));
	auto_strbuf struct strbuf shown = STRBUF(LIMIT_LOG_LINE);

	if (!said || (type && strncmp(type, prefix, strlen(prefix)) != 0))
		return;
	text_escaped(said, &shown);
	if (strcmp(*name, shown.text) != 0)
		*name = arena_strdup(t->arena, shown.text);
}

static struct view_job *find_job(struct report_terminal *t, const char *id)
{
	for (size_t i = 0; i < t->job_count; i++)
		if (strcmp(t->jobs[i]->id, id) == 0)
			return t->jobs[i];
	return NULL;
}

/* The latest first: that is the one which speaks. */
static struct view_step *find_step(const struct view_job *job, const char *key)
{
	for (size_t i = job->step_count; i-- > 0;)
		if (strcmp(job->steps[i]->key, key) == 0)
			return job->steps[i];
	return NULL;
}

struct view_job *view_job(struct report_terminal *t, const struct node *event)
{
	const char *id = node_text(node_get(event, "job"));
	auto_strbuf struct strbuf shown = STRBUF(LIMIT_LOG_LINE);
	struct view_job *job;

	if (!id)
		id = node_text(node_get(event, "id")); /* in the plan and the table */
	text_escaped(id ? id : "?", &shown);
	job = find_job(t, shown.text);
	if (!job) {
		job = arena_alloc(t->arena, sizeof(*job));
		job->id = job->name = arena_strdup(t->arena, shown.text);
		job->index = (unsigned)t->job_count;
		t->jobs = arena_grow(t->arena, t->jobs, t->job_count, sizeof(struct view_job *));
		t->jobs[t->job_count++] = job;
	}
	learn_name(t, event, "job-", &job->name);
	return job;
}

/* Steps are known by whatever the runner numbers or names them with. */
static void key_of(const struct node *event, struct strbuf *out)
{
	const struct node *step = node_get(event, "step");

	if (step && step->kind == NODE_NUMBER)
		number_write(out, step->number);
	else
		text_escaped(node_text(step), out);
}

struct view_step *view_step(struct report_terminal *t, struct view_job *job,
			    const struct node *event)
{
	auto_strbuf struct strbuf key = STRBUF(LIMIT_LOG_LINE);
	struct view_step *s;

	key_of(event, &key);
	s = find_step(job, key.text);
	if (!s) {
		s = arena_alloc(t->arena, sizeof(*s));
		s->key = s->name = arena_strdup(t->arena, key.text);
		job->steps = arena_grow(t->arena, job->steps, job->step_count,
					sizeof(struct view_step *));
		job->steps[job->step_count++] = s;
	}
	learn_name(t, event, "step-", &s->name);
	return s;
}

void view_tail_add(struct view_step *s, const char *line)
{
	char **slot = &s->tail[s->lines++ % TAIL_LINES];

	free(*slot);
	*slot = strndup(line, 1000);
}

void view_tail_drop(struct view_step *s)
{
	for (size_t i = 0; i < TAIL_LINES; i++) {
		free(s->tail[i]);
		s->tail[i] = NULL;
	}
}

void view_fail(struct report_terminal *t, struct view_job *job, struct view_step *s,
	       const char *what, const char *log)
{
	struct view_failure f = {.job = job, .step = s->name, .what = what, .log = log};
	size_t first = s->lines > TAIL_LINES ? s->lines - TAIL_LINES : 0;

	if (t->failure_count == MAX_FAILURES)
		return;
	for (size_t i = first; i < s->lines; i++) {
		const char *line = s->tail[i % TAIL_LINES];

		if (line)
			f.tail[f.tail_count++] = arena_strdup(t->arena, line);
	}
	t->failures = arena_grow(t->arena, t->failures, t->failure_count, sizeof(f));
	t->failures[t->failure_count++] = f;
}
