/* The contexts that expressions see, made from what the run, the job and the step know. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "runner/actions.h"
#include "runner/run.h"
#include "stepcell/fd.h"
#include "stepcell/json.h"
#include "stepcell/limits.h"
#include "stepcell/util.h"

static const char *const result_names[] = {
	[RESULT_SUCCESS] = "success",
	[RESULT_FAILURE] = "failure",
	[RESULT_CANCELLED] = "cancelled",
	[RESULT_SKIPPED] = "skipped",
};
static_assert(COUNT(result_names) == RESULT_COUNT, "name every result");

const char *result_name(enum result r)
{
	return result_names[r];
}

/* ---- github ---- */

/* "owner/name" out of a remote's address; without one, the folder's name under "local". */
static const char *repository_name(struct arena *a, const struct source *s)
{
	const char *end = s->remote + strlen(s->remote), *name, *owner;
	const char *folder = strrchr(s->dir, '/') + 1;

	while (end > s->remote && end[-1] == '/')
		end--;
	if (end - s->remote > 4 && strncmp(end - 4, ".git", 4) == 0)
		end -= 4;
	for (name = end; name > s->remote && name[-1] != '/' && name[-1] != ':';)
		name--;
	for (owner = name > s->remote ? name - 1 : name;
	     owner > s->remote && owner[-1] != '/' && owner[-1] != ':';)
		owner--;
	if (owner < name && name < end)
		return arena_printf(a, "%.*s/%.*s", (int)(name - 1 - owner), owner,
				    (int)(end - name), name);
	return arena_printf(a, "local/%s", *folder ? folder : "root");
}

static const struct node *read_payload(struct arena *a, const char *path, struct err *err)
{
	auto_strbuf struct strbuf text = STRBUF(LIMIT_EVENT_BYTES);
	const struct node *event;

	if (file_read(AT_FDCWD, path, &text, err) < 0)
		goto unusable;
	event = json_parse(a, path, text.text, text.len, err);
	if (!event)
		goto unusable;
	if (event->kind == NODE_MAP)
		return event;
	(void)err_fail(err, ERR_USAGE, "%s: expected an object, found %s", path,
		       node_kind_text(event->kind));
unusable:
	err->kind = ERR_USAGE;
	(void)err_wrap(err, "event file");
	return NULL;
}

static bool starts(const char *text, const char *prefix)
{
	return strncmp(text, prefix, strlen(prefix)) == 0;
}

/* A ref as the user says it: whole, or the name of a branch. */
static const char *whole_ref(struct arena *a, const char *ref)
{
	return starts(ref, "refs/") ? ref : arena_printf(a, "refs/heads/%s", ref);
}

static const char *text_of(const struct node *map, const char *key)
{
	const char *text = node_text(node_get(map, key));

	return text ? text : "";
}

static bool is_pull_request(const char *event)
{
	return strcmp(event, "pull_request") == 0 || strcmp(event, "pull_request_target") == 0;
}

/* ref, ref_name, ref_type, head_ref and base_ref: what the event's kind makes of the ref. */
static void add_refs(struct arena *a, struct node *github, const char *name, const char *ref)
{
	const struct node *event = node_get(github, "event");
	const struct node *pr = node_get(event, "pull_request");
	const struct node *release = node_get(event, "release");
	const char *short_name;

	if (strcmp(name, "pull_request") == 0) {
		const struct node *number = node_get(event, "number");

		ref = arena_printf(a, "refs/pull/%.0f/merge",
				   number && number->kind == NODE_NUMBER ? number->number : 1);
	} else if (release && *text_of(release, "tag_name") && !starts(ref, "refs/tags/")) {
		ref = arena_printf(a, "refs/tags/%s", text_of(release, "tag_name"));
	}
	short_name = starts(ref, "refs/heads/")  ? ref + 11
		     : starts(ref, "refs/tags/") ? ref + 10
						 : ref;
	if (starts(ref, "refs/pull/"))
		short_name = ref + 10;
	node_set_text(a, github, "ref", ref);
	node_set_text(a, github, "ref_name", short_name);
	node_set_text(a, github, "ref_type", starts(ref, "refs/tags/") ? "tag" : "branch");
	node_set(a, github, "ref_protected", node_bool(false));
	node_set_text(a, github, "head_ref",
		      is_pull_request(name) ? text_of(node_get(pr, "head"), "ref") : "");
	node_set_text(a, github, "base_ref",
		      is_pull_request(name) ? text_of(node_get(pr, "base"), "ref") : "");
}

/* NULL is left out. */
static void add_texts(struct arena *a, struct node *map, const char *const (*rows)[2], size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (rows[i][1])
			node_set_text(a, map, rows[i][0], rows[i][1]);
}

/* Numbers that GitHub gives, as texts: of the payload, else "0", which nobody has. */
static void add_ids(struct arena *a, struct node *github)
{
	const struct node *event = node_get(github, "event");
	const struct node *repository = node_get(event, "repository");
	const struct {
		const char *name;
		const struct node *of;
	} rows[] = {
		{"actor_id", node_get(event, "sender")},
		{"repository_id", repository},
		{"repository_owner_id", node_get(repository, "owner")},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		const struct node *id = node_get(rows[i].of, "id");

		node_set_text(a, github, rows[i].name,
			      id && id->kind == NODE_NUMBER ? expr_text(a, id) : "0");
	}
}

static void add_fixed(struct arena *a, struct node *github, const char *repository,
		      const char *workspace)
{
	const char *owner = arena_strndup(a, repository, strcspn(repository, "/"));
	const char *const rows[][2] = {
		{"repository", repository},
		{"repository_owner", owner},
		{"repositoryUrl", arena_printf(a, "git://github.com/%s.git", repository)},
		{"repository_visibility", "private"},
		{"actor", owner},
		{"triggering_actor", owner},
		{"server_url", "https://github.com"},
		{"api_url", "https://api.github.com"},
		{"graphql_url", "https://api.github.com/graphql"},
		{"run_attempt", "1"},
		{"retention_days", "90"},
		{"secret_source", "None"},
		{"token", ""},
		{"action", ""},
		{"action_ref", ""},
		{"action_repository", ""},
		{"workspace", workspace},
		{"event_path", RUNNER_EVENT},
	};

	add_texts(a, github, rows, COUNT(rows));
}

const struct node *context_github(struct arena *a, const struct run_options *o,
				  const struct source *source, const char *workflow_path,
				  struct err *err)
{
	const char *name = o->event ? o->event : "push";
	const char *repository = repository_name(a, source);
	const char *repo = strchr(repository, '/') + 1;
	const char *ref = whole_ref(a, o->ref ? o->ref : source->branch ? source->branch : "main");
	struct node *github = node_map(a);
	const struct node *event = o->event_file ? read_payload(a, o->event_file, err)
						 : event_payload(a, name, ref, "main");

	if (!event)
		return NULL;
	add_fixed(a, github, repository, arena_printf(a, "%s/%s/%s", RUNNER_WORK, repo, repo));
	node_set_text(a, github, "event_name", name);
	node_set(a, github, "event",
		 o->event_file ? event : payload_complete(a, event, github, source));
	add_ids(a, github);
	node_set_text(a, github, "sha", source->sha);
	add_refs(a, github, name, ref);
	node_set_text(
		a, github, "workflow_ref",
		arena_printf(a, "%s/%s@%s", repository, workflow_path, text_of(github, "ref")));
	node_set_text(a, github, "workflow_sha", source->sha);
	return github;
}

/* ---- the run's own ---- */

const struct node *context_pairs(struct arena *a, const struct texts *pairs)
{
	struct node *map = node_map(a);

	for (size_t i = 0; i < pairs->count; i++) {
		const char *text = pairs->list[i];
		size_t key = strcspn(text, "=");

		node_set_text(a, map, arena_strndup(a, text, key), text[key] ? text + key + 1 : "");
	}
	return map;
}

const struct node *context_runner(struct job_run *job)
{
	struct node *map = node_map(job->arena);
	const char *slash = strrchr(job->workspace, '/');
	const char *const rows[][2] = {
		{"name", "stepcell"},
		{"os", "Linux"},
		{"arch", sizeof(void *) == 8 ?
#ifdef __aarch64__
					     "ARM64"
#else
					     "X64"
#endif
					     : "X86"},
		{"temp", RUNNER_TEMP},
		{"tool_cache", RUNNER_TOOLS},
		{"workspace",
		 arena_strndup(job->arena, job->workspace, (size_t)(slash - job->workspace))},
		{"environment", "self-hosted"},
		{"debug", job->run->debug ? "1" : NULL},
	};

	add_texts(job->arena, map, rows, COUNT(rows));
	return map;
}

/* ---- a job's ---- */

static const struct node *strategy(struct job_run *job)
{
	struct node *map = node_map(job->arena);

	node_set(job->arena, map, "fail-fast", node_bool(job->plan->fail_fast));
	node_set(job->arena, map, "job-index", node_number(job->arena, (double)job->plan->index));
	node_set(job->arena, map, "job-total",
		 node_number(job->arena, (double)(job->plan->total ? job->plan->total : 1)));
	node_set(job->arena, map, "max-parallel",
		 node_number(job->arena, (double)(job->plan->max_parallel ? job->plan->max_parallel
						  : job->plan->total      ? job->plan->total
									  : 1)));
	return map;
}

/* Of the action that a step is or belongs to. */
static void add_action(struct job_run *job, struct node *github, const struct action_use *use)
{
	const struct uses *uses = use && use->known ? &use->known->uses : NULL;

	if (!use)
		return;
	node_set_text(job->arena, github, "action_path", use->path);
	node_set_text(job->arena, github, "action_ref", uses ? uses->ref : "");
	node_set_text(job->arena, github, "action_repository",
		      uses ? arena_printf(job->arena, "%s/%s", uses->owner, uses->repo) : "");
}

static const struct node *github_of(struct job_run *job, const struct frame *frame,
				    const struct step_run *step)
{
	const struct node *base = job->run->github;
	struct node *map = node_map(job->arena);

	for (size_t i = 0; i < base->count; i++)
		node_set(job->arena, map, base->pairs[i].key->text, base->pairs[i].value);
	node_set_text(job->arena, map, "job", job->plan->job->id);
	if (step) {
		node_set_text(job->arena, map, "action", step->id);
		files_context(step, map);
	}
	add_action(job, map, step && step->use ? step->use : frame ? frame->use : NULL);
	if (frame && frame->use)
		node_set_text(job->arena, map, "action_status", result_name(frame->status));
	return map;
}

/* An action's changes with the status inside of it; all others are made once. */
static const struct node *github_for(struct job_run *job, const struct frame *frame,
				     struct step_run *step)
{
	const struct node **kept = step ? &step->github : &job->github;

	if ((step && step->use) || (frame && frame->use))
		return github_of(job, frame, step);
	if (!*kept)
		*kept = github_of(job, frame, step);
	return *kept;
}

static const struct node *strategy_for(struct job_run *job)
{
	if (job->strategy_of != job->plan) { /* a matrix made of outputs changes the plan */
		job->strategy = strategy(job);
		job->strategy_of = job->plan;
	}
	return job->strategy;
}

static const struct node *runner_for(struct job_run *job)
{
	if (!job->runner)
		job->runner = context_runner(job);
	return job->runner;
}

/* What a job's if, name, env, strategy and the like may use. */
const struct node *context_job_level(struct job_run *job)
{
	struct arena *a = job->arena;
	struct node *map = node_map(a);

	node_set(a, map, "github", github_for(job, NULL, NULL));
	node_set(a, map, "inputs", job->call->inputs);
	node_set(a, map, "vars", job->run->vars);
	node_set(a, map, "secrets", job->call->secrets);
	node_set(a, map, "needs", job->needs ? job->needs : node_map(a));
	node_set(a, map, "matrix", job->plan->matrix ? job->plan->matrix : node_null());
	node_set(a, map, "strategy", strategy_for(job));
	node_set(a, map, "env", job->env ? job->env : node_map(a));
	return map;
}

/* Which file the job is written in: github.workflow_ref is that of the run. */
static void add_workflow(struct job_run *job, struct node *map)
{
	struct arena *a = job->arena;
	const struct node *github = job->run->github;
	const char *uses =
		job->call->caller ? called_as(&job->run->called, job->call->workflow) : NULL;
	const char *path = job->run->workflow_path;
	const char *repository = text_of(github, "repository"), *ref = text_of(github, "ref");
	const char *sha = text_of(github, "workflow_sha"), *at = uses ? strrchr(uses, '@') : NULL;
	struct uses remote;
	struct err ignored;

	if (uses && starts(uses, "./")) {
		path = uses + 2;
	} else if (uses && at && uses_parse(a, uses, &remote, &ignored) == 0) {
		repository = arena_printf(a, "%s/%s", remote.owner, remote.repo);
		path = remote.path;
		ref = remote.ref;
		sha = strlen(ref) == 40 ? ref : NULL; /* else nobody knows here */
	}
	const char *const rows[][2] = {
		{"workflow_ref", arena_printf(a, "%s/%s@%s", repository, path, ref)},
		{"workflow_sha", sha},
		{"workflow_repository", repository},
		{"workflow_file_path", path},
	};

	add_texts(a, map, rows, COUNT(rows));
}

static const struct node *job_context(struct job_run *job)
{
	struct node *map = node_map(job->arena), *container = node_map(job->arena);

	node_set_text(job->arena, map, "status", result_name(job->status));
	add_workflow(job, map);
	if (job->container) {
		node_set_text(job->arena, container, "id", job->plan->id);
		node_set_text(job->arena, container, "network", job->plan->id);
		node_set(job->arena, map, "container", container);
	}
	if (job->service_count)
		node_set(job->arena, map, "services", services_context(job));
	return map;
}

static void merge(struct arena *a, struct node *into, const struct node *from)
{
	for (size_t i = 0; from && from->kind == NODE_MAP && i < from->count; i++)
		node_set(a, into, from->pairs[i].key->text, from->pairs[i].value);
}

/* The actions around a step, outermost first. */
static void merge_frames(struct job_run *job, const struct frame *frame, struct node *env)
{
	if (!frame)
		return;
	merge_frames(job, frame->up, env);
	merge(job->arena, env, frame->env);
}

struct node *context_env(struct job_run *job, struct frame *frame, const struct node *own)
{
	struct node *env = node_map(job->arena);

	merge(job->arena, env, job->env);
	merge_frames(job, frame, env);
	merge(job->arena, env, own);
	return env;
}

const struct node *context_step(struct job_run *job, struct frame *frame, struct step_run *step)
{
	struct arena *a = job->arena;
	struct node *map = node_map(a);

	merge(a, map, context_job_level(job));
	node_set(a, map, "github", github_for(job, frame, step));
	node_set(a, map, "job", job_context(job));
	node_set(a, map, "runner", runner_for(job));
	node_set(a, map, "steps", frame ? frame->results : node_map(a));
	node_set(a, map, "env", context_env(job, frame, step ? step->env : NULL));
	if (frame && frame->up) { /* inside an action: its own inputs, and no secrets */
		node_set(a, map, "inputs", frame->inputs);
		node_set(a, map, "secrets", node_map(a));
	}
	return map;
}

/* ---- workflow_dispatch ---- */

const struct node *context_inputs(const struct run *run, struct err *err)
{
	struct arena *a = run->arena;
	const struct node *payload = node_get(node_get(run->github, "event"), "inputs");
	const struct node *on_line = context_pairs(a, &run->options->inputs);
	struct node *given = node_map(a);
	struct diags diags = {.arena = a};
	const struct node *inputs;

	merge(a, given, payload);
	merge(a, given, on_line);
	inputs = event_inputs(a, run->workflow, node_text(node_get(run->github, "event_name")),
			      given, &diags);
	if (!inputs)
		(void)diags_fail(&diags, err);
	return inputs;
}
