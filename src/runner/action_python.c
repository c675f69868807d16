/* actions/setup-python: the toolchain's layer goes on top of the root, its folders in front of PATH. */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "runner/run.h"
#include "stepcell/fd.h"
#include "stepcell/limits.h"
#include "stepcell/util.h"

static void export(struct step_run *step, const struct toolchain *t)
{
	struct job_run *job = step->job;
	struct arena *a = job->arena;
	static const char *const roots[] = {"pythonLocation", "Python_ROOT_DIR", "Python2_ROOT_DIR",
					    "Python3_ROOT_DIR"};
	const char *old = node_text(node_get(job->env, "LD_LIBRARY_PATH"));
	const char *lib = arena_printf(a, "%s/lib", t->path);

	for (size_t i = 0; i < COUNT(roots); i++)
		node_set_text(a, job->env, roots[i], t->path);
	node_set_text(a, job->env, "PKG_CONFIG_PATH", arena_printf(a, "%s/pkgconfig", lib));
	node_set_text(a, job->env, "LD_LIBRARY_PATH",
		      old && *old ? arena_printf(a, "%s:%s", lib, old) : lib);
	job_prepend_path(job, t->path);
	job_prepend_path(job, arena_printf(a, "%s/bin", t->path));
	node_set_text(a, step->outputs, "python-version", t->version);
	node_set_text(a, step->outputs, "python-path", arena_printf(a, "%s/bin/python", t->path));
	node_set_text(a, step->outputs, "cache-hit", "false");
}

/* Held while the job lives: the layer is in use. */
static int keep_lock(struct job_run *job, int lock, struct err *err)
{
	if (lock < 0)
		return 0;
	if (job->lock_count == COUNT(job->locks)) {
		fd_close(&lock);
		return err_fail(err, ERR_USAGE, "more than %zu toolchains in one job",
				COUNT(job->locks));
	}
	job->locks[job->lock_count++] = lock;
	return 0;
}

static int set_up(struct step_run *step, const char *version, struct err *err)
{
	struct job_run *job = step->job;
	struct toolchain_match match = {.lock = -1};

	if (image_toolchain(job->run->store, job->arena, &job->image, version, &match, err) < 0)
		return -1;
	for (size_t i = match.layer_count; i-- > 0;)
		layers_push(job, &job->mounts[0], match.layers[i].path, match.layers[i].foreign);
	for (size_t i = 0; match.env && i < match.env->count; i++)
		node_set(job->arena, job->env, match.env->pairs[i].key->text,
			 match.env->pairs[i].value);
	export(step, &match.toolchain);
	output_say(step, "Python %s (%s) at %s", match.toolchain.version, match.toolchain.image,
		   match.toolchain.path);
	return keep_lock(job, match.lock, err);
}

/* The first line of .python-version, or of the file that the input names; "" when there is none. */
static const char *version_of_file(struct step_run *step, struct err *err)
{
	const char *name = action_input(step, "python-version-file");
	bool asked = *name;
	auto_strbuf struct strbuf text = STRBUF(64 * KIB);

	if (view_read(step->job, asked ? name : ".python-version", &text, err) < 0) {
		if (asked)
			return NULL;
		err_clear(err);
		return "";
	}
	return arena_strndup(step->job->arena, text.text, strcspn(text.text, "\r\n #"));
}

static int start(struct step_run *step, struct err *err)
{
	struct texts versions = action_lines(step, "python-version");
	const char *of_file;

	if (strcasecmp(action_input(step, "update-environment"), "false") == 0)
		output_say(step, "update-environment: false is not served; the environment is set");
	for (size_t i = 0; i < versions.count; i++)
		if (set_up(step, versions.list[i], err) < 0)
			return -1;
	if (versions.count)
		return 0;
	of_file = version_of_file(step, err);
	if (!of_file)
		return err_wrap(err, "python-version-file");
	if (*of_file)
		return set_up(step, of_file, err);
	output_say(step, "neither python-version nor .python-version: the image's own Python");
	return 0;
}

const struct builtin action_setup_python = {"actions/setup-python", start, NULL};
