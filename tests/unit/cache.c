/* Caches: which entry a wish finds, what is evicted, and that an entry never changes. */
#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "stepcell/cache.h"
#include "stepcell/fd.h"
#include "stepcell/limits.h"
#include "stepcell/path.h"
#include "stepcell/util.h"

struct home {
	char path[64];
	struct cache *cache;
};

static const char *const paths[] = {"~/.cache/pip"};

static int setup(void **state)
{
	struct home *home = calloc(1, sizeof(*home));
	struct err err = {0};

	(void)snprintf(home->path, sizeof(home->path), "/tmp/stepcell-cache-XXXXXX");
	if (!mkdtemp(home->path) || cache_open(home->path, "a realm", &home->cache, &err) < 0)
		return -1;
	*state = home;
	return 0;
}

static int teardown(void **state)
{
	struct home *home = *state;
	struct err err = {0};

	cache_close(&home->cache);
	if (remove_tree(AT_FDCWD, home->path, &err) < 0)
		return -1;
	free(home);
	return 0;
}

static struct cache_entry entry_of(const char *key, const char *scope, uint64_t bytes)
{
	return (struct cache_entry){.key = key,
				    .scope = scope,
				    .version = cache_version(paths, COUNT(paths)),
				    .blob = digest_of(key, strlen(key)),
				    .bytes = bytes};
}

static int keep(struct cache *cache, const char *key, const char *scope, uint64_t bytes)
{
	const struct cache_entry entry = entry_of(key, scope, bytes);
	auto_fd int staged = -1;
	struct err err = {0};

	assert_int_equal(cache_stage(cache, &staged, &err), 0);
	assert_int_equal(write_full(staged, key, strlen(key)), 0);
	return cache_save(cache, &entry, staged, &err);
}

/* The key of what is found, or NULL. */
static const char *find(struct cache *cache, struct arena *a, const char *const *scopes,
			size_t scope_count, const char *const *keys, size_t key_count)
{
	const struct cache_wish wish = {cache_version(paths, COUNT(paths)), scopes, scope_count,
					keys, key_count};
	auto_fd int fd = -1;
	struct cache_entry found;
	struct err err = {0};
	char text[64] = "";
	int r = cache_find(cache, a, &wish, &found, &fd, &err);

	if (r < 0)
		fail_msg("%s", err.text);
	if (r == 0)
		return NULL;
	assert_true(read(fd, text, sizeof(text) - 1) > 0);
	assert_string_equal(text, found.key);
	return found.key;
}

#define MAIN  "refs/heads/main"
#define TOPIC "refs/heads/topic"

static const struct {
	const char *scopes[2], *keys[3];
	const char *found;
} wishes[] = {
	{{MAIN}, {"py-1-a"}, "py-1-a"},
	{{MAIN}, {"py-1"}, "py-1-b"},
	{{MAIN}, {"py-9", "py-1-a", "py-"}, "py-1-a"},
	{{MAIN}, {"py-9", "py-"}, "py-2-c"},
	{{MAIN}, {"PY-1-a"}, NULL},
	{{MAIN}, {"1-a"}, NULL},
	{{TOPIC}, {"py-1-a"}, NULL},
	{{TOPIC}, {"py-9", "py-"}, "py-0-t"},
	{{TOPIC, MAIN}, {"py-1-a"}, "py-1-a"},
	{{TOPIC, MAIN}, {"py-2-c", "py-"}, "py-0-t"}, /* the own scope's, before a better key */
	{{"refs/heads/main2"}, {"py-1-a"}, NULL},
};

static size_t count_of(const char *const *list, size_t max)
{
	size_t n = 0;

	while (n < max && list[n])
		n++;
	return n;
}

static void test_finding(void **state)
{
	struct home *home = *state;

	assert_int_equal(keep(home->cache, "py-1-a", MAIN, 10), 1);
	assert_int_equal(keep(home->cache, "py-1-b", MAIN, 10), 1);
	assert_int_equal(keep(home->cache, "py-2-c", MAIN, 10), 1);
	assert_int_equal(keep(home->cache, "py-0-t", TOPIC, 10), 1);
	for (size_t i = 0; i < COUNT(wishes); i++) {
		auto_arena struct arena *a = arena_new();
		const char *found =
			find(home->cache, a, wishes[i].scopes, count_of(wishes[i].scopes, 2),
			     wishes[i].keys, count_of(wishes[i].keys, 3));

		if (!found != !wishes[i].found || (found && strcmp(found, wishes[i].found) != 0))
			fail_msg("row %zu: %s", i, found ? found : "nothing");
	}
}

static void test_immutable(void **state)
{
	struct home *home = *state;
	auto_arena struct arena *a = arena_new();
	struct cache_entry *all;
	struct err err = {0};
	size_t count;

	assert_int_equal(keep(home->cache, "k", MAIN, 1), 1);
	assert_int_equal(keep(home->cache, "k", MAIN, 2), 0);
	assert_int_equal(keep(home->cache, "k", TOPIC, 2), 1);
	assert_int_equal(cache_list(home->cache, a, &all, &count, &err), 0);
	assert_int_equal(count, 2);
	assert_int_equal(cache_drop(home->cache, &all[0], &err), 0);
	assert_int_equal(cache_list(home->cache, a, &all, &count, &err), 0);
	assert_int_equal(count, 1);
}

static void test_realms(void **state)
{
	struct home *home = *state;
	static const char *const scopes[] = {MAIN}, *const keys[] = {"k"};
	auto_arena struct arena *a = arena_new();
	struct cache *other = NULL;
	struct err err = {0};

	assert_int_equal(cache_open(home->path, "another", &other, &err), 0);
	assert_int_equal(keep(home->cache, "k", MAIN, 1), 1);
	assert_null(find(other, a, scopes, 1, keys, 1));
	assert_string_equal(find(home->cache, a, scopes, 1, keys, 1), "k");
	cache_close(&other);
}

/* The record of an entry, as it was last used days ago. */
static void age(const struct home *home, time_t days)
{
	auto_arena struct arena *a = arena_new();
	const struct timespec times[2] = {{.tv_sec = time(NULL) - days * 24 * 3600},
					  {.tv_sec = time(NULL) - days * 24 * 3600}};
	struct digest realm = digest_of("a realm", 7);
	const char *dir = arena_printf(a, "%s/caches/%s", home->path, realm.hex);
	DIR *list = opendir(dir);
	struct dirent *e;

	assert_non_null(list);
	while ((e = readdir(list)))
		if (strstr(e->d_name, ".json"))
			assert_int_equal(utimensat(dirfd(list), e->d_name, times, 0), 0);
	(void)closedir(list);
}

static void test_expiry(void **state)
{
	struct home *home = *state;
	static const char *const scopes[] = {MAIN}, *const old[] = {"old"};
	auto_arena struct arena *a = arena_new();
	struct cache_entry *all;
	struct err err = {0};
	size_t count;

	assert_int_equal(keep(home->cache, "old", MAIN, 1), 1);
	age(home, 6);
	assert_string_equal(find(home->cache, a, scopes, 1, old, 1), "old");
	age(home, 8);
	assert_null(find(home->cache, a, scopes, 1, old, 1));
	assert_int_equal(keep(home->cache, "new", MAIN, 1), 1);
	assert_int_equal(cache_list(home->cache, a, &all, &count, &err), 0);
	assert_int_equal(count, 1);
	assert_string_equal(all[0].key, "new");
}

static void test_eviction(void **state)
{
	struct home *home = *state;
	static const char *const scopes[] = {MAIN}, *const a_key[] = {"a"}, *const b_key[] = {"b"},
				 *const c_key[] = {"c"};
	auto_arena struct arena *a = arena_new();
	const uint64_t third = LIMIT_CACHE_BYTES / 3;

	assert_int_equal(keep(home->cache, "a", MAIN, third), 1);
	assert_int_equal(keep(home->cache, "b", MAIN, third), 1);
	age(home, 1);
	assert_non_null(find(home->cache, a, scopes, 1, a_key, 1)); /* now b is the older one */
	assert_int_equal(keep(home->cache, "c", MAIN, third + 10), 1);
	assert_null(find(home->cache, a, scopes, 1, b_key, 1));
	assert_non_null(find(home->cache, a, scopes, 1, a_key, 1));
	assert_non_null(find(home->cache, a, scopes, 1, c_key, 1));
	assert_int_equal(keep(home->cache, "d", MAIN, LIMIT_CACHE_BYTES + 1), -1);
	assert_non_null(find(home->cache, a, scopes, 1, c_key, 1));
}

/* How many files a realm's folder has, its name among them. */
static size_t count_files(const struct home *home, int *dir)
{
	auto_arena struct arena *a = arena_new();
	struct digest realm = digest_of("a realm", 7);
	DIR *list = opendir(arena_printf(a, "%s/caches/%s", home->path, realm.hex));
	const struct dirent *e;
	size_t n = 0;

	assert_non_null(list);
	while ((e = readdir(list)))
		n += e->d_name[0] != '.';
	*dir = dup(dirfd(list));
	(void)closedir(list);
	return n;
}

/* A record that cannot be read again would be found by nobody, counted by nobody, and stay. */
static void test_records(void **state)
{
	struct home *home = *state;
	const struct digest stray = digest_of("x", 1);
	char name[DIGEST_HEX + 16];
	struct err err = {0};
	auto_fd int dir = -1, again = -1;

	assert_int_equal(keep(home->cache, "k\xff", MAIN, 1), -1);
	assert_int_equal(keep(home->cache, "k", "refs/heads/\xff", 1), -1);
	assert_int_equal(count_files(home, &dir), 1);
	assert_int_equal(keep(home->cache, "k\xc3\xa9", "refs/heads/\xc3\xa9", 1), 1);

	/* one that is there all the same goes when the next is saved */
	(void)snprintf(name, sizeof(name), "%s.tar.zst", stray.hex);
	assert_int_equal(file_write(dir, name, "tar", 3, 0600, &err), 0);
	(void)snprintf(name, sizeof(name), "%s.json", stray.hex);
	assert_int_equal(file_write(dir, name, "{\"key\":\"\xff\"}", 11, 0600, &err), 0);
	assert_int_equal(keep(home->cache, "k", MAIN, 1), 1);
	assert_int_equal(count_files(home, &again), 5);
}

static void test_keys(void **state)
{
	char long_key[LIMIT_CACHE_KEY + 2];
	struct err err = {0};

	(void)state;
	(void)memset(long_key, 'k', sizeof(long_key));
	long_key[LIMIT_CACHE_KEY + 1] = '\0';
	assert_int_equal(cache_check_key(long_key, &err), -1);
	long_key[LIMIT_CACHE_KEY] = '\0';
	assert_int_equal(cache_check_key(long_key, &err), 0);
	assert_int_equal(cache_check_key("", &err), -1);
	assert_int_equal(cache_check_key("a,b", &err), -1);
	assert_int_equal(cache_check_key("a\nb", &err), -1);
	assert_int_equal(cache_check_key("../../etc/passwd", &err), 0); /* no key is a path */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_finding, setup, teardown),
		cmocka_unit_test_setup_teardown(test_immutable, setup, teardown),
		cmocka_unit_test_setup_teardown(test_realms, setup, teardown),
		cmocka_unit_test_setup_teardown(test_expiry, setup, teardown),
		cmocka_unit_test_setup_teardown(test_eviction, setup, teardown),
		cmocka_unit_test_setup_teardown(test_records, setup, teardown),
		cmocka_unit_test(test_keys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
