#include "image/copy.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "image/folder.h"
#include "stepcell/fd.h"
#include "stepcell/limits.h"

#define NAMES_BYTES (64 * MIB)

struct reader {
	int fd;
	uint64_t at, size;
	char bytes[256 * 1024];
};

static int next_block(void *arg, const void **bytes, size_t *len, uint64_t *offset, struct err *err)
{
	struct reader *r = arg;
	uint64_t left = r->size - r->at;
	ssize_t n;

	if (!left)
		return 0;
	do
		n = read(r->fd, r->bytes, left < sizeof(r->bytes) ? left : sizeof(r->bytes));
	while (n < 0 && errno == EINTR);
	if (n <= 0)
		return n < 0 ? err_sys(err, "cannot read")
			     : err_fail(err, ERR_USAGE, "it became shorter meanwhile");
	*bytes = r->bytes;
	*len = (size_t)n;
	*offset = r->at;
	r->at += (uint64_t)n;
	return 1;
}

static struct entry entry_of(enum entry_kind kind, const char *path, const struct stat *st)
{
	return (struct entry){
		.kind = kind,
		.path = path,
		.size = kind == ENTRY_FILE ? (uint64_t)st->st_size : 0,
		.mode = st->st_mode & 07777,
		.mtime = st->st_mtim,
	};
}

static int copy_file(int dir, const char *name, const char *path, struct writer *w, struct err *err)
{
	auto_fd int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct reader reader = {.fd = fd};
	struct entry entry;
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(err, "cannot open '%s'", path);
	if (!S_ISREG(st.st_mode))
		return err_fail(err, ERR_USAGE, "'%s' changed meanwhile", path);
	entry = entry_of(ENTRY_FILE, path, &st);
	reader.size = entry.size;
	return writer_add(w, &entry, next_block, &reader, err);
}

static int copy_link(int dir, const char *name, const char *path, const struct stat *st,
		     struct writer *w, struct err *err)
{
	struct entry entry = entry_of(ENTRY_LINK, path, st);
	char target[LIMIT_PATH + 1];
	ssize_t n = readlinkat(dir, name, target, sizeof(target) - 1);

	if (n < 0)
		return err_sys(err, "cannot read the link '%s'", path);
	target[n] = '\0';
	entry.target = target;
	return writer_add(w, &entry, NULL, NULL, err);
}

static int copy_entries(int dir, struct strbuf *path, struct writer *w, struct err *err);

static int copy_entry(int dir, const char *name, struct strbuf *path, struct writer *w,
		      struct err *err)
{
	auto_fd int below = -1;
	struct entry entry;
	struct stat st;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(err, "cannot read '%s'", path->text);
	if (S_ISREG(st.st_mode))
		return copy_file(dir, name, path->text, w, err);
	if (S_ISLNK(st.st_mode))
		return copy_link(dir, name, path->text, &st, w, err);
	entry = entry_of(S_ISDIR(st.st_mode) ? ENTRY_FOLDER : ENTRY_OTHER, path->text, &st);
	if (writer_add(w, &entry, NULL, NULL, err) < 0)
		return -1;
	if (entry.kind == ENTRY_OTHER)
		return 0;
	below = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (below < 0)
		return err_sys(err, "cannot open '%s'", path->text);
	return copy_entries(below, path, w, err);
}

static int copy_entries(int dir, struct strbuf *path, struct writer *w, struct err *err)
{
	auto_strbuf struct strbuf names = STRBUF(NAMES_BYTES);
	size_t before = path->len;

	if (folder_list(dir, &names, err) < 0)
		return -1;
	for_each_name(name, &names)
	{
		if (!before && strcmp(name, ".git") == 0)
			continue;
		strbuf_addf(path, "%s%s", before ? "/" : "", name);
		if (path->full)
			return err_fail(err, ERR_USAGE, "'%s': the path is too long", path->text);
		if (copy_entry(dir, name, path, w, err) < 0)
			return -1;
		strbuf_cut(path, before);
	}
	return 0;
}

int copy_folder(int from, struct writer *w, struct err *err)
{
	auto_strbuf struct strbuf path = STRBUF(LIMIT_PATH);

	return copy_entries(from, &path, w, err);
}
