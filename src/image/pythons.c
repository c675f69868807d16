/*
 * pythons: the Pythons that a root has outside of any tool cache, as an image of
 * somebody else's has them. Nothing of it is run: what a Python is called says
 * 3.11, and files beside it, or the list of packages, say which 3.11.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "image/compose.h"
#include "image/folder.h"
#include "image/version.h"
#include "stepcell/fd.h"
#include "stepcell/limits.h"
#include "stepcell/path.h"
#include "stepcell/util.h"

#define LISTED (64 * MIB) /* dpkg's list of a large image has 3 MiB */

struct python {
	struct arena *arena;
	int root;
	const char *prefix, *minor; /* "usr/local", "3.11" */
};

/* A file of the image, wherever its links lead inside of it; false where there is none. */
static bool read_file(int root, const char *path, struct strbuf *out)
{
	struct err ignored;
	struct stat st;
	auto_fd int fd = open_in_root(root, path, O_RDONLY | O_NONBLOCK, 0, &ignored);

	return fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
	       read_capped(fd, out, &ignored) == 0;
}

/* From `from` on: what stands in `text` behind a line's beginning, up to one of `ends`. */
static const char *line_value(struct arena *a, const char *text, const char *key, const char *ends)
{
	const char *at = text ? strstr(text, key) : NULL;

	return at ? arena_strndup(a, at + strlen(key), strcspn(at + strlen(key), ends)) : NULL;
}

/* ---- who says which ---- */

static const char *of_header(const struct python *p)
{
	auto_strbuf struct strbuf text = STRBUF(64 * KIB);

	if (!read_file(
		    p->root,
		    arena_printf(p->arena, "%s/include/python%s/patchlevel.h", p->prefix, p->minor),
		    &text))
		return NULL;
	return line_value(p->arena, strstr(text.text, "#define PY_VERSION "), "\"", "\"+\n");
}

/* 3.11.2-6+deb12u6 is 3.11.2, and 3.13.0~rc2-1 is 3.13.0rc2. */
static const char *of_dpkg(const struct python *p)
{
	auto_strbuf struct strbuf text = STRBUF(LISTED);
	const char *version;
	char *tilde;

	if (!read_file(p->root, "var/lib/dpkg/status", &text))
		return NULL;
	version = line_value(
		p->arena,
		strstr(text.text, arena_printf(p->arena, "Package: python%s-minimal\n", p->minor)),
		"\nVersion: ", "-+\n");
	tilde = version ? strchr(version, '~') : NULL;
	if (tilde)
		(void)memmove(tilde, tilde + 1, strlen(tilde));
	return version;
}

static const char *of_apk(const struct python *p)
{
	auto_strbuf struct strbuf text = STRBUF(LISTED);

	if (!read_file(p->root, "lib/apk/db/installed", &text))
		return NULL;
	return line_value(p->arena, strstr(text.text, "P:python3\n"), "\nV:", "-_\n");
}

/* A version of the minor one that the file's name has, or NULL. */
static const char *full_version(const struct python *p)
{
	static const char *(*const sayers[])(const struct python *) = {of_header, of_dpkg, of_apk};
	size_t len = strlen(p->minor);
	struct version v;

	for (size_t i = 0; i < COUNT(sayers); i++) {
		const char *version = sayers[i](p);

		if (version && version_parse(version, &v) && strncmp(version, p->minor, len) == 0 &&
		    version[len] == '.')
			return version;
	}
	return NULL;
}

/* ---- where they are ---- */

static bool is_known(const struct manifest *m, const char *version)
{
	for (size_t i = 0; i < m->toolchain_count; i++)
		if (strcmp(m->toolchains[i].version, version) == 0)
			return true;
	return false;
}

const char *python_minor(const char *name)
{
	static const char before[] = "python", major[] = "python3.";
	const char *digits = name + strlen(major);

	if (strncmp(name, major, strlen(major)) != 0 || !*digits ||
	    strspn(digits, "0123456789") != strlen(digits) || strlen(digits) > 3)
		return NULL;
	return name + strlen(before);
}

static bool is_program(int root, const char *path)
{
	struct err ignored;
	struct stat st;
	auto_fd int fd = open_in_root(root, path, O_PATH, 0, &ignored);

	return fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && (st.st_mode & 0111);
}

static int look_in(struct arena *a, int root, const char *prefix, struct manifest *m,
		   struct err *err)
{
	auto_strbuf struct strbuf names = STRBUF(MIB);
	auto_fd int bin = open_in_root(root, arena_printf(a, "%s/bin", prefix),
				       O_RDONLY | O_DIRECTORY, 0, err);

	if (bin < 0)
		return 0;
	if (folder_list(bin, &names, err) < 0)
		return -1;
	for_each_name(name, &names)
	{
		struct python p = {a, root, prefix, python_minor(name)};
		const char *version;

		if (!p.minor || !is_program(root, arena_printf(a, "%s/bin/%s", prefix, name)))
			continue;
		version = full_version(&p);
		if (version && !is_known(m, version))
			manifest_add_toolchain(a, m,
					       (struct manifest_toolchain){
						       .version = version,
						       .path = arena_printf(a, "/%s", prefix)});
	}
	return 0;
}

int find_pythons(struct arena *a, int root, struct manifest *m, struct err *err)
{
	static const char *const prefixes[] = {"usr/local", "usr"};

	for (size_t i = 0; i < COUNT(prefixes); i++)
		if (look_in(a, root, prefixes[i], m, err) < 0)
			return err_wrap(err, "looking for Pythons in /%s", prefixes[i]);
	return 0;
}
