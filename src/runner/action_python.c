/*
 * actions/setup-python: the toolchain's layer goes on top of the root, its
 * folders in front of PATH. Which versions are asked for, in which order they
 * are looked for and what is exported are as the public action has it.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "runner/action_python.h"
#include "runner/caching.h"
#include "runner/python_file.h"
#include "runner/run.h"
#include "stepcell/fd.h"
#include "stepcell/limits.h"
#include "stepcell/path.h"
#include "stepcell/util.h"

#define COMPLETE ".complete"

/* ---- the tool cache, as the job's steps have left it ---- */

/* "VERSION ARCH" for each marker in a version's folder. */
static void tell_version(int cache, const char *version, struct strbuf *out)
{
	struct err ignored;
	int fd = open_beneath(cache, version, O_RDONLY | O_DIRECTORY, 0, &ignored);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;

	if (!dir) {
		fd_close(&fd);
		return;
	}
	while ((e = readdir(dir))) {
		size_t len = strlen(e->d_name), end = sizeof(COMPLETE) - 1;

		if (len > end && strcmp(e->d_name + len - end, COMPLETE) == 0)
			strbuf_addf(out, "%s %.*s\n", version, (int)(len - end), e->d_name);
	}
	(void)closedir(dir);
}

static int look_inside(void *arg, int out, struct err *err)
{
	auto_strbuf struct strbuf text = STRBUF(64 * KIB);
	const char *path = arg;
	DIR *dir = opendir(path);
	struct dirent *e;

	if (!dir)
		return errno == ENOENT ? 0 : err_sys(err, "cannot read '%s'", path);
	while ((e = readdir(dir)))
		if (e->d_name[0] != '.')
			tell_version(dirfd(dir), e->d_name, &text);
	(void)closedir(dir);
	return write_full(out, text.text, text.len) < 0 ? err_sys(err, "cannot answer") : 0;
}

static const char *image_of(const struct job_run *job, const char *path)
{
	for (size_t i = 0; i < job->image.toolchain_count; i++)
		if (strcmp(job->image.toolchains[i].path, path) == 0)
			return job->image.name;
	return "tool cache";
}

static void add_toolchain(struct job_run *job, struct image *root, struct toolchain t)
{
	root->toolchains = arena_grow(job->arena, root->toolchains, root->toolchain_count,
				      sizeof(*root->toolchains));
	root->toolchains[root->toolchain_count++] = t;
}

/* "VERSION ARCH" */
static void add_line(struct job_run *job, struct image *root, const char *folder, const char *line)
{
	const char *arch = strchr(line, ' '), *version, *path;

	if (!arch)
		return;
	version = arena_strndup(job->arena, line, (size_t)(arch++ - line));
	if (!name_is_safe(version) || !name_is_safe(arch))
		return;
	path = arena_printf(job->arena, "%s/%s/%s", folder, version, arch);
	add_toolchain(job, root, (struct toolchain){version, path, image_of(job, path)});
}

/* The system's own Python, as the host has it. */
static void add_own(struct job_run *job, struct image *root)
{
	for (size_t i = 0; i < job->image.toolchain_count; i++)
		if (!strstr(job->image.toolchains[i].path, "/Python/"))
			add_toolchain(job, root, job->image.toolchains[i]);
}

const char *step_env_text(const struct step_run *step, const char *name)
{
	const char *own = node_text(node_get(step->env, name));

	return own ? own : node_text(node_get(step->job->env, name));
}

/* The job's root with the Pythons that are in its tool cache now. */
static int look(struct step_run *step, struct image *root, struct err *err)
{
	struct job_run *job = step->job;
	auto_strbuf struct strbuf text = STRBUF(64 * KIB);
	const char *tools = step_env_text(step, "AGENT_TOOLSDIRECTORY"), *folder;
	struct texts lines;

	folder = arena_printf(job->arena, "%s/Python", tools && *tools ? tools : RUNNER_TOOLS);
	if (view_ask(job, look_inside, (void *)folder, &text, err) < 0)
		return err_wrap(err, "looking at the tool cache");
	*root = job->image;
	root->toolchains = NULL;
	root->toolchain_count = 0;
	lines = texts_of_lines(job->arena, text.text, "");
	for (size_t i = 0; i < lines.count; i++)
		add_line(job, root, folder, lines.list[i]);
	add_own(job, root);
	return 0;
}

/* ---- what it exports ---- */

static bool has_part(const char *list, const char *part)
{
	size_t len = strlen(part);

	for (; list && *list; list += strcspn(list, ":"), list += *list == ':')
		if (strcspn(list, ":") == len && strncmp(list, part, len) == 0)
			return true;
	return false;
}

static void export(struct step_run *step, const struct toolchain *t)
{
	struct job_run *job = step->job;
	struct arena *a = job->arena;
	static const char *const roots[] = {"pythonLocation", "Python_ROOT_DIR", "Python2_ROOT_DIR",
					    "Python3_ROOT_DIR"};
	const char *old = step_env_text(step, "LD_LIBRARY_PATH");
	const char *lib = arena_printf(a, "%s/lib", t->path);

	for (size_t i = 0; i < COUNT(roots); i++)
		node_set_text(a, job->env, roots[i], t->path);
	node_set_text(a, job->env, "PKG_CONFIG_PATH", arena_printf(a, "%s/pkgconfig", lib));
	if (!has_part(old, lib))
		node_set_text(a, job->env, "LD_LIBRARY_PATH",
			      old && *old ? arena_printf(a, "%s:%s", lib, old) : lib);
	job_prepend_path(job, t->path);
	job_prepend_path(job, arena_printf(a, "%s/bin", t->path));
}

/* What the toolchain's image says of pip and its like, where the job says nothing. */
static void export_image(struct job_run *job, const struct node *env)
{
	for (size_t i = 0; env && i < env->count; i++) {
		const char *name = env->pairs[i].key->text;

		if (strcmp(name, "PATH") != 0 && !node_get(job->env, name) &&
		    !node_get(job->image.env, name))
			node_set(job->arena, job->env, name, env->pairs[i].value);
	}
}

/* ---- one version ---- */

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

static int find(struct step_run *step, const char *version, struct toolchain_match *match,
		struct err *err)
{
	struct job_run *job = step->job;
	auto_strbuf struct strbuf order = STRBUF(8192);
	const struct toolchain_ask ask = {
		.version = version,
		.arch = action_input(step, "architecture"),
		.prereleases = action_flag(step, "allow-prereleases", false),
		.freethreaded = action_flag(step, "freethreaded", false),
		.latest = action_flag(step, "check-latest", false),
		.say = job->run->debug ? &order : NULL,
		.data = job->run->data,
	};
	struct image root;
	int r;

	if (look(step, &root, err) < 0)
		return -1;
	r = image_toolchain(job->run->store, job->arena, &root, &ask, match, err);
	if (order.len)
		output_say(step, "%s", order.text);
	return r;
}

/* Its name in outputs and keys: of a free-threaded one 3.13.1t. */
static const char *full_version(struct job_run *job, const struct toolchain *t)
{
	return arena_printf(job->arena, "%s%s", t->version,
			    strstr(t->path, "-freethreaded") ? "t" : "");
}

static int set_up(struct step_run *step, struct python_setup *setup, const char *version,
		  struct err *err)
{
	struct job_run *job = step->job;
	struct toolchain_match match = {.lock = -1};
	const struct toolchain *t = &match.toolchain;

	if (*version == '2')
		output_say(step, "warning: Python 2 has had no releases since 2020");
	if (find(step, version, &match, err) < 0)
		return -1;
	if (toolchain_admit(job->run, &match, err) < 0) {
		fd_close(&match.lock);
		return -1;
	}
	for (size_t i = match.layer_count; i-- > 0;)
		layers_push(job, &job->mounts[0], match.layers[i].path, match.layers[i].foreign);
	if (action_flag(step, "update-environment", true)) {
		export_image(job, match.layer_count ? match.env : NULL);
		export(step, t);
	}
	setup->version = full_version(job, t);
	texts_add(job->arena, &setup->pythons, t->path);
	node_set_text(job->arena, step->outputs, "python-version", setup->version);
	node_set_text(job->arena, step->outputs, "python-path",
		      arena_printf(job->arena, "%s/bin/python", t->path));
	output_say(step, "Python %s (%s) at %s", setup->version, t->image, t->path);
	return keep_lock(job, match.lock, err);
}

/* ---- which versions ---- */

struct file_question {
	const char *name;
	bool may_be_missing;
};

/* In the workspace's cell: what a stranger wrote is parsed there. */
static int versions_inside(void *arg, int out, struct err *err)
{
	const struct file_question *q = arg;
	auto_arena struct arena *a = arena_new();
	auto_strbuf struct strbuf text = STRBUF(MIB), answer = STRBUF(64 * KIB);
	auto_fd int root = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	auto_fd int fd = open_beneath(root, q->name, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0, err);
	struct texts versions;

	if (fd < 0)
		return q->may_be_missing && err->sys == ENOENT ? 0 : -1;
	if (read_capped(fd, &text, err) < 0 ||
	    python_file_parse(a, q->name, text.text, text.len, &versions, err) < 0)
		return -1;
	for (size_t i = 0; i < versions.count; i++)
		strbuf_addf(&answer, "%s\n", versions.list[i]);
	return write_full(out, answer.text, answer.len) < 0 ? err_sys(err, "cannot answer") : 0;
}

/* Of the file that the input names, or of .python-version where there is one. */
static int versions_of_file(struct step_run *step, struct texts *out, struct err *err)
{
	struct job_run *job = step->job;
	auto_strbuf struct strbuf text = STRBUF(64 * KIB);
	const char *given = action_input(step, "python-version-file");
	struct file_question q = {*given ? given : ".python-version", !*given};

	if (view_ask(job, versions_inside, &q, &text, err) < 0)
		return err_wrap(err, "python-version-file");
	*out = texts_of_lines(job->arena, text.text, "");
	for (size_t i = 0; i < out->count && i < LIMIT_PYTHON_VERSIONS; i++)
		output_say(step, "%s: %s", q.name, out->list[i]);
	return 0;
}

/* As the public action does: what a traceback ends with is an annotation of its place. */
static const char matchers[] =
	"{\"problemMatcher\": [{\"owner\": \"python\", \"pattern\": ["
	"{\"regexp\": \"^\\\\s*File\\\\s\\\"(.*)\\\",\\\\sline\\\\s(\\\\d+),\\\\sin\\\\s.*$\", "
	"\"file\": 1, \"line\": 2},"
	"{\"regexp\": \"^\\\\s*raise\\\\s.*\\\\('(.*)'\\\\)$\", \"message\": 1}]}]}";

/* ---- its parts ---- */

struct python_setup *python_setup_of(const struct step_run *step)
{
	return action_use_of(step->job, step->frame, step->step)->data;
}

static struct python_setup *setup_new(struct step_run *step)
{
	struct action_use *use = action_use_of(step->job, step->frame, step->step);
	struct python_setup *setup = arena_alloc(step->job->arena, sizeof(*setup));

	*setup = (struct python_setup){0};
	use->builtin = step->builtin;
	use->data = setup;
	return setup;
}

static int asked_versions(struct step_run *step, struct texts *out, struct err *err)
{
	*out = action_lines(step, "python-version");
	if (out->count && *action_input(step, "python-version-file"))
		output_say(step, "warning: python-version and python-version-file are both given; "
				 "the former counts");
	if (!out->count && versions_of_file(step, out, err) < 0)
		return -1;
	return out->count > LIMIT_PYTHON_VERSIONS
		       ? err_fail(err, ERR_USAGE, "%zu versions are asked for; there may be %d",
				  out->count, LIMIT_PYTHON_VERSIONS)
		       : 0;
}

static int start(struct step_run *step, struct err *err)
{
	struct python_setup *setup = setup_new(step);
	struct texts versions;
	int r = python_commands_check(step, err);

	if (r < 0 || asked_versions(step, &versions, err) < 0)
		return -1;
	if (!versions.count)
		output_say(step, "warning: no version is asked for: the image's own Python");
	for (size_t i = 0; i < versions.count; i++)
		if (set_up(step, setup, versions.list[i], err) < 0)
			return -1;
	note_matchers(step, matchers);
	if (!versions.count)
		return 0;
	r = python_cache_start(step, setup, err);
	return r == 0 ? python_commands_start(step, setup, err) : r;
}

static int finish(struct step_run *step, struct err *err)
{
	const struct python_setup *setup = python_setup_of(step);

	if (step->stage == STAGE_POST)
		return caching_saved(step, setup->caching, err);
	return setup->commands ? 0 : python_cache_finish(step, err);
}

static int next(struct step_run *step, struct err *err)
{
	return step->stage == STAGE_POST ? 0
					 : python_commands_start(step, python_setup_of(step), err);
}

const struct builtin action_setup_python = {
	.uses = "actions/setup-python",
	.start = start,
	.finish = finish,
	.next = next,
	.post = python_cache_post,
};
