/* What a root is made of: layers over layers, binds, and roots that lie in wait. */
#include "cell_fixture.h"

#include <dirent.h>
#include <errno.h>

#include "cell/owner.h"
#include "unprivileged.h"

/* How the kernel is given the layers: as it likes best, or as one that is older needs it. */
static bool one_string;

static int by_string(void **state)
{
	(void)state;
	one_string = true;
	return 0;
}

static int by_layer(void **state)
{
	(void)state;
	one_string = false;
	return 0;
}

#define BOTH(test)                                                                                 \
	cmocka_unit_test(test),                                                                    \
	{                                                                                          \
#test "_as_one_string", test, by_string, by_layer, NULL                            \
	}

static void make(struct world *w)
{
	world_make(w);
	if (one_string)
		owner_set_layers_as_string(w->owner);
}

static int run_fails(struct world *w, struct err *err)
{
	static const char *const argv[] = {"true", NULL};
	struct cell *cell = NULL;
	int r;

	w->spec.argv = argv;
	r = cell_start(&w->spec, &cell, NULL, err);
	cell_release(&cell);
	return r;
}

static void put(const char *dir, const char *name, const char *text)
{
	struct err err = {0};
	char path[4096];

	MUST(path_join(path, sizeof(path), dir, name, &err));
	MUST(file_write(AT_FDCWD, path, text, strlen(text), 0644, &err));
}

/* ---- steps over steps ---- */

/* Each step sees what the former ones left, and its own upper holds only its own. */
static void check_layers(void)
{
	enum { DEPTH = 40 };
	static struct cell_layer layers[DEPTH + 1];
	static char data[DEPTH][160];
	struct world w;

	make(&w);
	for (unsigned i = 0; i < DEPTH; i++) {
		auto_strbuf struct strbuf out = STRBUF(4096);
		char expected[32];

		(void)snprintf(data[i], sizeof(data[i]), "%s/data", w.upper);
		(void)world_run(&w, "cd /tmp; echo x >>all; wc -l <all; echo $(ls /tmp | wc -l)",
				&out);
		(void)snprintf(expected, sizeof(expected), "%u\n1\n", i + 1);
		assert_string_equal(out.text, expected);
		for (unsigned k = 0; k <= i; k++)
			layers[k] = (struct cell_layer){.path = data[i - k]};
		layers[i + 1] = (struct cell_layer){.path = w.skeleton};
		w.overlays[0].layers = layers;
		w.overlays[0].layer_count = i + 2;
		world_upper(&w);
	}
	world_drop(&w);
}

TEST_BOTH(layers)

/* A path is never read as more layers, or as options, and the cell does not learn it. */
static void check_hostile_path(void)
{
	static const char *const names[] = {
		"a:b", "a,upperdir=x,b", "a\\:b\\", "a\\,lowerdir+=.,b", ":", ",", "\\", "a b\n"};
	auto_strbuf struct strbuf out = STRBUF(4096);
	struct cell_layer layers[COUNT(names) + 1];
	char paths[COUNT(names)][128];
	struct world w;

	make(&w);
	for (size_t i = 0; i < COUNT(names); i++) {
		char name[16];

		(void)snprintf(paths[i], sizeof(paths[i]), "%s/%s", w.dir, names[i]);
		assert_int_equal(mkdir(paths[i], 0755), 0);
		(void)snprintf(name, sizeof(name), "layer%zu", i);
		put(paths[i], name, "x");
		layers[i] = (struct cell_layer){.path = paths[i]};
	}
	layers[COUNT(names)] = w.root_layers[0];
	w.overlays[0].layers = layers;
	w.overlays[0].layer_count = COUNT(layers);
	(void)world_run(&w, "ls -d /layer? | wc -l; grep -c cell-test /proc/self/mountinfo", &out);
	assert_string_equal(out.text, "8\n0\n");
	world_drop(&w);
}

TEST_BOTH(hostile_path)

/* As many layers as the kernel stacks; one more is an error that says so. */
static void check_most_layers(void)
{
	enum { MOST = 500 };
	static struct cell_layer layers[MOST + 1];
	static char paths[MOST][96];
	auto_strbuf struct strbuf out = STRBUF(4096);
	struct err err = {0};
	struct world w;

	make(&w);
	for (unsigned i = 0; i < MOST; i++) {
		(void)snprintf(paths[i], sizeof(paths[i]), "%s/%u", w.dir, i);
		assert_int_equal(mkdir(paths[i], 0755), 0);
		layers[i] = (struct cell_layer){.path = paths[i]};
	}
	put(paths[0], "top", "top\n");
	put(paths[MOST - 2], "top", "bottom\n");
	put(paths[MOST - 2], "bottom", "bottom\n");
	layers[MOST - 1] = layers[MOST] = w.root_layers[0];
	w.overlays[0].layers = layers;
	w.overlays[0].layer_count = MOST;
	(void)world_run(&w, "cat /top /bottom", &out);
	assert_string_equal(out.text, "top\nbottom\n");
	world_upper(&w);
	w.overlays[0].layer_count = MOST + 1;
	assert_int_equal(run_fails(&w, &err), -1);
	assert_non_null(strstr(err.text, "501 layers are more than the 500 that the kernel takes"));
	world_drop(&w);
}

TEST_BOTH(most_layers)

/* A layer of another owner is the step's in the cell, and unchanged outside; foreign ones are not. */
static void test_owners(void **state)
{
	auto_strbuf struct strbuf out = STRBUF(4096);
	struct cell_layer layers[2];
	struct world w;
	struct stat st;
	char path[256];

	(void)state;
	if (geteuid() != 0) {
		print_message("skipped: needs root to make files of others\n");
		skip();
	}
	make(&w);
	(void)snprintf(path, sizeof(path), "%s/other", w.dir);
	assert_int_equal(mkdir(path, 0755), 0);
	put(path, "file", "old\n");
	assert_int_equal(chown(path, 4711, 4711), 0);
	(void)snprintf(path, sizeof(path), "%s/other/file", w.dir);
	assert_int_equal(chown(path, 4711, 4711), 0);
	(void)snprintf(path, sizeof(path), "%s/other", w.dir);
	layers[0] = (struct cell_layer){.path = path};
	layers[1] = w.root_layers[0];
	w.overlays[0].layers = layers;
	w.overlays[0].layer_count = 2;
	(void)world_run(
		&w,
		"stat -c %u /file /usr/bin/env; echo new >/file; cat /file; mv /home /tmp/home &&"
		"ls /tmp/home; chmod 4755 /file; ls -n /file | cut -d' ' -f1",
		&out);
	assert_string_equal(out.text, "1001\n65534\nnew\nrunner\n-rwsr-xr-x\n");
	(void)snprintf(path, sizeof(path), "%s/other/file", w.dir);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_size, 4);
	assert_int_equal(st.st_uid, 4711);
	(void)snprintf(path, sizeof(path), "%s/data/file", w.upper);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_uid, cell_owner_uid(w.owner));
	(void)snprintf(path, sizeof(path), "%s", w.upper);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777,
			 0700); /* so that no set-id file of a step is in reach */
	world_drop(&w);
}

/* Two jobs never share an id; nor do, but by chance in 65536, those of two state homes. */
static void test_two_owners(void **state)
{
	struct cell_owner *other;
	char elsewhere[PATH_MAX];
	struct err err = {0};
	struct world w;
	uint32_t id;

	(void)state;
	make(&w);
	MUST(cell_owner_open(w.state, &other, &err));
	if (geteuid() == 0)
		assert_int_not_equal(cell_owner_uid(w.owner), cell_owner_uid(other));
	else
		assert_int_equal(cell_owner_uid(other), geteuid());
	id = cell_owner_uid(other);
	cell_owner_close(&other);
	MUST(cell_owner_open(w.state, &other, &err));
	assert_int_equal(cell_owner_uid(other), id);
	cell_owner_close(&other);
	MUST(path_join(elsewhere, sizeof(elsewhere), w.state, "elsewhere", &err));
	MUST(cell_owner_open(elsewhere, &other, &err));
	if (geteuid() == 0)
		assert_int_not_equal(cell_owner_uid(w.owner), cell_owner_uid(other));
	cell_owner_close(&other);
	world_drop(&w);
}

/* ---- roots that are read-only, or lie in wait ---- */

static void check_read_only(void)
{
	auto_strbuf struct strbuf out = STRBUF(4096);
	struct err err = {0};
	struct world w;

	make(&w);
	w.overlays[0].upper = NULL;
	w.spec.workdir = "/";
	(void)world_run(&w,
			"touch /x /tmp/x /etc/x 2>&1 | grep -c 'Read-only'; echo y >/dev/shm/y;"
			"cat /dev/shm/y",
			&out);
	assert_string_equal(out.text, "3\ny\n");
	w.overlays[1].at = "/opt/missing";
	assert_int_equal(run_fails(&w, &err), -1);
	assert_string_equal(err.text,
			    "cell 'test': mounting overlays: '/opt/missing' is missing in the "
			    "root, and a read-only root cannot be given one");
	world_drop(&w);
}

TEST_BOTH(read_only)

static unsigned entries_of(const char *path)
{
	DIR *dir = opendir(path);
	unsigned count = 0;

	assert_non_null(dir);
	while (readdir(dir))
		count++;
	closedir(dir);
	return count;
}

/* A place that an image has turned into a link: where to, the canary stays as it is. */
static const struct {
	const char *name, *target; /* NULL: the canary, by its whole path */
	const char *at;
} traps[] = {
	{"dev", NULL, "/dev"},
	{"proc", NULL, "/proc"},
	{"tmp", NULL, "/tmp"},
	{"dev", "../../../../../../../../tmp", "/dev"},
	{"proc", "/proc/self/root", "/proc"},
	{"proc", "usr", "/proc"},
	{"home/runner/work", NULL, "/home/runner/work/x/x"},
	{"home", "usr", "/home/runner/work/x/x"},
};

static void spring(const char *name, const char *target, const char *at)
{
	struct world w;
	char path[256], canary[96], expected[256];
	struct cell_overlay overlays[3];
	struct cell_layer checkout;
	struct err err = {0};

	make(&w);
	(void)snprintf(canary, sizeof(canary), "%s/canary", w.dir);
	assert_int_equal(mkdir(canary, 0755), 0);
	(void)snprintf(path, sizeof(path), "%s/%s", w.skeleton, name);
	MUST(remove_tree(AT_FDCWD, path, &err));
	assert_int_equal(symlink(target ? target : canary, path), 0);
	memcpy(overlays, w.overlays, sizeof(w.overlays));
	checkout = (struct cell_layer){.path = canary};
	overlays[2] = (struct cell_overlay){
		.at = "/home/runner/work/x/x", .layers = &checkout, .layer_count = 1};
	w.spec.overlays = overlays;
	w.spec.overlay_count = 3;
	assert_int_equal(run_fails(&w, &err), -1);
	(void)snprintf(expected, sizeof(expected), "unsafe path '%s'", at);
	print_message("%s -> %s: %s\n", name, target ? target : "canary", err.text);
	assert_non_null(strstr(err.text, expected));
	assert_int_equal(err.kind, ERR_USAGE); /* no fault of the host's */
	assert_true(err.sys == ELOOP || err.sys == ENOTDIR);
	assert_int_equal(entries_of(canary), 2);
	world_drop(&w);
}

static void check_traps(void)
{
	for (size_t i = 0; i < COUNT(traps); i++)
		spring(traps[i].name, traps[i].target, traps[i].at);
}

TEST_BOTH(traps)

/* A working directory is never a descriptor of somebody's. */
static void test_workdirs(void **state)
{
	static const char *const bad[] = {"/proc/self/fd/3", "/proc/1/root", "/link", "/dev/fd/0",
					  "relative"};
	struct world w;
	char path[256];

	(void)state;
	make(&w);
	(void)snprintf(path, sizeof(path), "%s/link", w.skeleton);
	assert_int_equal(symlink("/proc/self/root", path), 0);
	for (size_t i = 0; i < COUNT(bad); i++) {
		struct err err = {0};

		w.spec.workdir = bad[i];
		assert_int_equal(run_fails(&w, &err), -1);
		world_upper(&w);
	}
	world_drop(&w);
}

/*
 * A program that is "/proc/self/exe" names whoever starts it, and that is
 * still stepcell: its binary, which an ordinary user may write to.
 */
static void check_self(void)
{
	static const char *const argv[] = {"/evil", NULL};
	struct cell *cell = NULL;
	struct err err = {0};
	struct world w;
	char path[256];

	make(&w);
	put(w.skeleton, "evil", "#!/proc/self/exe\n");
	(void)snprintf(path, sizeof(path), "%s/evil", w.skeleton);
	assert_int_equal(chmod(path, 0755), 0);
	w.spec.argv = argv;
	assert_int_equal(cell_start(&w.spec, &cell, NULL, &err), -1);
	assert_string_equal(
		err.text,
		"cell 'test': starting the command: cannot run '/evil': Permission denied");
	world_drop(&w);
}

TEST_BOTH(self)

/* ---- binds ---- */

static void check_binds(void)
{
	auto_strbuf struct strbuf out = STRBUF(4096);
	struct cell_bind binds[3];
	char dir[96], data[128], file[128], safe[96];
	struct err err = {0};
	struct world w;

	make(&w);
	(void)snprintf(dir, sizeof(dir), "%s/shared", w.dir);
	(void)snprintf(safe, sizeof(safe), "%s/safe", w.dir);
	(void)snprintf(file, sizeof(file), "%s/safe/file", w.dir);
	MUST(cell_upper_make(w.owner, dir, &err)); /* for its `data`, which the step owns */
	assert_int_equal(mkdir(safe, 0755), 0);
	put(safe, "file", "canary\n");
	(void)snprintf(data, sizeof(data), "%s/data", dir);
	binds[0] = (struct cell_bind){.from = data, .at = "/shared", .writable = true};
	binds[1] = (struct cell_bind){.from = file, .at = "/etc/deep/file"};
	binds[2] = (struct cell_bind){.from = safe, .at = "/safe"};
	w.spec.binds = binds;
	w.spec.bind_count = 3;
	(void)world_run(&w,
			"echo hello >/shared/out; cat /etc/deep/file;"
			"echo bad >/etc/deep/file || echo kept; touch /safe/x || echo kept",
			&out);
	assert_non_null(strstr(out.text, "canary\n"));
	assert_null(strstr(out.text, "bad"));
	assert_int_equal(entries_of(safe), 3);
	assert_int_equal(entries_of(data), 3);
	world_drop(&w);
}

TEST_BOTH(binds)

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(test_layers),
		BOTH(test_layers_as_user),
		BOTH(test_hostile_path),
		BOTH(test_hostile_path_as_user),
		BOTH(test_most_layers),
		BOTH(test_most_layers_as_user),
		BOTH(test_owners),
		BOTH(test_read_only),
		BOTH(test_read_only_as_user),
		BOTH(test_traps),
		BOTH(test_traps_as_user),
		cmocka_unit_test(test_two_owners),
		cmocka_unit_test(test_workdirs),
		cmocka_unit_test(test_self),
		cmocka_unit_test(test_self_as_user),
		cmocka_unit_test(test_binds),
		cmocka_unit_test(test_binds_as_user),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
