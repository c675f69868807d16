/*
 * cache: what actions/cache keeps from one run to the next: tarballs under keys.
 *
 * An entry is never changed. The least recently used make room for new ones,
 * and what nobody used for days is gone. Nobody meets the entries of another
 * realm, whatever they are called, nor do they take room from each other.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "stepcell/arena.h"
#include "stepcell/digest.h"
#include "stepcell/err.h"

struct cache;

/* `home` is the state home; the realm's folder is made when missing. */
int cache_open(const char *home, const char *realm, struct cache **out, struct err *err);
void cache_close(struct cache **cache); /* NULL is fine */

/* The realms that there are, in no order. */
int cache_realms(const char *home, struct arena *a, const char ***out, size_t *count,
		 struct err *err);

/* 64 digits for the paths of an entry: it serves only who asks for the same ones. */
struct digest cache_version(const char *const *paths, size_t count);

/* ERR_USAGE: empty, too long, or with a comma or a control character in it. */
int cache_check_key(const char *key, struct err *err);

struct cache_entry {
	const char *key;
	const char *scope; /* refs/heads/main */
	struct digest version;
	struct digest blob; /* of the tarball */
	uint64_t bytes;     /* of the tarball */
	struct timespec created, used;
};

/*
 * Scopes are asked one after another, and in each the keys: an entry of exactly
 * this key, else the newest of those whose keys begin with it. 1 with the entry
 * and, unless NULL, its tarball's descriptor; 0 when there is none.
 */
struct cache_wish {
	struct digest version;
	const char *const *scopes;
	size_t scope_count;
	const char *const *keys; /* the one that is wanted, then those that will do */
	size_t key_count;
};
int cache_find(struct cache *cache, struct arena *a, const struct cache_wish *wish,
	       struct cache_entry *out, int *fd, struct err *err);

/* Is there an entry of exactly this key, scope and version? */
bool cache_has(struct cache *cache, const struct cache_entry *entry);

/* A file to write a tarball to; nobody sees it before cache_save(). The caller owns it. */
int cache_stage(struct cache *cache, int *fd, struct err *err);

/*
 * Keep what was staged under the entry's key, scope and version; `blob` and
 * `bytes` are the caller's word. 1, or 0 when another was faster and its entry
 * stays. What is too old, or too much with this one, is evicted.
 */
int cache_save(struct cache *cache, const struct cache_entry *entry, int staged, struct err *err);

/* Remove one, as when its tarball is not what was saved. */
int cache_drop(struct cache *cache, const struct cache_entry *entry, struct err *err);

/* All of them, the last used first. */
int cache_list(struct cache *cache, struct arena *a, struct cache_entry **out, size_t *count,
	       struct err *err);
