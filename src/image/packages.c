#include "image/packages.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>

#include "image/folder.h"
#include "image/scan.h"
#include "stepcell/fd.h"
#include "stepcell/limits.h"
#include "stepcell/path.h"
#include "stepcell/util.h"

/* Spaces part the words of a line: what has some, or cannot be printed, is written as in a list. */
static void add_package(struct strbuf *out, const char *kind, const char *name, const char *version)
{
	strbuf_addf(out, "%s ", kind);
	scan_escape(out, name);
	strbuf_addc(out, ' ');
	scan_escape(out, version);
	strbuf_addc(out, '\n');
}

/* ---- dpkg ---- */

struct paragraph {
	const char *name, *version, *status;
};

/* The value of "KEY: value", when the line is of that key. */
static const char *value_of(const char *line, const char *key)
{
	size_t len = strlen(key);

	if (strncmp(line, key, len) != 0 || line[len] != ':')
		return NULL;
	return line + len + 1 + strspn(line + len + 1, " \t");
}

static void take_line(struct paragraph *p, const char *line)
{
	const struct {
		const char *key, **value;
	} keys[] = {{"Package", &p->name}, {"Version", &p->version}, {"Status", &p->status}};

	for (size_t i = 0; i < COUNT(keys); i++) {
		const char *value = value_of(line, keys[i].key);

		if (value)
			*keys[i].value = value;
	}
}

/* An empty line ends a paragraph. A package that was removed keeps one, with another status. */
static void end_paragraph(struct paragraph *p, struct strbuf *out)
{
	if (p->name && p->version && (!p->status || strstr(p->status, " installed")))
		add_package(out, "debian", p->name, p->version);
	*p = (struct paragraph){0};
}

void packages_of_status(char *text, struct strbuf *out)
{
	struct paragraph p = {0};

	for (char *end; *text; text = end + 1) {
		end = strchrnul(text, '\n');
		if (end == text)
			end_paragraph(&p, out);
		if (!*end)
			break;
		*end = '\0';
		take_line(&p, text);
	}
	end_paragraph(&p, out);
}

static int read_database(int dir, const char *path, struct strbuf *out, struct err *err)
{
	auto_strbuf struct strbuf text = STRBUF(LIMIT_PACKAGES_BYTES);
	auto_fd int fd = open_in_root(dir, path, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0, err);

	if (fd < 0)
		return err->sys == ENOENT || err->sys == ENOTDIR ? 0 : -1;
	if (read_capped(fd, &text, err) < 0)
		return err_wrap(err, "'%s'", path);
	packages_of_status(text.text, out);
	return 0;
}

/* Images without dpkg itself have a file a package. */
static int read_parts(int root, struct strbuf *out, struct err *err)
{
	auto_strbuf struct strbuf names = STRBUF(MIB);
	auto_fd int dir =
		open_in_root(root, "var/lib/dpkg/status.d", O_RDONLY | O_DIRECTORY, 0, err);

	if (dir < 0)
		return err->sys == ENOENT || err->sys == ENOTDIR ? 0 : -1;
	if (folder_list(dir, &names, err) < 0)
		return -1;
	for_each_name(name, &names)
	{
		const size_t len = strlen(name);

		if (len > 8 && strcmp(name + len - 8, ".md5sums") == 0)
			continue;
		if (read_database(dir, name, out, err) < 0)
			return -1;
	}
	return 0;
}

/* ---- Python ---- */

/* NAME-VERSION, or NAME-VERSION-py3.11, at most `len` bytes of it. */
static void add_python(const char *name, size_t len, struct strbuf *out)
{
	const char *dash = memchr(name, '-', len);
	const size_t name_len = dash ? (size_t)(dash - name) : len;
	const char *version = dash ? dash + 1 : name + len;
	size_t version_len = len - (size_t)(version - name);
	const char *tag = memmem(version, version_len, "-py", 3);

	if (tag)
		version_len = (size_t)(tag - version);
	strbuf_addf(out, "python %.*s %.*s\n", (int)name_len, name, (int)version_len, version);
}

/* A line of the list is of a package's folder (or of its one file) when its path ends so. */
static void take_path(const char *path, struct strbuf *out)
{
	static const char *const ends[] = {".dist-info", ".egg-info"};
	static const char *const places[] = {"site-packages/", "dist-packages/"};
	const char *name = strrchr(path, '/');
	const size_t len = name ? strlen(++name) : 0;
	bool placed = false;

	for (size_t i = 0; name && i < COUNT(places); i++) {
		const size_t before = strlen(places[i]);

		placed |= (size_t)(name - path) >= before &&
			  memcmp(name - before, places[i], before) == 0;
	}
	for (size_t i = 0; placed && i < COUNT(ends); i++) {
		const size_t end = strlen(ends[i]);

		if (len > end && strcmp(name + len - end, ends[i]) == 0)
			add_python(name, len - end, out);
	}
}

void packages_of_list(char *text, struct strbuf *out)
{
	for (char *end; (end = strchr(text, '\n')); text = end + 1) {
		*end = '\0';
		/* the path is the last word of both: escaped, it has no space */
		if (*text == 'd' || *text == 'f')
			take_path(strrchr(text, ' ') ? strrchr(text, ' ') + 1 : text, out);
	}
}

static int add_pythons(int tree, struct strbuf *out, struct err *err)
{
	auto_strbuf struct strbuf list = STRBUF(SCAN_MANIFEST);

	if (file_read(tree, "manifest", &list, err) < 0)
		return -1;
	packages_of_list(list.text, out);
	return 0;
}

int packages_of_tree(int tree, struct strbuf *out, struct err *err)
{
	auto_fd int root = open_nolinks(tree, "root", O_RDONLY | O_DIRECTORY, 0, err);

	if (root < 0 || read_database(root, "var/lib/dpkg/status", out, err) < 0 ||
	    read_parts(root, out, err) < 0 || add_pythons(tree, out, err) < 0)
		return -1;
	return out->full ? err_fail(err, ERR_USAGE, "too many packages") : 0;
}
