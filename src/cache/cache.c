/*
 * On disk a realm is caches/HEX, HEX hashing its name, and in it an entry is
 *
 *	realm         its name
 *	HEX.tar.zst   the tarball; its time is the entry's
 *	HEX.json      what is known of it; its time is that of the last use
 *
 * with HEX hashing scope, version and key. The tarball is there first and goes
 * last, so an entry is there when its .json is. The folder is locked, shared to
 * find and alone to change.
 */
#include "stepcell/cache.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "stepcell/decode.h"
#include "stepcell/fd.h"
#include "stepcell/json.h"
#include "stepcell/limits.h"
#include "stepcell/path.h"
#include "stepcell/util.h"

#define RECORD_BYTES (16 * KIB)
#define REALM        "realm"

struct cache {
	int dir;
};

struct name {
	char json[DIGEST_HEX + 8], tar[DIGEST_HEX + 16];
};

static struct name name_of(const struct cache_entry *e)
{
	auto_strbuf struct strbuf text = STRBUF(RECORD_BYTES);
	struct name name;
	struct digest id;

	strbuf_addf(&text, "%s\n%s\n%s", e->scope, e->version.hex, e->key);
	id = digest_of(text.text, text.len);
	(void)snprintf(name.json, sizeof(name.json), "%s.json", id.hex);
	(void)snprintf(name.tar, sizeof(name.tar), "%s.tar.zst", id.hex);
	return name;
}

/* For who lists them; the folder's own name is a hash. */
static int name_realm(struct cache *c, const char *realm, struct err *err)
{
	if (faccessat(c->dir, REALM, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return 0;
	return file_write(c->dir, REALM, realm, strlen(realm), 0600, err);
}

int cache_open(const char *home, const char *realm, struct cache **out, struct err *err)
{
	struct digest id = digest_of(realm, strlen(realm));
	char path[PATH_MAX];
	int n = snprintf(path, sizeof(path), "%s/caches/%s", home, id.hex);
	struct cache *c;

	if (n < 0 || (size_t)n >= sizeof(path))
		return err_fail(err, ERR_USAGE, "path too long: '%s'", home);
	if (mkdir_all(path, 0700, err) < 0)
		return -1;
	c = calloc(1, sizeof(*c));
	if (!c)
		return err_fail(err, ERR_SYSTEM, "out of memory");
	c->dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (c->dir < 0 || name_realm(c, realm, err) < 0) {
		if (c->dir < 0)
			(void)err_sys(err, "cannot open '%s'", path);
		cache_close(&c);
		return -1;
	}
	*out = c;
	return 0;
}

void cache_close(struct cache **cache)
{
	if (!*cache)
		return;
	fd_close(&(*cache)->dir);
	free(*cache);
	*cache = NULL;
}

/* Finer than the kernel's own idea of now, by which two entries could be of one time. */
static int touch(int dir, const char *name)
{
	struct timespec now[2];

	(void)clock_gettime(CLOCK_REALTIME, &now[0]);
	now[1] = now[0];
	return name ? utimensat(dir, name, now, 0) : futimens(dir, now);
}

int cache_realms(const char *home, struct arena *a, const char ***out, size_t *count,
		 struct err *err)
{
	DIR *dir = opendir(arena_printf(a, "%s/caches", home));
	const char **list = NULL;
	struct dirent *d;
	size_t n = 0;

	if (!dir && errno != ENOENT)
		return err_sys(err, "cannot list the caches");
	while (dir && (d = readdir(dir))) {
		auto_strbuf struct strbuf text = STRBUF(RECORD_BYTES);
		struct err ignored;

		if (strlen(d->d_name) != DIGEST_HEX ||
		    file_read(dirfd(dir), arena_printf(a, "%s/" REALM, d->d_name), &text,
			      &ignored) < 0)
			continue;
		list = arena_grow(a, list, n, sizeof(*list));
		list[n++] = arena_strdup(a, text.text);
	}
	if (dir)
		(void)closedir(dir);
	*out = list;
	*count = n;
	return 0;
}

/* A descriptor of its own: flock() belongs to those. */
static int lock(struct cache *c, int how, struct err *err)
{
	auto_fd int gate = openat(c->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r = -1;

	while (gate >= 0 && (r = flock(gate, how)) < 0 && errno == EINTR)
		;
	return r < 0 ? err_sys(err, "cannot lock the caches") : take_fd(&gate);
}

/* ---- what they are called ---- */

struct digest cache_version(const char *const *paths, size_t count)
{
	auto_strbuf struct strbuf text = STRBUF(MIB);

	for (size_t i = 0; i < count; i++)
		strbuf_addf(&text, "%s|", paths[i]);
	strbuf_adds(&text, "zstd|1.0");
	return digest_of(text.text, text.len);
}

int cache_check_key(const char *key, struct err *err)
{
	size_t len = strlen(key);

	if (!len)
		return err_fail(err, ERR_USAGE, "a cache's key is empty");
	if (len > LIMIT_CACHE_KEY)
		return err_fail(err, ERR_USAGE, "the key '%.40s...' is longer than %d characters",
				key, LIMIT_CACHE_KEY);
	if (strchr(key, ','))
		return err_fail(err, ERR_USAGE, "the key '%s' cannot contain commas", key);
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)key[i] < ' ')
			return err_fail(err, ERR_USAGE, "a cache's key is more than one line");
	return 0;
}

/* ---- records ---- */

static bool decode_hex(struct decode *d, const struct field *field, const struct node *value,
		       void *out)
{
	const char *text = node_text(value);
	char whole[DIGEST_HEX + 8];

	(void)field;
	(void)snprintf(whole, sizeof(whole), "sha256:%.64s", text ? text : "");
	return digest_parse(whole, out) || decode_wrong(d, value, "64 digits");
}

static const struct field record_fields[] = {
	{"key", decode_text, offsetof(struct cache_entry, key), FIELD_REQUIRED, NULL},
	{"scope", decode_text, offsetof(struct cache_entry, scope), FIELD_REQUIRED, NULL},
	{"version", decode_hex, offsetof(struct cache_entry, version), FIELD_REQUIRED, NULL},
	{"blob", decode_hex, offsetof(struct cache_entry, blob), FIELD_REQUIRED, NULL},
	{"bytes", decode_count, offsetof(struct cache_entry, bytes), FIELD_REQUIRED, NULL},
};

/* One that could not be read again would be there for nobody, and never go: a ref can be bytes. */
static int record_text(const struct cache_entry *e, struct strbuf *out, struct err *err)
{
	auto_arena struct arena *a = arena_new();
	struct node *map = node_map(a);
	struct err unread;

	node_set_text(a, map, "key", e->key);
	node_set_text(a, map, "scope", e->scope);
	node_set_text(a, map, "version", e->version.hex);
	node_set_text(a, map, "blob", e->blob.hex);
	node_set(a, map, "bytes", node_number(a, (double)e->bytes));
	json_write(out, map);
	if (!out->full && json_parse(a, e->key, out->text, out->len, &unread))
		return 0;
	return err_fail(err, ERR_USAGE, "its key, or the ref it is saved for, is no text in UTF-8");
}

/* False for what is no whole entry: half-removed, or of a writer that was killed. */
static bool record_read(struct cache *c, struct arena *a, const char *name, struct cache_entry *out)
{
	auto_strbuf struct strbuf text = STRBUF(RECORD_BYTES);
	struct diags diags = {.arena = a};
	struct decode d = {.arena = a, .diags = &diags};
	const struct node *root;
	struct stat json, tar;
	struct err ignored;
	struct cache_entry e = {0};
	struct name own;

	if (file_read(c->dir, name, &text, &ignored) < 0)
		return false;
	root = json_parse(a, name, text.text, text.len, &ignored);
	if (!root || !decode_map(&d, record_fields, COUNT(record_fields), "a cache", root, &e))
		return false;
	own = name_of(&e);
	if (strcmp(own.json, name) != 0 || fstatat(c->dir, own.json, &json, 0) < 0 ||
	    fstatat(c->dir, own.tar, &tar, AT_SYMLINK_NOFOLLOW) < 0)
		return false;
	e.created = tar.st_mtim;
	e.used = json.st_mtim;
	*out = e;
	return true;
}

static int compare_times(const struct timespec *a, const struct timespec *b)
{
	if (a->tv_sec != b->tv_sec)
		return a->tv_sec < b->tv_sec ? -1 : 1;
	return (a->tv_nsec > b->tv_nsec) - (a->tv_nsec < b->tv_nsec);
}

static int last_used_first(const void *a, const void *b)
{
	const struct cache_entry *x = a, *y = b;

	return compare_times(&y->used, &x->used);
}

static bool is_record(const char *name)
{
	return strlen(name) == DIGEST_HEX + strlen(".json") &&
	       strcmp(name + DIGEST_HEX, ".json") == 0;
}

static int list(struct cache *c, struct arena *a, struct cache_entry **out, size_t *count,
		struct err *err)
{
	int fd = openat(c->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct cache_entry *all = NULL;
	struct dirent *d;
	size_t n = 0;

	if (!dir)
		return err_sys(err, "cannot list the caches");
	while (n < LIMIT_CACHE_ENTRIES && (d = readdir(dir))) {
		struct cache_entry e;

		if (!is_record(d->d_name) || !record_read(c, a, d->d_name, &e))
			continue;
		all = arena_grow(a, all, n, sizeof(*all));
		all[n++] = e;
	}
	(void)closedir(dir);
	if (n)
		qsort(all, n, sizeof(*all), last_used_first);
	*out = all;
	*count = n;
	return 0;
}

int cache_list(struct cache *cache, struct arena *a, struct cache_entry **out, size_t *count,
	       struct err *err)
{
	auto_fd int gate = lock(cache, LOCK_SH, err);

	return gate < 0 ? -1 : list(cache, a, out, count, err);
}

/* ---- finding ---- */

static bool is_expired(const struct cache_entry *e)
{
	return e->used.tv_sec + (time_t)LIMIT_CACHE_DAYS * 24 * 3600 < time(NULL);
}

/* Of those in a scope: the one of this key, else the newest whose key begins with it. */
static const struct cache_entry *best_of(const struct cache_entry *all, size_t count,
					 const struct digest *version, const char *scope,
					 const char *key)
{
	const struct cache_entry *best = NULL;

	for (size_t i = 0; i < count; i++) {
		const struct cache_entry *e = &all[i];

		if (strcmp(e->scope, scope) != 0 || !digest_equal(&e->version, version) ||
		    is_expired(e) || strncmp(e->key, key, strlen(key)) != 0)
			continue;
		if (strcmp(e->key, key) == 0)
			return e;
		if (!best || compare_times(&e->created, &best->created) > 0)
			best = e;
	}
	return best;
}

static const struct cache_entry *choose(const struct cache_entry *all, size_t count,
					const struct cache_wish *wish)
{
	for (size_t s = 0; s < wish->scope_count; s++)
		for (size_t k = 0; k < wish->key_count; k++) {
			const struct cache_entry *e =
				best_of(all, count, &wish->version, wish->scopes[s], wish->keys[k]);

			if (e)
				return e;
		}
	return NULL;
}

int cache_find(struct cache *cache, struct arena *a, const struct cache_wish *wish,
	       struct cache_entry *out, int *fd, struct err *err)
{
	auto_fd int gate = lock(cache, LOCK_SH, err);
	const struct cache_entry *found;
	struct cache_entry *all;
	struct name name;
	size_t count;

	if (gate < 0 || list(cache, a, &all, &count, err) < 0)
		return -1;
	found = choose(all, count, wish);
	if (!found)
		return 0;
	name = name_of(found);
	if (fd) {
		*fd = openat(cache->dir, name.tar, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
		if (*fd < 0)
			return err_sys(err, "cannot open the cache '%s'", found->key);
	}
	(void)touch(cache->dir, name.json); /* it was used */
	*out = *found;
	return 1;
}

bool cache_has(struct cache *cache, const struct cache_entry *entry)
{
	auto_arena struct arena *a = arena_new();
	struct name name = name_of(entry);
	struct cache_entry found;

	return record_read(cache, a, name.json, &found) && !is_expired(&found);
}

/* ---- keeping ---- */

int cache_stage(struct cache *cache, int *fd, struct err *err)
{
	*fd = openat(cache->dir, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	return *fd < 0 ? err_sys(err, "cannot make a file for a cache") : 0;
}

static int drop(struct cache *c, const struct cache_entry *e, struct err *err)
{
	struct name name = name_of(e);

	if ((unlinkat(c->dir, name.json, 0) < 0 && errno != ENOENT) ||
	    (unlinkat(c->dir, name.tar, 0) < 0 && errno != ENOENT))
		return err_sys(err, "cannot remove the cache '%s'", e->key);
	return 0;
}

int cache_drop(struct cache *cache, const struct cache_entry *entry, struct err *err)
{
	auto_fd int gate = lock(cache, LOCK_EX, err);

	return gate < 0 ? -1 : drop(cache, entry, err);
}

static bool is_tarball(const char *name)
{
	return strlen(name) > DIGEST_HEX && strcmp(name + DIGEST_HEX, ".tar.zst") == 0;
}

/* Of writers that were killed between the two, or of a record that says nothing: nobody counts them. */
static void sweep(struct cache *c)
{
	auto_arena struct arena *a = arena_new();
	int fd = openat(c->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct cache_entry ignored;
	struct dirent *d;

	while (dir && (d = readdir(dir))) {
		char json[DIGEST_HEX + 8];

		if (!is_tarball(d->d_name))
			continue;
		(void)snprintf(json, sizeof(json), "%.64s.json", d->d_name);
		if (record_read(c, a, json, &ignored))
			continue;
		(void)unlinkat(c->dir, json, 0);
		(void)unlinkat(c->dir, d->d_name, 0);
	}
	if (dir)
		(void)closedir(dir);
}

/* What is too old, and the least recently used of the rest until `bytes` more fit in. */
static int make_room(struct cache *c, uint64_t bytes, struct err *err)
{
	auto_arena struct arena *a = arena_new();
	struct cache_entry *all;
	uint64_t total = bytes;
	size_t count;

	if (bytes > LIMIT_CACHE_BYTES)
		return err_fail(err, ERR_USAGE, "a cache of %llu bytes is more than all may take",
				(unsigned long long)bytes);
	if (list(c, a, &all, &count, err) < 0)
		return -1;
	for (size_t i = 0; i < count; i++) {
		bool fits = all[i].bytes <= LIMIT_CACHE_BYTES - total &&
			    i + 1 < LIMIT_CACHE_ENTRIES && !is_expired(&all[i]);

		if (fits)
			total += all[i].bytes;
		else if (drop(c, &all[i], err) < 0)
			return -1;
	}
	sweep(c);
	return 0;
}

/* The tarball gets its name; one that a killed writer left there is replaced. */
static int link_tar(struct cache *c, int staged, const char *name, struct err *err)
{
	char self[64];

	(void)snprintf(self, sizeof(self), "/proc/self/fd/%d", staged);
	if (fsync(staged) < 0 || touch(staged, NULL) < 0)
		return err_sys(err, "cannot flush a cache");
	if (unlinkat(c->dir, name, 0) < 0 && errno != ENOENT)
		return err_sys(err, "cannot replace a cache");
	if (linkat(AT_FDCWD, self, c->dir, name, AT_SYMLINK_FOLLOW) < 0)
		return err_sys(err, "cannot keep a cache");
	return 0;
}

int cache_save(struct cache *cache, const struct cache_entry *entry, int staged, struct err *err)
{
	auto_fd int gate = lock(cache, LOCK_EX, err);
	auto_strbuf struct strbuf record = STRBUF(RECORD_BYTES);
	struct name name = name_of(entry);

	if (gate < 0 || record_text(entry, &record, err) < 0)
		return -1;
	if (cache_has(cache, entry))
		return 0;
	if (make_room(cache, entry->bytes, err) < 0 || link_tar(cache, staged, name.tar, err) < 0 ||
	    file_write(cache->dir, name.json, record.text, record.len, 0600, err) < 0)
		return -1;
	return 1;
}
