#include "image/pack.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "image/attributes.h"
#include "image/folder.h"
#include "stepcell/fd.h"
#include "stepcell/limits.h"
#include "stepcell/path.h"

#define ZSTD_LEVEL "3"
#define COPY_BLOCK (256 * 1024)

/* Files with more than one name: the first is written, the others link to it. */
struct twin {
	ino_t ino;
	const char *path;
};

struct packer {
	struct archive *archive;
	struct arena *arena;
	struct twin *twins; /* of one tree */
	size_t twin_count;
	char *block;
};

static int archive_fail(struct archive *a, struct err *err)
{
	const char *why = archive_error_string(a);

	return err_fail(err, ERR_SYSTEM, "cannot write the archive: %s", why ? why : "unknown");
}

static void free_entry(struct archive_entry **e)
{
	archive_entry_free(*e);
}
#define auto_entry __attribute__((cleanup(free_entry)))

static struct archive_entry *new_entry(const char *path, const struct stat *st)
{
	struct archive_entry *e = archive_entry_new();

	if (!e)
		abort();
	archive_entry_set_pathname(e, path);
	archive_entry_set_filetype(e, st->st_mode & S_IFMT);
	archive_entry_set_perm(e, st->st_mode & 07777);
	archive_entry_set_mtime(e, st->st_mtim.tv_sec, st->st_mtim.tv_nsec);
	return e;
}

static int add_attributes(struct archive_entry *e, int fd, struct err *err)
{
	struct attributes kept;

	if (attributes_get(fd, &kept, err) < 0)
		return -1;
	for (size_t i = 0; i < kept.count; i++)
		archive_entry_xattr_add_entry(e, kept.list[i].name, kept.list[i].value,
					      kept.list[i].len);
	return 0;
}

/* ARCHIVE_WARN: a name that is not ASCII; in our locale, C's, it is written as bytes and marked so. */
static int write_header(struct packer *p, struct archive_entry *e, struct err *err)
{
	return archive_write_header(p->archive, e) < ARCHIVE_WARN ? archive_fail(p->archive, err)
								  : 0;
}

static int write_bytes(struct packer *p, const void *bytes, size_t len, struct err *err)
{
	return archive_write_data(p->archive, bytes, len) == (la_ssize_t)len
		       ? 0
		       : archive_fail(p->archive, err);
}

static int copy_file(struct packer *p, int fd, uint64_t size, struct err *err)
{
	while (size) {
		ssize_t n = read(fd, p->block, size < COPY_BLOCK ? (size_t)size : COPY_BLOCK);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return err_sys(err, "a file changed while it was read");
		if (write_bytes(p, p->block, (size_t)n, err) < 0)
			return -1;
		size -= (uint64_t)n;
	}
	return 0;
}

/* The path that an inode was written under before, or NULL; then it is noted. */
static const char *find_twin(struct packer *p, const struct stat *st, const char *path)
{
	if (st->st_nlink < 2)
		return NULL;
	for (size_t i = 0; i < p->twin_count; i++)
		if (p->twins[i].ino == st->st_ino)
			return p->twins[i].path;
	p->twins = arena_grow(p->arena, p->twins, p->twin_count, sizeof(*p->twins));
	p->twins[p->twin_count++] = (struct twin){st->st_ino, arena_strdup(p->arena, path)};
	return NULL;
}

static int pack_file(struct packer *p, int dir, const char *name, const char *path,
		     const struct stat *st, struct err *err)
{
	auto_entry struct archive_entry *e = new_entry(path, st);
	const char *twin = find_twin(p, st, path);
	auto_fd int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		return err_sys(err, "cannot open '%s'", path);
	if (twin) {
		archive_entry_set_hardlink(e, twin);
		archive_entry_set_size(e, 0);
		return write_header(p, e, err);
	}
	archive_entry_set_size(e, st->st_size);
	if (add_attributes(e, fd, err) < 0 || write_header(p, e, err) < 0 ||
	    copy_file(p, fd, (uint64_t)st->st_size, err) < 0)
		return err_wrap(err, "'%s'", path);
	return 0;
}

static int pack_link(struct packer *p, int dir, const char *name, const char *path,
		     const struct stat *st, struct err *err)
{
	auto_entry struct archive_entry *e = new_entry(path, st);
	char target[PATH_MAX];
	ssize_t n = readlinkat(dir, name, target, sizeof(target) - 1);

	if (n < 0)
		return err_sys(err, "cannot read link '%s'", path);
	target[n] = '\0';
	archive_entry_set_symlink(e, target);
	return write_header(p, e, err);
}

static int pack_folder(struct packer *p, int dir, struct strbuf *path, struct err *err);

static int pack_entry(struct packer *p, int dir, const char *name, struct strbuf *path,
		      struct err *err)
{
	struct stat st;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(err, "cannot read '%s'", path->text);
	if (S_ISLNK(st.st_mode))
		return pack_link(p, dir, name, path->text, &st, err);
	if (S_ISREG(st.st_mode))
		return pack_file(p, dir, name, path->text, &st, err);
	if (!S_ISDIR(st.st_mode))
		return err_fail(err, ERR_SYSTEM, "'%s' is no file, directory or link", path->text);
	auto_fd int inner = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (inner < 0)
		return err_sys(err, "cannot open '%s'", path->text);
	return pack_folder(p, inner, path, err);
}

/* A folder and what is in it, by name. */
static int pack_folder(struct packer *p, int dir, struct strbuf *path, struct err *err)
{
	auto_strbuf struct strbuf names = STRBUF(64 * MIB);
	size_t len = path->len;
	struct stat st;

	if (fstat(dir, &st) < 0)
		return err_sys(err, "cannot read '%s'", path->text);
	auto_entry struct archive_entry *e = new_entry(path->text, &st);

	if (add_attributes(e, dir, err) < 0 || write_header(p, e, err) < 0 ||
	    folder_list(dir, &names, err) < 0)
		return -1;
	for_each_name(name, &names)
	{
		strbuf_addf(path, "/%s", name);
		if (pack_entry(p, dir, name, path, err) < 0)
			return -1;
		strbuf_cut(path, len);
	}
	return 0;
}

static int pack_text(struct packer *p, const char *path, const struct strbuf *text, struct err *err)
{
	const struct stat st = {.st_mode = S_IFREG | 0644};
	auto_entry struct archive_entry *e = new_entry(path, &st);

	archive_entry_set_size(e, (la_int64_t)text->len);
	return write_header(p, e, err) < 0 ? -1 : write_bytes(p, text->text, text->len, err);
}

static int pack_tree(struct packer *p, struct store *store, const struct digest *tree,
		     struct err *err)
{
	auto_strbuf struct strbuf owners = STRBUF(UINT64_C(1) << 30), path = STRBUF(LIMIT_PATH);
	auto_fd int dir = open_nolinks(store->trees, tree->hex, O_RDONLY | O_DIRECTORY, 0, err);

	if (dir < 0 || file_read(dir, "owners", &owners, err) < 0)
		return -1;
	auto_fd int root = open_nolinks(dir, "root", O_RDONLY | O_DIRECTORY, 0, err);

	strbuf_addf(&path, "trees/%s/owners", tree->hex);
	if (root < 0 || pack_text(p, path.text, &owners, err) < 0)
		return -1;
	strbuf_clear(&path);
	strbuf_addf(&path, "trees/%s/root", tree->hex);
	p->twin_count = 0;
	return pack_folder(p, root, &path, err);
}

static int pack_all(struct packer *p, struct store *store, const struct manifest *m,
		    const struct strbuf *text, struct err *err)
{
	if (pack_text(p, PACK_MANIFEST, text, err) < 0)
		return -1;
	for (size_t i = 0; i < m->layer_count; i++)
		if (pack_tree(p, store, &m->layers[i].tree, err) < 0)
			return -1;
	return archive_write_close(p->archive) == ARCHIVE_OK ? 0 : archive_fail(p->archive, err);
}

static int open_archive(struct archive *a, int fd, struct err *err)
{
	/*
	 * To standard output libarchive would pad what it compressed, which zstd takes amiss.
	 * Attributes need a pax header.
	 */
	if (archive_write_add_filter_zstd(a) != ARCHIVE_OK ||
	    archive_write_set_format_pax_restricted(a) != ARCHIVE_OK ||
	    archive_write_set_options(a, "zstd:compression-level=" ZSTD_LEVEL) != ARCHIVE_OK ||
	    archive_write_set_bytes_in_last_block(a, 1) != ARCHIVE_OK ||
	    archive_write_open_fd(a, fd) != ARCHIVE_OK)
		return archive_fail(a, err);
	return 0;
}

int pack(struct store *store, const struct manifest *m, const struct strbuf *text, int fd,
	 struct err *err)
{
	auto_arena struct arena *arena = arena_new();
	struct packer p = {.archive = archive_write_new(), .arena = arena};
	int r;

	if (!p.archive)
		return err_fail(err, ERR_SYSTEM, "out of memory");
	p.block = arena_alloc(arena, COPY_BLOCK);
	r = open_archive(p.archive, fd, err);
	if (r == 0)
		r = pack_all(&p, store, m, text, err);
	(void)archive_write_free(p.archive);
	return r;
}
