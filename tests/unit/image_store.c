/* The store: staging, publishing, sweeping; the host image. */
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

#include "store_fixture.h"

static void test_staging_leaves_nothing(void **state)
{
	struct home *home = *state;
	struct staging s;
	struct err err = {0};
	char name[64];

	assert_int_equal(staging_open(home->store, &s, &err), 0);
	assert_int_equal(mkdirat(s.dir, "half", 0000), 0);
	(void)snprintf(name, sizeof(name), "%s", s.name);
	assert_true(exists(home->store->staging, name));
	staging_close(&s);
	assert_false(exists(home->store->staging, name));
}

static void test_publish_is_one_rename(void **state)
{
	struct home *home = *state;
	auto_staging struct staging s = {.dir = -1};
	struct err err = {0};

	assert_int_equal(staging_open(home->store, &s, &err), 0);
	assert_int_equal(mkdirat(s.dir, "tree", 0755), 0);
	assert_int_equal(staging_publish(s.dir, "tree", home->store->trees, "x", &err), 0);
	assert_true(exists(home->store->trees, "x"));
	assert_false(exists(s.dir, "tree"));
	/* the second to come has the same content: no error, and no change */
	assert_int_equal(mkdirat(s.dir, "tree", 0700), 0);
	assert_int_equal(mkdirat(s.dir, "tree/other", 0700), 0);
	assert_int_equal(staging_publish(s.dir, "tree", home->store->trees, "x", &err), 0);
	assert_false(exists(home->store->trees, "x/other"));
}

static void test_sweep(void **state)
{
	struct home *home = *state;
	auto_staging struct staging busy = {.dir = -1};
	struct store *again;
	struct err err = {0};

	assert_int_equal(staging_open(home->store, &busy, &err), 0);
	assert_int_equal(mkdirat(home->store->staging, "left", 0700), 0);
	assert_int_equal(mkdirat(home->store->staging, "left/deep", 0000), 0);
	assert_int_equal(store_open(home->path, &again, &err), 0);
	assert_false(exists(home->store->staging, "left"));
	assert_true(exists(home->store->staging, busy.name));
	store_close(&again);
}

static void test_blob(void **state)
{
	struct home *home = *state;
	auto_strbuf struct strbuf text = STRBUF(100);
	struct digest name;
	struct err err = {0};

	assert_int_equal(blob_put(home->store, "hello", 5, &name, &err), 0);
	assert_int_equal(blob_get(home->store, &name, &text, NULL, &err), 0);
	assert_string_equal(text.text, "hello");

	assert_int_equal(file_write(home->store->blobs, name.hex, "hallo", 5, 0644, &err), 0);
	strbuf_clear(&text);
	assert_int_equal(blob_get(home->store, &name, &text, NULL, &err), -1);
	assert_non_null(strstr(err.text, "is damaged"));
}

static void test_host(void **state)
{
	struct home *home = *state;
	auto_arena struct arena *a = arena_new();
	auto_strbuf struct strbuf passwd = STRBUF(4096);
	struct image first, second;
	struct err err = {0};
	struct stat st;

	assert_int_equal(image_find(home->store, a, "host", &first, &err), 0);
	assert_int_equal(image_find(home->store, a, "host", &second, &err), 0);
	assert_true(digest_equal(&first.digest, &second.digest));
	assert_string_equal(first.mounts[0].at, "/");
	assert_string_equal(first.mounts[1].at, "/usr");
	assert_true(first.mounts[1].layers[1].foreign);
	assert_string_equal(first.mounts[1].layers[1].path, "/usr");

	auto_fd int root = open(first.mounts[0].layers[0].path, O_PATH | O_DIRECTORY | O_CLOEXEC);

	assert_true(root >= 0);
	assert_int_equal(file_read(root, "etc/passwd", &passwd, &err), 0);
	assert_non_null(strstr(passwd.text, "runner:x:1001:1001:"));
	assert_int_equal(fstatat(root, "tmp", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 01777);
	assert_false(exists(root, "etc/shadow"));
	assert_false(exists(root, "etc/ssl/private"));
	assert_false(exists(root, "etc/machine-id"));
	image_release(&first);
	image_release(&second);
}

#define LAYERS                                                                                     \
	"\"layers\":[{\"tree\":\"sha256:"                                                          \
	"0000000000000000000000000000000000000000000000000000000000000000\",\"bytes\":1,"          \
	"\"entries\":1}],"

static const struct {
	const char *text, *error;
} bad_manifests[] = {
	{"{}", "missing 'name'"},
	{"[]", "expected a map"},
	{"{\"name\":\"../x\",\"layers\":[{\"tree\":\"sha256:"
	 "0000000000000000000000000000000000000000000000000000000000000000\",\"bytes\":1,"
	 "\"entries\":1}],\"env\":{},\"toolchains\":[]}",
	 "'../x' cannot be an image's name"},
	{"{\"name\":\"x\",\"layers\":[{\"tree\":\"sha256:../../etc\",\"bytes\":1,\"entries\":1}],"
	 "\"env\":{},\"toolchains\":[]}",
	 "64 digits"},
	{"{\"name\":\"x\",\"layers\":[],\"env\":{},\"toolchains\":[]}", "1 to 16 layers"},
	{"{\"name\":\"host\"," LAYERS "\"env\":{},\"toolchains\":[]}",
	 "'host' cannot be an image's name"},
	{"{\"name\":\"x\"," LAYERS "\"env\":{\"A\":[\"b\"]},\"toolchains\":[]}", "names to texts"},
	{"{\"name\":\"x\"," LAYERS "\"env\":{\"A=B\":\"c\"},\"toolchains\":[]}", "names to texts"},
	{"{\"name\":\"x\"," LAYERS "\"env\":{},\"toolchains\":[{\"version\":\"3.1\\u001b[2J\","
	 "\"path\":\"/x\",\"layers\":0}]}",
	 "cannot be in this image"},
	{"{\"name\":\"x\"", "image manifest"},
};

static void test_manifest_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(bad_manifests) / sizeof(bad_manifests[0]); i++) {
		auto_arena struct arena *a = arena_new();
		const char *text = bad_manifests[i].text;
		struct manifest m;
		struct err err = {0};

		assert_int_equal(manifest_decode(a, text, strlen(text), &m, &err), -1);
		if (!strstr(err.text, bad_manifests[i].error))
			fail_msg("%s: %s", text, err.text);
	}
}

static void test_not_found(void **state)
{
	struct home *home = *state;
	auto_arena struct arena *a = arena_new();
	const struct toolchain_ask ask = {.version = "3.7"};
	struct toolchain_match match;
	struct image image;
	struct err err = {0};

	assert_int_equal(image_find(home->store, a, "python-3.10", &image, &err), -1);
	assert_int_equal(err.kind, ERR_SYSTEM);
	assert_non_null(strstr(err.text, "stepcell image build python-3.10"));
	assert_int_equal(image_find(home->store, a, "../x", &image, &err), -1);
	assert_int_equal(err.kind, ERR_USAGE);
	assert_int_equal(image_toolchain(home->store, a, NULL, &ask, &match, &err), -1);
	assert_int_equal(err.kind, ERR_SYSTEM);
	assert_non_null(strstr(err.text, "no toolchain for Python 3.7"));
	assert_non_null(strstr(err.text, "stepcell image build python-3.7"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_staging_leaves_nothing),
		cmocka_unit_test(test_publish_is_one_rename),
		cmocka_unit_test(test_sweep),
		cmocka_unit_test(test_blob),
		cmocka_unit_test(test_host),
		cmocka_unit_test(test_manifest_refused),
		cmocka_unit_test(test_not_found),
	};

	return cmocka_run_group_tests(tests, home_setup, home_teardown);
}
