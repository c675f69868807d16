#include "image/scan.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "image/attributes.h"
#include "image/folder.h"
#include "image/stamps.h"
#include "image/writer.h"
#include "stepcell/digest.h"
#include "stepcell/fd.h"
#include "stepcell/limits.h"
#include "stepcell/util.h"

static void escape(struct strbuf *out, const void *bytes, size_t len, char also)
{
	for (const unsigned char *p = bytes; len; p++, len--) {
		if (*p > ' ' && *p < 0x7f && *p != '\\' && *p != (unsigned char)also)
			strbuf_addc(out, (char)*p);
		else
			strbuf_addf(out, "\\%03o", *p);
	}
}

void scan_escape(struct strbuf *out, const char *text)
{
	escape(out, text, strlen(text), '\\');
}

/* One byte of an escaped text, and where the next begins; -1 where it is none. */
static int unescape_byte(const char **text)
{
	const char *p = *text;

	*text += 1;
	if (*p != '\\')
		return (unsigned char)*p;
	if (p[1] < '0' || p[1] > '3' || p[2] < '0' || p[2] > '7' || p[3] < '0' || p[3] > '7')
		return -1;
	*text += 3;
	return (p[1] - '0') * 64 + (p[2] - '0') * 8 + (p[3] - '0');
}

int scan_unescape(const char *text, char *out, size_t size)
{
	size_t n = 0;

	while (*text) {
		int byte = unescape_byte(&text);

		if (byte <= 0 || n + 1 >= size) {
			errno = byte <= 0 ? EINVAL : ENAMETOOLONG;
			return -1;
		}
		out[n++] = (char)byte;
	}
	out[n] = '\0';
	return 0;
}

/* ---- what may have been changed ---- */

/* An attribute that a lower layer must not have: overlayfs would act on it. */
static bool has_odd_attribute(int fd)
{
	static const char *const odd[] = {"user.overlay.", "trusted.overlay.",
					  "security.capability"};
	char names[4096];
	ssize_t n = flistxattr(fd, names, sizeof(names) - 1);

	if (n < 0)
		return errno == ERANGE;
	names[n] = '\0';
	for (const char *p = names; p < names + n; p += strlen(p) + 1)
		for (size_t i = 0; i < COUNT(odd); i++)
			if (strncmp(p, odd[i], strlen(odd[i])) == 0)
				return true;
	return false;
}

static bool is_odd(const struct scan *s, int dir, const char *name, const struct stat *st)
{
	struct attributes kept;
	auto_fd int fd = -1;
	struct err too_many;

	if (st->st_uid != s->owner)
		return true;
	if (S_ISLNK(st->st_mode))
		return false;
	if (!S_ISREG(st->st_mode) && !S_ISDIR(st->st_mode))
		return true;
	fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	return fd < 0 || has_odd_attribute(fd) || attributes_get(fd, &kept, &too_many) < 0;
}

/* ---- its list ---- */

static int add_digest(struct scan *s, int dir, const char *name, const struct inode_note *note,
		      struct err *err)
{
	struct digest digest;

	if (note) {
		for (size_t i = 0; i < sizeof(note->sha256); i++)
			strbuf_addf(s->manifest, "%02x", note->sha256[i]);
		return 0;
	}
	auto_fd int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		return err_sys(err, "cannot open '%s'", name);
	if (digest_of_fd(fd, &digest, err) < 0)
		return -1;
	strbuf_adds(s->manifest, digest.hex);
	return 0;
}

/* Who wrote the tree has noted which files have any: nearly none. */
static int add_attributes(struct scan *s, int dir, const char *name, const struct inode_note *note,
			  struct err *err)
{
	struct attributes kept;
	auto_fd int fd = -1;

	if (note && !note->attributes)
		return 0;
	fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return err_sys(err, "cannot open '%s'", name);
	if (attributes_get(fd, &kept, err) < 0)
		return err_wrap(err, "'%s'", name);
	for (size_t i = 0; i < kept.count; i++) {
		strbuf_addc(s->manifest, ' ');
		escape(s->manifest, kept.list[i].name, strlen(kept.list[i].name), '=');
		strbuf_addc(s->manifest, '=');
		escape(s->manifest, kept.list[i].value, kept.list[i].len, '\\');
	}
	return 0;
}

/* Owners are squashed and set-id bits stripped: this is what tells what they were. */
static void add_owner(struct scan *s, const struct inode_note *note, mode_t mode, const char *path)
{
	if (!s->owners || !note || S_ISLNK(mode) ||
	    (!note->uid && !note->gid && note->mode == (mode & 07777)))
		return;
	strbuf_addf(s->owners, "%o %u %u ", note->mode, note->uid, note->gid);
	scan_escape(s->owners, path);
	strbuf_addc(s->owners, '\n');
}

static int scan_folder(struct scan *s, int dir, struct strbuf *path, unsigned depth,
		       struct err *err);

static int enter_folder(struct scan *s, int dir, const char *name, const struct inode_note *note,
			struct strbuf *path, unsigned depth, struct err *err)
{
	auto_fd int inner = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (inner < 0)
		return err_sys(err, "cannot open '%s'", path->text);
	if (scan_folder(s, inner, path, depth + 1, err) < 0)
		return -1;
	if (note && futimens(inner, (const struct timespec[2]){note->mtime, note->mtime}) < 0)
		return err_sys(err, "cannot set the time of '%s'", path->text);
	return 0;
}

static int scan_link(struct scan *s, int dir, const char *name, const char *path, struct err *err)
{
	char target[PATH_MAX];
	ssize_t n = readlinkat(dir, name, target, sizeof(target) - 1);

	if (n < 0)
		return err_sys(err, "cannot read link '%s'", path);
	target[n] = '\0';
	strbuf_adds(s->manifest, "l ");
	scan_escape(s->manifest, path);
	strbuf_addc(s->manifest, ' ');
	scan_escape(s->manifest, target);
	strbuf_addc(s->manifest, '\n');
	return 0;
}

static int scan_file(struct scan *s, int dir, const char *name, const struct stat *st,
		     const struct inode_note *note, const char *path, struct err *err)
{
	s->bytes += (uint64_t)st->st_size;
	strbuf_addf(s->manifest, "f %o %llu ", st->st_mode & 07777,
		    (unsigned long long)st->st_size);
	if (add_digest(s, dir, name, note, err) < 0)
		return -1;
	strbuf_addc(s->manifest, ' ');
	scan_escape(s->manifest, path);
	if (add_attributes(s, dir, name, note, err) < 0)
		return -1;
	strbuf_addc(s->manifest, '\n');
	return 0;
}

static int list_entry(struct scan *s, int dir, const char *name, struct strbuf *path,
		      unsigned depth, struct err *err)
{
	const struct inode_note *note;
	struct stat st;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(err, "cannot read '%s'", path->text);
	note = s->inodes ? inodes_get(s->inodes, st.st_ino) : NULL;
	if (++s->entries > LIMIT_IMAGE_ENTRIES)
		return err_fail(err, ERR_USAGE, "too many entries");
	if (s->doubtful && is_odd(s, dir, name, &st)) {
		strbuf_adds(s->manifest, "? ");
		scan_escape(s->manifest, path->text);
		strbuf_addc(s->manifest, '\n');
		return 0;
	}
	add_owner(s, note, st.st_mode, path->text);
	if (S_ISLNK(st.st_mode))
		return scan_link(s, dir, name, path->text, err);
	if (S_ISREG(st.st_mode))
		return scan_file(s, dir, name, &st, note, path->text, err);
	if (!S_ISDIR(st.st_mode))
		return err_fail(err, ERR_SYSTEM, "'%s' is no file, directory or link", path->text);
	strbuf_addf(s->manifest, "d %o ", st.st_mode & 07777);
	scan_escape(s->manifest, path->text);
	if (add_attributes(s, dir, name, note, err) < 0)
		return -1;
	strbuf_addc(s->manifest, '\n');
	return enter_folder(s, dir, name, note, path, depth, err);
}

/* When nothing of it will change any more: a folder's time is set behind its entries. */
static int add_stamp(struct scan *s, int dir, const char *name, const char *path, struct err *err)
{
	auto_strbuf struct strbuf escaped = STRBUF(20 * LIMIT_PATH);
	struct stat st;

	if (!s->stamps)
		return 0;
	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(err, "cannot read '%s'", path);
	strbuf_adds(&escaped, "root/");
	scan_escape(&escaped, path);
	stamp_add(s->stamps, &st, escaped.text);
	return 0;
}

static int scan_entry(struct scan *s, int dir, const char *name, struct strbuf *path,
		      unsigned depth, struct err *err)
{
	if (list_entry(s, dir, name, path, depth, err) < 0)
		return -1;
	return add_stamp(s, dir, name, path->text, err);
}

static int scan_folder(struct scan *s, int dir, struct strbuf *path, unsigned depth,
		       struct err *err)
{
	auto_strbuf struct strbuf names = STRBUF(64 * MIB);
	size_t len = path->len;

	if (depth > 2 * WRITER_DEPTH)
		return err_fail(err, ERR_USAGE, "directories too deep in each other");
	if (folder_list(dir, &names, err) < 0)
		return -1;
	for_each_name(name, &names)
	{
		strbuf_addf(path, "%s%s", len ? "/" : "", name);
		if (path->full)
			return err_fail(err, ERR_USAGE, "a path that is too long");
		if (scan_entry(s, dir, name, path, depth, err) < 0)
			return -1;
		strbuf_cut(path, len);
	}
	return 0;
}

int scan_tree(struct scan *scan, int root, struct err *err)
{
	auto_strbuf struct strbuf path = STRBUF(4 * LIMIT_PATH);

	if (scan_folder(scan, root, &path, 0, err) < 0)
		return err_wrap(err, "listing the tree");
	if (scan->manifest->full || (scan->stamps && scan->stamps->full))
		return err_fail(err, ERR_USAGE, "the tree's list is too long");
	return 0;
}

static int write_text(int dir, const char *name, const struct strbuf *text, struct err *err)
{
	auto_fd int fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);

	if (fd < 0 || write_full(fd, text->text, text->len) < 0)
		return err_sys(err, "cannot write the tree's %s", name);
	return 0;
}

int scan_write(int dir, int root, const struct inodes *inodes, enum scan_what what, uint64_t *bytes,
	       uint64_t *entries, struct err *err)
{
	auto_strbuf struct strbuf manifest = STRBUF(SCAN_MANIFEST);
	auto_strbuf struct strbuf owners = STRBUF(SCAN_MANIFEST);
	auto_strbuf struct strbuf stamps = STRBUF(SCAN_MANIFEST);
	struct scan scan = {
		.inodes = inodes, .manifest = &manifest, .owners = &owners, .stamps = &stamps};
	struct digest name;

	if (scan_tree(&scan, root, err) < 0 || write_text(dir, "manifest", &manifest, err) < 0)
		return -1;
	if (what == SCAN_LIST_AND_OWNERS && write_text(dir, "owners", &owners, err) < 0)
		return -1;
	name = digest_of(manifest.text, manifest.len);
	if (stamps_write(dir, dir, &name, &stamps, err) < 0)
		return -1;
	*bytes += scan.bytes;
	*entries += scan.entries;
	return 0;
}
