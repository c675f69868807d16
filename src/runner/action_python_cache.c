/* setup-python's `cache`: what pip, pipenv and poetry keep, under the keys that GitHub's action gives them. */
#include <fcntl.h>
#include <string.h>

#include "runner/action_python.h"
#include "runner/caching.h"
#include "stepcell/fd.h"
#include "stepcell/limits.h"
#include "stepcell/util.h"

/* ---- the system's release ---- */

static int release_inside(void *arg, int out, struct err *err)
{
	auto_strbuf struct strbuf text = STRBUF(64 * KIB);
	auto_fd int fd = open("/etc/os-release", O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

	(void)arg;
	if (fd < 0)
		return 0;
	if (read_capped(fd, &text, err) < 0)
		return -1;
	return write_full(out, text.text, text.len) < 0 ? err_sys(err, "cannot answer") : 0;
}

/* The value of NAME=VALUE or NAME="VALUE", of what is plain in it. */
static const char *value_of(struct arena *a, const char *text, const char *name)
{
	size_t len = strlen(name);

	for (; *text; text += strcspn(text, "\n"), text += *text == '\n') {
		if (strncmp(text, name, len) != 0 || text[len] != '=')
			continue;
		text += len + 1;
		text += strspn(text, "\"'");
		return arena_strndup(a, text, strcspn(text, "\"'\n, "));
	}
	return "";
}

/* As lsb_release tells it: "12-Debian". */
static int release_of(struct job_run *job, const char **out, struct err *err)
{
	auto_strbuf struct strbuf text = STRBUF(64 * KIB);
	char *id;

	if (view_ask(job, release_inside, NULL, &text, err) < 0)
		return err_wrap(err, "looking at the system's release");
	id = arena_strdup(job->arena, value_of(job->arena, text.text, "ID"));
	if (*id >= 'a' && *id <= 'z')
		*id = (char)(*id - 'a' + 'A');
	*out = arena_printf(job->arena, "%s-%s", value_of(job->arena, text.text, "VERSION_ID"), id);
	return 0;
}

/* ---- the folders ---- */

/* `pip cache dir` */
static int pip_paths(struct step_run *step, struct python_setup *setup,
		     const struct texts *patterns, struct texts *out, struct err *err)
{
	const char *pip = step_env_text(step, "PIP_CACHE_DIR");
	const char *all = step_env_text(step, "XDG_CACHE_HOME");
	const char *usual = RUNNER_HOME "/.cache/pip";

	(void)setup, (void)patterns, (void)err;
	if (all && *all)
		usual = arena_printf(step->job->arena, "%s/pip", all);
	texts_add(step->job->arena, out, pip && *pip ? pip : usual);
	return 0;
}

/* Where it keeps environments, whatever the variables say. */
static int pipenv_paths(struct step_run *step, struct python_setup *setup,
			const struct texts *patterns, struct texts *out, struct err *err)
{
	(void)setup, (void)patterns, (void)err;
	texts_add(step->job->arena, out, RUNNER_HOME "/.local/share/virtualenvs");
	return 0;
}

/* ---- the key ---- */

static const struct manager {
	const char *name;
	const char *files[2]; /* that the key is made of: the second where the first is nowhere */
	const char *mark;     /* behind its name in the key */
	bool loose; /* the key names the system's release, and one of other files will do too */
	int (*paths)(struct step_run *step, struct python_setup *setup,
		     const struct texts *patterns, struct texts *out, struct err *err);
} managers[] = {
	{"pip", {"**/requirements.txt", "**/pyproject.toml"}, "", true, pip_paths},
	{"pipenv", {"**/Pipfile.lock"}, "", false, pipenv_paths},
	{"poetry", {"**/poetry.lock"}, "-v2", false, python_poetry_folders},
};

static const struct manager *manager_of(const char *name)
{
	for (size_t i = 0; i < COUNT(managers); i++)
		if (strcmp(managers[i].name, name) == 0)
			return &managers[i];
	return NULL;
}

static const char *list_of(struct arena *a, const struct texts *texts)
{
	const char *all = "";

	for (size_t i = 0; i < texts->count; i++)
		all = arena_printf(a, "%s%s%s", all, i ? ", " : "", texts->list[i]);
	return all;
}

/* Of the files that say what is to be installed. */
static int hash_of(struct step_run *step, const struct manager *m, const struct texts *patterns,
		   const char **out, struct err *err)
{
	struct job_run *job = step->job;
	auto_strbuf struct strbuf hex = STRBUF(DIGEST_HEX);
	const char *other = m->files[1];

	if (scope_hash_files(job, patterns->list, patterns->count, &hex, err) < 0 ||
	    (!hex.len && other && scope_hash_files(job, &m->files[1], 1, &hex, err) < 0))
		return -1;
	*out = arena_strdup(job->arena, hex.text);
	if (hex.len)
		return 0;
	return err_fail(err, ERR_USAGE,
			"no file in the workspace matches %s%s%s, of which the cache's key is "
			"made; actions/checkout comes first",
			list_of(job->arena, patterns), other ? " or " : "", other ? other : "");
}

static int keys_of(struct step_run *step, const struct manager *m, const struct texts *patterns,
		   const char *version, struct texts *out, struct err *err)
{
	struct arena *a = step->job->arena;
	const char *release = "", *hash = "", *prefix;

	if ((m->loose && release_of(step->job, &release, err) < 0) ||
	    hash_of(step, m, patterns, &hash, err) < 0)
		return -1;
	prefix = arena_printf(a, "setup-python-Linux-%s-%s%spython-%s-%s%s", image_machine(),
			      release, m->loose ? "-" : "", version, m->name, m->mark);
	texts_add(a, out, arena_printf(a, "%s-%s", prefix, hash));
	if (m->loose)
		texts_add(a, out, prefix);
	return 0;
}

static int caching_of(struct step_run *step, const struct manager *m, struct python_setup *setup,
		      struct err *err)
{
	struct arena *a = step->job->arena;
	struct caching *c = arena_alloc(a, sizeof(*c));
	struct texts patterns = action_lines(step, "cache-dependency-path");

	if (!patterns.count)
		texts_add(a, &patterns, m->files[0]);
	*c = (struct caching){.answer = -1, .staged = -1};
	if (keys_of(step, m, &patterns, setup->version, &c->keys, err) < 0 ||
	    m->paths(step, setup, &patterns, &c->paths, err) < 0)
		return -1;
	setup->caching = c;
	return 0;
}

/* ---- its parts ---- */

static int conclude(struct step_run *step, const struct python_setup *setup)
{
	const struct caching *c = setup->caching;

	node_set_text(step->job->arena, step->outputs, "cache-hit",
		      caching_hit(c) ? "true" : "false");
	if (!c->matched)
		output_say(step, "no %s cache '%s'", setup->manager, c->keys.list[0]);
	return 0;
}

int python_cache_start(struct step_run *step, struct python_setup *setup, struct err *err)
{
	const char *name = action_input(step, "cache");
	const struct manager *m = manager_of(name);
	int r;

	if (!*name)
		return 0;
	if (!m)
		return err_fail(err, ERR_USAGE, "cache: '%s' is none of pip, pipenv and poetry",
				name);
	setup->manager = m->name;
	if (caching_of(step, m, setup, err) < 0)
		return err_wrap(err, "cache: %s", m->name);
	parts_push_post(step->job, action_use_of(step->job, step->frame, step->step));
	r = caching_restore(step, setup->caching, err);
	return r == 0 ? conclude(step, setup) : r;
}

int python_cache_finish(struct step_run *step, struct err *err)
{
	const struct python_setup *setup = python_setup_of(step);

	return caching_restored(step, setup->caching, err) < 0 ? -1 : conclude(step, setup);
}

int python_cache_post(struct step_run *step, struct err *err)
{
	const struct python_setup *setup = step->use->data;
	struct caching *c = setup->caching;

	if (!caching_hit(c))
		return caching_save(step, c, err);
	output_say(step, "the cache '%s' was hit, and is not saved again", c->matched);
	return 0;
}
