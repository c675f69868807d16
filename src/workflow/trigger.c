/* Whether an event starts a workflow. */
#include <string.h>

#include "stepcell/arena.h"
#include "stepcell/texts.h"
#include "stepcell/util.h"
#include "stepcell/workflow.h"
#include "workflow/grammar.h"

struct trigger {
	struct arena *arena;
	const struct event *event;
	const struct node *filters;
	const char **why;
};

static bool says(struct trigger *t, bool answer, const char *why)
{
	*t->why = why;
	return answer;
}

static const char *joined(struct arena *a, const struct texts *p)
{
	auto_strbuf struct strbuf out = STRBUF(300);

	for (size_t i = 0; i < p->count; i++)
		strbuf_addf(&out, "%s%s", i ? ", " : "", p->list[i]);
	return arena_strdup(a, out.text);
}

/* ---- activity types ---- */

static bool types_match(struct trigger *t)
{
	const struct node *types = node_get(t->filters, "types");
	const char *const *defaults = event_default_types(t->event->name);
	const char *action = t->event->action;
	struct texts p = {0};

	if (!action || (!types && !defaults))
		return true;
	if (types)
		p = texts_of_node(t->arena, types);
	else
		while (defaults[p.count])
			p.count++;
	for (size_t i = 0; i < p.count; i++)
		if (strcmp(types ? p.list[i] : defaults[i], action) == 0)
			return true;
	if (!types)
		p.list = (const char **)defaults;
	return says(t, false,
		    arena_printf(t->arena, "%s: the activity '%s' is not one of %s", t->event->name,
				 action, joined(t->arena, &p)));
}

/* ---- refs ---- */

/* KEY and KEY-ignore on one name; true when neither is there. */
static bool name_matches(struct trigger *t, const char *key, const char *what, const char *name)
{
	const char *ignore_key = arena_printf(t->arena, "%s-ignore", key);
	const struct node *filter = node_get(t->filters, key),
			  *ignore = node_get(t->filters, ignore_key);
	struct texts p;

	if (filter) {
		p = texts_of_node(t->arena, filter);
		if (!filter_match(p.list, p.count, name))
			return says(t, false,
				    arena_printf(t->arena, "%s: the %s '%s' matches none of %s: %s",
						 t->event->name, what, name, key,
						 joined(t->arena, &p)));
	}
	if (ignore) {
		p = texts_of_node(t->arena, ignore);
		if (filter_match(p.list, p.count, name))
			return says(t, false,
				    arena_printf(t->arena, "%s: the %s '%s' matches %s: %s",
						 t->event->name, what, name, ignore_key,
						 joined(t->arena, &p)));
	}
	return true;
}

static bool has_either(const struct trigger *t, const char *key, const char *ignore)
{
	return node_get(t->filters, key) || node_get(t->filters, ignore);
}

/* Filters on tags alone shut branches out, and the other way round. */
static bool push_ref_matches(struct trigger *t)
{
	bool branches = has_either(t, "branches", "branches-ignore");
	bool tags = has_either(t, "tags", "tags-ignore");
	const char *ref = t->event->ref ? t->event->ref : "";

	if (strncmp(ref, "refs/heads/", 11) == 0) {
		if (tags && !branches)
			return says(t, false,
				    "push: only tags are asked for, and this is a branch");
		return name_matches(t, "branches", "branch", ref + 11);
	}
	if (strncmp(ref, "refs/tags/", 10) == 0) {
		if (branches && !tags)
			return says(t, false,
				    "push: only branches are asked for, and this is a tag");
		return name_matches(t, "tags", "tag", ref + 10);
	}
	return true;
}

/*
 * Of a workflow_run the name of the workflow that ran (its path, where it has
 * none), and the branch that it ran on.
 */
static bool run_matches(struct trigger *t)
{
	const struct node *run = node_get(t->event->payload, "workflow_run"),
			  *workflow = node_get(t->event->payload, "workflow"),
			  *filter = node_get(t->filters, "workflows");
	const char *name = node_text(node_get(workflow ? workflow : run, "name")),
		   *path = node_text(node_get(workflow ? workflow : run, "path")),
		   *branch = node_text(node_get(run, "head_branch"));
	struct texts p = {0};
	bool matches = !filter || (!name && !path);

	if (filter)
		p = texts_of_node(t->arena, filter);
	for (size_t i = 0; i < p.count; i++)
		matches |= (name && strcmp(p.list[i], name) == 0) ||
			   (path && strcmp(p.list[i], path) == 0);
	if (!matches)
		return says(t, false,
			    arena_printf(t->arena, "%s: the workflow '%s' is not one of %s",
					 t->event->name, name ? name : path, joined(t->arena, &p)));
	return !branch || name_matches(t, "branches", "branch", branch);
}

static bool ref_matches(struct trigger *t)
{
	const char *base = t->event->base_ref;

	if (strcmp(t->event->name, "push") == 0)
		return push_ref_matches(t);
	if (strcmp(t->event->name, "workflow_run") == 0)
		return run_matches(t);
	if (!base || !*base)
		return true;
	if (strncmp(base, "refs/heads/", 11) == 0)
		base += 11;
	return name_matches(t, "branches", "base branch", base);
}

/* ---- paths ---- */

static size_t count_matching(const struct trigger *t, const struct texts *p)
{
	size_t n = 0;

	for (size_t i = 0; i < t->event->path_count; i++)
		n += filter_match(p->list, p->count, t->event->paths[i]);
	return n;
}

static bool paths_match(struct trigger *t)
{
	const struct node *paths = node_get(t->filters, "paths"),
			  *ignore = node_get(t->filters, "paths-ignore");
	struct texts p;

	if (!t->event->paths || (t->event->ref && strncmp(t->event->ref, "refs/tags/", 10) == 0))
		return true;
	if (paths) {
		p = texts_of_node(t->arena, paths);
		if (!count_matching(t, &p))
			return says(t, false,
				    arena_printf(t->arena, "%s: no changed path matches paths: %s",
						 t->event->name, joined(t->arena, &p)));
	}
	if (ignore) {
		p = texts_of_node(t->arena, ignore);
		if (count_matching(t, &p) == t->event->path_count)
			return says(t, false,
				    arena_printf(t->arena,
						 "%s: every changed path matches paths-ignore: %s",
						 t->event->name, joined(t->arena, &p)));
	}
	return true;
}

static const char *event_list(struct arena *a, const struct node *on)
{
	auto_strbuf struct strbuf out = STRBUF(300);

	for (size_t i = 0; on && i < on->count; i++)
		strbuf_addf(&out, "%s%s", i ? ", " : "", on->pairs[i].key->text);
	return arena_strdup(a, out.text);
}

bool trigger_matches(struct arena *a, const struct workflow *w, const struct event *e,
		     const char **why)
{
	struct trigger t = {.arena = a, .event = e, .why = why};

	t.filters = node_get(w->on, e->name);
	if (!t.filters)
		return says(&t, false,
			    arena_printf(a, "%s does not start this workflow; on: %s", e->name,
					 event_list(a, w->on)));
	if (!types_match(&t) || !ref_matches(&t) || !paths_match(&t))
		return false;
	return says(&t, true,
		    arena_printf(
			    a, e->ref ? "%s of %s starts this workflow" : "%s starts this workflow",
			    e->name, e->ref));
}
