/*
 * run: what the runner's files share. Nothing outside src/runner sees it.
 *
 * A run owns its jobs, a job its cells' owner, its layers and a stack of
 * frames (its own steps, and those of the composite actions it is in), a
 * step the one cell that runs. All of it changes in one poll loop.
 */
#pragma once

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "runner/command.h"
#include "runner/lines.h"
#include "runner/lock.h"
#include "runner/mask.h"
#include "runner/problem.h"
#include "runner/service.h"
#include "runner/uses.h"
#include "runner/view.h"
#include "stepcell/artifact.h"
#include "stepcell/cell.h"
#include "stepcell/clock.h"
#include "stepcell/decode.h"
#include "stepcell/image.h"
#include "stepcell/policy.h"
#include "stepcell/record.h"
#include "stepcell/runner.h"
#include "stepcell/workflow.h"

/* Paths inside a cell: those of a hosted runner. */
#define RUNNER_HOME      "/home/runner"
#define RUNNER_WORK      RUNNER_HOME "/work"
#define RUNNER_TEMP      RUNNER_WORK "/_temp"
#define RUNNER_COMMANDS  RUNNER_TEMP "/_runner_file_commands"
#define RUNNER_ACTIONS   RUNNER_WORK "/_actions"
#define RUNNER_TOOLS     "/opt/hostedtoolcache"
#define RUNNER_EVENT_DIR RUNNER_TEMP "/_github_workflow"
#define RUNNER_EVENT     RUNNER_EVENT_DIR "/event.json"

enum result { RESULT_SUCCESS, RESULT_FAILURE, RESULT_CANCELLED, RESULT_SKIPPED, RESULT_COUNT };
const char *result_name(enum result r);

/* ---- the checkout (source.c) ---- */

struct source {
	char dir[PATH_MAX]; /* on the host, absolute */
	bool mixed; /* it holds files that a cell could not change: they belong to somebody else */
	char hide_layer
		[PATH_MAX]; /* a layer of whiteouts over repositories inside it; "" without */
	char git_layer
		[PATH_MAX]; /* a layer that hides .git behind a generated one; "" without a repository */
	char tree_layer[PATH_MAX];         /* --at: the commit's tree, instead of dir; else "" */
	bool bare;                         /* dir may itself be a repository */
	const char *sha, *branch, *remote; /* branch: NULL when detached */
	uint64_t commit_time;
	const char *author, *email, *when, *message; /* of the commit; NULL without one */
	const char **paths;                          /* that the event changed; NULL: not known */
	size_t path_count;
};

/* ---- layers (layers.c) ---- */

/* One overlay of a job's cells and what lies below the next step's upper, lowest first. */
struct job_mount {
	const char *at;
	struct cell_layer *layers;
	size_t count;
	unsigned spare; /* the step that left its upper as it was given it; 0: none */
};

struct run;
struct job_run;
struct step_run;
struct action_use;   /* actions.h */
struct known_action; /* likewise */

/* ---- a step ---- */

/* Levels of annotations: error, warning, notice. */
#define NOTE_LEVELS 3

/* A JavaScript action has up to three parts; every other step is the main part alone. */
enum stage { STAGE_MAIN, STAGE_PRE, STAGE_POST, STAGE_COUNT };

/* The steps of a job, or of a composite action inside it. */
struct frame {
	struct frame *up;            /* NULL: the job's own */
	struct step_run *owner;      /* the step that uses the action; NULL for the job's own */
	const struct action *action; /* likewise */
	const struct steps *steps;
	size_t next;
	struct node *results;      /* the steps context: of steps with an id */
	struct node *ids;          /* generated ones, and how often each was asked for */
	const struct node *inputs; /* the inputs context; NULL: the run's */
	const struct node *env;    /* of the step that uses the action; NULL for the job's own */
	struct action_use *use;    /* likewise */
	enum result status;        /* what success() and failure() ask inside */
	bool outside;              /* of a pre or post part: they ask for the job's status */
	bool cancelled;            /* with the step that uses the action, and success() ends */
	uint64_t deadline_ms;      /* of timeout-minutes around it; 0: none */
	const char *why;           /* its status is no success */
};

/* Is it an action's status that counts, not the job's? */
static inline bool frame_inside(const struct frame *frame)
{
	return frame->up && !frame->outside;
}

/* An action of ours. Each of its functions may be NULL. */
struct builtin {
	const char *uses; /* "actions/checkout" */
	/* Start: 1 when a cell runs now, 0 when all is done, -1 when the step fails. */
	int (*start)(struct step_run *step, struct err *err);
	/* The cell has ended, however it did; what the step comes to is worse of the two. */
	int (*finish)(struct step_run *step, struct err *err);
	/* A cell has ended well: as start, for what is to be done in another one. */
	int (*next)(struct step_run *step, struct err *err);
	/* As start, at the end of the job if all went well, where start asked for it. */
	int (*post)(struct step_run *step, struct err *err);
};

struct step_run {
	struct job_run *job;
	struct frame *frame;
	const struct step *step;
	const struct builtin *builtin; /* NULL for a script and somebody else's action */
	enum stage stage;
	struct action_use *use; /* of somebody else's action, once it has been found */
	unsigned number;        /* in the job, composite ones included */
	unsigned uppers;        /* where its cell writes: its number, but of a second cell */
	const char *id, *name;
	char dir[PATH_MAX]; /* of its layers */
	struct job_mount
		*box;     /* its root where that is not the job's, and goes with it; else NULL */
	struct node *env; /* of its own env: key */
	const struct node *with;
	const struct node *github; /* the context, once made */
	struct node *outputs;
	struct cell *cell;
	int log;      /* read end of its output; -1 */
	int log_file; /* logs/JOB/NN.log */
	const char *log_path;
	struct lines lines;
	struct command_filter commands;
	const char *refused; /* a command that fails the step */
	bool mute;           /* a value could not be masked: nothing more is shown */
	struct mask_tail tail;
	struct arena *scratch;       /* of the lines in hand */
	unsigned notes[NOTE_LEVELS]; /* annotations of each level, the ones beyond the limit too */
	uint64_t started_ms, timeout_ms;
	uint64_t timeout_at_ms; /* when the workflow's time for it is over; 0: none, or past */
	bool timed_out;
	uint64_t cancel_ms; /* when the next signal of a cancellation is due; 0: none */
	int cancel_stage;
	void *data; /* of the builtin */
};

/* ---- a workflow ---- */

/* One that runs: the run's own, or one that a job calls. */
struct call {
	struct job_run *caller; /* NULL: the run's own */
	const struct workflow *workflow;
	const struct node *inputs, *secrets;
	struct group *group; /* of the workflow; NULL: none */
	bool open;           /* it is its turn in the group: its jobs may start */
	const char *group_name;
};

/* ---- a job ---- */

struct job_image {
	const char *ref;
	struct image image;
};

enum job_state { JOB_WAITING, JOB_RUNNING, JOB_ENDED };

struct job_run {
	struct run *run;
	const struct planned_job *plan;
	struct call *call;   /* the workflow that it is a job of */
	struct call *called; /* the one it calls, once that runs; it has no steps then */
	struct group *group; /* its place in a concurrency group; NULL: none */
	const char *group_name;
	enum job_state state;
	enum result result;  /* once ended, before continue-on-error */
	enum result lineage; /* the worst of its own and all its ancestors' */
	bool forgiven;       /* continue-on-error: the run does not fail by it */
	const char *why;     /* it was skipped, or failed first */
	struct arena *arena;
	struct cell_owner *owner;
	struct proxy *proxy; /* where the policy lets it reach named hosts; else NULL */
	struct image image;
	struct job_image *images; /* of its Docker actions */
	size_t image_count;
	struct container *container; /* container:, whose image that is; NULL: the run's */
	struct service *services;
	size_t service_count;
	struct hosts hosts; /* its services, as steps find them */
	bool have_bash, checked_out;
	bool apart;    /* its services have a network each (service_network.c) */
	int locks[16]; /* of toolchains in use */
	size_t lock_count;
	char dir[PATH_MAX]; /* of its layers */
	struct job_mount *mounts;
	size_t mount_count;
	size_t work;           /* the mount that is the workspace; mount_count when it is plain */
	const char *plain;     /* checkout: copy: the workspace on the host; else NULL */
	const char *workspace; /* inside */
	const char *in;        /* the layer of scripts and their files, above all others */
	struct node *env;      /* of workflow and job, and what GITHUB_ENV added */
	struct texts path;     /* GITHUB_PATH, the last one first */
	const struct node *needs;
	/* contexts that stay as they are, once made: a step asks for them half a dozen times */
	const struct node *github, *strategy, *runner;
	const struct planned_job *strategy_of;
	struct frame *frame;
	struct action_use **uses; /* the actions that its steps use, as far as they are known */
	size_t use_count;
	struct action_use **posts; /* whose post parts are to run, the last one first */
	size_t post_count;
	struct action_use **pres; /* whose pre parts are to run, in order */
	size_t pre_count, pre_next;
	struct cell_overlay *trees; /* of actions, mounted read-only in every cell from now on */
	size_t tree_count;
	struct step_run *step; /* the one that runs, or NULL */
	unsigned step_count;
	struct cell
		*ended; /* the last step's, when nothing of it lives: to be released in idle time */
	unsigned uppers_of; /* the step whose uppers were made last */
	enum result status; /* job.status so far */
	struct node *outputs;
	const char *url; /* of its environment, once it has ended; NULL: none */
	uint64_t output_bytes;
	struct problems *problems; /* its problem matchers; NULL: none yet */
	unsigned problem_reads;    /* of their files, so far */
	struct node *artifacts;    /* names */
	uint64_t artifact_bytes;
	uint64_t started_ms, ended_ms, deadline_ms, peak_memory;
	bool cancelled;
	uint64_t cancel_end_ms; /* once cancelled: when even always() ends */
	struct view_time asked;
	bool turn_over; /* it has more to do at once, when others have had their turn */
};

/* ---- the run ---- */

struct run {
	struct arena *arena;
	const struct run_options *options;
	char home[PATH_MAX], data[PATH_MAX];
	char seccomp[PATH_MAX],
		seccomp_fn[PATH_MAX]; /* of steps; of our own code in a job's mounts */
	const char *workflow_path;    /* relative to the checkout where it lies in it */
	struct store *store;
	const struct policy *policy;
	struct journal *journal;
	struct source source;
	struct workflow *workflow;
	struct called called; /* finds the workflows that it calls */
	struct diags diags;   /* what is wrong with those */
	struct plan plan;     /* with the jobs of called workflows, as far as they are known */
	struct call call;     /* of the run's own workflow */
	const struct node *github, *inputs, *vars, *secrets;
	struct mask *mask;
	const struct node *mapping; /* of actions to stand-ins, once read */
	struct known_action **actions;
	size_t action_count;
	const struct node *lock; /* actions.lock; a null without one, NULL before it was read */
	const struct node *images_lock; /* images.lock, likewise */
	const char *node_version;       /* of the image, once asked; "" when it would not say */
	bool needs_node;                /* an action that is known asks for one */
	bool node_told;                 /* that it is another than an action asks for */
	struct job_run **jobs;
	size_t job_count;
	uint64_t parallel;
	unsigned require, missing; /* cell_wall bits: asked for; told to be missing */
	bool debug;                /* ACTIONS_STEP_DEBUG, a variable or a granted secret, is true */
	bool cancelled;
	int signals;                    /* a signalfd while jobs run; else -1 */
	int interrupts;                 /* SIGINT and SIGTERM so far */
	struct run_artifact *artifacts; /* of all jobs, in the order of their making */
	size_t artifact_count;
	uint64_t output_bytes; /* of all jobs */
	struct err fatal;      /* of the run, not of a job */
	pid_t *removals;       /* processes that remove layers */
	size_t removal_count;
	const char *image;       /* for every job */
	const char *work;        /* the folder of all layers */
	bool refused;            /* the policy refused a job when it was to start */
	bool told;               /* the journal says that it began */
	void (*tick)(void *arg); /* redraws what is live; may be NULL */
	void *tick_arg;
	struct run_keeper *keeper; /* whom a slow reader waits with, or NULL */
};

struct run_artifact {
	const char *name, *path; /* on the host */
	const struct job_run *job;
};

/* source.c */
/* The checkout's folder, nothing asked yet; dir is "" when it cannot be read. */
struct source source_none(const struct run_options *o, struct err *err);
int source_open(struct run *run, struct err *err);
/* look.c: fills `mixed` and `hide_layer`; part of source_open(). */
int source_look(struct run *run, struct err *err);

/* run.c: github, inputs and vars, which are known before any job has run */
const struct node *run_contexts(const struct run *run);

/* context.c: the contexts that expressions see */
const struct node *context_github(struct arena *a, const struct run_options *o,
				  const struct source *source, const char *workflow_path,
				  struct err *err);
/* Of workflow_dispatch: declared, given, defaults; NULL when a required one is missing. */
const struct node *context_inputs(const struct run *run, struct err *err);
const struct node *context_pairs(struct arena *a, const struct texts *pairs);
const struct node *context_runner(struct job_run *job);
const struct node *context_job_level(struct job_run *job);
/* For a step: `step` NULL is the job's end (outputs). */
const struct node *context_step(struct job_run *job, struct frame *frame, struct step_run *step);
/* The env context of a step: job, actions around it, its own. */
struct node *context_env(struct job_run *job, struct frame *frame, const struct node *own);

/* payload.c: the payload of an event that nobody described */
const struct node *payload_complete(struct arena *a, const struct node *payload,
				    const struct node *github, const struct source *s);
/* With the inputs, as texts: event.inputs. */
const struct node *payload_inputs(struct arena *a, const struct node *payload,
				  const struct node *inputs);

/* numbers.c: github.run_id of a run, and github.run_number of the next one of its workflow */
uint64_t run_id_number(const char *id);
/* Unless it is taken, the next to ask gets the same. */
int run_number_next(const char *home, const char *repository, const char *workflow, bool take,
		    uint64_t *out, struct err *err);

/* scope.c: the functions that expressions call */
struct scope_arg {
	struct job_run *job;
	struct frame *frame; /* NULL: at the job's level */
};
struct expr_scope scope_make(struct scope_arg *arg, const struct node *contexts);
/* hashFiles() of the workspace: "" when nothing matches. */
int scope_hash_files(struct job_run *job, const char *const *patterns, size_t count,
		     struct strbuf *hex, struct err *err);

/* The files that it would hash, below the workspace, at most `max`. */
int scope_list_files(struct job_run *job, const char *const *patterns, size_t count, size_t max,
		     struct texts *out, struct err *err);

/* Evaluate a template to text; NULL stays NULL. -1 with the place in `err`. */
int scope_text(struct arena *a, const struct expr_scope *s, const char *what, const char *text,
	       const char **out, struct err *err);
int scope_tree(struct arena *a, const struct expr_scope *s, const char *what,
	       const struct node *tree, const struct node **out, struct err *err);
/* What becomes variables of a step: LIMIT_ENV_PAIRS at most. */
int scope_variables(struct arena *a, const struct expr_scope *s, const char *what,
		    const struct node *tree, const struct node **out, struct err *err);

/* reach.c: what a job may reach beyond itself */
int reach_open(struct job_run *job, struct err *err);
enum cell_network reach_network(const struct job_run *job);
/* The variables that lead programs there. */
void reach_env(const struct job_run *job, struct node *env);
void reach_hear(struct job_run *job); /* while it runs: proxy_hear() */
/* The event of what was reached, and what was refused, since the last. */
void reach_tell(struct step_run *step);

/* refused.c: the event of a step, or a service, whose cell has ended and is not released yet */
void refused_write(struct step_run *step);
void refused_write_service(struct service *s);

/* layers.c */
int layers_open(struct job_run *job, struct err *err);
void layers_push(struct job_run *job, struct job_mount *mount, const char *path, bool foreign);
/* Fresh uppers for a step, and the overlays of its cell. `in` (NULL: none) lies directly below "/"'s upper. */
int layers_begin(struct step_run *step, const char *in, struct cell_overlay **out, size_t *count,
		 struct err *err);
/* The step's root is this image, for itself alone. */
int layers_box(struct step_run *step, const struct image *image, const struct container *c,
	       struct err *err);
/* The step's uppers become layers, where anything was written; another cell of it gets others. */
void layers_end(struct step_run *step);
/* Where the upper of a job's step lies for `mount`. */
int layers_upper(const struct job_run *job, unsigned step, size_t mount, char *out, size_t size,
		 struct err *err);
/* Make the uppers of a step that may come. */
void layers_ahead(struct job_run *job, unsigned step);
/* The plain workspace as a bind; returns how many (0 or 1). */
size_t layers_plain(const struct job_run *job, struct cell_bind *out);
/* The workspace is empty again. */
void layers_reset_work(struct job_run *job);
void layers_remove(struct job_run *job);

/* launch.c: a step's cell */
int launch_script(struct step_run *step, struct err *err);
struct launch {
	const char *const *argv; /* or fn */
	cell_fn *fn;
	void *arg;
	const char *workdir;
	const char *in; /* a layer for this step alone, or NULL */
	const struct node *env;
	const int *fds;
	size_t fd_count;
	const struct cell_overlay *more; /* beside the job's own */
	size_t more_count;
	const struct container *container; /* instead of the job's; NULL: that one, or none */
	const char *image;                 /* whose root it has, for messages; NULL: the job's */
};
int launch(struct step_run *step, const struct launch *l, struct err *err);
/* What all cells that run a workflow's programs have in common. */
struct cell_spec launch_spec(const struct job_run *job);
struct cell_limits launch_limits(const struct policy_limits *p, uint64_t wall_ms);
const char *const *launch_env_list(struct arena *a, const struct node *env);
/* The image's, then the workflow's, then what a workflow cannot change. */
struct node *launch_env(struct step_run *step);
struct node *launch_env_in(struct step_run *step, const struct image *image,
			   const struct container *c);

/* output.c: what a step says */
int output_open(struct step_run *step, struct err *err);
/* Take what is there, or as much as leaves others their turn; false at the end of file. */
bool output_drain(struct step_run *step, bool all);
void output_close(struct step_run *step);
/* An event of a step: its beginning, and its end in place of journal_end(). */
void output_begin(struct step_run *step, const char *type);
void output_done(struct run *run);
/* Into its log file alone, as it is. */
void output_file(struct step_run *step, const char *text, size_t len);
/* A text with every secret starred, until more of the step's output is taken; NULL stays NULL. */
const char *output_starred(struct step_run *step, const char *text);
/* A text with every secret starred, in the run's arena; NULL stays NULL. */
const char *output_masked(const struct run *run, const char *text);
void output_say(struct step_run *step, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* note.c: annotations, by commands, by problem matchers and of ours */
void note_write(struct step_run *step, const struct annotation *note);
/* An error of ours about what the step did, which does not fail it. */
void note_error(struct step_run *step, const char *text);
void note_warning(struct step_run *step, const char *text); /* likewise */
void note_add_matcher(struct step_run *step, const struct command_event *event);
/* Those that an action of ours brings along. */
void note_matchers(struct step_run *step, const char *text);
void note_remove_matcher(struct step_run *step, const struct command_event *event);
/* An ordinary line of output: is it a problem? */
void note_line(struct step_run *step, const char *line, size_t len);
/* How many there were, for the step's last event; NULL: none. */
const struct node *note_counts(const struct step_run *step);

/* files.c: GITHUB_ENV and its like; -1 when the step fails by what it wrote */
int files_prepare(struct step_run *step, const char *in, struct node *env, struct err *err);
int files_collect(struct step_run *step, struct err *err);
/* github.env, github.path and the like: where they lie. */
void files_context(const struct step_run *step, struct node *github);

/* summary.c: what GITHUB_STEP_SUMMARY has, as the event and the files of the run */
int summary_keep(struct step_run *step, const char *text, size_t len, struct err *err);

/* actions.c, action_check.c, action_find.c, and a file for each action of ours */
extern const struct builtin action_checkout, action_setup_python, action_upload, action_download,
	action_cache, action_cache_restore, action_cache_save;
const struct builtin *action_builtin(const struct uses *uses);
/* Every `uses` of the plan can be served; else ERR_USAGE listing those that cannot. */
int actions_check(struct run *run, struct err *err);
void actions_release(struct run *run);
const char *action_input(const struct step_run *step, const char *name); /* "" when absent */
/* An input of several lines; empty ones and blanks around are dropped. */
struct texts action_lines(const struct step_run *step, const char *name);
bool action_flag(const struct step_run *step, const char *name, bool otherwise);
/* A path or pattern of an input as a path of the cell. */
const char *action_path(const struct job_run *job, const char *text);

/* tell.c */
int tell_start(struct run *run, struct err *err);
enum result tell_verdict(const struct run *run);
int tell_end(struct run *run, uint64_t started_ms, enum result verdict, struct err *err);

/* sweep.c: layers of runs that were killed */
void sweep_layers(const char *home);

/* usage.c */
void usage_write(struct journal *j, struct arena *a, const struct cell_result *r);

/* step.c */
void step_begin(struct job_run *job, struct frame *frame, const struct step *model);
/* A pre or post part of an action that a step uses. */
void step_begin_part(struct job_run *job, struct action_use *use, enum stage stage);
void step_cell_ended(struct step_run *step);
void step_end(struct step_run *step, enum result outcome, const char *why,
	      const struct cell_result *result);
void step_cancel(struct step_run *step);
/* The workflow's time for it is over: it ends as a cancelled one does, and has failed. */
void step_time_out(struct step_run *step);
void frame_end(struct job_run *job);

/* job.c */
int job_start(struct job_run *job, struct err *err);
void job_advance(struct job_run *job);
void job_finish(struct job_run *job, enum result result, const char *why);
void job_skip(struct job_run *job, const char *why);
/* An output of a job that is a secret is dropped, and it is said. */
void job_keep_output(struct job_run *job, const char *name, const char *text);
/* GITHUB_PATH: what is added last comes first, and once. */
void job_prepend_path(struct job_run *job, const char *dir);

/* lock_file.c */
/*
 * Once a run: what `parse` makes of a lock, of the file `given` (of an option) or
 * else `name` of the checkout; a null when there is none.
 */
int lock_file_open(struct run *run, const char *given, const char *name, lock_parse_fn *parse,
		   const struct node **lock, struct err *err);

/* image_admit.c: before every use of an image */
/* It is what images.lock says (ERR_USAGE), and nobody changed its files (ERR_SYSTEM). */
int image_admit(struct run *run, const struct image *image, struct err *err);
int toolchain_admit(struct run *run, const struct toolchain_match *match, struct err *err);

/* cancel.c */
/* A job that has not begun. */
void cancel_waiting(struct job_run *job, const char *why);
/* A running one: steps that want to run all the same have their time. */
void cancel_job(struct job_run *job, const char *why);
/* All but the jobs whose own if: is true even now. */
void cancel_run(struct run *run, const char *why);

/* group.c: concurrency groups across the runs of one state home */
struct group; /* a place in one */
enum group_state { GROUP_PENDING, GROUP_RUNNING, GROUP_CANCELLED };
struct group_wish {
	const char *name; /* case does not count */
	bool cancel;      /* cancel-in-progress: what runs in it is to end */
	bool queue;       /* queue: max; those that wait before stay */
};
/* `among`: whose groups; those of others never meet them, whatever they are called. */
int group_enter(const char *home, const char *among, const struct group_wish *wish,
		struct group **out, struct err *err);
/* How the place stands now. */
enum group_state group_poll(struct group *g);
/* NULL is fine. */
void group_leave(struct group **g);
/* Remove the folders of groups in which nobody is: killed runs leave theirs. */
void group_sweep(const char *home);

/* concurrency.c: the groups of jobs and workflows */
/* Take the job's place in its group, or none; then ask how it stands. */
enum group_state concurrency_ask(struct job_run *job, struct err *err);
/* May jobs of this workflow start? */
bool concurrency_open(struct call *call);
int concurrency_enter(struct run *run, struct call *call, const struct node *contexts,
		      struct err *err);
/* End what a newer run or job of a group puts an end to. */
void concurrency_see(struct run *run);

/* schedule.c */
int schedule_run(struct run *run, struct err *err);
/* Take the signals that have come by now: between two steps too, for a question may have taken long. */
void schedule_signals(struct run *run);
/*
 * For who waits outside of the loop, every few milliseconds: cells are limited by who polls them, and
 * a job must not lift the limits of another by making stepcell wait. Nothing begins, and no step ends.
 */
void schedule_meanwhile(struct run *run);
struct job_run *schedule_add(struct run *run, const struct planned_job *plan, struct call *call);
/* Of two results of jobs that count as one: failure, cancelled, success, skipped. */
enum result result_worse(enum result a, enum result b);
/* What needs.ID.result is for a job: of all the jobs of ID's matrix. `ended` (may be NULL): whether all have. */
enum result needs_result(const struct job_run *of, const char *id, bool *ended);
/* The worst of all ancestors of a job, and of `own`. */
enum result needs_lineage(const struct job_run *of, enum result own);
/* The run, the job or the call it belongs to is cancelled. */
bool is_cancelled(const struct job_run *job);

/* called.c: as what a workflow was called: "./path" or "owner/repo/path@ref"; NULL: it was not. */
const char *called_as(const struct called *c, const struct workflow *workflow);

/* call.c: jobs that call a workflow */
int calls_check(struct run *run, const struct node *contexts, struct err *err);
/* Plan the called workflow's jobs and let them wait for their turn. */
int call_start(struct job_run *job, struct err *err);
/* Have all of them ended? */
bool call_over(const struct job_run *job);
void call_finish(struct job_run *job);
