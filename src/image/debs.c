/*
 * Neither cell sees the other's world: the one that has the network sees the
 * base's list of packages and nothing else of it; the one in which maintainers'
 * scripts run sees the base and the packages, as uid 1001, to which everything
 * belongs. dpkg knows how to be nobody: owners are not kept anyway.
 */
#include "image/debs.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "image/host.h"
#include "image/ownership.h"
#include "stepcell/fd.h"
#include "stepcell/limits.h"
#include "stepcell/path.h"
#include "stepcell/util.h"

#define MINUTES      60
#define PATH_OF_ROOT "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

struct debs {
	const struct staging *staging;
	struct arena *arena;
	const struct recipe *recipe;
	const struct image *base;
	struct cell_owner *owner;
	const char *state;
	int log;
};

/* ---- what the base says of itself ---- */

/* A file of its root: the topmost layer that has it. False where there is none. */
static bool read_base(const struct debs *d, const char *path, struct strbuf *out)
{
	const struct image_mount *m = &d->base->mounts[0];

	for (size_t i = 0; i < m->layer_count; i++) {
		struct err ignored;
		auto_fd int root = open(m->layers[i].path, O_PATH | O_DIRECTORY | O_CLOEXEC);
		auto_fd int fd =
			root < 0 ? -1
				 : open_in_root(root, path, O_RDONLY | O_NONBLOCK, 0, &ignored);

		if (fd >= 0)
			return read_capped(fd, out, &ignored) == 0;
	}
	return false;
}

/* "bookworm" of VERSION_CODENAME=bookworm; NULL: it is no release of Debian. */
static const char *suite_of(const struct debs *d)
{
	static const char key[] = "\nVERSION_CODENAME=", id[] = "\nID=debian\n";
	auto_strbuf struct strbuf text = STRBUF(64 * KIB);
	const char *at, *suite;

	strbuf_addc(&text, '\n');
	if (!read_base(d, "etc/os-release", &text) || !strstr(text.text, id))
		return NULL;
	at = strstr(text.text, key);
	if (!at)
		return NULL;
	at += strlen(key);
	at += *at == '"';
	suite = arena_strndup(d->arena, at, strspn(at, "abcdefghijklmnopqrstuvwxyz"));
	return *suite ? suite : NULL;
}

/* ---- fetching ---- */

static int write_in(const char *folder, const char *name, const char *text, size_t len,
		    struct err *err)
{
	auto_fd int dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return dir < 0 ? err_sys(err, "cannot open '%s'", folder)
		       : file_write(dir, name, text, len, 0644, err);
}

/* A list of the host's as it is, or an address as a list of one line. */
static int write_source(const struct debs *d, const char *folder, size_t number, const char *source,
			const char *suite, struct err *err)
{
	auto_strbuf struct strbuf text = STRBUF(LIMIT_RECIPE_BYTES);
	const char *dot = strrchr(source, '.');
	const bool modern = *source == '/' && dot && strcmp(dot, ".sources") == 0;

	if (*source != '/')
		strbuf_addf(&text,
			    "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] %s %s "
			    "main\n",
			    source, suite);
	else if (file_read(AT_FDCWD, source, &text, err) < 0)
		return -1;
	return write_in(folder,
			arena_printf(d->arena, "%zu.%s", number, modern ? "sources" : "list"),
			text.text, text.len, err);
}

static int write_sources(const struct debs *d, const char *folder, const char *suite,
			 struct err *err)
{
	struct recipe of_suite = *d->recipe;
	struct texts sources = {0};

	of_suite.suite = suite;
	if (debian_sources(d->arena, &of_suite, &sources, err) < 0)
		return -1;
	if (!sources.count)
		return err_fail(
			err, ERR_SYSTEM,
			"this host lists no archive of Debian, and the recipe names no mirror");
	for (size_t i = 0; i < sources.count; i++)
		if (write_source(d, folder, i, sources.list[i], suite, err) < 0)
			return -1;
	return 0;
}

/* What apt is given of the base, and where it fetches from: a layer of the cell. */
static int prepare(const struct debs *d, const char *layer, struct err *err)
{
	const char *folder = arena_printf(d->arena, "%s/apt", layer);
	const char *sources = arena_printf(d->arena, "%s/sources", folder);
	const char *suite = suite_of(d);
	auto_strbuf struct strbuf status = STRBUF(LIMIT_PACKAGES_BYTES);

	if (!suite || !read_base(d, "var/lib/dpkg/status", &status))
		return err_fail(err, ERR_USAGE,
				"packages go on top of a Debian with its dpkg, which '%s' is not",
				d->recipe->base);
	if (mkdir_all(sources, 0755, err) < 0 ||
	    write_in(folder, "status", status.text, status.len, err) < 0)
		return -1;
	return write_sources(d, sources, suite, err);
}

/* In `1`: nothing of the host's own settings and lists counts. */
#define APT                                                                                        \
	"apt() { apt-get -o Dir::Etc=/nowhere -o Dir::Etc::parts=/nowhere "                        \
	"-o Dir::Etc::sourcelist=/nowhere -o Dir::Etc::sourceparts=/apt/sources "                  \
	"-o Dir::Etc::trustedparts=/nowhere -o Dir::State=/debs/state "                            \
	"-o Dir::State::status=/apt/status -o Dir::Cache=/debs/cache "                             \
	"-o Dir::Cache::archives=/debs/archives -o Dir::Log=/debs/log "                            \
	"-o Acquire::Languages=none -o Acquire::Retries=3 -o APT::Install-Recommends=false "       \
	"-o APT::Get::Assume-Yes=true \"$@\"; }\n"

static const char *fetch_script(const struct debs *d)
{
	const char *list = "";

	for (size_t i = 0; i < d->recipe->packages.count; i++)
		list = arena_printf(d->arena, "%s %s", list, d->recipe->packages.list[i]);
	return arena_printf(
		d->arena,
		"set -eu\n" APT "mkdir -p /debs/state/lists/partial /debs/cache /debs/log "
		"/debs/archives/partial\n"
		"apt update%s\n"
		"apt --download-only install%s\n",
		d->recipe->snapshot ? " -o Acquire::Check-Valid-Until=false" : "", list);
}

static int run_cell(struct cell_spec *spec, const struct debs *d, const char *what, struct err *err)
{
	spec->owner = d->owner;
	spec->state = d->state;
	spec->stdout_fd = spec->stderr_fd = d->log;
	spec->limits = (struct cell_limits){.wall_ms = UINT64_C(60000) * MINUTES};
	spec->require = CELL_WALL_USERNS | CELL_WALL_SECCOMP;
	return build_run(spec, what, err);
}

/* The host's programs, with what apt is given in front. */
static int fetch_on(const struct debs *d, const struct image *host, const char *given,
		    const char *upper, struct err *err)
{
	struct cell_overlay *list = arena_array(d->arena, host->mount_count, sizeof(*list));
	const char *const argv[] = {"/bin/sh", "-c", fetch_script(d), NULL};
	struct texts env = {0};
	struct cell_spec spec = {
		.name = "fetch",
		.overlays = list,
		.overlay_count = host->mount_count,
		.network = CELL_NET_FULL,
	};

	for (size_t i = 0; i < host->mount_count; i++) {
		const struct image_mount *m = &host->mounts[i];

		list[i] = (struct cell_overlay){
			.at = m->at, .layers = m->layers, .layer_count = m->layer_count};
	}
	list[0].layers = build_layers(d->arena, &host->mounts[0], &given, 1);
	list[0].layer_count++;
	list[0].upper = upper;
	texts_add(d->arena, &env, PATH_OF_ROOT);
	texts_add(d->arena, &env, "LC_ALL=C.UTF-8");
	debian_proxies(d->arena, &env);
	spec.env = texts_end(d->arena, &env);
	spec.argv = argv;
	return run_cell(&spec, d, "fetching its packages", err);
}

/* `*out`: a layer that has them in /debs/archives. */
static int fetch(const struct debs *d, const char **out, struct err *err)
{
	const char *given = arena_printf(d->arena, "%s/given", d->staging->path);
	const char *upper = arena_printf(d->arena, "%s/fetched", d->staging->path);
	struct image host = {.lock = -1};
	int r = -1;

	*out = arena_printf(d->arena, "%s/data", upper);
	if (prepare(d, given, err) < 0 || cell_upper_make(d->owner, upper, err) < 0 ||
	    host_find(d->staging->store, d->arena, &host, err) < 0)
		return -1;
	r = fetch_on(d, &host, given, upper, err);
	image_release(&host);
	return r;
}

/* ---- installing ---- */

/* At its end: what says when it was, and what programs make again, would differ each time. */
static const char install_script[] =
	"set -eu\n"
	"set -- /debs/archives/*.deb\n"
	"[ -e \"$1\" ] || exit 0\n"
	"dpkg='dpkg --force-not-root --force-unsafe-io --force-confold'\n"
	"$dpkg --force-depends --unpack \"$@\"\n"
	"$dpkg --configure --pending\n"
	"rm -f /var/log/dpkg.log /var/log/alternatives.log /var/cache/ldconfig/aux-cache "
	"/var/cache/debconf/*-old /var/lib/dpkg/*-old /var/lib/dpkg/lock "
	"/var/lib/dpkg/lock-frontend /var/lib/dpkg/triggers/Lock\n";

static const char **install_env(struct arena *a)
{
	static const char *const fixed[] = {PATH_OF_ROOT,
					    "LC_ALL=C.UTF-8",
					    "HOME=/root",
					    "DEBIAN_FRONTEND=noninteractive",
					    "DEBCONF_NONINTERACTIVE_SEEN=true",
					    "PYTHONHASHSEED=0"};
	struct texts env = {0};

	for (size_t i = 0; i < COUNT(fixed); i++)
		texts_add(a, &env, fixed[i]);
	texts_add(a, &env, "SOURCE_DATE_EPOCH=" BUILD_EPOCH);
	return texts_end(a, &env);
}

/* In the base, as nobody who believes to be root: packages insist on owners, and on who installs them. */
static int install_inside(void *arg, const int *fds, size_t count)
{
	static const char *const argv[] = {"/bin/sh", "-c", install_script, NULL};

	(void)fds, (void)count;
	if (ownership_pretend_root() == 0)
		(void)execve(argv[0], (char *const *)argv, arg);
	return 127;
}

static int install(const struct debs *d, const char *fetched, const char **out, struct err *err)
{
	const char *upper = arena_printf(d->arena, "%s/packages", d->staging->path);
	const char **env = install_env(d->arena);
	struct cell_overlay root = {
		.at = "/",
		.layers = build_layers(d->arena, &d->base->mounts[0], &fetched, 1),
		.layer_count = d->base->mounts[0].layer_count + 1,
		.upper = upper,
	};
	struct cell_spec spec = {
		.name = "packages",
		.overlays = &root,
		.overlay_count = 1,
		.fn = install_inside,
		.fn_arg = env,
		.env = env,
		.network = CELL_NET_NONE,
	};

	*out = arena_printf(d->arena, "%s/data", upper);
	return cell_upper_make(d->owner, upper, err) < 0
		       ? -1
		       : run_cell(&spec, d, "installing its packages", err);
}

int debs_install(const struct staging *staging, struct arena *a, const struct recipe *recipe,
		 const struct image *base, struct cell_owner *owner, const char *state, int log,
		 const char **out, struct err *err)
{
	const struct debs d = {staging, a, recipe, base, owner, state, log};
	const char *fetched;

	return fetch(&d, &fetched, err) < 0 ? -1 : install(&d, fetched, out, err);
}
