/* A step's cell: its environment, its script, its limits. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "runner/defaults.h"
#include "runner/run.h"
#include "runner/shell.h"
#include "stepcell/fd.h"
#include "stepcell/limits.h"
#include "stepcell/log.h"
#include "stepcell/path.h"
#include "stepcell/util.h"

/* ---- the environment ---- */

static void add_all(struct arena *a, struct node *env, const struct node *from)
{
	for (size_t i = 0; from && from->kind == NODE_MAP && i < from->count; i++)
		node_set_text(a, env, from->pairs[i].key->text, expr_text(a, from->pairs[i].value));
}

/* GITHUB_PATH's directories go before what the environment has. */
static void add_path(struct job_run *job, struct node *env)
{
	auto_strbuf struct strbuf path = STRBUF(128 * KIB);
	const char *base = node_text(node_get(env, "PATH"));

	for (size_t i = 0; i < job->path.count; i++)
		strbuf_addf(&path, "%s:", job->path.list[i]);
	strbuf_adds(&path, base ? base : "/usr/local/bin:/usr/bin:/bin");
	node_set_text(job->arena, env, "PATH", path.text);
}

struct node *launch_env_in(struct step_run *step, const struct image *image,
			   const struct container *c)
{
	struct job_run *job = step->job;
	struct arena *a = job->arena;
	struct node *env = node_map(a);
	const struct node *contexts = context_step(job, step->frame, step);

	add_all(a, env, image->env);
	if (c) {
		container_env(a, image, env);
		add_all(a, env, c->env);
	}
	node_set_text(a, env, "HOME", RUNNER_HOME);
	reach_env(job, env);
	add_all(a, env, node_get(contexts, "env"));
	if (!node_get(env, "SOURCE_DATE_EPOCH"))
		node_set_text(
			a, env, "SOURCE_DATE_EPOCH",
			arena_printf(a, "%llu", (unsigned long long)job->run->source.commit_time));
	default_env(a, node_get(contexts, "github"), node_get(contexts, "runner"), env);
	add_path(job, env);
	return env;
}

struct node *launch_env(struct step_run *step)
{
	return launch_env_in(step, &step->job->image, step->job->container);
}

const char *const *launch_env_list(struct arena *a, const struct node *env)
{
	const char **list = arena_array(a, env->count + 1, sizeof(*list));

	for (size_t i = 0; i < env->count; i++)
		list[i] = arena_printf(a, "%s=%s", env->pairs[i].key->text,
				       env->pairs[i].value->text);
	return list;
}

/* ---- the cell ---- */

static uint64_t least(uint64_t a, uint64_t b)
{
	return !a ? b : !b ? a : a < b ? a : b;
}

struct cell_limits launch_limits(const struct policy_limits *p, uint64_t wall_ms)
{
	return (struct cell_limits){
		.memory = p->memory,
		.cpus_milli = p->cpus_milli,
		.io = p->io,
		.pids = p->pids,
		.disk = p->disk,
		.files = p->files,
		.open_files = p->open_files,
		.wall_ms = wall_ms,
	};
}

/* A step whose time is over is asked to end before it is made to (step_time_out()). */
#define GRACE_MS 12000

static struct cell_limits limits_of(const struct step_run *step)
{
	const struct policy_limits *p = &step->job->run->policy->limits;
	const uint64_t own = step->timeout_ms ? step->timeout_ms + GRACE_MS : 0;

	return launch_limits(p, least(own, p->step_ms));
}

struct cell_spec launch_spec(const struct job_run *job)
{
	const struct run *run = job->run;

	return (struct cell_spec){
		.owner = job->owner,
		.state = run->home,
		.network = reach_network(job),
		.proc = run->policy->proc == POLICY_PROC_FULL ? CELL_PROC_FULL : CELL_PROC_PID,
		.seccomp = run->seccomp,
		.require = run->require,
	};
}

/* What a step does without each wall that a policy may do without. */
static const struct {
	enum cell_wall wall;
	const char *instead;
} without[] = {
	{CELL_WALL_CGROUP, "memory and processes are limited by other means, processor time and "
			   "disks are not"},
	{CELL_WALL_LANDLOCK, "files are guarded by the mounts alone"},
	{CELL_WALL_SECCOMP, "every system call is within reach"},
	{CELL_WALL_TIMENS, "steps see how long the host has been up"},
};

/* Each wall that is missing and not required is named once a run. */
static void tell_missing(struct run *run, unsigned missing)
{
	for (size_t i = 0; i < COUNT(without); i++) {
		if (!(missing & without[i].wall) || (run->missing & without[i].wall))
			continue;
		run->missing |= without[i].wall;
		journal_begin(run->journal, "warning");
		journal_text(run->journal, "text",
			     arena_printf(run->arena,
					  "this host gives no %s wall, and policy '%s' does not "
					  "require it: %s; 'stepcell doctor' says what mends it",
					  cell_wall_name(without[i].wall), run->policy->name,
					  without[i].instead));
		(void)journal_end(run->journal, &run->fatal);
	}
}

static const char *cell_name(struct job_run *job, unsigned number)
{
	auto_strbuf struct strbuf name = STRBUF(80);

	for (const char *p = job->plan->id; *p && name.len < 40; p++)
		strbuf_addc(&name, (*p >= 'a' && *p <= 'z') || (*p >= '0' && *p <= '9') ? *p
				   : *p >= 'A' && *p <= 'Z' ? (char)(*p + 32)
							    : '-');
	strbuf_addf(&name, "-%u", number);
	return arena_strndup(job->arena, name.text, name.len);
}

/*
 * While the step runs there is time: for what is left of the one before, and for what
 * the next one will need in any case, a cell without a command yet and the directories
 * that it writes to. A failure is the next step's. Nothing goes into a layer that is in use.
 */
static void use_the_time(struct step_run *step, const struct cell_spec *spec)
{
	struct cell_spec next = *spec;
	struct err ignored = {0};

	cell_release(&step->job->ended);
	if (step->frame->next == step->frame->steps->count && !step->frame->up)
		return;
	next.name = cell_name(step->job, step->number + 1);
	next.seccomp = step->job->run->seccomp;
	(void)cell_prepare(&next, &ignored);
	layers_ahead(step->job, step->number + 1);
}

/* The job's mounts, the trees of actions, and what this step has besides. */
static struct cell_overlay *all_overlays(struct job_run *job, const struct cell_overlay *own,
					 size_t *count, const struct launch *l)
{
	const struct {
		const struct cell_overlay *list;
		size_t count;
	} parts[] = {{own, *count}, {job->trees, job->tree_count}, {l->more, l->more_count}};
	struct cell_overlay *all =
		arena_array(job->arena, *count + job->tree_count + l->more_count, sizeof(*all));

	*count = 0;
	for (size_t i = 0; i < COUNT(parts); i++)
		for (size_t j = 0; j < parts[i].count; j++)
			all[(*count)++] = parts[i].list[j];
	return all;
}

/* The plain workspace, and what the container has of the host. */
static size_t binds_of(const struct job_run *job, const struct container *c, struct cell_bind **out)
{
	struct cell_bind *volumes, *all;
	const size_t count = c ? container_binds(job->arena, c, &volumes) : 0;
	size_t n;

	all = arena_array(job->arena, count + 1, sizeof(*all));
	n = layers_plain(job, all);
	if (count)
		memcpy(all + n, volumes, count * sizeof(*all));
	*out = all;
	return n + count;
}

int launch(struct step_run *step, const struct launch *l, struct err *err)
{
	struct job_run *job = step->job;
	struct run *run = job->run;
	struct cell_overlay *overlays, *all;
	struct cell_bind *binds;
	struct cell_spec spec = launch_spec(job);
	unsigned missing = 0;
	size_t count;
	int ends[2];

	if (layers_begin(step, l->in, &overlays, &count, err) < 0 || pipe_open(ends, err) < 0)
		return -1;

	auto_fd int r = ends[0];
	auto_fd int w = ends[1];

	if (fd_nonblock(r, err) < 0)
		return -1;
	all = all_overlays(job, overlays, &count, l);

	spec.name = cell_name(job, step->number);
	spec.overlays = all;
	spec.overlay_count = count;
	spec.bind_count = binds_of(job, l->container ? l->container : job->container, &binds);
	spec.binds = binds;
	spec.argv = l->argv;
	spec.fn = l->fn;
	spec.fn_arg = l->arg;
	spec.env = launch_env_list(job->arena, l->env);
	spec.workdir = l->workdir;
	spec.stdout_fd = spec.stderr_fd = w;
	spec.fds = l->fds;
	spec.fd_count = l->fd_count;
	spec.limits = limits_of(step);
	spec.audit = run->options->audit && !l->fn;
	if (l->fn)
		spec.seccomp = run->seccomp_fn;
	if (cell_start(&spec, &step->cell, &missing, err) < 0) {
		/* no other step would fare better */
		if (missing & (run->require | CELL_WALLS_NEEDED) && run->fatal.kind == ERR_NONE)
			run->fatal = *err;
		return image_blame(l->image ? l->image : job->image.name, err);
	}
	step->log = take_fd(&r);
	if (step->timeout_ms && !step->timeout_at_ms) /* a second cell has what the first left */
		step->timeout_at_ms = now_ms() + step->timeout_ms;
	tell_missing(run, missing);
	use_the_time(step, &spec);
	return 0;
}

/* ---- run: ---- */

static int write_script(const char *in, const struct shell *shell, const char *script,
			const char *name, struct err *err)
{
	auto_strbuf struct strbuf text = STRBUF(4 * MIB);
	char path[PATH_MAX], file[PATH_MAX];

	strbuf_addf(&text, "%s%s%s", shell->before, script, shell->after);
	if (text.full)
		return err_fail(err, ERR_USAGE, "the script is larger than 4 MiB");
	if (path_join(path, sizeof(path), in, RUNNER_TEMP + 1, err) < 0 ||
	    path_join(file, sizeof(file), path, name, err) < 0)
		return -1;

	auto_fd int fd = open(file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);

	if (fd < 0 || write_full(fd, text.text, text.len) < 0)
		return err_sys(err, "cannot write '%s'", file);
	return 0;
}

struct script {
	const char *text, *shell, *workdir;
};

static const char *first(const char *a, const char *b, const char *c)
{
	return a ? a : b ? b : c;
}

static int evaluate_script(struct step_run *step, struct script *out, struct err *err)
{
	struct job_run *job = step->job;
	struct arena *a = job->arena;
	struct scope_arg arg = {job, step->frame};
	struct expr_scope scope = scope_make(&arg, context_step(job, step->frame, step));
	bool inside = step->frame->up; /* defaults do not reach into actions */
	const struct run_defaults none = {0};
	const struct run_defaults *of_job = inside ? &none : &job->plan->job->defaults;
	const struct run_defaults *of_workflow = inside ? &none : &job->call->workflow->defaults;

	return scope_text(a, &scope, "run", step->step->run, &out->text, err) < 0 ||
			       scope_text(
				       a, &scope, "shell",
				       first(step->step->shell, of_job->shell, of_workflow->shell),
				       &out->shell, err) < 0 ||
			       scope_text(a, &scope, "working-directory",
					  first(step->step->workdir, of_job->workdir,
						of_workflow->workdir),
					  &out->workdir, err) < 0
		       ? -1
		       : 0;
}

static const char *workdir_inside(const struct job_run *job, const char *workdir)
{
	if (!workdir || !*workdir)
		return job->workspace;
	if (*workdir == '/')
		return workdir;
	return arena_printf(job->arena, "%s/%s", job->workspace, workdir);
}

int launch_script(struct step_run *step, struct err *err)
{
	struct job_run *job = step->job;
	struct node *env = launch_env(step);
	struct script script = {0};
	struct shell shell;
	const char *name;

	if (evaluate_script(step, &script, err) < 0)
		return -1;
	name = arena_printf(job->arena, "step-%u%s", step->number, shell_extension(script.shell));
	if (shell_resolve(job->arena, script.shell, job->have_bash,
			  arena_printf(job->arena, "%s/%s", RUNNER_TEMP, name), &shell, err) < 0)
		return -1;
	if (write_script(job->in, &shell, script.text, name, err) < 0 ||
	    files_prepare(step, job->in, env, err) < 0)
		return -1;
	return launch(step,
		      &(struct launch){
			      .argv = shell.argv,
			      .workdir = workdir_inside(job, script.workdir),
			      .in = job->in,
			      .env = env,
		      },
		      err);
}
