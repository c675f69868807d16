#include "image/stamps.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "image/scan.h"
#include "stepcell/fd.h"
#include "stepcell/limits.h"
#include "stepcell/util.h"

/*
 * A sample is some pieces of the file, at random places: neighbours share their
 * folders, which makes them cheap to look at. What stands first in it comes on top.
 */
#define PIECE 3072
#define FIRST 512

#define HEAD       "tree "
#define HEAD_BYTES (sizeof(HEAD) - 1 + DIGEST_HEX + 1)

void stamp_add(struct strbuf *out, const struct stat *st, const char *path)
{
	strbuf_addf(out, "%llu %lld %lld.%09ld %lld.%09ld %s\n", (unsigned long long)st->st_ino,
		    (long long)st->st_size, (long long)st->st_mtim.tv_sec, st->st_mtim.tv_nsec,
		    (long long)st->st_ctim.tv_sec, st->st_ctim.tv_nsec, path);
}

/* ---- writing ---- */

static void add_head(struct strbuf *out, int tree, const struct digest *name)
{
	static const char *const first[] = {"manifest", "owners", "root"};
	struct stat st;

	strbuf_addf(out, HEAD "%s\n", name->hex);
	for (size_t i = 0; i < COUNT(first); i++)
		if (fstatat(tree, first[i], &st, AT_SYMLINK_NOFOLLOW) == 0)
			stamp_add(out, &st, first[i]);
}

int stamps_write(int to, int tree, const struct digest *name, const struct strbuf *entries,
		 struct err *err)
{
	auto_strbuf struct strbuf head = STRBUF(4 * KIB);
	auto_fd int fd = openat(to, STAMPS_FILE, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);

	add_head(&head, tree, name);
	if (fd < 0 || write_full(fd, head.text, head.len) < 0 ||
	    write_full(fd, entries->text, entries->len) < 0)
		return err_sys(err, "cannot write the tree's stamps");
	return 0;
}

/* ---- looking ---- */

/* The path of a line: what follows its fourth space. */
static const char *path_of(const char *line)
{
	for (unsigned i = 0; i < 4 && line; i++) {
		line = strchr(line, ' ');
		line = line ? line + 1 : NULL;
	}
	return line;
}

/* What has the stamp of its line is as it was: it is written once more, and compared. */
static bool line_holds(int tree, const char *line, struct strbuf *now)
{
	const char *path = path_of(line);
	char real[PATH_MAX];
	struct stat st;

	if (!path)
		return false;
	if (scan_unescape(path, real, sizeof(real)) < 0)
		return errno == ENAMETOOLONG; /* no path of one call: a full verify reads it */
	if (fstatat(tree, real, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return false;
	strbuf_clear(now);
	stamp_add(now, &st, path);
	return strncmp(now->text, line, now->len - 1) == 0;
}

/* Every whole line of a text, which is written to. */
static bool lines_hold(int tree, char *text, struct strbuf *what)
{
	auto_strbuf struct strbuf now = STRBUF(6 * LIMIT_PATH);

	for (char *end; (end = strchr(text, '\n')); text = end + 1) {
		*end = '\0';
		if (line_holds(tree, text, &now))
			continue;
		strbuf_adds(what, path_of(text) ? path_of(text) : STAMPS_FILE);
		return false;
	}
	return true;
}

static bool piece_holds(int tree, int fd, off_t at, size_t size, struct strbuf *what)
{
	char bytes[PIECE + 1];
	ssize_t n = pread(fd, bytes, size, at);
	char *text = bytes;

	if (n < 0)
		return false;
	bytes[n] = '\0';
	/* in the middle of a line, most likely */
	if (at != (off_t)HEAD_BYTES && (text = strchr(bytes, '\n')))
		text++;
	return !text || lines_hold(tree, text, what);
}

static bool head_holds(int fd, const struct digest *name)
{
	char head[HEAD_BYTES];

	return pread(fd, head, sizeof(head), 0) == (ssize_t)sizeof(head) &&
	       memcmp(head, HEAD, sizeof(HEAD) - 1) == 0 &&
	       memcmp(head + sizeof(HEAD) - 1, name->hex, DIGEST_HEX) == 0;
}

static bool sample_holds(int tree, int fd, off_t size, unsigned pieces, struct strbuf *what)
{
	uint64_t random[STAMPS_SAMPLE];

	if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random) ||
	    !piece_holds(tree, fd, HEAD_BYTES, FIRST, what))
		return false;
	for (size_t i = 0; i < pieces && i < COUNT(random); i++)
		if (!piece_holds(tree, fd, (off_t)HEAD_BYTES + (off_t)(random[i] % (uint64_t)size),
				 PIECE, what))
			return false;
	return true;
}

static bool all_hold(int tree, int fd, struct strbuf *what)
{
	auto_strbuf struct strbuf text = STRBUF(SCAN_MANIFEST);
	struct err ignored;

	return lseek(fd, HEAD_BYTES, SEEK_SET) >= 0 && read_capped(fd, &text, &ignored) == 0 &&
	       lines_hold(tree, text.text, what);
}

bool stamps_hold(int tree, const struct digest *name, unsigned pieces, struct strbuf *what)
{
	auto_fd int fd = openat(tree, STAMPS_FILE, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	strbuf_clear(what);
	if (fd >= 0 && fstat(fd, &st) == 0 && head_holds(fd, name)) {
		off_t size = st.st_size - (off_t)HEAD_BYTES;

		return pieces == STAMPS_ALL || size <= PIECE
			       ? all_hold(tree, fd, what)
			       : sample_holds(tree, fd, size, pieces, what);
	}
	strbuf_adds(what, STAMPS_FILE);
	return false;
}
