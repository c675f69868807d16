/*
 * Writing an archive's entries.
 *
 * Every path is walked by the kernel inside the root (openat2, RESOLVE_IN_ROOT):
 * a link on the way leads where it would lead in a container, never out. The
 * last component is never followed: whatever is there is replaced, but for a
 * folder that meets a folder. Modes and times go through descriptors. All files
 * belong to who unpacks; the archive's owners are noted and left to the caller.
 */
#include "image/writer.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "image/whiteout.h"
#include "stepcell/digest.h"
#include "stepcell/fd.h"
#include "stepcell/limits.h"
#include "stepcell/path.h"
#include "stepcell/strbuf.h"

#define FLUSH_FROM (256 * KIB) /* a call for less costs more than it gains */

void writer_init(struct writer *w, int root)
{
	*w = (struct writer){
		.root = root,
		.parent = -1,
		.max_bytes = LIMIT_IMAGE_BYTES,
		.max_entries = LIMIT_IMAGE_ENTRIES,
		.umask = umask(0),
	};
	(void)umask(w->umask);
}

void writer_release(struct writer *w)
{
	fd_close(&w->parent);
	free(w->parent_path);
	w->parent_path = NULL;
	inodes_release(&w->inodes);
}

mode_t writer_mode(enum entry_kind kind, mode_t mode)
{
	switch (kind) {
	case ENTRY_FOLDER:
		return (mode & 01777) | 0700;
	case ENTRY_LINK:
		return 0777;
	default:
		return (mode & 0777) | 0400;
	}
}

/* ---- names ---- */

/* "./a//b/" to "a/b", and "." to "". */
static int clean_path(const char *path, struct strbuf *out, struct err *err)
{
	unsigned depth = 0;

	for (size_t len; *(path += strspn(path, "/")); path += len) {
		len = strcspn(path, "/");
		if (len == 1 && path[0] == '.')
			continue;
		if (len == 2 && path[0] == '.' && path[1] == '.')
			return err_fail(err, ERR_USAGE, "a path with '..'");
		if (len > NAME_MAX || ++depth > WRITER_DEPTH)
			return err_fail(err, ERR_USAGE, "a path that is too long or too deep");
		if (out->len)
			strbuf_addc(out, '/');
		strbuf_add(out, path, len);
	}
	return out->full ? err_fail(err, ERR_USAGE, "a path that is too long") : 0;
}

static int open_folder(int root, const char *path, struct err *err)
{
	return open_in_root(root, *path ? path : ".", O_PATH | O_DIRECTORY, 0, err);
}

/* Open a folder that may be missing, from its first component down. */
static int make_folders(int root, char *path, struct err *err)
{
	auto_fd int at = open_folder(root, "", err);

	for (char *p = path, *slash; at >= 0 && *p; p = slash + 1) {
		slash = strchrnul(p, '/');
		char after = *slash;

		*slash = '\0';
		int next = open_folder(root, path, err);

		if (next < 0 && err->sys == ENOENT && mkdirat(at, p, 0755) == 0)
			next = open_folder(root, path, err);
		*slash = after;
		fd_close(&at);
		at = next;
		if (!after)
			break;
	}
	return take_fd(&at);
}

static void forget_parent(struct writer *w)
{
	free(w->parent_path);
	w->parent_path = NULL;
	fd_close(&w->parent);
}

/*
 * The folder of a path, and the name in it. Archives list a folder's entries
 * together, so the last one is kept open.
 */
static int enter_parent(struct writer *w, char *path, const char **name, struct err *err)
{
	char *slash = strrchr(path, '/');
	char *folder = slash ? path : strchr(path, '\0');

	*name = slash ? slash + 1 : path;
	if (slash)
		*slash = '\0';
	if (w->parent < 0 || strcmp(w->parent_path, folder) != 0) {
		forget_parent(w);
		w->parent_path = strdup(folder);
		w->parent = open_folder(w->root, folder, err);
		if (w->parent < 0 && err->sys == ENOENT)
			w->parent = make_folders(w->root, folder, err);
	}
	return w->parent < 0 || !w->parent_path ? -1 : 0;
}

/* What lies in the way goes, and with it every descriptor that may lead into it. */
static int clear_way(struct writer *w, const char *name, struct err *err)
{
	auto_fd int parent = fcntl(w->parent, F_DUPFD_CLOEXEC, 0);

	forget_parent(w);
	if (parent < 0 || remove_tree(parent, name, err) < 0)
		return -1;
	w->parent = take_fd(&parent);
	w->parent_path = strdup("//"); /* no path is that: the next entry looks anew */
	return w->parent_path ? 0 : -1;
}

/* ---- contents ---- */

struct content {
	block_fn *blocks;
	void *arg;
};

static int note_inode(struct writer *w, const struct entry *e, int dir, const char *name,
		      struct inode_note **out, struct err *err)
{
	struct stat st;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH) < 0)
		return err_sys(err, "cannot read what was written");
	*out = inodes_put(&w->inodes, st.st_ino);
	(*out)->uid = e->uid;
	(*out)->gid = e->gid;
	(*out)->mode = e->mode & 07777;
	(*out)->mtime = e->mtime;
	(*out)->attributes = false;
	return 0;
}

/* A hole is zeros to whoever reads the file, and so to its hash. */
static int digest_hole(struct writer *w, struct digest_stream *digest, uint64_t len,
		       struct err *err)
{
	static const char zeros[64 * 1024];

	if (len > WRITER_HOLES - w->holes)
		return err_fail(err, ERR_USAGE, "more than %llu bytes of holes",
				(unsigned long long)WRITER_HOLES);
	w->holes += len;
	for (; len > sizeof(zeros); len -= sizeof(zeros))
		digest_add(digest, zeros, sizeof(zeros));
	digest_add(digest, zeros, (size_t)len);
	return 0;
}

static int write_block(int fd, const void *bytes, size_t len, uint64_t offset, struct err *err)
{
	const char *p = bytes;

	while (len) {
		ssize_t n = pwrite(fd, p, len, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return err_sys(err, "cannot write");
		p += n;
		len -= (size_t)n;
		offset += (uint64_t)n;
	}
	return 0;
}

static int write_blocks(struct writer *w, int fd, const struct entry *e, const struct content *c,
			struct digest_stream *digest, struct err *err)
{
	uint64_t at = 0, offset;
	const void *bytes;
	size_t len;
	int r;

	while ((r = c->blocks(c->arg, &bytes, &len, &offset, err)) > 0) {
		if (offset < at || offset > e->size || len > e->size - offset)
			return err_fail(err, ERR_USAGE, "data outside the file's size");
		if (digest_hole(w, digest, offset - at, err) < 0)
			return -1;
		digest_add(digest, bytes, len);
		if (write_block(fd, bytes, len, offset, err) < 0)
			return -1;
		at = offset + len;
	}
	if (r < 0 || digest_hole(w, digest, e->size - at, err) < 0)
		return -1;
	if (at < e->size && ftruncate(fd, (off_t)e->size) < 0)
		return err_sys(err, "cannot write");
	/* The disk may begin: who publishes the tree waits for all of it. */
	if (at >= FLUSH_FROM)
		(void)sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE);
	return 0;
}

/* Only a file that its owner may write can be given any. */
static int set_attributes(const struct entry *e, int fd, mode_t mode, bool *any, struct err *err)
{
	*any = false;
	if (!e->attribute_count)
		return 0;
	if (fchmod(fd, mode | 0200) < 0)
		return err_sys(err, "cannot set the mode");
	return attributes_set(fd, e->attributes, e->attribute_count, any, err);
}

static int finish_file(struct writer *w, const struct entry *e, int fd,
		       struct digest_stream **digest, struct err *err)
{
	const struct timespec times[2] = {e->mtime, e->mtime};
	const mode_t mode = writer_mode(e->kind, e->mode);
	struct inode_note *note = NULL;
	bool any;

	if (set_attributes(e, fd, mode, &any, err) < 0)
		return -1;
	if (((e->attribute_count || (mode & w->umask)) && fchmod(fd, mode) < 0) ||
	    futimens(fd, times) < 0)
		return err_sys(err, "cannot set mode and time");
	if (note_inode(w, e, fd, "", &note, err) < 0)
		return -1;
	note->attributes = any;
	digest_end_raw(digest, note->sha256);
	return 0;
}

/* ---- one function a kind; each finds its way cleared when it says EEXIST ---- */

static int add_file(struct writer *w, const struct entry *e, const char *name,
		    const struct content *c, struct err *err)
{
	auto_fd int fd =
		openat(w->parent, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
		       writer_mode(e->kind, e->mode));
	struct digest_stream *digest;
	int r;

	if (fd < 0)
		return err_sys(err, "cannot create");
	digest = digest_new();
	r = write_blocks(w, fd, e, c, digest, err);
	if (r == 0)
		r = finish_file(w, e, fd, &digest, err);
	if (digest)
		digest_end(&digest, NULL);
	return r;
}

static int add_folder(struct writer *w, const struct entry *e, const char *name,
		      const struct content *c, struct err *err)
{
	struct inode_note *note = NULL;
	struct stat st;
	bool any = false, made;

	(void)c;
	made = mkdirat(w->parent, name, 0700) == 0;
	if (!made && (errno != EEXIST || fstatat(w->parent, name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
		      !S_ISDIR(st.st_mode))) {
		errno = EEXIST;
		return err_sys(err, "cannot create");
	}
	auto_fd int fd = openat(w->parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0 || fchmod(fd, writer_mode(e->kind, e->mode)) < 0)
		return err_sys(err, "cannot set the mode");
	/* one that was there has what this layer says, and no more */
	if ((!made || e->attribute_count) &&
	    attributes_set(fd, e->attributes, e->attribute_count, &any, err) < 0)
		return -1;
	if (note_inode(w, e, fd, "", &note, err) < 0)
		return -1;
	note->attributes = any;
	return 0;
}

static int add_link(struct writer *w, const struct entry *e, const char *name,
		    const struct content *c, struct err *err)
{
	const struct timespec times[2] = {e->mtime, e->mtime};
	struct inode_note *note;

	(void)c;
	if (!e->target || !*e->target || strlen(e->target) > LIMIT_PATH)
		return err_fail(err, ERR_USAGE, "a link without a target, or with one too long");
	if (symlinkat(e->target, w->parent, name) < 0 ||
	    utimensat(w->parent, name, times, AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(err, "cannot create");
	return note_inode(w, e, w->parent, name, &note, err);
}

static int add_hardlink(struct writer *w, const struct entry *e, const char *name,
			const struct content *c, struct err *err)
{
	auto_strbuf struct strbuf target = STRBUF(LIMIT_PATH);
	struct stat st;

	(void)c;
	if (!e->target || clean_path(e->target, &target, err) < 0 || !target.len)
		return err_fail(err, ERR_USAGE, "a hard link to nowhere");
	char *slash = strrchr(target.text, '/');
	const char *last = slash ? slash + 1 : target.text;

	if (slash)
		*slash = '\0';
	auto_fd int from = open_folder(w->root, slash ? target.text : "", err);

	if (from < 0)
		return -1;
	if (fstatat(from, last, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(err, "cannot find the hard link's target '%s'", e->target);
	if (S_ISDIR(st.st_mode))
		return err_fail(err, ERR_USAGE, "a hard link to a directory");
	if (linkat(from, last, w->parent, name, 0) < 0)
		return err_sys(err, "cannot link");
	return 0;
}

static int add_root(struct writer *w, const struct entry *e, struct err *err)
{
	struct inode_note *note;

	if (e->kind != ENTRY_FOLDER)
		return err_fail(err, ERR_USAGE, "the root can only be a directory");
	if (fchmodat(w->root, ".", writer_mode(e->kind, e->mode), 0) < 0)
		return err_sys(err, "cannot set the mode");
	return note_inode(w, e, w->root, "", &note, err);
}

static int (*const adders[])(struct writer *w, const struct entry *e, const char *name,
			     const struct content *c, struct err *err) = {
	[ENTRY_FILE] = add_file,
	[ENTRY_FOLDER] = add_folder,
	[ENTRY_LINK] = add_link,
	[ENTRY_HARDLINK] = add_hardlink,
};

static int count_entry(struct writer *w, const struct entry *e, struct err *err)
{
	if (++w->entries > w->max_entries)
		return err_fail(err, ERR_USAGE, "more than %llu entries",
				(unsigned long long)w->max_entries);
	for (size_t i = 0; i < e->attribute_count; i++)
		w->bytes += e->attributes[i].len;
	if (e->kind != ENTRY_FILE)
		return 0;
	/* The size that it claims: a sparse file costs no disk, but whoever reads it. */
	if (e->size > w->max_bytes || (w->bytes += e->size) > w->max_bytes)
		return err_fail(err, ERR_USAGE, "more than %llu bytes",
				(unsigned long long)w->max_bytes);
	return 0;
}

/* Place it, once more where something was in the way. */
static int place(struct writer *w, const struct entry *e, char *path, const struct content *c,
		 struct err *err)
{
	const char *name;
	struct stat st;

	if (enter_parent(w, path, &name, err) < 0)
		return -1;
	if (adders[e->kind](w, e, name, c, err) < 0 &&
	    (err->sys != EEXIST || clear_way(w, name, err) < 0 ||
	     adders[e->kind](w, e, name, c, err) < 0))
		return -1;
	if (!w->written)
		return 0;
	if (fstat(w->parent, &st) < 0)
		return err_sys(err, "cannot read its directory");
	written_add(w->written, st.st_ino, name);
	return 0;
}

/* A whiteout in a folder that no layer has hides nothing. */
static int apply_whiteout(struct writer *w, enum whiteout what, char *path, const char *hidden,
			  struct err *err)
{
	char *slash = strrchr(path, '/');

	if (!w->written)
		return 0;
	if (slash)
		*slash = '\0';
	auto_fd int dir = open_folder(w->root, slash ? path : "", err);

	if (dir < 0)
		return err->sys == ENOENT || err->sys == ENOTDIR ? 0 : -1;
	forget_parent(w);
	return what == WHITEOUT_OPAQUE ? whiteout_all(w->written, dir, err)
				       : whiteout_apply(w->written, dir, hidden, err);
}

/* A device is left out; its folder is not, and what it replaces goes. */
static int skip(struct writer *w, char *path, struct err *err)
{
	const char *name;

	w->skipped++;
	if (!*path)
		return 0;
	if (enter_parent(w, path, &name, err) < 0)
		return -1;
	if (!w->written)
		return 0;
	auto_fd int dir = take_fd(&w->parent);

	forget_parent(w);
	return whiteout_apply(w->written, dir, name, err);
}

static int add(struct writer *w, const struct entry *e, const struct content *c, struct err *err)
{
	auto_strbuf struct strbuf path = STRBUF(LIMIT_PATH);
	enum whiteout whiteout = WHITEOUT_NONE;
	const char *hidden = NULL;

	if (count_entry(w, e, err) < 0 || clean_path(e->path, &path, err) < 0 ||
	    (w->layers && whiteout_of(path.text, &whiteout, &hidden, err) < 0))
		return -1;
	if (whiteout == WHITEOUT_NAME || whiteout == WHITEOUT_OPAQUE)
		return apply_whiteout(w, whiteout, path.text, hidden, err);
	if (whiteout == WHITEOUT_AUX)
		return 0;
	if (e->kind == ENTRY_OTHER)
		return skip(w, path.text, err);
	return path.len ? place(w, e, path.text, c, err) : add_root(w, e, err);
}

int writer_add(struct writer *w, const struct entry *entry, block_fn *blocks, void *arg,
	       struct err *err)
{
	const struct content content = {blocks, arg};
	struct entry kept = *entry;

	if (w->plain) {
		kept.mode = entry->kind == ENTRY_FOLDER || entry->mode & 0100 ? 0755 : 0644;
		kept.attribute_count = 0;
	}
	if (add(w, &kept, &content, err) < 0)
		return err_wrap(err, "entry '%.200s'", entry->path);
	return 0;
}
