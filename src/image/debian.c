/*
 * debian: a root made of packages, by mmdebstrap.
 *
 * As root it runs in namespaces of its own, so that its mounts and whatever its
 * packages start end with it. An ordinary user's mmdebstrap makes a user
 * namespace itself. In both cases it reads the host's own package sources where
 * the host runs the same suite, and the recipe's scripts are part of its command
 * line: inside, they could not be read from a private home.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "image/build.h"
#include "stepcell/fd.h"
#include "stepcell/limits.h"
#include "stepcell/util.h"

#define SCRIPT_END "END_OF_SCRIPT"

/* Where a Debian host lists its own archive; other lists are other people's. */
static const char *const host_sources[] = {
	"/etc/apt/sources.list",
	"/etc/apt/sources.list.d/debian.list",
	"/etc/apt/sources.list.d/debian.sources",
};

/* Is `word` in `text`, between spaces? */
static bool has_word(const char *text, const char *word)
{
	size_t len = strlen(word);

	for (const char *p = text; (p = strstr(p, word)); p += len)
		if ((p == text || strchr(" \t\n", p[-1])) && strchr(" \t\n", p[len]))
			return true;
	return false;
}

/* No source at all means mmdebstrap's own default. */
static void add_sources(struct arena *a, const struct recipe *r, struct words *argv)
{
	if (r->mirror) {
		words_add(a, argv, r->mirror);
		return;
	}
	for (size_t i = 0; i < COUNT(host_sources); i++) {
		auto_strbuf struct strbuf text = STRBUF(LIMIT_RECIPE_BYTES);
		struct err ignored;

		if (file_read(AT_FDCWD, host_sources[i], &text, &ignored) == 0 &&
		    has_word(text.text, r->suite))
			words_add(a, argv, host_sources[i]);
	}
}

/* One script as a hook: a shell line that feeds it to the new root's Python. */
static int add_script(struct arena *a, const struct recipe *r, const char *name, struct words *argv,
		      struct err *err)
{
	auto_strbuf struct strbuf text = STRBUF(64 * KIB);
	const char *path = arena_printf(a, "%s/%s", r->folder, name);

	if (file_read(AT_FDCWD, path, &text, err) < 0)
		return err_wrap(err, "script of recipe '%s'", r->name);
	if (strstr(text.text, SCRIPT_END))
		return err_fail(err, ERR_USAGE, "script '%s' contains %s", path, SCRIPT_END);
	words_add(a, argv,
		  arena_printf(a,
			       "--customize-hook=chroot \"$1\" /usr/bin/env -i "
			       "PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 PYTHONHASHSEED=0 "
			       "SOURCE_DATE_EPOCH=" BUILD_EPOCH " /usr/bin/python3 -s -B - "
			       "<<'" SCRIPT_END "'\n%s\n" SCRIPT_END "\n",
			       text.text));
	return 0;
}

static const char *join(struct arena *a, const struct texts *texts)
{
	const char *all = "";

	for (size_t i = 0; i < texts->count; i++)
		all = arena_printf(a, "%s%s%s", all, i ? "," : "", texts->list[i]);
	return all;
}

static int add_options(struct arena *a, const struct recipe *r, struct words *argv, struct err *err)
{
	static const char *const fixed[] = {
		"--variant=minbase",
		"--format=tar",
		"--aptopt=Acquire::Languages \"none\"",
		"--aptopt=Acquire::Retries \"3\"",
		"--aptopt=APT::Install-Recommends \"false\"",
	};

	for (size_t i = 0; i < COUNT(fixed); i++)
		words_add(a, argv, fixed[i]);
	for (size_t i = 0; i < r->without.count; i++)
		words_add(a, argv,
			  arena_printf(a, "--dpkgopt=path-exclude=%s", r->without.list[i]));
	words_add(a, argv, arena_printf(a, "--include=%s", join(a, &r->packages)));
	for (size_t i = 0; i < r->scripts.count; i++)
		if (add_script(a, r, r->scripts.list[i], argv, err) < 0)
			return -1;
	return 0;
}

/* In root's namespaces the host is read-only but for the staging folder. */
#define PROTECT_HOST                                                                               \
	"mount --bind \"$TMPDIR\" \"$TMPDIR\" && mount -o remount,bind,ro / && exec \"$@\""

static void add_mode(struct arena *a, struct words *argv)
{
	static const char *const as_root[] = {"unshare",
	                                      "--mount",
	                                      "--pid",
	                                      "--fork",
	                                      "--kill-child",
	                                      "--mount-proc",
	                                      "--",
	                                      "sh",
	                                      "-c",
	                                      PROTECT_HOST,
	                                      "sh",
	                                      "mmdebstrap",
	                                      "--mode=root"};
	static const char *const as_user[] = {"mmdebstrap", "--mode=unshare"};
	bool root = geteuid() == 0;
	const char *const *words = root ? as_root : as_user;

	for (size_t i = 0; i < (root ? COUNT(as_root) : COUNT(as_user)); i++)
		words_add(a, argv, words[i]);
}

/* What apt and mmdebstrap need to know of the caller's environment, and no more. */
static void add_environment(struct arena *a, const struct staging *staging, struct words *env)
{
	static const char *const passed[] = {"http_proxy", "https_proxy", "no_proxy", "HOME"};

	words_add(a, env, "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
	words_add(a, env, "LC_ALL=C.UTF-8");
	words_add(a, env, "SOURCE_DATE_EPOCH=" BUILD_EPOCH);
	/* A killed build is swept with its staging folder; other users cannot enter that one. */
	if (geteuid() == 0)
		words_add(a, env, arena_printf(a, "TMPDIR=%s", staging->path));
	for (size_t i = 0; i < COUNT(passed); i++)
		if (getenv(passed[i]))
			words_add(a, env, arena_printf(a, "%s=%s", passed[i], getenv(passed[i])));
}

int debian_command(struct arena *a, const struct recipe *r, const struct staging *staging,
		   struct build_command *out, struct err *err)
{
	struct words argv = {0}, env = {0};

	add_mode(a, &argv);
	if (add_options(a, r, &argv, err) < 0)
		return -1;
	words_add(a, &argv, r->suite);
	words_add(a, &argv, "-");
	add_sources(a, r, &argv);
	add_environment(a, staging, &env);
	*out = (struct build_command){words_end(a, &argv), words_end(a, &env)};
	return 0;
}
