/*
 * actions/checkout: the workspace gets the checkout as its lowest layer. No
 * byte is copied and nothing is fetched, but for a sub-folder (path:), for a
 * plain workspace, and for files that belong to somebody else.
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "runner/run.h"
#include "stepcell/util.h"

static const char *github_text(const struct run *run, const char *key)
{
	const char *text = node_text(node_get(run->github, key));

	return text ? text : "";
}

static bool same_ref(const struct run *run, const char *ref)
{
	static const char *const keys[] = {"sha", "ref", "ref_name", "head_ref"};

	for (size_t i = 0; i < COUNT(keys); i++)
		if (strcmp(ref, github_text(run, keys[i])) == 0)
			return true;
	return !*ref;
}

/* What asks for another tree than the one at hand cannot be served. */
static int check_inputs(const struct step_run *step, struct err *err)
{
	const struct run *run = step->job->run;
	const char *repository = action_input(step, "repository");
	const char *ref = action_input(step, "ref");

	if (*repository && strcasecmp(repository, github_text(run, "repository")) != 0)
		return err_fail(err, ERR_USAGE,
				"repository '%s' is not the checkout (%s), and nothing is fetched",
				repository, github_text(run, "repository"));
	if (!same_ref(run, ref))
		return err_fail(err, ERR_USAGE,
				"ref '%s' is not the commit at hand; run with --at to take another",
				ref);
	return 0;
}

static const char *tree(const struct run *run)
{
	return run->source.tree_layer[0] ? run->source.tree_layer : run->source.dir;
}

/* $1 the folder; $2 empty when it is the workspace, which is emptied first as git clean would. */
static const char copy_script[] = "mkdir -p \"$1\"\n"
				  "[ \"$2\" ] || find \"$1\" -mindepth 1 -delete\n"
				  "exec cp -a --no-preserve=ownership /checkout/. \"$1\"/\n";

static int copy(struct step_run *step, const char *path, struct err *err)
{
	const struct run *run = step->job->run;
	struct arena *a = step->job->arena;
	const char *to = arena_printf(a, "%s%s%s", step->job->workspace, *path ? "/" : "", path);
	const char *const argv[] = {"sh", "-c", copy_script, "sh", to, path, NULL};
	struct cell_layer *layers = arena_array(a, 3, sizeof(*layers));
	struct cell_overlay *from = arena_alloc(a, sizeof(*from));
	size_t count = 0;

	if (run->source.git_layer[0])
		layers[count++].path = run->source.git_layer;
	if (run->source.hide_layer[0])
		layers[count++].path = run->source.hide_layer;
	layers[count++].path = tree(run);
	*from = (struct cell_overlay){.at = "/checkout", .layers = layers, .layer_count = count};
	return launch(step,
		      &(struct launch){
			      .argv = argv,
			      .workdir = "/",
			      .env = step->job->image.env,
			      .more = from,
			      .more_count = 1,
		      },
		      err) < 0
		       ? -1
		       : 1;
}

static int start(struct step_run *step, struct err *err)
{
	struct job_run *job = step->job;
	const struct run *run = job->run;
	const char *path = action_input(step, "path");

	if (check_inputs(step, err) < 0)
		return -1;
	job->checked_out = true;
	if (strcmp(action_input(step, "fetch-depth"), "0") == 0)
		output_say(step, "fetch-depth: 0 is not served: .git holds the one commit");
	node_set_text(job->arena, step->outputs, "ref", github_text(run, "ref"));
	node_set_text(job->arena, step->outputs, "commit", run->source.sha);
	if (job->plain || *path)
		return copy(step, path, err);
	if (run->source.mixed) {
		output_say(step, "the checkout holds files of another user or group: copying it");
		return copy(step, path, err);
	}
	layers_reset_work(job);
	layers_push(job, &job->mounts[job->work], tree(run), false);
	if (run->source.hide_layer[0])
		layers_push(job, &job->mounts[job->work], run->source.hide_layer, false);
	if (run->source.git_layer[0])
		layers_push(job, &job->mounts[job->work], run->source.git_layer, false);
	output_say(step, "checkout of %s at %.12s", github_text(run, "repository"),
		   run->source.sha);
	return 0;
}

const struct builtin action_checkout = {.uses = "actions/checkout", .start = start};
