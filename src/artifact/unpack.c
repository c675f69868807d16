/*
 * unpack: an archive that anybody may have made, into a folder.
 *
 * It must be one that artifact_pack() could have made: files, folders and
 * links, in the order of their names, so that nothing comes twice. Names are
 * looked at for the sake of the message alone; what keeps every file inside is
 * the kernel, which is asked for each folder without passing a link.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "artifact/reader.h"
#include "stepcell/fd.h"
#include "stepcell/limits.h"
#include "stepcell/path.h"

#define CHUNK      (128 * 1024)
#define ENTRY_COST (16 * KIB) /* the most that one entry's headers take */

struct unpack {
	int root;
	uint64_t max_bytes, max_entries, entries;
	bool any_link;
	struct archive_reader *reader;
	struct arena *arena;
	char last[PATH_MAX];   /* the name before this one */
	char folder[PATH_MAX]; /* the one that `folder_fd` is */
	int folder_fd;
	const char **links;
	size_t link_count;
	char *chunk;
	struct artifact_summary *summary;
	struct err *err;
};

/* ---- names ---- */

static bool name_is_plain(const char *name)
{
	for (const char *p = name; *p;) {
		size_t len = strcspn(p, "/");

		if (len == 0 || len > NAME_MAX || (len == 1 && p[0] == '.') ||
		    (len == 2 && p[0] == '.' && p[1] == '.'))
			return false;
		p += len;
		if (*p == '/' && !*++p)
			return false;
	}
	return *name != '\0';
}

/* The entry's name without the slash of a folder; NULL with the reason. */
static int take_name(struct unpack *u, struct archive_entry *entry, char name[PATH_MAX])
{
	const char *raw = archive_entry_pathname(entry);
	size_t len = raw ? strlen(raw) : 0;

	if (len && raw[len - 1] == '/' && archive_entry_filetype(entry) == AE_IFDIR)
		len--;
	if (!len || len >= PATH_MAX)
		return err_fail(u->err, ERR_USAGE, "a name is empty or too long");
	memcpy(name, raw, len);
	name[len] = '\0';
	if (!name_is_plain(name))
		return err_fail(u->err, ERR_USAGE,
				"is no plain name: absolute, or with an empty part, '.' or '..'");
	if (strcmp(name, u->last) <= 0)
		return err_fail(u->err, ERR_USAGE, "comes twice, or out of order");
	memcpy(u->last, name, len + 1);
	return 0;
}

/* The folder of `name`, made where it is missing; `*base` is the name in it. */
static int enter_folder(struct unpack *u, const char *name, const char **base, struct err *err)
{
	const char *slash = strrchr(name, '/');
	char folder[PATH_MAX];

	*base = slash ? slash + 1 : name;
	(void)snprintf(folder, sizeof(folder), "%.*s", slash ? (int)(slash - name) : 0, name);
	if (u->folder_fd >= 0 && strcmp(folder, u->folder) == 0)
		return 0;
	fd_close(&u->folder_fd);
	if (*folder && mkdir_beneath(u->root, folder, 0755, err) < 0)
		return -1;
	u->folder_fd =
		open_nolinks(u->root, *folder ? folder : ".", O_RDONLY | O_DIRECTORY, 0, err);
	(void)snprintf(u->folder, sizeof(u->folder), "%s", folder);
	return u->folder_fd < 0 ? -1 : 0;
}

/* What was there before makes room, unless it is a folder. */
static int make_room(struct unpack *u, const char *base)
{
	if (unlinkat(u->folder_fd, base, 0) == 0 || errno == ENOENT)
		return 0;
	if (errno == EISDIR)
		return err_fail(u->err, ERR_USAGE, "a folder of that name is in the way");
	return err_sys(u->err, "cannot replace it");
}

/* ---- entries ---- */

static int copy_data(struct unpack *u, int fd)
{
	ssize_t n;

	while ((n = reader_data(u->reader, u->chunk, CHUNK, u->err)) > 0) {
		if ((uint64_t)n > u->max_bytes - u->summary->bytes)
			return err_fail(u->err, ERR_USAGE,
					"the artifact holds more than %" PRIu64 " bytes",
					u->max_bytes);
		u->summary->bytes += (uint64_t)n;
		if (write_full(fd, u->chunk, (size_t)n) < 0)
			return err_sys(u->err, "cannot write");
	}
	return n < 0 ? -1 : 0;
}

static int unpack_file(struct unpack *u, struct archive_entry *entry, const char *base)
{
	struct timespec times[2] = {{.tv_nsec = UTIME_OMIT},
				    {.tv_sec = archive_entry_mtime(entry)}};
	mode_t mode = archive_entry_perm(entry) & S_IXUSR ? 0755 : 0644;

	/* before a byte is written: a sparse file claims what it does not hold */
	if (archive_entry_size(entry) < 0 ||
	    (uint64_t)archive_entry_size(entry) > u->max_bytes - u->summary->bytes)
		return err_fail(u->err, ERR_USAGE, "the artifact holds more than %" PRIu64 " bytes",
				u->max_bytes);
	if (make_room(u, base) < 0)
		return -1;

	auto_fd int fd = openat(u->folder_fd, base,
				O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd < 0)
		return err_sys(u->err, "cannot make it");
	if (copy_data(u, fd) < 0)
		return -1;
	if (fchmod(fd, mode) < 0 || futimens(fd, times) < 0)
		return err_sys(u->err, "cannot set its mode and time");
	u->summary->files++;
	return 0;
}

/* Whether it leads out is asked when all is in place: what it passes may come later. */
static int unpack_link(struct unpack *u, struct archive_entry *entry, const char *name,
		       const char *base)
{
	const char *target = archive_entry_symlink(entry);

	if (!target || !*target || strlen(target) >= PATH_MAX || (*target == '/' && !u->any_link))
		return err_fail(u->err, ERR_USAGE, "is a link to nowhere or to an absolute path");
	if (make_room(u, base) < 0)
		return -1;
	if (symlinkat(target, u->folder_fd, base) < 0)
		return err_sys(u->err, "cannot make it");
	u->summary->files++;
	if (u->any_link)
		return 0;
	u->links = arena_grow(u->arena, u->links, u->link_count, sizeof(char *));
	u->links[u->link_count++] = arena_strdup(u->arena, name);
	return 0;
}

static int unpack_folder(struct unpack *u, const char *base)
{
	struct stat st;

	if (mkdirat(u->folder_fd, base, 0755) == 0)
		return 0;
	if (errno == EEXIST && fstatat(u->folder_fd, base, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    S_ISDIR(st.st_mode))
		return 0;
	return err_fail(u->err, ERR_USAGE, "something that is no folder is in the way");
}

static int unpack_entry(struct unpack *u, struct archive_entry *entry, char name[PATH_MAX])
{
	const char *base;

	if (++u->entries > u->max_entries)
		return err_fail(u->err, ERR_USAGE, "the artifact has more than %" PRIu64 " entries",
				u->max_entries);
	if (take_name(u, entry, name) < 0)
		return -1;
	if (archive_entry_hardlink(entry))
		return err_fail(u->err, ERR_USAGE, "is a hard link, which no artifact holds");
	if (enter_folder(u, name, &base, u->err) < 0)
		return -1;
	switch (archive_entry_filetype(entry)) {
	case AE_IFREG:
		return unpack_file(u, entry, base);
	case AE_IFLNK:
		return unpack_link(u, entry, name, base);
	case AE_IFDIR:
		return unpack_folder(u, base);
	default:
		return err_fail(u->err, ERR_USAGE, "is neither a file nor a folder nor a link");
	}
}

static bool link_leads_out(const struct unpack *u, const char *name)
{
	struct err why = {0};
	auto_fd int fd = open_beneath(u->root, name, O_PATH, 0, &why);

	return fd < 0 && why.sys != ENOENT;
}

/* Now that all is there, links that lead out are taken away; the first of them, or NULL. */
static const char *drop_links(struct unpack *u)
{
	const char *first = NULL, *base;
	struct err ignored;

	for (size_t i = 0; i < u->link_count; i++) {
		if (!link_leads_out(u, u->links[i]))
			continue;
		first = first ? first : u->links[i];
		if (enter_folder(u, u->links[i], &base, &ignored) == 0)
			(void)unlinkat(u->folder_fd, base, 0);
	}
	return first;
}

static int unpack(struct unpack *u, int in)
{
	struct archive_entry *entry;
	uint64_t max_tar;
	int more;

	if (__builtin_mul_overflow(u->max_entries, ENTRY_COST, &max_tar) ||
	    __builtin_add_overflow(max_tar, u->max_bytes, &max_tar) ||
	    __builtin_add_overflow(max_tar, MIB, &max_tar))
		max_tar = UINT64_MAX;
	if (reader_open(in, max_tar, &u->reader, u->err) < 0)
		return -1;
	while ((more = reader_next(u->reader, &entry, u->err)) > 0) {
		char name[PATH_MAX] = "?";

		if (unpack_entry(u, entry, name) < 0)
			return err_wrap(u->err, "'%.200s'", name);
	}
	if (more < 0)
		return -1;
	return reader_finish(u->reader, &u->summary->tar, &u->summary->blob, u->err);
}

int artifact_unpack(int in, int root, const struct artifact_unpack_limits *limits,
		    struct artifact_summary *summary, struct err *err)
{
	auto_arena struct arena *a = arena_new();
	struct artifact_summary result = {0};
	struct unpack u = {
		.root = root,
		.max_bytes = limits->max_bytes ? limits->max_bytes : UINT64_MAX,
		.max_entries = limits->max_entries ? limits->max_entries : LIMIT_IMAGE_ENTRIES,
		.any_link = limits->any_link,
		.arena = a,
		.folder_fd = -1,
		.chunk = arena_alloc(a, CHUNK),
		.summary = &result,
		.err = err,
	};
	int status = unpack(&u, in);
	const char *out = drop_links(&u);

	reader_free(&u.reader);
	fd_close(&u.folder_fd);
	if (status == 0 && out)
		status = err_fail(err, ERR_USAGE, "'%.200s' is a link that leads out", out);
	if (status < 0)
		return err_wrap(err, "unpacking an artifact");
	*summary = result;
	return 0;
}
