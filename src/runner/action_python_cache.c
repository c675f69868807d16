/* setup-python's `cache: pip`: pip's own cache, under the key that GitHub's action gives it. */
#include <fcntl.h>
#include <string.h>

#include "runner/action_python.h"
#include "runner/actions.h"
#include "runner/caching.h"
#include "stepcell/fd.h"
#include "stepcell/limits.h"

/* ---- the key ---- */

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

/* Of the files that say what pip is to install. */
static int hash_of(struct step_run *step, const char **out, struct err *err)
{
	static const char *const usual[] = {"**/requirements.txt"}, *const other[] = {
									    "**/pyproject.toml"};
	struct texts given = action_lines(step, "cache-dependency-path");
	auto_strbuf struct strbuf hex = STRBUF(DIGEST_HEX);
	int r;

	r = scope_hash_files(step->job, given.count ? given.list : usual,
			     given.count ? given.count : 1, &hex, err);
	if (r == 0 && !hex.len)
		r = scope_hash_files(step->job, other, 1, &hex, err);
	if (r == 0 && !hex.len)
		r = err_fail(err, ERR_USAGE,
			     "no file in the workspace matches %s or **/pyproject.toml, of which "
			     "the cache's key is made; actions/checkout comes first",
			     given.count ? given.list[0] : usual[0]);
	*out = arena_strdup(step->job->arena, hex.text);
	return r;
}

/* Where pip keeps it: `pip cache dir`. */
static const char *folder_of(const struct step_run *step)
{
	const char *pip = step_env_text(step, "PIP_CACHE_DIR");
	const char *all = step_env_text(step, "XDG_CACHE_HOME");

	if (pip && *pip)
		return pip;
	return all && *all ? arena_printf(step->job->arena, "%s/pip", all)
			   : RUNNER_HOME "/.cache/pip";
}

static int caching_of(struct step_run *step, const char *version, struct caching **out,
		      struct err *err)
{
	struct arena *a = step->job->arena;
	struct caching *c = arena_alloc(a, sizeof(*c));
	const char *release = "", *hash = "", *prefix;

	if (release_of(step->job, &release, err) < 0 || hash_of(step, &hash, err) < 0)
		return -1;
	prefix = arena_printf(a, "setup-python-Linux-%s-%s-python-%s-pip", image_machine(), release,
			      version);
	*c = (struct caching){.answer = -1, .staged = -1};
	c->keys.list = arena_array(a, 2, sizeof(*c->keys.list));
	c->keys.list[c->keys.count++] = arena_printf(a, "%s-%s", prefix, hash);
	c->keys.list[c->keys.count++] = prefix;
	c->paths.list = arena_array(a, 1, sizeof(*c->paths.list));
	c->paths.list[c->paths.count++] = folder_of(step);
	*out = c;
	return 0;
}

/* ---- its parts ---- */

static int conclude(struct step_run *step, const struct caching *c)
{
	node_set_text(step->job->arena, step->outputs, "cache-hit",
		      caching_hit(c) ? "true" : "false");
	if (!c->matched)
		output_say(step, "no pip cache '%s'", c->keys.list[0]);
	return 0;
}

int python_cache_start(struct step_run *step, const char *version, struct err *err)
{
	struct action_use *use = action_use_of(step->job, step->frame, step->step);
	const char *manager = action_input(step, "cache");
	struct caching *c = NULL;
	int r;

	if (!*manager)
		return 0;
	if (strcmp(manager, "pip") != 0)
		return err_fail(err, ERR_USAGE, "cache: '%s' is not served; pip is", manager);
	if (caching_of(step, version, &c, err) < 0)
		return err_wrap(err, "cache: pip");
	use->builtin = step->builtin;
	use->data = c;
	parts_push_post(step->job, use);
	r = caching_restore(step, c, err);
	return r == 0 ? conclude(step, c) : r;
}

int python_cache_finish(struct step_run *step, struct err *err)
{
	struct caching *c = step->data;

	if (step->stage == STAGE_POST)
		return caching_saved(step, c, err);
	return caching_restored(step, c, err) < 0 ? -1 : conclude(step, c);
}

int python_cache_post(struct step_run *step, struct err *err)
{
	struct caching *c = step->use->data;

	if (!caching_hit(c))
		return caching_save(step, c, err);
	output_say(step, "the cache '%s' was hit, and is not saved again", c->matched);
	return 0;
}
