/*
 * A run from its options to its exit code. What can be refused is refused
 * here, before anything starts: the workflow's text, the policy's grants,
 * actions that are missing, toolchains that are missing.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "runner/check.h"
#include "runner/envfile.h"
#include "runner/run.h"
#include "stepcell/fd.h"
#include "stepcell/home.h"
#include "stepcell/limits.h"
#include "stepcell/log.h"
#include "stepcell/path.h"
#include "stepcell/util.h"

/* ---- what the policy and the host give ---- */

/* The head's repository is null once a fork has been deleted, which its owner may do at any time. */
static bool from_fork(const struct node *event)
{
	const struct node *pr = node_get(event, "pull_request");
	const struct node *repo = node_get(node_get(pr, "head"), "repo");
	const struct node *fork = node_get(repo, "fork");
	const char *theirs = node_text(node_get(repo, "full_name"));
	const char *ours = node_text(node_get(node_get(event, "repository"), "full_name"));

	if (repo && repo->kind != NODE_MAP)
		return true;
	return (fork && fork->kind == NODE_BOOL && fork->truth) ||
	       (theirs && ours && strcasecmp(theirs, ours) != 0);
}

static int open_policy(struct run *run, struct err *err)
{
	const char *event = run->options->event ? run->options->event : "push";
	const char *name = run->options->policy;

	if (!name)
		name = policy_choose(event, from_fork(node_get(run->github, "event")), true);
	run->policy = policy_find(run->arena, name, err);
	if (!run->policy)
		return -1;
	return run->options->audit ? policy_allow_audit(run->policy, err) : 0;
}

static int require_walls(struct run *run, struct err *err)
{
	int n = snprintf(run->seccomp, sizeof(run->seccomp), "%s/policies/seccomp/%s.yml",
			 run->data, run->policy->seccomp);
	int m = snprintf(run->seccomp_fn, sizeof(run->seccomp_fn), "%s/policies/seccomp/worker.yml",
			 run->data);

	if (n < 0 || (size_t)n >= sizeof(run->seccomp) || m < 0 ||
	    (size_t)m >= sizeof(run->seccomp_fn))
		return err_fail(err, ERR_USAGE, "path too long: '%s'", run->data);
	for (size_t i = 0; i < run->policy->require.count; i++)
		for (size_t j = 0; j < CELL_WALL_COUNT; j++)
			if (strcmp(run->policy->require.list[i], cell_wall_name(1U << j)) == 0)
				run->require |= 1U << j;
	return 0;
}

/* Secrets that the policy does not grant are not there, and the operator is told. */
static int open_secrets(struct run *run, struct err *err)
{
	auto_strbuf struct strbuf text = STRBUF(MIB);
	struct node *secrets = node_map(run->arena);
	struct envfile_pairs pairs;

	run->mask = mask_new();
	run->secrets = secrets;
	if (!run->options->secret_file)
		return 0;
	if (file_read(AT_FDCWD, run->options->secret_file, &text, err) < 0 ||
	    envfile_parse(run->arena, text.text, text.len, ENVFILE_OUTPUT, &pairs, err) < 0) {
		err->kind = ERR_USAGE;
		return err_wrap(err, "secret file '%s'", run->options->secret_file);
	}
	for (size_t i = 0; i < pairs.count; i++) {
		struct err refused = {0};

		if (mask_add_secret(run->mask, pairs.list[i].value, err) < 0)
			return -1;
		if (policy_allow_secret(run->policy, pairs.list[i].name, &refused) < 0)
			log_warn("%s", refused.text);
		else
			node_set_text(run->arena, secrets, pairs.list[i].name, pairs.list[i].value);
	}
	return 0;
}

/* ---- the plan ---- */

static struct event event_of(const struct run *run)
{
	const struct node *payload = node_get(run->github, "event");

	return (struct event){
		.name = node_text(node_get(run->github, "event_name")),
		.action = node_text(node_get(payload, "action")),
		.ref = node_text(node_get(run->github, "ref")),
		.base_ref = node_text(node_get(run->github, "base_ref")),
		.paths = run->source.paths,
		.path_count = run->source.path_count,
		.payload = payload,
	};
}

static void drop_unwanted(struct run *run)
{
	size_t kept = 0;

	for (size_t i = 0; i < run->plan.count; i++)
		if (planned_agrees(&run->plan.jobs[i], run->options->matrix.list,
				   run->options->matrix.count))
			run->plan.jobs[kept++] = run->plan.jobs[i];
	run->plan.count = kept;
}

const struct node *run_contexts(const struct run *run)
{
	struct node *contexts = node_map(run->arena);

	node_set(run->arena, contexts, "github", run->github);
	node_set(run->arena, contexts, "inputs", run->inputs);
	node_set(run->arena, contexts, "vars", run->vars);
	return contexts;
}

static int make_plan(struct run *run, struct err *err)
{
	struct diags diags = {.arena = run->arena};
	const struct node *contexts = run_contexts(run);

	if (plan_make(run->arena, run->workflow, contexts, run->options->jobs.list,
		      run->options->jobs.count, &run->plan, &diags) < 0)
		return diags_fail(&diags, err);
	drop_unwanted(run);
	if (calls_check(run, contexts, err) < 0)
		return -1;
	drop_unwanted(run);
	return 0;
}

/* ---- one workflow ---- */

/* As GitHub names it: relative to the repository. */
static const char *path_in_checkout(const struct run *run, const char *path)
{
	size_t dir = strlen(run->source.dir);
	char full[PATH_MAX];

	return dir && realpath(path, full) && strncmp(full, run->source.dir, dir) == 0 &&
			       full[dir] == '/'
		       ? arena_strdup(run->arena, full + dir + 1)
		       : path;
}

/* The context with the number that the run has; a plan is told that of the run that would be. */
static struct node *numbered(struct run *run, bool take, struct err *err)
{
	struct arena *a = run->arena;
	struct node *github = node_map(a);
	uint64_t number;

	for (size_t i = 0; i < run->github->count; i++)
		node_set(a, github, run->github->pairs[i].key->text, run->github->pairs[i].value);
	if (run_number_next(run->home, node_text(node_get(github, "repository")),
			    run->workflow_path, take, &number, err) < 0)
		return NULL;
	node_set_text(a, github, "run_number", arena_printf(a, "%llu", (unsigned long long)number));
	return github;
}

/* What is known of this run alone. */
static int finish_github(struct run *run, struct err *err)
{
	struct arena *a = run->arena;
	struct node *github = numbered(run, true, err);

	if (!github)
		return -1;
	node_set_text(a, github, "workflow",
		      run->workflow->name ? run->workflow->name : run->workflow_path);
	node_set_text(a, github, "run_id",
		      arena_printf(a, "%llu",
				   (unsigned long long)run_id_number(journal_id(run->journal))));
	if (run->secrets->count)
		node_set_text(a, github, "secret_source", "Actions");
	if (strcmp(node_text(node_get(github, "event_name")), "workflow_dispatch") == 0)
		node_set(a, github, "event",
			 payload_inputs(a, node_get(github, "event"), run->inputs));
	run->github = github;
	return 0;
}

static int run_jobs(struct run *run, struct err *err)
{
	uint64_t started = now_ms();
	enum result verdict;
	struct err ignored;
	int ok;

	if (concurrency_enter(run, &run->call, run_contexts(run), err) < 0 ||
	    tell_start(run, err) < 0)
		return -1;
	ok = schedule_run(run, err);
	verdict = ok < 0 && err->kind != ERR_INTERRUPTED ? RESULT_FAILURE : tell_verdict(run);
	if (tell_end(run, started, verdict, ok < 0 ? &ignored : err) < 0 && ok == 0)
		return -1;
	if (run->cancelled && run->interrupts)
		return 130;
	if (ok < 0)
		return -1;
	return verdict == RESULT_SUCCESS ? 0 : run->refused ? 3 : 1;
}

static int run_granted(struct run *run, struct err *err)
{
	struct err ignored;
	int code;

	if (check_run(run, err) < 0)
		return -1;
	code = run_jobs(run, err);
	(void)remove_tree(AT_FDCWD, run->work, &ignored);
	return code;
}

/* -1, an exit code, or NOT_STARTED when the event does not start this workflow. */
#define NOT_STARTED 1000

static int run_one(struct run *run, const char *path, struct err *err)
{
	const char *why = "";
	struct event event = event_of(run);
	int code;

	run->workflow = runner_workflow_load(run->arena, path, path, err);
	if (!run->workflow)
		return -1;
	if (!trigger_matches(run->arena, run->workflow, &event, &why)) {
		log_note("'%s' is not started: %s", path, why);
		return NOT_STARTED;
	}
	run->inputs = context_inputs(run, err);
	if (!run->inputs || finish_github(run, err) < 0)
		return -1;
	run->call = (struct call){
		.workflow = run->workflow, .inputs = run->inputs, .secrets = run->secrets};
	if (make_plan(run, err) < 0)
		return -1;
	code = run_granted(run, err);
	group_leave(&run->call.group);
	return code;
}

/* ---- all workflows ---- */

static int open_state(struct run *run, struct err *err)
{
	(void)umask(022); /* layers are read by the step's user, behind folders that are not */
	if (state_home(run->home, sizeof(run->home), err) < 0 ||
	    data_home(run->data, sizeof(run->data), err) < 0 ||
	    store_open(run->home, &run->store, err) < 0)
		return -1;
	cell_sweep(run->home);
	sweep_layers(run->home);
	group_sweep(run->home);
	return 0;
}

static int open_contexts(struct run *run, const char *path, struct err *err)
{
	run->workflow_path = path_in_checkout(run, path);
	run->github =
		context_github(run->arena, run->options, &run->source, run->workflow_path, err);
	run->vars = context_pairs(run->arena, &run->options->vars);
	return run->github ? 0 : -1;
}

/*
 * The event decides the policy, the policy the walls, and behind those walls
 * git is asked about the checkout: then the contexts are complete.
 */
static int open_all(struct run *run, const char *path, struct err *err)
{
	run->source = source_none(run->options, err);
	return !run->source.dir[0] || open_contexts(run, path, err) < 0 ||
			       open_policy(run, err) < 0 || require_walls(run, err) < 0 ||
			       source_open(run, err) < 0 || open_contexts(run, path, err) < 0 ||
			       open_secrets(run, err) < 0
		       ? -1
		       : 0;
}

/* GitHub's switch for ::debug:: lines and RUNNER_DEBUG. */
static bool wants_debug(const struct run *run)
{
	const struct node *maps[] = {run->vars, run->secrets};

	for (size_t i = 0; i < COUNT(maps); i++) {
		const char *text = node_text(node_get(maps[i], "ACTIONS_STEP_DEBUG"));

		if (text && strcasecmp(text, "true") == 0)
			return true;
	}
	return false;
}

static uint64_t processors(void)
{
	long n = sysconf(_SC_NPROCESSORS_ONLN);

	return n > 0 ? (uint64_t)n : 1;
}

static struct run *run_new(struct arena *a, const struct run_options *o)
{
	struct run *run = arena_alloc(a, sizeof(*run));

	run->arena = a;
	run->options = o;
	run->signals = -1;
	run->diags.arena = a;
	run->parallel = o->parallel ? o->parallel : processors();
	return run;
}

static void run_close(struct run *run)
{
	journal_close(&run->journal);
	actions_release(run);
	store_close(&run->store);
	mask_free(&run->mask);
}

/* A run that never began leaves no record. */
static void forget(struct run *run)
{
	struct err ignored;

	if (run->journal)
		(void)remove_tree(AT_FDCWD, journal_dir(run->journal), &ignored);
}

static int run_path(const struct run_options *o, const char *path, const struct run_view *view,
		    struct err *err)
{
	auto_arena struct arena *a = arena_new();
	struct run *run = run_new(a, o);
	int code = -1;

	if (open_state(run, err) == 0 && journal_create(run->home, &run->journal, err) == 0) {
		journal_watch(run->journal, view->event, view->arg);
		run->tick = view->tick;
		run->tick_arg = view->arg;
		run->keeper = view->keeper;
		run->work = arena_printf(a, "%s/layers", journal_dir(run->journal));
		if (open_all(run, path, err) == 0) {
			run->debug = wants_debug(run);
			code = run_one(run, path, err);
		}
	}
	if (!run->told)
		forget(run);
	run_close(run);
	return code;
}

int runner_run(const struct run_options *o, const struct run_view *view, struct err *err)
{
	auto_arena struct arena *a = arena_new();
	struct texts paths = {0};
	size_t started = 0;
	int worst = 0;

	if (runner_workflow_files(a, o->dir, o->workflow, &paths, err) < 0)
		return -1;
	for (size_t i = 0; i < paths.count; i++) {
		int code = run_path(o, paths.list[i], view, err);

		if (code < 0 || code == 130)
			return code;
		started += code != NOT_STARTED;
		worst = code != NOT_STARTED && code > worst ? code : worst;
	}
	if (!started)
		return err_fail(err, ERR_USAGE, "event '%s' starts no workflow in '%s'",
				o->event ? o->event : "push",
				o->workflow ? o->workflow : RUNNER_WORKFLOWS);
	return worst;
}

int runner_contexts(struct arena *a, const struct run_options *o, const char *path,
		    const struct node **out, struct err *err)
{
	struct run *run = run_new(a, o);
	struct node *contexts = node_map(a), *paths = node_list(a);
	struct err ignored;
	int ok;

	ok = open_state(run, err);
	if (ok == 0) {
		run->work = arena_printf(a, "%s/plan-%d", run->home, (int)getpid());
		ok = open_all(run, path, err);
		(void)remove_tree(AT_FDCWD, run->work, &ignored);
		if (ok == 0 && !(run->github = numbered(run, false, err)))
			ok = -1;
	}
	run_close(run);
	if (ok < 0)
		return -1;
	node_set(a, contexts, "github", run->github);
	node_set(a, contexts, "inputs", context_pairs(a, &o->inputs));
	node_set(a, contexts, "vars", run->vars);
	for (size_t i = 0; i < run->source.path_count; i++)
		node_add(a, paths, node_string(a, run->source.paths[i]));
	node_set(a, contexts, "paths", paths);
	*out = contexts;
	return 0;
}

static int take_tree(struct run *run, git_take_fn *take, void *arg, struct err *err)
{
	const char *tree = run->source.tree_layer;

	run->source.bare = true;
	return source_open(run, err) < 0 ? -1 : take(arg, tree, run->source.sha, err);
}

int runner_git_tree(const char *dir, const char *rev, git_take_fn *take, void *arg, struct err *err)
{
	const struct run_options o = {.dir = dir, .at = rev, .policy = "default"};
	auto_arena struct arena *a = arena_new();
	struct run *run = run_new(a, &o);
	struct err ignored;
	int ok = open_state(run, err);

	if (ok == 0) {
		run->work = arena_printf(a, "%s/tree-%d", run->home, (int)getpid());
		run->source = source_none(&o, err);
		ok = run->source.dir[0] && open_policy(run, err) == 0 &&
				     require_walls(run, err) == 0 &&
				     take_tree(run, take, arg, err) == 0
			     ? 0
			     : -1;
		(void)remove_tree(AT_FDCWD, run->work, &ignored);
	}
	run_close(run);
	return ok;
}
