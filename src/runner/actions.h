/*
 * actions: what a `uses:` leads to, and the parts of it that run. Nothing
 * outside src/runner sees it.
 *
 * An action is looked for in this order: a folder of the workspace (./path), an
 * action of ours, a stand-in of policies/actions/mapping.yml, the action store.
 * All but the first are known before anything starts; what lies in the workspace
 * is read when its step begins.
 */
#pragma once

#include "runner/run.h"
#include "stepcell/image.h"

/* An action by its name, OWNER/REPO[/PATH]@REF, as it was loaded for the run. */
struct known_action {
	struct uses uses;
	const char *text;  /* as the workflow has it */
	const char *host;  /* the stand-in's folder on the host; NULL: of the store */
	const char *image; /* the operator's, for one that brings a Dockerfile; NULL: none */
	struct stored_action stored; /* its lock is -1 when it is not */
	const struct action *action; /* NULL: it cannot be served */
	const char *why;             /* then */
	bool pre;                    /* it, or one that it uses, has a pre part */
	bool absent;                 /* no tree of this name is in the store */
	bool looked, looking;        /* at its own steps: done or begun; in hand */
};

/* One step's use of an action: what its parts share. */
struct action_use {
	struct action_use
		*up;         /* of the composite action that the step is in; NULL: the job's own */
	struct frame *frame; /* that the step stands in */
	const struct step *step;
	const char *id;                   /* the step's, once it has one */
	const struct known_action *known; /* NULL: of the workspace */
	const struct action *action;      /* once loaded */
	const char *path;                 /* of its folder, inside the cell */
	struct node *state;               /* what its parts save for those behind them */
	bool posted;                      /* its post part is on the job's stack */
	const struct builtin
		*builtin; /* of ours, and what its main part leaves for the post part */
	void *data;
};

/* action_find.c */
/* Of a repository; never NULL: `why` says that it cannot be served. */
struct known_action *action_known(struct run *run, const struct uses *uses, const char *text);

/* action_lock.c */
/* What actions.lock says of a stored action, if there is one: ERR_USAGE when it is another. */
int lock_check(struct run *run, const struct stored_action *action, struct err *err);

/* action_use.c */
/* The use of an action by this step of this frame, made when there is none yet. */
struct action_use *action_use_of(struct job_run *job, struct frame *frame, const struct step *step);
/* Find its action and have its files in the cells from here on. */
int action_use_open(struct step_run *step, struct action_use *use, struct err *err);
/* What the action gets: what is declared and what `with` (evaluated, or NULL) gives. */
const struct node *action_inputs(struct job_run *job, struct frame *frame, struct step_run *step,
				 const struct action *action, const struct node *with,
				 struct err *err);
/* Start somebody else's action: 1 when a cell runs or a frame was entered, -1. */
int action_start(struct step_run *step, struct err *err);

/* action_node.c */
/* The image has a node, or ERR_SYSTEM says how to get one. */
int action_node_check(const struct image *image, struct err *err);
int action_node(struct step_run *step, struct err *err);
/* INPUT_* and STATE_* of the step's action. */
void action_add_env(struct step_run *step, struct node *env, const struct node *inputs);
/* What a part runs ("main", "pre", "post"; of a Docker action "entrypoint", ...), or NULL. */
const char *action_file(const struct action *action, enum stage stage);

/* action_docker.c */
/* A step that `uses: docker://ref`, and whether it could run. */
int action_image(struct step_run *step, const char *ref, struct err *err);
int action_image_check(struct run *run, const char *ref, struct err *err);
int action_docker(struct step_run *step, struct err *err);
/* The image of a Docker action; NULL: it brings a Dockerfile, and the operator mapped it to none. */
const char *action_docker_image(const struct action *action, const struct known_action *known);
int action_docker_check(struct run *run, const struct action *action,
			const struct known_action *known, struct err *err);

/* action_parts.c */
/* The pre parts of a job's actions, before its first step. */
int parts_collect(struct job_run *job, struct err *err);
/* The next pre part; NULL when all have run. */
struct action_use *parts_next_pre(struct job_run *job);
/* The post part of this use is to run at the end of the job. */
void parts_push_post(struct job_run *job, struct action_use *use);
struct action_use *parts_next_post(struct job_run *job);
/* The frame that a pre or post part sees. */
struct frame *parts_frame(struct job_run *job, struct action_use *use);
/* What decides whether it runs. */
const char *parts_condition(struct job_run *job, const struct action_use *use, enum stage stage);
