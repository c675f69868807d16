/*
 * What a spec leaves out: a state home, an owner, the filter that ships, and
 * the host's own programs as a root.
 *
 * That root is a directory of ours, made once and never written to again, with
 * the places that the cell mounts on and the host's links into /usr. A spec
 * that names its layers gets none of it.
 */
#include "complete.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "stepcell/fd.h"
#include "stepcell/home.h"
#include "stepcell/path.h"
#include "stepcell/util.h"

/* ---- the host's root ---- */

static const char *const places[] = {
	"dev",           "etc",    "home", "mnt", "opt", "proc", "root",
	"run",           "srv",    "sys",  "tmp", "usr", "var",  "etc/alternatives",
	"etc/ssl/certs", "var/tmp"};

/* Links into /usr, or folders of their own on a host that has not merged them. */
static const char *const beside_usr[] = {"/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"};

/* What of /etc programs of /usr cannot do without; from the host, each as it is now. */
static const char *const from_etc[] = {"/etc/alternatives", "/etc/ld.so.cache", "/etc/ssl/certs"};

static const struct {
	const char *path, *text;
} made[] = {
	{"etc/passwd", "root:x:0:0:root:/root:/bin/sh\n"
		       "cell:x:1001:1001:cell:/home:/bin/sh\n"
		       "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"},
	{"etc/group", "root:x:0:\ncell:x:1001:\nnogroup:x:65534:\n"},
	{"etc/hosts", "127.0.0.1 localhost\n::1 localhost\n"},
	{"etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n"},
	{"etc/resolv.conf", ""},
	{"etc/ld.so.cache", ""},
};
static_assert(CELL_UID == 1001, "etc/passwd names it");

static char kind_of(const char *path)
{
	struct stat st;

	if (lstat(path, &st) < 0)
		return '-';
	return S_ISLNK(st.st_mode) ? 'l' : S_ISDIR(st.st_mode) ? 'd' : '-';
}

static int make_beside(int root, const char *path, struct err *err)
{
	char target[PATH_MAX];
	ssize_t n;

	if (kind_of(path) == 'd')
		return mkdir_beneath(root, path + 1, 0755, err);
	n = readlink(path, target, sizeof(target) - 1);
	if (n < 0)
		return 0;
	target[n] = '\0';
	return symlinkat(target, root, path + 1) < 0 ? err_sys(err, "cannot link '%s'", path) : 0;
}

static int fill_root(int root, struct err *err)
{
	for (size_t i = 0; i < COUNT(places); i++)
		if (mkdir_beneath(root, places[i], 0755, err) < 0)
			return -1;
	for (size_t i = 0; i < COUNT(made); i++)
		if (file_put(root, made[i].path, made[i].text, strlen(made[i].text), 0644, err) < 0)
			return -1;
	for (size_t i = 0; i < COUNT(beside_usr); i++)
		if (make_beside(root, beside_usr[i], err) < 0)
			return -1;
	if (fchmodat(root, "tmp", 01777, 0) < 0 || fchmodat(root, "var/tmp", 01777, 0) < 0 ||
	    fchmod(root, 0755) < 0)
		return err_sys(err, "cannot set a mode");
	return 0;
}

static int publish_root(const char *staged, const char *path, struct err *err)
{
	auto_fd int root = open(staged, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (root < 0)
		return err_sys(err, "cannot open '%s'", staged);
	if (fill_root(root, err) < 0)
		return -1;
	/* somebody else's is the same */
	if (rename(staged, path) < 0 && errno != EEXIST && errno != ENOTEMPTY)
		return err_sys(err, "cannot rename '%s'", staged);
	return 0;
}

/* Named by what it was made from: a host whose /bin becomes a link gets another one. */
static int find_root(const char *state, char *out, struct err *err)
{
	char parent[PATH_MAX], name[32] = "host2-", staged[PATH_MAX];
	struct err ignored;
	int r;

	for (size_t i = 0; i < COUNT(beside_usr); i++)
		name[strlen(name)] = kind_of(beside_usr[i]);
	if (path_join(parent, sizeof(parent), state, "cache/roots", err) < 0 ||
	    path_join(out, PATH_MAX, parent, name, err) < 0)
		return -1;
	if (access(out, F_OK) == 0)
		return 0;
	if (mkdir_all(parent, 0700, err) < 0 ||
	    path_join(staged, sizeof(staged), parent, "new-XXXXXX", err) < 0)
		return -1;
	if (!mkdtemp(staged))
		return err_sys(err, "cannot make a directory in '%s'", parent);
	r = publish_root(staged, out, err);
	(void)remove_tree(AT_FDCWD, staged, &ignored);
	return r;
}

/* ---- putting it together ---- */

static bool names_no_root(const struct cell_spec *spec)
{
	return !spec->overlay_count || !spec->overlays[0].layer_count;
}

/* The host's instead of the first one, whose upper it gets; the others follow. */
static int complete_overlays(struct complete_spec *c, const struct cell_spec *from, struct err *err)
{
	const size_t rest = from->overlay_count ? from->overlay_count - 1 : 0;
	size_t n = 0;

	if (from->overlay_count &&
	    (!from->overlays[0].at || strcmp(from->overlays[0].at, "/") != 0))
		return err_fail(err, ERR_USAGE, "an overlay without layers, and not at '/'");
	c->overlays = calloc(COUNT(c->layers) + rest, sizeof(*c->overlays));
	if (!c->overlays)
		return err_sys(err, "cannot list the overlays");
	if (find_root(c->spec.state, c->root, err) < 0)
		return err_wrap(err, "making the host's root");
	c->layers[n++] = (struct cell_layer){.path = c->root, .foreign = true};
	c->layers[n++] = (struct cell_layer){.path = "/usr", .foreign = true};
	for (size_t i = 0; i < COUNT(beside_usr); i++)
		if (kind_of(beside_usr[i]) == 'd')
			c->layers[n++] =
				(struct cell_layer){.path = beside_usr[i], .foreign = true};
	for (size_t i = 0; i < n; i++)
		c->overlays[i] = (struct cell_overlay){.at = i ? c->layers[i].path : "/",
						       .layers = &c->layers[i],
						       .layer_count = 1};
	if (from->overlay_count)
		c->overlays[0].upper = from->overlays[0].upper;
	if (rest)
		memcpy(c->overlays + n, from->overlays + 1, rest * sizeof(*c->overlays));
	c->spec.overlays = c->overlays;
	c->spec.overlay_count = n + rest;
	return 0;
}

/* In the caller's network names are looked up as the caller does. A read-only root may lack the place. */
static void find_lookup(struct complete_spec *c, const struct cell_spec *from)
{
	c->lookup.count = 0;
	if (from->network == CELL_NET_FULL && (names_no_root(from) || from->overlays[0].upper))
		lookup_find(&c->lookup, LOOKUP_ROOT);
}

static int complete_binds(struct complete_spec *c, const struct cell_spec *from, struct err *err)
{
	const size_t etc = names_no_root(from) ? COUNT(from_etc) : 0;
	size_t n = 0;

	find_lookup(c, from);
	c->binds = calloc(etc + c->lookup.count + from->bind_count + 1, sizeof(*c->binds));
	if (!c->binds)
		return err_sys(err, "cannot list the binds");
	for (size_t i = 0; i < etc; i++)
		if (access(from_etc[i], R_OK) == 0)
			c->binds[n++] = (struct cell_bind){.from = from_etc[i], .at = from_etc[i]};
	for (size_t i = 0; i < c->lookup.count; i++)
		c->binds[n++] = c->lookup.binds[i];
	if (from->bind_count)
		memcpy(c->binds + n, from->binds, from->bind_count * sizeof(*c->binds));
	c->spec.binds = c->binds;
	c->spec.bind_count = n + from->bind_count;
	return 0;
}

/* A name is that of a policy that ships. */
static int complete_seccomp(struct complete_spec *c, struct err *err)
{
	const char *name = c->spec.seccomp ? c->spec.seccomp : "default";
	char data[PATH_MAX], file[256];

	if (strchr(name, '/'))
		return 0;
	if (strlen(name) > 128)
		return err_fail(err, ERR_USAGE, "a filter's name is too long");
	(void)snprintf(file, sizeof(file), "policies/seccomp/%s.yml", name);
	if (data_home(data, sizeof(data), err) < 0 ||
	    path_join(c->seccomp, sizeof(c->seccomp), data, file, err) < 0)
		return -1;
	c->spec.seccomp = c->seccomp;
	return 0;
}

const char *state_or_home(const char *state, char *out, size_t size, struct err *err)
{
	if (state)
		return state;
	return state_home(out, size, err) < 0 ? NULL : out;
}

int spec_complete(const struct cell_spec *from, struct complete_spec *c, struct err *err)
{
	static const char *const path_alone[] = {"PATH=/usr/local/bin:/usr/bin:/bin", NULL};

	c->spec = *from;
	c->own = NULL;
	c->overlays = NULL;
	c->binds = NULL;
	c->spec.state = state_or_home(from->state, c->state, sizeof(c->state), err);
	if (!c->spec.state || complete_seccomp(c, err) < 0)
		return -1;
	if (!from->name)
		c->spec.name = "cell";
	if (!from->env)
		c->spec.env = path_alone;
	if ((names_no_root(from) && complete_overlays(c, from, err) < 0) ||
	    complete_binds(c, from, err) < 0)
		return -1;
	if (!from->owner && cell_owner_open(c->spec.state, &c->own, err) < 0)
		return -1;
	if (!from->owner)
		c->spec.owner = c->own;
	return 0;
}

void completed_release(struct complete_spec *c)
{
	free(c->overlays);
	free(c->binds);
	cell_owner_close(&c->own);
}
