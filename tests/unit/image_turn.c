/* Many at once: whose turn it is to make something, and eight imports of one file. */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "image/scan.h"
#include "image/turn.h"
#include "store_fixture.h"

#define AT_ONCE 8

static struct digest some_digest(void)
{
	return digest_of("x", 1);
}

static void test_result(void **state)
{
	struct home *home = *state;
	const struct digest made = some_digest();
	struct turn turn;
	struct err err = {0};

	assert_int_equal(turn_take(home->store, "a", &turn, &err), 0);
	assert_false(turn.known);
	turn_end(&turn);
	/* who made nothing leaves nothing */
	assert_int_equal(rmdir(home->path), -1);
	assert_int_equal(turn_take(home->store, "a", &turn, &err), 0);
	assert_false(turn.known);
	turn_made(&turn, &made);
	turn_end(&turn);

	assert_int_equal(turn_take(home->store, "b", &turn, &err), 0);
	assert_false(turn.known);
	turn_end(&turn);
	assert_int_equal(turn_take(home->store, "a", &turn, &err), 0);
	assert_true(turn.known);
	assert_true(digest_equal(&turn.made, &made));
	turn.known = false; /* it is gone, and could not be made again */
	turn_end(&turn);
	assert_int_equal(turn_take(home->store, "a", &turn, &err), 0);
	assert_false(turn.known);
	turn_end(&turn);
}

/* The child has the turn when the pipe says so, and would keep it. */
static void test_killed_holder(void **state)
{
	struct home *home = *state;
	struct turn turn;
	struct err err = {0};
	int ends[2];
	char byte;
	pid_t child;

	assert_int_equal(pipe_open(ends, &err), 0);
	child = fork();
	if (child == 0) {
		if (turn_take(home->store, "k", &turn, &err) == 0 && write(ends[1], "x", 1) == 1)
			(void)pause();
		_exit(1);
	}
	assert_int_equal(read(ends[0], &byte, 1), 1);
	assert_int_equal(kill(child, SIGKILL), 0);
	assert_int_equal(turn_take(home->store, "k", &turn, &err), 0);
	assert_false(turn.known);
	turn_end(&turn);
	assert_int_equal(waitpid(child, NULL, 0), child);
	fd_close(&ends[0]);
	fd_close(&ends[1]);
}

static void test_file(void **state)
{
	struct home *home = *state;
	auto_strbuf struct strbuf first = STRBUF(1024), again = STRBUF(1024), other = STRBUF(1024);
	auto_fd int fd = openat(home->store->dir, "f", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	int ends[2];
	struct err err = {0};

	assert_int_equal(write(fd, "one", 3), 3);
	assert_false(turn_of_file(fd, &first)); /* not at its beginning */
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	assert_true(turn_of_file(fd, &first));
	assert_true(turn_of_file(fd, &again));
	assert_string_equal(first.text, again.text);
	/* of the same size, at once */
	assert_int_equal(pwrite(fd, "two", 3, 0), 3);
	assert_true(turn_of_file(fd, &other));
	assert_string_not_equal(first.text, other.text);
	assert_int_equal(unlinkat(home->store->dir, "f", 0), 0);

	assert_int_equal(pipe_open(ends, &err), 0);
	assert_false(turn_of_file(ends[0], &other));
	fd_close(&ends[0]);
	fd_close(&ends[1]);
}

/* ---- eight imports ---- */

/* An image of one file in a store of its own, as an exported file. */
static void export_image(const struct home *home, const char *file)
{
	struct home other = *home;
	auto_arena struct arena *a = arena_new();
	auto_strbuf struct strbuf text = STRBUF(MANIFEST_BYTES);
	struct manifest_layer layer = {0};
	struct manifest m = {
		.name = "eight", .layers = &layer, .layer_count = 1, .env = node_map(a)};
	char path[96];
	struct err err = {0};

	(void)snprintf(path, sizeof(path), "%s/other", home->path);
	assert_int_equal(store_open(path, &other.store, &err), 0);

	auto_staging struct staging staging = {.dir = -1};

	assert_int_equal(staging_open(other.store, &staging, &err), 0);
	assert_int_equal(mkdirat(staging.dir, "root", 0755), 0);
	assert_int_equal(file_write(staging.dir, "root/word", "word\n", 5, 0644, &err), 0);

	auto_fd int root = openat(staging.dir, "root", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	auto_fd int list = -1;

	assert_int_equal(scan_write(staging.dir, root, NULL, SCAN_LIST_AND_OWNERS, &layer.bytes,
				    &layer.entries, &err),
			 0);
	list = openat(staging.dir, "manifest", O_RDONLY | O_CLOEXEC);
	assert_int_equal(digest_of_fd(list, &layer.tree, &err), 0);
	assert_int_equal(mkdirat(other.store->trees, layer.tree.hex, 0700), 0);
	(void)snprintf(path, sizeof(path), "%.64s", layer.tree.hex);

	auto_fd int tree = openat(other.store->trees, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	assert_int_equal(renameat(staging.dir, "root", tree, "root"), 0);
	assert_int_equal(renameat(staging.dir, "owners", tree, "owners"), 0);
	manifest_encode(a, &m, &text);
	assert_int_equal(
		image_publish(other.store, "eight", &text, NULL, "import", &layer.tree, &err), 0);

	auto_fd int out = open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_int_equal(image_export(other.store, "eight", out, &err), 0);
	staging_close(&staging);
	store_close(&other.store);
}

static _Noreturn void import_once(const struct home *home, const char *file, int gate)
{
	const struct import_options options = {.path = file};
	struct store *store;
	struct digest digest;
	struct err err = {0};
	char byte;

	/* the end of the pipe is the start for all */
	if (read(gate, &byte, 1) != 0 || store_open(home->path, &store, &err) < 0 ||
	    image_import(store, &options, &digest, &err) < 0) {
		(void)fprintf(stderr, "%s\n", err.text);
		_exit(1);
	}
	_exit(0);
}

/* Folders that were made in the staging folder since it has been watched. */
static unsigned count_made(int watch)
{
	char events[16384] __attribute__((aligned(8)));
	ssize_t n = read(watch, events, sizeof(events));
	unsigned count = 0;

	for (char *p = events; n > 0 && p < events + n;) {
		const struct inotify_event *e = (const void *)p;

		count += (e->mask & IN_CREATE) != 0;
		p += sizeof(*e) + e->len;
	}
	return count;
}

/*
 * One unpacks, which takes a folder of the staging folder, and writes a
 * manifest and a name, a folder each; the seven others give the name alone.
 */
static void test_eight_imports(void **state)
{
	struct home *home = *state;
	auto_fd int watch = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	char file[96], staging[96];
	struct err err = {0};
	int gate[2], status;

	(void)snprintf(file, sizeof(file), "%s/eight.tar.zst", home->path);
	(void)snprintf(staging, sizeof(staging), "%s/store/staging", home->path);
	export_image(home, file);
	assert_true(inotify_add_watch(watch, staging, IN_CREATE) >= 0);
	assert_int_equal(pipe_open(gate, &err), 0);
	for (unsigned i = 0; i < AT_ONCE; i++)
		if (fork() == 0) {
			fd_close(&gate[1]);
			import_once(home, file, gate[0]);
		}
	fd_close(&gate[1]);
	for (unsigned i = 0; i < AT_ONCE; i++) {
		assert_true(wait(&status) > 0);
		assert_int_equal(status, 0);
	}
	fd_close(&gate[0]);
	assert_int_equal(count_made(watch), 3 + (AT_ONCE - 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_result),
		cmocka_unit_test(test_killed_holder),
		cmocka_unit_test(test_file),
		cmocka_unit_test(test_eight_imports),
	};

	return cmocka_run_group_tests(tests, home_setup, home_teardown);
}
