/*
 * The image "host": this machine's own /usr, read-only, below a skeleton.
 *
 * A step may replace what the host has in /usr, never change it: files of the
 * host keep their owners, so that nobody in the cell owns them. Where packages
 * are installed by a step (/usr/local, the site-packages) the skeleton holds
 * directories that the step does own; overlayfs merges the two.
 *
 * The root's own skeleton has what a program expects outside /usr, among it an
 * allow-list of /etc, copied. Nothing else of the host is visible. A skeleton
 * is made once per state of the host (its key hashes what it was made from) and
 * found again by a few stat calls.
 */
#include "image/host.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "image/child.h"
#include "image/folder.h"
#include "image/manifest.h"
#include "image/skeleton.h"
#include "stepcell/fd.h"
#include "stepcell/path.h"
#include "stepcell/util.h"

#define SKELETON_FORMAT 1
#define PYTHON          "/usr/bin/python3"

/* What a skeleton is made from: when one of these changes, it is made anew. */
static const char *const sources[] = {
	"/bin",
	"/sbin",
	"/lib",
	"/lib32",
	"/lib64",
	"/libx32",
	"/etc/alternatives",
	"/etc/ld.so.cache",
	"/etc/ld.so.conf",
	"/etc/ld.so.conf.d",
	"/etc/localtime",
	"/etc/ssl/certs",
	"/etc/ssl/openssl.cnf",
	"/usr/local",
	"/usr/local/bin",
	"/usr/local/lib",
	"/usr/local/share",
	"/usr/lib/python3/dist-packages",
	"/usr/lib/os-release",
	"/var/lib/dpkg/status",
	PYTHON,
};

static void add_state(struct strbuf *out, const char *path)
{
	struct stat st;

	if (lstat(path, &st) < 0) {
		strbuf_addf(out, "%s -\n", path);
		return;
	}
	strbuf_addf(out, "%s %llu %llu %lld %lld.%09ld\n", path, (unsigned long long)st.st_dev,
		    (unsigned long long)st.st_ino, (long long)st.st_size,
		    (long long)st.st_ctim.tv_sec, st.st_ctim.tv_nsec);
}

static struct digest host_key(void)
{
	auto_strbuf struct strbuf text = STRBUF(16384);

	strbuf_addf(&text, "skeleton %d, uid %u\n", SKELETON_FORMAT, geteuid());
	for (size_t i = 0; i < COUNT(sources); i++)
		add_state(&text, sources[i]);
	return digest_of(text.text, text.len);
}

/* ---- making one ---- */

/* "3.11.2", or nothing when the host has no Python. Asked once per skeleton. */
static void python_version(struct strbuf *out)
{
	static const char *const argv[] = {
		PYTHON, "-I", "-S", "-c", "import platform; print(platform.python_version())",
		NULL};
	static const char *const env[] = {"LC_ALL=C.UTF-8", NULL};
	struct err ignored;

	if (child_run(argv, env, out, &ignored) < 0)
		strbuf_clear(out);
	while (out->len && out->text[out->len - 1] == '\n')
		strbuf_cut(out, out->len - 1);
}

/* Skeletons of an earlier state of the host that nobody uses any more. */
static void drop_others(struct store *store, const char *keep)
{
	auto_strbuf struct strbuf names = STRBUF(65536);
	struct err ignored;

	if (folder_list(store->host, &names, &ignored) < 0)
		return;
	for_each_name(name, &names)
	{
		auto_fd int dir = openat(store->host, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		if (strcmp(name, keep) != 0 && dir >= 0 && flock(dir, LOCK_EX | LOCK_NB) == 0)
			(void)remove_tree(store->host, name, &ignored);
	}
}

static int make_skeleton(struct store *store, const char *key, struct err *err)
{
	auto_staging struct staging staging = {.dir = -1};
	auto_strbuf struct strbuf version = STRBUF(64);

	if (staging_open(store, &staging, err) < 0 ||
	    mkdir_beneath(staging.dir, "host", 0700, err) < 0)
		return -1;
	auto_fd int dir = openat(staging.dir, "host", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (dir < 0)
		return err_sys(err, "cannot open the skeleton");
	if (skeleton_make_root(dir, err) < 0 || skeleton_make_usr(dir, err) < 0)
		return -1;
	python_version(&version);
	if (file_put(dir, "python", version.text, version.len, 0644, err) < 0 ||
	    staging_publish(staging.dir, "host", store->host, key, err) < 0)
		return -1;
	drop_others(store, key);
	return 0;
}

static int open_skeleton(struct store *store, const char *key, struct err *err)
{
	auto_fd int dir = openat(store->host, key, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct stat st;

	if (dir < 0 && errno == ENOENT) {
		if (make_skeleton(store, key, err) < 0)
			return -1;
		dir = openat(store->host, key, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	}
	if (dir < 0)
		return err_sys(err, "cannot open skeleton %s", key);
	if (flock(dir, LOCK_SH) < 0)
		return err_sys(err, "cannot lock skeleton %s", key);
	/* It may have been swept away between the two. */
	if (fstat(dir, &st) < 0 || st.st_nlink == 0)
		return err_fail(err, ERR_SYSTEM, "the host changed meanwhile; try again");
	return take_fd(&dir);
}

/* ---- describing it ---- */

static struct image_mount one_layer(struct arena *a, const char *at, const char *path, bool foreign)
{
	struct cell_layer *layer = arena_alloc(a, sizeof(*layer));

	*layer = (struct cell_layer){.path = path, .foreign = foreign};
	return (struct image_mount){.at = at, .layers = layer, .layer_count = 1};
}

static void describe_mounts(struct arena *a, const char *base, struct image *out)
{
	static const char *const split[] = {"/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"};
	struct cell_layer *usr = arena_array(a, 2, sizeof(*usr));
	struct stat st;

	usr[0] = (struct cell_layer){.path = arena_printf(a, "%s/usr", base)};
	usr[1] = (struct cell_layer){.path = "/usr", .foreign = true};
	out->mounts = arena_array(a, 2 + COUNT(split), sizeof(*out->mounts));
	out->mounts[0] = one_layer(a, "/", arena_printf(a, "%s/root", base), false);
	out->mounts[1] = (struct image_mount){.at = "/usr", .layers = usr, .layer_count = 2};
	out->mount_count = 2;
	/* Hosts that still keep these beside /usr: real directories, not links. */
	for (size_t i = 0; i < COUNT(split); i++)
		if (lstat(split[i], &st) == 0 && S_ISDIR(st.st_mode))
			out->mounts[out->mount_count++] = one_layer(a, split[i], split[i], true);
}

static const struct node *host_env(struct arena *a)
{
	struct node *env = node_map(a);

	node_set_text(a, env, "PATH",
		      "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
	node_set_text(a, env, "LANG", "C.UTF-8");
	/* The step's changes are its own layer: there is no system to break. */
	node_set_text(a, env, "PIP_BREAK_SYSTEM_PACKAGES", "1");
	node_set_text(a, env, "PIP_DISABLE_PIP_VERSION_CHECK", "1");
	return env;
}

static int describe_python(struct arena *a, int skeleton, struct image *out, struct err *err)
{
	auto_strbuf struct strbuf version = STRBUF(64);

	if (file_read(skeleton, "python", &version, err) < 0)
		return -1;
	if (!version.len)
		return 0;
	out->toolchains = arena_alloc(a, sizeof(*out->toolchains));
	out->toolchains[0] = (struct toolchain){
		.version = arena_strdup(a, version.text), .path = "/usr", .image = "host"};
	out->toolchain_count = 1;
	return 0;
}

int host_find(struct store *store, struct arena *a, struct image *out, struct err *err)
{
	struct digest key = host_key();
	auto_fd int dir = open_skeleton(store, key.hex, err);
	struct image image = {.name = "host", .digest = key, .lock = -1};
	struct stat st;

	if (dir < 0)
		return err_wrap(err, "image 'host'");
	if (fstat(dir, &st) < 0)
		return err_sys(err, "image 'host': cannot read its skeleton");
	describe_mounts(a, arena_printf(a, "%s/host/%s", store->path, key.hex), &image);
	if (describe_python(a, dir, &image, err) < 0)
		return err_wrap(err, "image 'host'");
	image.env = host_env(a);
	image.created = time_text(a, st.st_ctim.tv_sec);
	image.lock = take_fd(&dir);
	*out = image;
	return 0;
}
