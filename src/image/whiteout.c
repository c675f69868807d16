#include "image/whiteout.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "image/folder.h"
#include "stepcell/fd.h"
#include "stepcell/limits.h"
#include "stepcell/path.h"

#define PREFIX     ".wh."
#define AUX_PREFIX ".wh..wh."
#define OPAQUE     ".wh..wh..opq"

/* ---- what the layer has written ---- */

struct written_name {
	ino_t dir;
	char name[];
};

static struct written_name **slot_of(const struct written *set, ino_t dir, const char *name)
{
	uint64_t hash = (uint64_t)dir * UINT64_C(0x9e3779b97f4a7c15);
	size_t i;

	for (const char *p = name; *p; p++)
		hash = (hash ^ (unsigned char)*p) * UINT64_C(0x100000001b3);
	for (i = (size_t)(hash ^ hash >> 32) & (set->capacity - 1); set->slots[i];
	     i = (i + 1) & (set->capacity - 1))
		if (set->slots[i]->dir == dir && strcmp(set->slots[i]->name, name) == 0)
			break;
	return &set->slots[i];
}

static void grow(struct written *set)
{
	struct written larger = {.capacity = set->capacity ? set->capacity * 2 : 1024};

	larger.slots = calloc(larger.capacity, sizeof(struct written_name *));
	if (!larger.slots)
		abort();
	for (size_t i = 0; i < set->capacity; i++)
		if (set->slots[i])
			*slot_of(&larger, set->slots[i]->dir, set->slots[i]->name) = set->slots[i];
	larger.count = set->count;
	free((void *)set->slots);
	*set = larger;
}

void written_add(struct written *set, ino_t dir, const char *name)
{
	struct written_name **slot;
	size_t size = strlen(name) + 1;

	if (set->count >= set->capacity / 2)
		grow(set);
	slot = slot_of(set, dir, name);
	if (*slot)
		return;
	*slot = malloc(sizeof(**slot) + size);
	if (!*slot)
		abort();
	(*slot)->dir = dir;
	(void)memcpy((*slot)->name, name, size);
	set->count++;
}

bool written_has(const struct written *set, ino_t dir, const char *name)
{
	return set->capacity && *slot_of(set, dir, name);
}

void written_clear(struct written *set)
{
	for (size_t i = 0; i < set->capacity; i++)
		free(set->slots[i]);
	free((void *)set->slots);
	*set = (struct written){0};
}

/* ---- names ---- */

int whiteout_of(const char *path, enum whiteout *out, const char **hidden, struct err *err)
{
	const char *last = path;

	*out = WHITEOUT_NONE;
	for (const char *slash; (slash = strchr(last, '/')); last = slash + 1) {
		if (strncmp(last, AUX_PREFIX, strlen(AUX_PREFIX)) == 0) {
			*out = WHITEOUT_AUX;
			return 0;
		}
		if (strncmp(last, PREFIX, strlen(PREFIX)) == 0)
			return err_fail(err, ERR_USAGE, "something below a whiteout");
	}
	if (strncmp(last, PREFIX, strlen(PREFIX)) != 0)
		return 0;
	*hidden = last + strlen(PREFIX);
	if (strcmp(last, OPAQUE) == 0)
		*out = WHITEOUT_OPAQUE;
	else if (strncmp(last, AUX_PREFIX, strlen(AUX_PREFIX)) == 0)
		*out = WHITEOUT_AUX;
	else if (!**hidden || strcmp(*hidden, ".") == 0 || strcmp(*hidden, "..") == 0)
		return err_fail(err, ERR_USAGE, "a whiteout of nothing that has a name");
	else
		*out = WHITEOUT_NAME;
	return 0;
}

/* ---- hiding ---- */

static int hide_children(const struct written *set, int dir, unsigned depth, struct err *err);

static int hide_folder(const struct written *set, int dir, const char *name, unsigned depth,
		       struct err *err)
{
	auto_fd int inner = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (inner < 0)
		return err_sys(err, "cannot open '%s', which it hides", name);
	return hide_children(set, inner, depth + 1, err);
}

/* A folder stays while something of the layer's own is in it. */
static int hide(const struct written *set, int dir, ino_t ino, const char *name, unsigned depth,
		struct err *err)
{
	struct stat st;
	bool own = written_has(set, ino, name);

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : err_sys(err, "cannot read '%s', which it hides", name);
	if (S_ISDIR(st.st_mode) && hide_folder(set, dir, name, depth, err) < 0)
		return -1;
	if (own || unlinkat(dir, name, S_ISDIR(st.st_mode) ? AT_REMOVEDIR : 0) == 0 ||
	    (S_ISDIR(st.st_mode) && (errno == ENOTEMPTY || errno == EEXIST)))
		return 0;
	return err_sys(err, "cannot remove '%s', which it hides", name);
}

static int hide_children(const struct written *set, int dir, unsigned depth, struct err *err)
{
	auto_strbuf struct strbuf names = STRBUF(64 * MIB);
	struct stat st;

	if (depth > 2 * WRITER_DEPTH)
		return err_fail(err, ERR_USAGE, "directories too deep in each other");
	if (fstat(dir, &st) < 0)
		return err_sys(err, "cannot read a directory");
	if (folder_list(dir, &names, err) < 0)
		return -1;
	for_each_name(name, &names) if (hide(set, dir, st.st_ino, name, depth, err) < 0) return -1;
	return 0;
}

int whiteout_apply(const struct written *set, int dir, const char *name, struct err *err)
{
	struct stat st;

	if (fstat(dir, &st) < 0)
		return err_sys(err, "cannot read a directory");
	return hide(set, dir, st.st_ino, name, 0, err);
}

int whiteout_all(const struct written *set, int dir, struct err *err)
{
	/* what names a folder's entries need not be able to list them */
	auto_fd int listed = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (listed < 0)
		return err_sys(err, "cannot open a directory");
	return hide_children(set, listed, 0, err);
}
