/*
 * Who the cells of a job are.
 *
 * As root each job takes an id of its own, so that two tenants never share
 * one: a number that no account and no subordinate range uses, held by a lock
 * on a file of that name for as long as the job lives. The kernel drops the
 * lock of a stepcell that was killed; the empty file stays and is used again.
 */
#include "owner.h"
#include "caps.h"
#include "cgroup_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "complete.h"
#include "stepcell/fd.h"
#include "stepcell/limits.h"
#include "stepcell/parse.h"
#include "stepcell/path.h"
#include "stepcell/util.h"

#define FIRST_ID UINT32_C(0x70000000)
#define ID_COUNT UINT32_C(0x10000)

struct idmap {
	uint32_t uid, gid;
	int userns;
};

/* A layer's folder, detached and mapped; its inode lives as long as this holds it. */
struct kept_tree {
	dev_t dev;
	ino_t ino;
	uid_t uid;
	gid_t gid;
	int tree;
};

struct kept_filter {
	char *policy;
	struct seccomp_filter filter;
};

struct cell_owner {
	bool root;
	bool layers_as_string;
	uint32_t uid, gid;
	int lock;
	struct idmap maps[8]; /* by owner of a layer: the store's, the checkout's */
	size_t map_count;
	struct kept_filter
		filters[6]; /* the step's, our own functions', init's with and without an audit */
	size_t filter_count;
	struct kept_tree
		trees[32]; /* the layers that all steps of a job have, and the first ones' */
	size_t tree_count;
	struct cell *ahead;
	struct network network; /* of CELL_NET_SHARED, once a cell asked for it */
};

/* ---- ids that are somebody's ---- */

/* The n-th field of a line of passwd, group or subuid, as a number. */
static bool line_field(const char *line, unsigned n, uint64_t *out)
{
	size_t len = strcspn(line, "\n");
	const char *end = line + len;
	char digits[24];

	for (; n; n--) {
		line = memchr(line, ':', (size_t)(end - line));
		if (!line)
			return false;
		line++;
	}
	len = strcspn(line, ":\n");
	if (len >= sizeof(digits))
		return false;
	memcpy(digits, line, len);
	digits[len] = '\0';
	return parse_u64(digits, 0, UINT32_MAX, out) == 0;
}

/* `count_field` 0: the number stands for itself alone. */
static const struct id_file {
	const char *path;
	unsigned start_field, count_field;
} id_files[] = {
	{"/etc/passwd", 2, 0},
	{"/etc/group", 2, 0},
	{"/etc/subuid", 1, 2},
	{"/etc/subgid", 1, 2},
};

static bool line_holds(const struct id_file *file, const char *line, uint32_t id)
{
	uint64_t start, count = 1;

	if (!line_field(line, file->start_field, &start))
		return false;
	if (file->count_field && !line_field(line, file->count_field, &count))
		return false;
	return id >= start && id - start < count;
}

static int file_holds(const struct id_file *file, uint32_t id, bool *holds, struct err *err)
{
	auto_strbuf struct strbuf text = STRBUF(16 * MIB);

	if (access(file->path, F_OK) < 0)
		return 0;

	auto_fd int fd = open(file->path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return err_sys(err, "cannot open '%s'", file->path);
	if (read_capped(fd, &text, err) < 0)
		return err_wrap(err, "'%s'", file->path);
	for (const char *line = text.text; *line; line += *line == '\n') {
		if (line_holds(file, line, id))
			*holds = true;
		line += strcspn(line, "\n");
	}
	return 0;
}

static int id_is_taken(uint32_t id, bool *taken, struct err *err)
{
	*taken = false;
	for (size_t i = 0; i < COUNT(id_files); i++)
		if (file_holds(&id_files[i], id, taken, err) < 0)
			return -1;
	return 0;
}

/* ---- an id of one's own ---- */

/* The lock, -1 with `err` set, or -1 with `err` untouched when another job has it. */
static int id_lock(int dir, uint32_t id, struct err *err)
{
	char name[16];
	int n = snprintf(name, sizeof(name), "%u", id);

	if (n < 0)
		return err_fail(err, ERR_SYSTEM, "cannot name id %u", id);

	auto_fd int fd = openat(dir, name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0)
		return err_sys(err, "cannot open the lock of id %u", id);
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? -1 : err_sys(err, "cannot lock id %u", id);
	return take_fd(&fd);
}

static int ids_open(const char *state, struct err *err)
{
	char path[4096];
	int dir;

	if (path_join(path, sizeof(path), state, "ids", err) < 0 || mkdir_all(path, 0700, err) < 0)
		return -1;
	dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return dir < 0 ? err_sys(err, "cannot open '%s'", path) : dir;
}

/*
 * Locks are of one state home, and what the kernel counts by user is of the machine: homes begin at
 * places that have nothing to do with each other.
 */
static int first_of(int dir, uint32_t *out, struct err *err)
{
	struct stat st;

	if (fstat(dir, &st) < 0)
		return err_sys(err, "cannot look at the locks of ids");
	*out = (uint32_t)((st.st_ino ^ st.st_dev) * UINT64_C(0x9e3779b97f4a7c15) >> 32) % ID_COUNT;
	return 0;
}

static int id_take(struct cell_owner *owner, const char *state, struct err *err)
{
	auto_fd int dir = ids_open(state, err);
	uint32_t first = 0;

	if (dir < 0 || first_of(dir, &first, err) < 0)
		return -1;
	for (uint32_t i = 0; i < ID_COUNT; i++) {
		const uint32_t id = FIRST_ID + (first + i) % ID_COUNT;
		auto_fd int lock = id_lock(dir, id, err);
		bool taken;

		if (lock < 0 && err->kind)
			return -1;
		if (lock < 0)
			continue;
		if (id_is_taken(id, &taken, err) < 0)
			return -1;
		if (taken)
			continue;
		owner->uid = owner->gid = id;
		owner->lock = take_fd(&lock);
		return 0;
	}
	return err_fail(err, ERR_SYSTEM, "all %u ids from %u up are in use", ID_COUNT, FIRST_ID);
}

/* ---- the owner ---- */

/*
 * uid 0 of a container is an ordinary user to us: in a user namespace of its own it has no ids to give
 * away, and without CAP_SYS_ADMIN it cannot mount.
 */
bool cell_caller_is_root(void)
{
	auto_strbuf struct strbuf text = STRBUF(4096);
	struct err ignored = {0};
	uint64_t inside, outside, count;

	if (geteuid() != 0 || !caps_may_administrate() ||
	    file_read(AT_FDCWD, "/proc/self/uid_map", &text, &ignored) < 0)
		return false;
	return sscanf(text.text, "%" SCNu64 " %" SCNu64 " %" SCNu64, &inside, &outside, &count) ==
		       3 &&
	       inside == 0 && outside == 0 && count == UINT32_MAX;
}

int cell_owner_open(const char *state, struct cell_owner **out, struct err *err)
{
	struct cell_owner *owner;
	char home[PATH_MAX];

	state = state_or_home(state, home, sizeof(home), err);
	if (!state)
		return -1;
	owner = calloc(1, sizeof(*owner));
	if (!owner)
		return err_sys(err, "cannot make the job's identity");
	*owner = (struct cell_owner){.root = cell_caller_is_root(),
				     .uid = geteuid(),
				     .gid = getegid(),
				     .lock = -1,
				     .network = NETWORK_NONE};
	err_clear(err);
	if (owner->root && id_take(owner, state, err) < 0) {
		cell_owner_close(&owner);
		return err_wrap(err, "taking an id for the job");
	}
	*out = owner;
	return 0;
}

void cell_owner_close(struct cell_owner **owner)
{
	if (!*owner)
		return;
	cell_release(&(*owner)->ahead);
	for (size_t i = 0; i < (*owner)->map_count; i++)
		fd_close(&(*owner)->maps[i].userns);
	for (size_t i = 0; i < (*owner)->tree_count; i++)
		fd_close(&(*owner)->trees[i].tree);
	for (size_t i = 0; i < (*owner)->filter_count; i++) {
		seccomp_filter_release(&(*owner)->filters[i].filter);
		free((*owner)->filters[i].policy);
	}
	network_close(&(*owner)->network);
	fd_close(&(*owner)->lock);
	free(*owner);
	*owner = NULL;
	cgroup_v2_leave();
}

struct cell **owner_ahead(struct cell_owner *owner)
{
	return &owner->ahead;
}

uint32_t cell_owner_uid(const struct cell_owner *owner)
{
	return owner->uid;
}

uint32_t owner_gid(const struct cell_owner *owner)
{
	return owner->gid;
}

bool owner_is_root(const struct cell_owner *owner)
{
	return owner->root;
}

void owner_set_layers_as_string(struct cell_owner *owner)
{
	owner->layers_as_string = true;
}

bool owner_layers_as_string(const struct cell_owner *owner)
{
	return owner->layers_as_string;
}

const struct network *owner_network(struct cell_owner *owner, struct err *err)
{
	if (owner->network.net < 0 && network_make(!owner->root, &owner->network, err) < 0) {
		(void)err_wrap(err, "making the network of a job");
		return NULL;
	}
	return &owner->network;
}

int cell_owner_listen(struct cell_owner *owner, const char *address, uint16_t port, int *out,
		      struct err *err)
{
	const struct network *network = owner_network(owner, err);

	return network ? network_listen(network, address, port, out, err) : -1;
}

/* ---- maps ---- */

static int map_write(int proc, const char *file, const char *text, struct err *err)
{
	auto_fd int fd = openat(proc, file, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write_full(fd, text, strlen(text)) < 0)
		return err_sys(err, "cannot write %s", file);
	return 0;
}

static int map_write_pair(int proc, const char *file, struct id_pair pair, struct err *err)
{
	char line[64];

	(void)snprintf(line, sizeof(line), "%u %u 1\n", pair.inside, pair.outside);
	return map_write(proc, file, line, err);
}

int ids_map(pid_t pid, struct id_pair uid, struct id_pair gid, bool deny_setgroups, struct err *err)
{
	char path[32] = "/proc/self";

	if (pid)
		(void)snprintf(path, sizeof(path), "/proc/%d", (int)pid);

	/* one open directory: the pid cannot come to mean another process on the way */
	auto_fd int proc = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (proc < 0)
		return err_sys(err, "cannot open '%s'", path);
	if (deny_setgroups && map_write(proc, "setgroups", "deny", err) < 0)
		return -1;
	if (map_write_pair(proc, "uid_map", uid, err) < 0)
		return -1;
	return map_write_pair(proc, "gid_map", gid, err);
}

/* ---- user namespaces that only carry a map ---- */

/* A killed stepcell takes it along, also one that was killed before the kernel was told so. */
static int holder_wait(void *parent)
{
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	while (getppid() == *(const pid_t *)parent)
		(void)pause();
	return 0;
}

/* A user namespace lives as long as a descriptor of it: its only process may go at once. */
static int holder_open(pid_t pid, struct id_pair uid, struct id_pair gid, struct err *err)
{
	char path[32];
	int fd;

	if (ids_map(pid, uid, gid, true, err) < 0)
		return -1;
	(void)snprintf(path, sizeof(path), "/proc/%d/ns/user", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? err_sys(err, "cannot open '%s'", path) : fd;
}

static int holder_make(struct id_pair uid, struct id_pair gid, struct err *err)
{
	char stack[16 * 1024] __attribute__((aligned(16)));
	pid_t self = getpid();
	/* no exit signal: nobody's wait() takes it, nobody's handler runs for it */
	pid_t pid = clone(holder_wait, stack + sizeof(stack), CLONE_NEWUSER | CLONE_VM, &self);
	int fd;

	if (pid < 0)
		return err_sys(err, "cannot make a user namespace");
	fd = holder_open(pid, uid, gid, err);
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, NULL, __WALL);
	return fd;
}

int owner_idmap(struct cell_owner *owner, uint32_t uid, uint32_t gid, struct err *err)
{
	struct idmap *map = owner->maps;

	for (size_t i = 0; i < owner->map_count; i++, map++)
		if (map->uid == uid && map->gid == gid)
			return map->userns;
	if (owner->map_count == COUNT(owner->maps))
		return err_fail(err, ERR_SYSTEM, "the layers of a job have more than %zu owners",
				COUNT(owner->maps));
	*map = (struct idmap){.uid = uid, .gid = gid};
	map->userns = holder_make((struct id_pair){uid, owner->uid},
				  (struct id_pair){gid, owner->gid}, err);
	if (map->userns < 0)
		return -1;
	owner->map_count++;
	return map->userns;
}

/* ---- mapped layers ---- */

int owner_tree(const struct cell_owner *owner, const struct stat *st)
{
	const struct kept_tree *kept = owner->trees;

	for (size_t i = 0; i < owner->tree_count; i++, kept++)
		if (kept->ino == st->st_ino && kept->dev == st->st_dev && kept->uid == st->st_uid &&
		    kept->gid == st->st_gid)
			return kept->tree;
	return -1;
}

bool owner_keep_tree(struct cell_owner *owner, const struct stat *st, int tree)
{
	if (owner->tree_count == COUNT(owner->trees))
		return false;
	owner->trees[owner->tree_count++] = (struct kept_tree){.dev = st->st_dev,
							       .ino = st->st_ino,
							       .uid = st->st_uid,
							       .gid = st->st_gid,
							       .tree = tree};
	return true;
}

/* ---- filters ---- */

const struct seccomp_filter *owner_filter(struct cell_owner *owner, const char *policy,
					  const char *cache, struct err *err)
{
	struct kept_filter *kept = owner->filters;
	char *name;

	for (size_t i = 0; i < owner->filter_count; i++, kept++)
		if (strcmp(kept->policy, policy) == 0)
			return &kept->filter;
	if (owner->filter_count == COUNT(owner->filters)) {
		(void)err_fail(err, ERR_USAGE, "the cells of a job have more than %zu filters",
			       COUNT(owner->filters));
		return NULL;
	}
	name = strdup(policy);
	if (!name) {
		(void)err_sys(err, "cannot keep a filter");
		return NULL;
	}
	if (seccomp_filter_load(policy, cache, &kept->filter, err) < 0) {
		free(name);
		return NULL;
	}
	kept->policy = name;
	owner->filter_count++;
	return &kept->filter;
}
