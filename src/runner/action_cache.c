/* actions/cache, and its halves actions/cache/restore and actions/cache/save. */
#include <string.h>

#include "runner/actions.h"
#include "runner/caching.h"
#include "stepcell/cache.h"

static struct caching *caching_of(struct step_run *step)
{
	struct arena *a = step->job->arena;
	struct caching *c = arena_alloc(a, sizeof(*c));
	const struct texts others = action_lines(step, "restore-keys");

	*c = (struct caching){.paths = action_lines(step, "path"), .answer = -1, .staged = -1};
	c->keys.list = arena_array(a, others.count + 1, sizeof(*c->keys.list));
	c->keys.list[c->keys.count++] = action_input(step, "key");
	for (size_t i = 0; i < others.count; i++)
		c->keys.list[c->keys.count++] = others.list[i];
	c->lookup_only = action_flag(step, "lookup-only", false);
	return c;
}

/* ---- restore ---- */

static bool is_half(const struct step_run *step)
{
	return step->builtin == &action_cache_restore;
}

/* What was found is known: the outputs, and whether nothing found is a failure. */
static int conclude(struct step_run *step, const struct caching *c, struct err *err)
{
	struct arena *a = step->job->arena;

	if (is_half(step))
		node_set_text(a, step->outputs, "cache-primary-key", c->keys.list[0]);
	if (c->matched) {
		node_set_text(a, step->outputs, "cache-hit", caching_hit(c) ? "true" : "false");
		if (is_half(step))
			node_set_text(a, step->outputs, "cache-matched-key", c->matched);
		if (c->lookup_only)
			output_say(step, "there is a cache '%s', of %s", c->matched, c->scope);
		return 0;
	}
	if (action_flag(step, "fail-on-cache-miss", false))
		return err_fail(err, ERR_USAGE,
				"no cache for the key '%s', and fail-on-cache-miss "
				"is set",
				c->keys.list[0]);
	output_say(step, "no cache for the key '%s'%s", c->keys.list[0],
		   c->keys.count > 1 ? ", nor for its restore-keys" : "");
	return 0;
}

static int restore(struct step_run *step, struct err *err)
{
	struct caching *c = caching_of(step);
	int r = caching_restore(step, c, err);

	if (!is_half(step) && r >= 0) {
		struct action_use *use = action_use_of(step->job, step->frame, step->step);

		use->builtin = step->builtin;
		use->data = c;
		parts_push_post(step->job, use);
	}
	return r == 0 ? conclude(step, c, err) : r;
}

static int restored(struct step_run *step, struct err *err)
{
	struct caching *c = step->data;

	return caching_restored(step, c, err) < 0 ? -1 : conclude(step, c, err);
}

/* ---- save ---- */

static int save(struct step_run *step, struct err *err)
{
	return caching_save(step, caching_of(step), err);
}

static int saved(struct step_run *step, struct err *err)
{
	return caching_saved(step, step->data, err);
}

static int post(struct step_run *step, struct err *err)
{
	struct caching *c = step->use->data;

	if (!caching_hit(c))
		return caching_save(step, c, err);
	output_say(step, "the cache '%s' was hit, and is not saved again", c->matched);
	return 0;
}

static int finish(struct step_run *step, struct err *err)
{
	return step->stage == STAGE_POST ? saved(step, err) : restored(step, err);
}

const struct builtin action_cache = {
	.uses = "actions/cache", .start = restore, .finish = finish, .post = post};
const struct builtin action_cache_restore = {
	.uses = "actions/cache/restore", .start = restore, .finish = restored};
const struct builtin action_cache_save = {
	.uses = "actions/cache/save", .start = save, .finish = saved};
