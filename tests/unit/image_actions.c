/* Actions of the store: what is taken of a folder, how names and trees come and go. */
#include <fcntl.h>
#include <limits.h>
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

#include "image/store.h"
#include "stepcell/fd.h"
#include "stepcell/path.h"

struct home {
	char path[64], folder[80];
	struct store *store;
	struct arena *arena;
};

static void put(const struct home *home, const char *name, const char *text, mode_t mode)
{
	char path[200];
	struct err err = {0};

	(void)snprintf(path, sizeof(path), "%s/%s", home->folder, name);
	assert_int_equal(file_write(AT_FDCWD, path, text, strlen(text), 0644, &err), 0);
	assert_int_equal(chmod(path, mode), 0);
}

static int setup(void **state)
{
	struct home *home = calloc(1, sizeof(*home));
	struct err err = {0};

	(void)snprintf(home->path, sizeof(home->path), "/tmp/stepcell-actions-XXXXXX");
	if (!mkdtemp(home->path))
		return -1;
	(void)snprintf(home->folder, sizeof(home->folder), "%s/folder", home->path);
	if (mkdir(home->folder, 0700) < 0 || store_open(home->path, &home->store, &err) < 0)
		return -1;
	home->arena = arena_new();
	put(home, "action.yml", "name: a\n", 0600);
	*state = home;
	return 0;
}

static int teardown(void **state)
{
	struct home *home = *state;
	struct err err = {0};

	store_close(&home->store);
	arena_free(&home->arena);
	if (remove_tree(AT_FDCWD, home->path, &err) < 0)
		return -1;
	free(home);
	return 0;
}

static struct stored_action add(struct home *home, const char *repository, const char *ref)
{
	const struct action_source source = {.repository = repository,
					     .ref = ref,
					     .commit = "",
					     .path = "",
					     .folder = home->folder,
					     .tar = -1};
	struct stored_action out;
	struct err err = {0};

	if (action_store_add(home->store, home->arena, &source, &out, &err) < 0)
		fail_msg("%s", err.text);
	return out;
}

static int find(struct home *home, const char *repository, const char *ref,
		struct stored_action *out)
{
	struct err err = {0};

	return action_store_find(home->store, home->arena, repository, ref, out, &err);
}

/* Modes are what git keeps, times are nothing, a .git at the top is left out; names have no case. */
static void test_tree(void **state)
{
	struct home *home = *state;
	struct stored_action first = add(home, "Own/Act", "v1"), second, found;
	char path[200];
	struct stat st;

	put(home, "action.yml", "name: a\n", 0664);
	put(home, ".git", "gitdir: elsewhere\n", 0644);
	second = add(home, "own/act", "releases/v1");
	assert_true(digest_equal(&first.tree, &second.tree));
	put(home, "action.yml", "name: a\n", 0700);
	second = add(home, "own/act", "v1");
	assert_false(digest_equal(&first.tree, &second.tree));
	assert_int_equal(find(home, "OWN/act", "v1", &found), 1);
	assert_true(digest_equal(&second.tree, &found.tree));
	(void)snprintf(path, sizeof(path), "%s/action.yml", found.root);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0755);
	action_store_release(&found);
	assert_int_equal(find(home, "own/act", "V1", &found), 0);
}

static void test_remove(void **state)
{
	struct home *home = *state;
	struct stored_action one = add(home, "own/act", "v1"), held;
	struct err err = {0};

	(void)add(home, "own/act", "v2");
	assert_int_equal(find(home, "own/act", "v2", &held), 1);
	/* another name means the tree: it stays */
	assert_int_equal(action_store_remove(home->store, "own/act", "v1", &err), 1);
	assert_int_equal(access(one.root, F_OK), 0);
	/* the last name of a tree in use */
	assert_int_equal(action_store_remove(home->store, "own/act", "v2", &err), -1);
	assert_non_null(strstr(err.text, "'own/act@v2' is in use by a run"));
	action_store_release(&held);
	assert_int_equal(action_store_remove(home->store, "OWN/ACT", "v2", &err), 1);
	assert_int_equal(access(one.root, F_OK), -1);
	assert_int_equal(action_store_remove(home->store, "own/act", "v2", &err), 0);
}

static void test_none(void **state)
{
	struct home *home = *state;
	const struct action_source source = {.repository = "own/act",
					     .ref = "v1",
					     .commit = "",
					     .path = "sub",
					     .folder = home->folder,
					     .tar = -1};
	struct stored_action out, *all;
	struct err err = {0};
	size_t count;

	assert_int_equal(action_store_add(home->store, home->arena, &source, &out, &err), -1);
	assert_int_equal(err.kind, ERR_USAGE);
	assert_int_equal(action_store_list(home->store, home->arena, &all, &count, &err), 0);
	assert_int_equal(count, 0);
}

static void write_over(const char *path, const char *text)
{
	FILE *file;

	assert_int_equal(chmod(path, 0644), 0);
	file = fopen(path, "r+");
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

/* What was changed in the store is not run, and is set aside; what was only touched is. */
static void test_changed(void **state)
{
	struct home *home = *state;
	struct stored_action first = add(home, "own/act", "v1"), found;
	char path[4400];
	struct err err = {0};

	(void)snprintf(path, sizeof(path), "%s/action.yml", first.root);
	assert_int_equal(utimensat(AT_FDCWD, path, NULL, 0), 0);
	assert_int_equal(find(home, "own/act", "v1", &found), 1);
	action_store_release(&found);
	write_over(path, "name: b");
	assert_int_equal(action_store_find(home->store, home->arena, "own/act", "v1", &found, &err),
			 -1);
	assert_non_null(strstr(err.text,
			       "action 'own/act@v1' (`stepcell action add` brings it back): "
			       "its files were changed in the store: changed action.yml; "
			       "they are set aside as "));
	assert_int_equal(find(home, "own/act", "v1", &found), -1);
	(void)add(home, "own/act", "v1");
	assert_int_equal(find(home, "own/act", "v1", &found), 1);
	action_store_release(&found);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_tree, setup, teardown),
		cmocka_unit_test_setup_teardown(test_remove, setup, teardown),
		cmocka_unit_test_setup_teardown(test_none, setup, teardown),
		cmocka_unit_test_setup_teardown(test_changed, setup, teardown),
	};

	/* The worker's filter is data of the source tree, where tests run. */
	char here[PATH_MAX];

	if (!getcwd(here, sizeof(here)) || setenv("STEPCELL_DATA", here, 0) < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
