/*
 * path: every path inside an image, a checkout or an artifact goes through
 * here. The kernel keeps it inside (openat2(2)); no check of the text does.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "stepcell/err.h"
#include "stepcell/strbuf.h"

/* openat2 with RESOLVE_BENEATH|NO_MAGICLINKS: a link that leads out, or an absolute one, is an
 * error. O_CLOEXEC is added. */
int open_beneath(int root, const char *path, int flags, mode_t mode, struct err *err);

/* The same with RESOLVE_NO_SYMLINKS: no link on the way is followed either. */
int open_nolinks(int root, const char *path, int flags, mode_t mode, struct err *err);

/* openat2 with RESOLVE_IN_ROOT|NO_MAGICLINKS: absolute links resolve inside `root`, as chroot
 * would. */
int open_in_root(int root, const char *path, int flags, mode_t mode, struct err *err);

/* mkdir -p below `dir` without following links; existing directories are fine. Returns 0, or -1. */
int mkdir_beneath(int dir, const char *path, mode_t mode, struct err *err);

/* mkdir -p of an ordinary (operator's) path, which may be absolute and pass links. */
int mkdir_all(const char *path, mode_t mode, struct err *err);

/*
 * What is in this folder has nothing to do with each other: ext4 keeps each
 * folder of it elsewhere on the disk (chattr(1), T); others do not know that.
 * An ext4 without a journal, as virtual machines have it that are thrown away,
 * looks for an inode close by, and at each that was freed there in the last
 * minutes: files made where a tree was removed before take ten times as long.
 * A hint: where it cannot be given (`dir` may be -1), all works as before.
 */
void dir_spread(int dir);

/*
 * Remove `name` in `dir` with all below it, through modes without access and
 * trees deeper than PATH_MAX, never following a link, never leaving its mount.
 * Absent is fine.
 */
int remove_tree(int dir, const char *name, struct err *err);

/* "a/b" into `out` (of size PATH_MAX), or -1 when it would be cut. */
int path_join(char *out, size_t size, const char *a, const char *b, struct err *err);

/* One path component that is safe as a file name: [A-Za-z0-9._-], not leading '.', 1 to 128 bytes.
 */
bool name_is_safe(const char *name);

/*
 * `text` as such a name: other bytes become '-', but the first '_' where it would be '.' or '-'; an
 * empty one "unnamed"; cut at 120 bytes.
 */
void name_make_safe(const char *text, struct strbuf *out);
