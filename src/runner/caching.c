/*
 * Whose caches a run may meet. A realm is a repository's, and of two kinds: the
 * shared one of what is trusted, and one for each policy that says `guest`. A
 * guest reads what trusted runs left for the base and the default branch, and
 * writes to its own alone, so nothing of it reaches them. Within a realm the
 * scope is the ref, and a run reads its own, its base's and the default branch's.
 *
 * Files are packed and unpacked in a cell over the job's own mounts. What comes
 * back is hashed before a byte of it is unpacked.
 */
#include "runner/caching.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runner/answer.h"
#include "stepcell/cache.h"
#include "stepcell/fd.h"
#include "stepcell/limits.h"
#include "stepcell/util.h"

#define SCOPES_MAX 3

/* ---- whose they are ---- */

/* What the operator's event says, else where the checkout lies: a checkout's own word names no other's. */
static const char *repository_of(const struct run *run, struct arena *a)
{
	const struct node *event = node_get(run->github, "event");
	const char *name = node_text(node_get(node_get(event, "repository"), "full_name"));

	return run->options->event_file && name ? arena_printf(a, "repository %s", name)
						: arena_printf(a, "folder %s", run->source.dir);
}

static const char *realm_of(const struct run *run, struct arena *a, bool guest)
{
	return arena_printf(a, "%s\n%s%s", repository_of(run, a), guest ? "guest " : "shared",
			    guest ? run->policy->name : "");
}

static bool is_guest(const struct run *run)
{
	return run->policy->caches == POLICY_CACHES_GUEST;
}

static const char *github_text(const struct run *run, const char *key)
{
	const char *text = node_text(node_get(run->github, key));

	return text ? text : "";
}

/* Of a pull request its head too, since not every event has a number. */
static const char *own_scope(const struct run *run, struct arena *a)
{
	const struct node *pr = node_get(node_get(run->github, "event"), "pull_request");
	const struct node *head = node_get(pr, "head");
	const char *repo = node_text(node_get(node_get(head, "repo"), "full_name"));
	const char *ref = github_text(run, "ref");

	if (!pr || strncmp(ref, "refs/pull/", 10) != 0)
		return ref;
	return arena_printf(a, "%s %s:%s", ref, repo ? repo : "", github_text(run, "head_ref"));
}

static const char *default_branch(const struct run *run)
{
	const struct node *event = node_get(run->github, "event");
	const char *name = node_text(node_get(node_get(event, "repository"), "default_branch"));

	return name ? name : "main";
}

struct scopes {
	const char *list[SCOPES_MAX];
	size_t count;
};

static void add_scope(struct scopes *s, const char *scope)
{
	for (size_t i = 0; i < s->count; i++)
		if (strcmp(s->list[i], scope) == 0)
			return;
	s->list[s->count++] = scope;
}

/* What a run may read besides its own. */
static void add_bases(const struct run *run, struct arena *a, struct scopes *s)
{
	const char *base = github_text(run, "base_ref");

	if (*base)
		add_scope(s, arena_printf(a, "refs/heads/%s", base));
	add_scope(s, arena_printf(a, "refs/heads/%s", default_branch(run)));
}

/* ---- finding ---- */

bool caching_hit(const struct caching *c)
{
	return c->matched && strcmp(c->matched, c->keys.list[0]) == 0;
}

static int look_in(struct step_run *step, struct caching *c, bool guest,
		   const struct scopes *scopes, int *fd, struct err *err)
{
	struct run *run = step->job->run;
	const struct cache_wish wish = {
		.version = cache_version(c->paths.list, c->paths.count),
		.scopes = scopes->list,
		.scope_count = scopes->count,
		.keys = c->keys.list,
		.key_count = c->keys.count,
	};
	struct cache *cache = NULL;
	struct cache_entry found;
	int r;

	if (cache_open(run->home, realm_of(run, step->job->arena, guest), &cache, err) < 0)
		return -1;
	r = cache_find(cache, step->job->arena, &wish, &found, c->lookup_only ? NULL : fd, err);
	cache_close(&cache);
	if (r <= 0)
		return r;
	c->matched = found.key;
	c->scope = found.scope;
	c->blob = found.blob;
	c->guest = guest;
	return 1;
}

/* A guest's own come first: what it left for its own ref is nearer to it than its base's. */
static int look(struct step_run *step, struct caching *c, int *fd, struct err *err)
{
	const struct run *run = step->job->run;
	struct arena *a = step->job->arena;
	struct scopes own = {0}, bases = {0};
	int r;

	add_scope(&own, own_scope(run, a));
	add_bases(run, a, is_guest(run) ? &bases : &own);
	r = look_in(step, c, is_guest(run), &own, fd, err);
	if (r == 0 && is_guest(run))
		r = look_in(step, c, false, &bases, fd, err);
	return r;
}

static int check(const struct step_run *step, const struct caching *c, struct err *err)
{
	if (step->job->run->policy->caches == POLICY_CACHES_NONE)
		return 0;
	if (!c->paths.count)
		return err_fail(err, ERR_USAGE, "input required and not supplied: path");
	if (c->keys.count > LIMIT_CACHE_KEYS)
		return err_fail(err, ERR_USAGE, "keys are limited to %d, and there are %zu",
				LIMIT_CACHE_KEYS, c->keys.count);
	for (size_t i = 0; i < c->keys.count; i++)
		if (cache_check_key(c->keys.list[i], err) < 0)
			return -1;
	return 1;
}

/* ---- in the cell ---- */

struct work {
	struct artifact_spec pack;
	struct artifact_unpack_limits unpack;
	struct digest blob;
};

/* fds: the tarball and the answer's pipe. */
static int unpack_inside(void *arg, const int *fds, size_t count)
{
	const struct work *w = arg;
	auto_fd int root = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct answer answer = {0};
	struct digest found;

	(void)count;
	if (root < 0)
		(void)err_sys(&answer.err, "cannot open the root");
	else if (digest_of_fd(fds[0], &found, &answer.err) == 0) {
		answer.damaged = !digest_equal(&found, &w->blob);
		if (!answer.damaged && lseek(fds[0], 0, SEEK_SET) < 0)
			(void)err_sys(&answer.err, "cannot read the cache again");
		else if (!answer.damaged)
			(void)artifact_unpack(fds[0], root, &w->unpack, &answer.summary,
					      &answer.err);
	}
	return answer_say(fds[1], &answer);
}

/* What cannot be packed is said, and fails nothing. */
static int pack_inside(void *arg, const int *fds, size_t count)
{
	const struct work *w = arg;
	auto_fd int root = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct answer answer = {0};

	(void)count;
	if (root < 0)
		(void)err_sys(&answer.err, "cannot open the root");
	else
		(void)artifact_pack(root, &w->pack, fds[0], &answer.summary, &answer.err);
	(void)answer_say(fds[1], &answer);
	return 0;
}

static int start(struct step_run *step, struct caching *c, cell_fn *fn, struct work *work,
		 int tarball, struct err *err)
{
	int ends[2];

	if (pipe_open(ends, err) < 0)
		return -1;

	auto_fd int answer = ends[1];
	const int fds[] = {tarball, answer};

	artifact_settle();
	c->answer = ends[0];
	step->data = c;
	if (launch(step,
		   &(struct launch){
			   .fn = fn,
			   .arg = work,
			   .workdir = "/",
			   .env = node_map(step->job->arena),
			   .fds = fds,
			   .fd_count = COUNT(fds),
		   },
		   err) == 0)
		return 1;
	fd_close(&c->answer);
	return -1;
}

/* ---- restoring ---- */

int caching_restore(struct step_run *step, struct caching *c, struct err *err)
{
	const struct policy_limits *limits = &step->job->run->policy->limits;
	struct work *work = arena_alloc(step->job->arena, sizeof(*work));
	auto_fd int tarball = -1;
	int r = check(step, c, err);

	if (r == 0)
		output_say(step, "%s: caches: none: nothing is restored",
			   step->job->run->policy->path);
	if (r > 0)
		r = look(step, c, &tarball, err);
	if (r <= 0 || c->lookup_only)
		return r < 0 ? -1 : 0;
	work->blob = c->blob;
	work->unpack = (struct artifact_unpack_limits){
		.max_bytes = limits->disk, .max_entries = limits->files, .any_link = true};
	return start(step, c, unpack_inside, work, tarball, err);
}

static void drop_damaged(struct step_run *step, struct caching *c)
{
	struct run *run = step->job->run;
	const struct cache_entry entry = {
		.key = c->matched,
		.scope = c->scope,
		.version = cache_version(c->paths.list, c->paths.count),
	};
	struct cache *cache = NULL;
	struct err ignored;

	output_say(step, "warning: the cache '%s' is not what was saved; it is dropped",
		   c->matched);
	if (cache_open(run->home, realm_of(run, step->job->arena, c->guest), &cache, &ignored) < 0)
		return;
	(void)cache_drop(cache, &entry, &ignored);
	cache_close(&cache);
	c->matched = NULL;
}

int caching_restored(struct step_run *step, struct caching *c, struct err *err)
{
	struct answer answer = {0};

	if (answer_hear(&c->answer, &answer, err) < 0)
		return -1;
	if (answer.damaged)
		drop_damaged(step, c);
	else
		output_say(step, "%llu files, %llu bytes, from the cache '%s' of %s%s",
			   (unsigned long long)answer.summary.files,
			   (unsigned long long)answer.summary.bytes, c->matched, c->scope,
			   c->guest ? ", which an untrusted run left" : "");
	return 0;
}

/* ---- saving ---- */

static struct cache_entry entry_of(struct step_run *step, const struct caching *c)
{
	return (struct cache_entry){
		.key = c->keys.list[0],
		.scope = own_scope(step->job->run, step->job->arena),
		.version = cache_version(c->paths.list, c->paths.count),
	};
}

static const char **patterns_of(const struct step_run *step, const struct caching *c)
{
	struct arena *a = step->job->arena;
	const char **list = arena_array(a, c->paths.count, sizeof(*list));

	for (size_t i = 0; i < c->paths.count; i++) {
		bool not = *c->paths.list[i] == '!';

		list[i] = arena_printf(a, "%s.%s", not ? "!" : "",
				       action_path(step->job, c->paths.list[i] + not ));
	}
	return list;
}

static int open_cache(struct step_run *step, struct cache **out, struct err *err)
{
	const struct run *run = step->job->run;

	return cache_open(run->home, realm_of(run, step->job->arena, is_guest(run)), out, err);
}

static bool is_there(struct step_run *step, const struct caching *c)
{
	const struct cache_entry entry = entry_of(step, c);
	struct cache *cache = NULL;
	struct err ignored;
	bool there;

	if (open_cache(step, &cache, &ignored) < 0)
		return false;
	there = cache_has(cache, &entry);
	cache_close(&cache);
	return there;
}

static int stage(struct step_run *step, struct caching *c, struct err *err)
{
	struct cache *cache = NULL;
	int r;

	if (open_cache(step, &cache, err) < 0)
		return -1;
	r = cache_stage(cache, &c->staged, err);
	cache_close(&cache);
	return r;
}

static uint64_t lower(uint64_t limit, uint64_t other)
{
	return limit && limit < other ? limit : other;
}

int caching_save(struct step_run *step, struct caching *c, struct err *err)
{
	const struct policy_limits *limits = &step->job->run->policy->limits;
	struct work *work = arena_alloc(step->job->arena, sizeof(*work));
	int r = check(step, c, err);

	if (r <= 0) {
		if (r == 0)
			output_say(step, "%s: caches: none: nothing is saved",
				   step->job->run->policy->path);
		return r;
	}
	if (is_there(step, c)) {
		output_say(step, "a cache '%s' exists already, and is not changed",
			   c->keys.list[0]);
		return 0;
	}
	if (stage(step, c, err) < 0)
		return -1;
	work->pack = (struct artifact_spec){
		.patterns = patterns_of(step, c),
		.pattern_count = c->paths.count,
		.hidden = true,
		.faithful = true,
		.max_bytes = lower(limits->disk, LIMIT_CACHE_BYTES),
		.max_entries = limits->files,
	};
	r = start(step, c, pack_inside, work, c->staged, err);
	if (r < 0)
		fd_close(&c->staged);
	return r;
}

static int keep(struct step_run *step, const struct caching *c, const struct answer *answer,
		struct err *err)
{
	struct cache_entry entry = entry_of(step, c);
	struct cache *cache = NULL;
	struct stat st;
	int r;

	if (fstat(c->staged, &st) < 0)
		return err_sys(err, "cannot look at the cache");
	entry.blob = answer->summary.blob;
	entry.bytes = (uint64_t)st.st_size;
	if (open_cache(step, &cache, err) < 0)
		return -1;
	r = cache_save(cache, &entry, c->staged, err);
	cache_close(&cache);
	if (r >= 0)
		output_say(step,
			   r ? "cache '%s' saved for %s%s: %llu files, %llu bytes"
			     : "a cache '%s' of %s%s exists already, and is not changed",
			   entry.key, entry.scope, is_guest(step->job->run) ? ", untrusted" : "",
			   (unsigned long long)answer->summary.files,
			   (unsigned long long)entry.bytes);
	return r;
}

int caching_saved(struct step_run *step, struct caching *c, struct err *err)
{
	struct answer answer = {0};
	struct err why = {0};
	auto_fd int staged = take_fd(&c->staged);

	(void)err;
	c->staged = staged;
	if (answer_hear(&c->answer, &answer, &why) == 0 && !answer.summary.files)
		(void)err_fail(&why, ERR_USAGE, "there is nothing at its paths");
	if (why.kind == ERR_NONE)
		(void)keep(step, c, &answer, &why);
	if (why.kind != ERR_NONE)
		output_say(step, "warning: cache '%s' is not saved: %s", c->keys.list[0], why.text);
	c->staged = -1;
	return 0;
}
