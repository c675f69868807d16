/*
 * Where the host keeps its cgroups, and where we are in them.
 *
 * /proc/self/cgroup says in which cgroup of each hierarchy we are;
 * /proc/self/mountinfo says where that hierarchy is mounted, and which part of
 * it (a container sees a mount of its own cgroup alone).
 */
#include <fcntl.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "cell/cgroup_parts.h"
#include "stepcell/fd.h"
#include "stepcell/limits.h"
#include "stepcell/util.h"

static const char *const v1_names[CG_V1_PARTS] = {
	[CG_MEMORY] = "memory",   [CG_PIDS] = "pids",       [CG_CPU] = "cpu",
	[CG_CPUACCT] = "cpuacct", [CG_FREEZER] = "freezer",
};

/* Is `word` one of a list separated by commas? */
static bool list_has(const char *list, const char *word)
{
	const size_t len = strlen(word);

	for (const char *p = list; p; p = strchr(p, ',') ? strchr(p, ',') + 1 : NULL)
		if (strncmp(p, word, len) == 0 && (p[len] == '\0' || p[len] == ','))
			return true;
	return false;
}

static char *slurp(struct arena *a, const char *path, struct err *err)
{
	auto_strbuf struct strbuf text = STRBUF(8 * MIB);

	if (file_read(AT_FDCWD, path, &text, err) < 0) {
		(void)err_wrap(err, "looking for cgroups");
		return NULL;
	}
	return arena_strndup(a, text.text, text.len);
}

/* "4:memory:/a/b" and "0::/a/b" */
static void read_membership(char *text, const char *own[CG_PARTS])
{
	char *save = NULL;

	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char *list = strchr(line, ':');
		char *path = list ? strchr(list + 1, ':') : NULL;

		if (!path)
			continue;
		*path++ = '\0';
		if (*++list == '\0')
			own[CG_V2] = path;
		for (size_t i = 0; i < CG_V1_PARTS; i++)
			if (list_has(list, v1_names[i]))
				own[i] = path;
	}
}

struct mount_line {
	char *root, *at, *type, *options;
};

/* "32 31 0:29 ROOT AT rw,relatime shared:7 - TYPE SOURCE OPTIONS" */
static bool mount_line_parse(char *line, struct mount_line *out)
{
	char *tail = strstr(line, " - ");
	char *save = NULL;

	if (!tail)
		return false;
	*tail = '\0';
	for (int i = 0; i < 3; i++)
		if (!strtok_r(i ? NULL : line, " ", &save))
			return false;
	out->root = strtok_r(NULL, " ", &save);
	out->at = strtok_r(NULL, " ", &save);
	out->type = strtok_r(tail + 3, " ", &save);
	(void)strtok_r(NULL, " ", &save);
	out->options = strtok_r(NULL, " ", &save);
	/* a backslash is an escaped byte: no cgroup mount that anybody uses has one */
	return out->at && out->type && out->options && !strchr(out->at, '\\');
}

/* `path` as seen through a mount of `root`; NULL when it lies outside. */
static const char *below_root(const char *path, const char *root)
{
	const size_t len = strcmp(root, "/") == 0 ? 0 : strlen(root);

	if (strncmp(path, root, len) != 0 || (path[len] != '/' && path[len] != '\0'))
		return NULL;
	/* outside of our cgroup namespace: nothing that we could use */
	if (strncmp(path, "/..", 3) == 0)
		return NULL;
	return strcmp(path + len, "/") == 0 ? "" : path + len;
}

static void place(struct arena *a, const struct mount_line *m, const char *own, const char **out)
{
	const char *rest = own ? below_root(own, m->root) : NULL;

	if (rest && !*out)
		*out = arena_printf(a, "%s%s", m->at, rest);
}

/*
 * Where everybody mounts them. A host can have a thousand mounts, and reading
 * their list then costs more than the rest of a start.
 */
static const char *usual_place(struct arena *a, size_t part, const char *own, const char *at)
{
	const long type = part == CG_V2 ? CGROUP2_SUPER_MAGIC : CGROUP_SUPER_MAGIC;
	const char *rest = below_root(own, "/");
	struct statfs fs;
	char *dir;

	if (!rest)
		return NULL;
	dir = arena_printf(a, "/sys/fs/cgroup/%s%s", at, rest);
	return statfs(dir, &fs) == 0 && fs.f_type == type ? dir : NULL;
}

/* The number that the kernel gives the first cgroup namespace. */
#define FIRST_CGROUP_NS 0xeffffffbU

/*
 * False when one of ours is not where it usually is. In another namespace our
 * path begins elsewhere than the mounts, which may still be the host's.
 */
static bool find_usual(struct arena *a, const char *own[CG_PARTS], struct cgroup_places *out)
{
	struct stat ns;
	bool all = true;

	if (stat("/proc/self/ns/cgroup", &ns) < 0 || ns.st_ino != FIRST_CGROUP_NS)
		return false;
	for (size_t i = 0; i < CG_V1_PARTS; i++)
		if (own[i] && !(out->dir[i] = usual_place(a, i, own[i], v1_names[i])))
			all = false;
	if (!own[CG_V2])
		return all;
	out->dir[CG_V2] = usual_place(a, CG_V2, own[CG_V2], "unified");
	if (!out->dir[CG_V2])
		out->dir[CG_V2] = usual_place(a, CG_V2, own[CG_V2], ".");
	return all && out->dir[CG_V2];
}

static int find_mounted(struct arena *a, const char *own[CG_PARTS], struct cgroup_places *out,
			struct err *err)
{
	char *mounts = slurp(a, "/proc/self/mountinfo", err);
	char *save = NULL;

	if (!mounts)
		return -1;
	for (char *line = strtok_r(mounts, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		struct mount_line m;

		if (!mount_line_parse(line, &m))
			continue;
		if (strcmp(m.type, "cgroup2") == 0)
			place(a, &m, own[CG_V2], &out->dir[CG_V2]);
		if (strcmp(m.type, "cgroup") != 0)
			continue;
		for (size_t i = 0; i < CG_V1_PARTS; i++)
			if (list_has(m.options, v1_names[i]))
				place(a, &m, own[i], &out->dir[i]);
	}
	return 0;
}

int cgroup_places_find(struct arena *a, struct cgroup_places *out, struct err *err)
{
	const char *own[CG_PARTS] = {0};
	char *membership = slurp(a, "/proc/self/cgroup", err);

	*out = (struct cgroup_places){0};
	if (!membership)
		return -1;
	read_membership(membership, own);
	return find_usual(a, own, out) ? 0 : find_mounted(a, own, out, err);
}
