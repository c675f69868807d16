/* stepcell cache: what runs have left for runs. */
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/store.h"
#include "stepcell/cache.h"
#include "stepcell/home.h"
#include "stepcell/limits.h"
#include "stepcell/util.h"

struct cache_options {
	bool json;
};

/* Called for each entry of each realm; below 0 ends it. */
typedef int entry_fn(struct session *s, struct cache *cache, const char *realm,
		     const struct cache_entry *entry, void *arg, struct err *err);

static int for_each_of(struct session *s, const char *home, const char *realm, entry_fn *fn,
		       void *arg, struct err *err)
{
	struct cache_entry *entries;
	struct cache *cache = NULL;
	size_t count;
	int r;

	if (cache_open(home, realm, &cache, err) < 0)
		return -1;
	r = cache_list(cache, s->arena, &entries, &count, err);
	for (size_t i = 0; r == 0 && i < count; i++)
		r = fn(s, cache, realm, &entries[i], arg, err);
	cache_close(&cache);
	return r;
}

static int for_each(struct session *s, entry_fn *fn, void *arg, struct err *err)
{
	char home[PATH_MAX];
	const char **realms;
	size_t count;

	if (state_home(home, sizeof(home), err) < 0 ||
	    cache_realms(home, s->arena, &realms, &count, err) < 0)
		return -1;
	for (size_t i = 0; i < count; i++)
		if (for_each_of(s, home, realms[i], fn, arg, err) < 0)
			return -1;
	return 0;
}

/* ---- list ---- */

static const char *when(struct arena *a, const struct timespec *t)
{
	char text[32];
	struct tm tm;

	(void)gmtime_r(&t->tv_sec, &tm);
	(void)strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm);
	return arena_strdup(a, text);
}

/* "folder /home/me/project", "shared" */
static const char *owner_of(struct arena *a, const char *realm, const char **kind)
{
	const char *line = strchr(realm, '\n');

	*kind = line ? line + 1 : "";
	return line ? arena_strndup(a, realm, (size_t)(line - realm)) : realm;
}

static int list_one(struct session *s, struct cache *cache, const char *realm,
		    const struct cache_entry *e, void *arg, struct err *err)
{
	struct node *list = arg, *map = node_map(s->arena);
	const char *kind, *owner = owner_of(s->arena, realm, &kind);
	auto_strbuf struct strbuf row = STRBUF(8192);

	(void)cache, (void)err;
	if (list) {
		node_set_text(s->arena, map, "key", e->key);
		node_set_text(s->arena, map, "scope", e->scope);
		node_set_text(s->arena, map, "of", owner);
		node_set_text(s->arena, map, "kind", kind);
		node_set(s->arena, map, "bytes", node_number(s->arena, (double)e->bytes));
		node_set_text(s->arena, map, "created", when(s->arena, &e->created));
		node_set_text(s->arena, map, "used", when(s->arena, &e->used));
		node_add(s->arena, list, map);
		return 0;
	}
	strbuf_add_visible(&row, e->key, strlen(e->key));
	strbuf_adds(&row, "  ");
	strbuf_add_visible(&row, e->scope, strlen(e->scope));
	strbuf_addf(&row, "  %.1f MiB  used %s  %s  ", (double)e->bytes / (double)MIB,
		    when(s->arena, &e->used), kind);
	strbuf_add_visible(&row, owner, strlen(owner));
	(void)puts(row.text);
	return 0;
}

static int cache_cmd_list(struct session *s, struct err *err)
{
	const struct cache_options *o = s->options;
	struct node *list = o->json ? node_list(s->arena) : NULL;

	if (for_each(s, list_one, list, err) < 0)
		return -1;
	if (list)
		print_json(list);
	return 0;
}

/* ---- remove ---- */

struct removal {
	const char *key;
	size_t count;
};

static int remove_one(struct session *s, struct cache *cache, const char *realm,
		      const struct cache_entry *e, void *arg, struct err *err)
{
	struct removal *r = arg;

	(void)s, (void)realm;
	if (strcmp(e->key, r->key) != 0)
		return 0;
	r->count++;
	return cache_drop(cache, e, err);
}

static int cache_cmd_remove(struct session *s, struct err *err)
{
	struct removal removal = {.key = s->words[0]};

	if (for_each(s, remove_one, &removal, err) < 0)
		return -1;
	return removal.count ? 0 : err_fail(err, ERR_USAGE, "there is no cache '%s'", removal.key);
}

static const struct option_row json_row[] = {
	{0, "json", NULL, opt_flag, offsetof(struct cache_options, json), "print JSON"},
};

static const struct subcommand subcommands[] = {
	{"list",
	 cache_cmd_list,
	 0,
	 0,
	 {.synopsis = "stepcell cache list [--json]",
	  .about = "Lists what runs have cached: key, scope, size, when it was used, by whom.",
	  .rows = json_row,
	  .count = COUNT(json_row)},
	 "what runs have cached"},
	{"remove",
	 cache_cmd_remove,
	 1,
	 1,
	 {.synopsis = "stepcell cache remove KEY",
	  .about = "Removes every cache of this key, whoever left it."},
	 "the caches of a key"},
};

int cmd_cache(int argc, char **argv, struct err *err)
{
	struct cache_options options = {0};

	return store_command(subcommands, COUNT(subcommands), &options, argc, argv, err);
}
