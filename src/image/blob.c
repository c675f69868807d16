/*
 * Blobs, and every other small file of the store: written in the staging
 * folder, flushed, renamed, and the folder flushed before anybody goes on. What
 * is published later never names something that a crash could take back.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "image/store.h"
#include "stepcell/fd.h"
#include "stepcell/limits.h"

#define STAGED "file"

static int write_staged(int dir, const void *bytes, size_t len, mode_t mode, struct err *err)
{
	auto_fd int fd = openat(dir, STAGED, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);

	if (fd < 0 || write_full(fd, bytes, len) < 0 || fsync(fd) < 0)
		return err_sys(err, "cannot write");
	return 0;
}

int store_write(struct store *store, int to, const char *name, const void *bytes, size_t len,
		struct err *err)
{
	auto_staging struct staging staging = {.dir = -1};

	if (staging_open(store, &staging, err) < 0 ||
	    write_staged(staging.dir, bytes, len, 0444, err) < 0)
		return err_wrap(err, "'%s'", name);
	if (renameat(staging.dir, STAGED, to, name) < 0)
		return err_sys(err, "cannot publish '%s' in the store", name);
	return fsync(to) < 0 ? err_sys(err, "cannot flush the store") : 0;
}

/*
 * A blob is the lock of those who use its image: another file in its place
 * would be another lock. So one that is whole stays, and a damaged one is
 * replaced only while nobody holds it.
 */
static int make_room(struct store *store, const struct digest *name, struct err *err)
{
	auto_fd int fd = openat(store->blobs, name->hex, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) < 0)
		return err_fail(err, ERR_SYSTEM,
				"blob %s is damaged, and in use by a run: try again when that has "
				"ended",
				name->hex);
	return 0;
}

int blob_put(struct store *store, const void *bytes, size_t len, struct digest *out,
	     struct err *err)
{
	struct digest name = digest_of(bytes, len);
	auto_strbuf struct strbuf there = STRBUF(len + 1);
	struct err absent;

	*out = name;
	/* whoever put it there may not have flushed the folder yet */
	if (blob_get(store, &name, &there, NULL, &absent) == 0)
		return fsync(store->blobs) < 0 ? err_sys(err, "cannot flush the store") : 0;
	if (make_room(store, &name, err) < 0 ||
	    store_write(store, store->blobs, name.hex, bytes, len, err) < 0)
		return err_wrap(err, "storing blob %s", name.hex);
	return 0;
}

/* It may have been collected between being opened and being locked. */
static int lock_blob(int fd, const struct digest *name, struct err *err)
{
	struct stat st;

	if (flock(fd, LOCK_SH) < 0 || fstat(fd, &st) < 0)
		return err_sys(err, "cannot lock blob %s", name->hex);
	if (st.st_nlink)
		return 0;
	errno = ENOENT;
	return err_sys(err, "blob %s was removed meanwhile", name->hex);
}

int blob_get(struct store *store, const struct digest *name, struct strbuf *out, int *lock,
	     struct err *err)
{
	auto_fd int fd = openat(store->blobs, name->hex, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct digest found;

	if (fd < 0)
		return err_sys(err, "cannot open blob %s", name->hex);
	if (lock && lock_blob(fd, name, err) < 0)
		return -1;
	if (read_capped(fd, out, err) < 0)
		return err_wrap(err, "reading blob %s", name->hex);
	found = digest_of(out->text, out->len);
	if (!digest_equal(&found, name))
		return err_fail(err, ERR_SYSTEM, "blob %s is damaged: its content hashes to %s",
				name->hex, found.hex);
	if (lock)
		*lock = take_fd(&fd);
	return 0;
}
