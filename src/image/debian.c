/*
 * debian: a root made of packages, by mmdebstrap.
 *
 * Its packages insist on several owners. As root it runs in namespaces of its
 * own, so that its mounts and whatever its packages start end with it, and the
 * host is read-only there. An ordinary user with subordinate ids has mmdebstrap
 * make a user namespace of them. One without gets a namespace of a single id, and
 * calls that change owners do nothing and succeed: a tree loses its owners in the
 * store anyway, and all three give the same digest.
 *
 * The host's own package sources are read where it runs the same suite. The
 * recipe's scripts are part of the command line: inside, they could not be read
 * from a private home.
 */
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "image/build.h"
#include "stepcell/cell.h"
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

/* The first address in a list of sources, of either form; NULL: there is none. */
static const char *first_address(struct arena *a, const char *text)
{
	for (const char *line = text; *line; line += strcspn(line, "\n"), line += *line == '\n') {
		const char *at = strncmp(line, "URIs:", 5) == 0  ? line + 5
				 : strncmp(line, "deb ", 4) == 0 ? line + 4
								 : NULL;

		if (!at)
			continue;
		at += strspn(at, " \t");
		if (*at == '[')
			at += strcspn(at, "]\n");
		at += strspn(at, "] \t");
		if (strcspn(at, " \t\n"))
			return arena_strndup(a, at, strcspn(at, " \t\n"));
	}
	return NULL;
}

/* The host's lists where they name the suite, else its mirror, which has the other suites too. */
static void add_host_sources(struct arena *a, const struct recipe *r, struct texts *argv)
{
	const char *mirror = NULL;
	bool named = false;

	for (size_t i = 0; i < COUNT(host_sources); i++) {
		auto_strbuf struct strbuf text = STRBUF(LIMIT_RECIPE_BYTES);
		struct err ignored;

		if (file_read(AT_FDCWD, host_sources[i], &text, &ignored) < 0)
			continue;
		if (!mirror)
			mirror = first_address(a, text.text);
		if (!has_word(text.text, r->suite))
			continue;
		texts_add(a, argv, host_sources[i]);
		named = true;
	}
	if (!named && mirror)
		texts_add(a, argv, mirror);
}

#define SNAPSHOT_MARK "{snapshot}"

/* A mirror of all days, with the recipe's day in it. */
static int add_snapshot(struct arena *a, const struct recipe *r, struct texts *argv,
			struct err *err)
{
	const char *mirror = r->mirror ? r->mirror : getenv("STEPCELL_SNAPSHOTS");
	const char *mark = mirror ? strstr(mirror, SNAPSHOT_MARK) : NULL;

	if (!mark)
		return err_fail(err, ERR_USAGE,
				"recipe '%s' wants the archive of %s: set its 'mirror', or "
				"STEPCELL_SNAPSHOTS, to an address with " SNAPSHOT_MARK
				" in it, such as "
				"http://snapshot.example.com/archive/debian/" SNAPSHOT_MARK,
				r->name, r->snapshot);
	texts_add(a, argv,
		  arena_printf(a, "%.*s%s%s", (int)(mark - mirror), mirror, r->snapshot,
			       mark + strlen(SNAPSHOT_MARK)));
	return 0;
}

int debian_sources(struct arena *a, const struct recipe *r, struct texts *out, struct err *err)
{
	if (r->snapshot)
		return add_snapshot(a, r, out, err);
	if (r->mirror)
		texts_add(a, out, r->mirror);
	else
		add_host_sources(a, r, out);
	return 0;
}

void debian_proxies(struct arena *a, struct texts *env)
{
	static const char *const passed[] = {"http_proxy", "https_proxy", "no_proxy"};

	for (size_t i = 0; i < COUNT(passed); i++)
		if (getenv(passed[i]))
			texts_add(a, env, arena_printf(a, "%s=%s", passed[i], getenv(passed[i])));
}

/* One script as a hook: a shell line that feeds it to the new root's Python. */
static int add_script(struct arena *a, const struct recipe *r, const char *name, struct texts *argv,
		      struct err *err)
{
	auto_strbuf struct strbuf text = STRBUF(64 * KIB);
	const char *path = arena_printf(a, "%s/%s", r->folder, name);

	if (file_read(AT_FDCWD, path, &text, err) < 0)
		return err_wrap(err, "script of recipe '%s'", r->name);
	if (strstr(text.text, SCRIPT_END))
		return err_fail(err, ERR_USAGE, "script '%s' contains %s", path, SCRIPT_END);
	texts_add(a, argv,
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

static int add_options(struct arena *a, const struct recipe *r, struct texts *argv, struct err *err)
{
	static const char *const fixed[] = {
		"--variant=minbase",
		"--format=tar",
		"--aptopt=Acquire::Languages \"none\"",
		"--aptopt=Acquire::Retries \"3\"",
		"--aptopt=APT::Install-Recommends \"false\"",
	};

	for (size_t i = 0; i < COUNT(fixed); i++)
		texts_add(a, argv, fixed[i]);
	if (r->snapshot) /* the signatures of a day ago are out of date today */
		texts_add(a, argv, "--aptopt=Acquire::Check-Valid-Until \"false\"");
	for (size_t i = 0; i < r->without.count; i++)
		texts_add(a, argv,
			  arena_printf(a, "--dpkgopt=path-exclude=%s", r->without.list[i]));
	texts_add(a, argv, arena_printf(a, "--include=%s", join(a, &r->packages)));
	for (size_t i = 0; i < r->scripts.count; i++)
		if (add_script(a, r, r->scripts.list[i], argv, err) < 0)
			return -1;
	return 0;
}

/* ---- three ways to be root in the new system ---- */

/* In namespaces that we make, the host is read-only but for the staging folder. */
#define PROTECT_HOST                                                                               \
	"mount --bind \"$TMPDIR\" \"$TMPDIR\" && mount -o remount,bind,ro / && exec \"$@\""

/* Where devices cannot be made, the host's are bound while packages are configured. */
#define DEVICES "for d in full null random tty urandom zero; do "
#define BIND_DEVICES                                                                               \
	"--extract-hook=" DEVICES ": >\"$1/dev/$d\" && mount --bind \"/dev/$d\" \"$1/dev/$d\"; "   \
	"done"
#define UNBIND_DEVICES "--customize-hook=" DEVICES "umount \"$1/dev/$d\" && rm \"$1/dev/$d\"; done"

static const struct mode {
	const char *words[16];  /* of the command line, up to mmdebstrap's own */
	const char *options[4]; /* before the recipe's */
	const char *last;       /* behind them */
	bool pretend;           /* ownership.h */
	bool in_staging;        /* the work is below the store: others cannot enter it */
} modes[] = {
	{.words = {"unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--",
		   "sh", "-c", PROTECT_HOST, "sh", "mmdebstrap", "--mode=root"},
	 .in_staging = true},
	{.words = {"mmdebstrap", "--mode=unshare"}},
	{.words = {"unshare", "--user", "--map-root-user", "--mount", "--pid", "--fork",
		   "--kill-child", "--mount-proc", "--", "sh", "-c", PROTECT_HOST, "sh",
		   "mmdebstrap", "--mode=root"},
	 .options = {"--skip=chroot/mount/dev,chroot/mount/sys", BIND_DEVICES},
	 .last = UNBIND_DEVICES,
	 .pretend = true,
	 .in_staging = true},
};

/* Does /etc/subuid or /etc/subgid give the caller ids? */
static bool has_subids(const char *path)
{
	auto_strbuf struct strbuf text = STRBUF(MIB);
	const struct passwd *user = getpwuid(geteuid());
	struct err ignored;
	char name[300], number[32];

	if (file_read(AT_FDCWD, path, &text, &ignored) < 0)
		return false;
	(void)snprintf(name, sizeof(name), "%s:", user ? user->pw_name : "?");
	(void)snprintf(number, sizeof(number), "%u:", geteuid());
	for (const char *line = text.text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, name, strlen(name)) == 0 ||
		    strncmp(line, number, strlen(number)) == 0)
			return true;
	}
	return false;
}

static const struct mode *choose_mode(void)
{
	if (cell_caller_is_root())
		return &modes[0];
	return &modes[has_subids("/etc/subuid") && has_subids("/etc/subgid") ? 1 : 2];
}

static void add_words(struct arena *a, struct texts *argv, const char *const *words, size_t max)
{
	for (size_t i = 0; i < max && words[i]; i++)
		texts_add(a, argv, words[i]);
}

/* What apt and mmdebstrap need to know of the caller's environment, and no more. */
static void add_environment(struct arena *a, const struct mode *mode, const struct staging *staging,
			    struct texts *env)
{
	texts_add(a, env, "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
	texts_add(a, env, "LC_ALL=C.UTF-8");
	texts_add(a, env, "SOURCE_DATE_EPOCH=" BUILD_EPOCH);
	/* A killed build is swept with its staging folder. */
	if (mode->in_staging)
		texts_add(a, env, arena_printf(a, "TMPDIR=%s", staging->path));
	debian_proxies(a, env);
	if (getenv("HOME"))
		texts_add(a, env, arena_printf(a, "HOME=%s", getenv("HOME")));
}

int debian_command(struct arena *a, const struct recipe *r, const struct staging *staging,
		   struct build_command *out, struct err *err)
{
	const struct mode *mode = choose_mode();
	struct texts argv = {0}, env = {0};

	add_words(a, &argv, mode->words, COUNT(mode->words));
	add_words(a, &argv, mode->options, COUNT(mode->options));
	if (add_options(a, r, &argv, err) < 0)
		return -1;
	if (mode->last)
		texts_add(a, &argv, mode->last);
	texts_add(a, &argv, r->suite);
	texts_add(a, &argv, "-");
	if (debian_sources(a, r, &argv, err) < 0) /* none means mmdebstrap's own default */
		return -1;
	add_environment(a, mode, staging, &env);
	*out = (struct build_command){texts_end(a, &argv), texts_end(a, &env), mode->pretend};
	return 0;
}
