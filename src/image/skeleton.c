#include "image/skeleton.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "image/folder.h"
#include "stepcell/cell.h"
#include "stepcell/fd.h"
#include "stepcell/limits.h"
#include "stepcell/path.h"
#include "stepcell/util.h"

#define STR(x)  STR_(x)
#define STR_(x) #x

#define FILE_MAX  (8 * MIB) /* of a copied file of /etc: certificates are 200 KiB */
#define DEPTH_MAX 12
#define DIRS_MAX  4096 /* directories of /usr/local and the site-packages together */

static const struct {
	const char *path;
	mode_t mode;
} folders[] = {
	{"dev", 0755},
	{"etc", 0755},
	{"home/runner", 0755},
	{"mnt", 0755},
	{"opt", 0755},
	{"proc", 0755},
	{"root", 0700},
	{"run", 0755},
	{"srv", 0755},
	{"sys", 0755},
	{"tmp", 01777},
	{"usr", 0755},
	{"var/cache", 0755},
	{"var/lib", 0755},
	{"var/log", 0755},
	{"var/tmp", 01777},
	{"opt/hostedtoolcache", 0755},
};

/* Files that every program may want, and that must not be the host's. */
static const struct {
	const char *path, *text;
} made[] = {
	{"etc/passwd",
	 "root:x:0:0:root:/root:/bin/bash\n"
	 "runner:x:" STR(CELL_UID) ":" STR(
		 CELL_UID) ":runner:/home/runner:/bin/bash\n"
			   "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"},
	{"etc/group", "root:x:0:\nrunner:x:" STR(CELL_UID) ":\nnogroup:x:65534:\n"},
	{"etc/nsswitch.conf", "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\n"
			      "services: files\nprotocols: files\n"},
	{"etc/hosts", "127.0.0.1 localhost\n::1 localhost\n"},
	{"etc/resolv.conf", ""},
};

/* What of the host's /etc is copied. No more than programs need to start and to check certificates. */
static const char *const copied[] = {
	"etc/alternatives", "etc/debian_version", "etc/ld.so.cache", "etc/ld.so.conf",
	"etc/ld.so.conf.d", "etc/localtime",      "etc/mime.types",  "etc/os-release",
	"etc/protocols",    "etc/services",       "etc/ssl/certs",   "etc/ssl/openssl.cnf",
};

static const char *const links[] = {"bin", "sbin", "lib", "lib32", "lib64", "libx32"};

/* ---- copying ---- */

struct copy {
	int from, to;
	unsigned depth;
	unsigned *dirs; /* how many more may be made */
	bool files;     /* copy files and links too, not directories alone */
};

static int copy_entry(const struct copy *c, const char *name, struct err *err);

static int copy_file(const struct copy *c, const char *name, struct err *err)
{
	auto_strbuf struct strbuf bytes = STRBUF(FILE_MAX);

	/* What this user may not read, the step may not see either. */
	if (file_read(c->from, name, &bytes, err) < 0)
		return err->sys == EACCES || err->sys == EPERM ? 0 : -1;
	auto_fd int out =
		openat(c->to, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);

	if (out < 0 || write_full(out, bytes.text, bytes.len) < 0)
		return err_sys(err, "cannot copy '%s'", name);
	return 0;
}

static int copy_link(const struct copy *c, const char *name, struct err *err)
{
	char target[PATH_MAX];
	ssize_t n = readlinkat(c->from, name, target, sizeof(target) - 1);

	if (n < 0)
		return err_sys(err, "cannot read link '%s'", name);
	target[n] = '\0';
	return symlinkat(target, c->to, name) < 0 ? err_sys(err, "cannot copy link '%s'", name) : 0;
}

static int copy_folder(const struct copy *c, const char *name, struct err *err)
{
	auto_strbuf struct strbuf names = STRBUF(4 * MIB);

	if (c->depth >= DEPTH_MAX || *c->dirs == 0)
		return 0;
	auto_fd int from = openat(c->from, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (from < 0)
		return errno == EACCES ? 0 : err_sys(err, "cannot open '%s'", name);
	--*c->dirs;
	if (mkdirat(c->to, name, 0755) < 0 && errno != EEXIST)
		return err_sys(err, "cannot make '%s'", name);
	auto_fd int to = openat(c->to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	const struct copy inner = {from, to, c->depth + 1, c->dirs, c->files};

	if (to < 0 || folder_list(from, &names, err) < 0)
		return err_sys(err, "cannot copy '%s'", name);
	for_each_name(entry, &names) if (copy_entry(&inner, entry, err) <
					 0) return err_wrap(err, "%s", name);
	return 0;
}

static int copy_entry(const struct copy *c, const char *name, struct err *err)
{
	struct stat st;

	if (fstatat(c->from, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : err_sys(err, "cannot read '%s'", name);
	if (S_ISDIR(st.st_mode))
		return copy_folder(c, name, err);
	if (c->files && S_ISLNK(st.st_mode))
		return copy_link(c, name, err);
	if (c->files && S_ISREG(st.st_mode))
		return copy_file(c, name, err);
	return 0;
}

/* Copy /PATH of the host to PATH below `root`; absent there is fine. */
static int copy_path(int root, const char *path, bool files, unsigned *dirs, struct err *err)
{
	char parent[PATH_MAX];
	const char *slash = strrchr(path, '/');
	size_t len = slash ? (size_t)(slash - path) : 0;

	(void)memcpy(parent, path, len);
	parent[len] = '\0';
	auto_fd int host = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	auto_fd int from = openat(host, len ? parent : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (from < 0)
		return errno == ENOENT ? 0 : err_sys(err, "cannot open '/%s'", parent);
	if (len && mkdir_beneath(root, parent, 0755, err) < 0)
		return -1;
	auto_fd int to = openat(root, len ? parent : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	const struct copy c = {from, to, 0, dirs, files};

	if (to < 0)
		return err_sys(err, "cannot open '%s' of the skeleton", parent);
	return copy_entry(&c, slash ? slash + 1 : path, err);
}

/* ---- the two skeletons ---- */

static int open_new(int dir, const char *name, struct err *err)
{
	if (mkdirat(dir, name, 0755) < 0)
		return err_sys(err, "cannot make the skeleton's '%s'", name);
	int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? err_sys(err, "cannot open the skeleton's '%s'", name) : fd;
}

static int make_folders(int root, struct err *err)
{
	for (size_t i = 0; i < COUNT(folders); i++) {
		if (mkdir_beneath(root, folders[i].path, 0755, err) < 0)
			return -1;
		if (fchmodat(root, folders[i].path, folders[i].mode, 0) < 0)
			return err_sys(err, "cannot set the mode of '%s'", folders[i].path);
	}
	return 0;
}

static int make_files(int root, struct err *err)
{
	for (size_t i = 0; i < COUNT(made); i++)
		if (file_put(root, made[i].path, made[i].text, strlen(made[i].text), 0644, err) < 0)
			return -1;
	return 0;
}

int skeleton_make_root(int dir, struct err *err)
{
	auto_fd int root = open_new(dir, "root", err);
	unsigned dirs = DIRS_MAX;
	struct stat st;
	char path[16] = "/";

	if (root < 0 || make_folders(root, err) < 0 || make_files(root, err) < 0)
		return err_wrap(err, "making the host's skeleton");
	for (size_t i = 0; i < COUNT(copied); i++)
		if (copy_path(root, copied[i], true, &dirs, err) < 0)
			return err_wrap(err, "copying the host's /%s", copied[i]);
	for (size_t i = 0; i < COUNT(links); i++) {
		(void)stpncpy(path + 1, links[i], sizeof(path) - 2);
		/* A real directory is mounted, but needs a place to be mounted at. */
		if (lstat(path, &st) == 0 && S_ISDIR(st.st_mode)) {
			if (mkdir_beneath(root, links[i], 0755, err) < 0)
				return -1;
		} else if (copy_path(root, links[i], true, &dirs, err) < 0) {
			return -1;
		}
	}
	return 0;
}

int skeleton_make_usr(int dir, struct err *err)
{
	static const char *const owned[] = {"usr/lib/python3/dist-packages", "usr/local"};
	auto_fd int usr = open_new(dir, "usr", err);
	unsigned dirs = DIRS_MAX;

	if (usr < 0)
		return -1;
	/* copy_path() makes `usr` below `dir`, which is the one just made. */
	for (size_t i = 0; i < COUNT(owned); i++)
		if (copy_path(dir, owned[i], false, &dirs, err) < 0)
			return err_wrap(err, "making the directories of /%s", owned[i]);
	return 0;
}
