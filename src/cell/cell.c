/*
 * A cell's life, seen from outside, in two halves. It is born: cgroups, clone,
 * ids, and the child makes what needs no more than limits and a network. Then
 * it is given its spec, and whatever only the outside can mount; and it is
 * heard whether it reached its command. While one cell runs the first half of
 * the next can be done already (cell_prepare); a start without that does both
 * at once, and the child goes ahead while the mounts are made.
 *
 * Whatever fails, cell_release() undoes all that was done: a struct cell may be
 * half built.
 *
 *	stepcell ──clone3──> init (pid 1) ──fork──> main process
 *	   │  go ─────────────> a byte: ids and limits are set; the spec; its end: die
 *	   │ <──────────── news  an error of the set-up, or its end at exec
 *	   │ <────────── status  how the main process ended, from init alone
 *	   └─ pidfd, cgroup      everything else that is known about it
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "birth.h"
#include "complete.h"
#include "handover.h"
#include "network.h"
#include "overlay.h"
#include "owner.h"
#include "spec.h"
#include "stepcell/fd.h"
#include "stepcell/path.h"
#include "stepcell/util.h"
#include "supervise.h"
#include "walls.h"

/* A set-up takes milliseconds; one that hangs on a dead disk must not hang the run. */
#define SETUP_MS (60 * 1000)

/* ---- before the clone ---- */

/* The child's ends: only its own copies may keep the pipes open. */
static void ends_release(struct setup *s)
{
	while (s->entry_count > 0)
		fd_close(&s->entries[--s->entry_count]);
	fd_close(&s->go);
	fd_close(&s->news);
	fd_close(&s->status);
}

static void setup_release(struct setup *s)
{
	const struct cell_spec *spec = s->spec;

	for (size_t i = 0; s->trees && i < setup_tree_count(spec); i++)
		fd_close(&s->trees[i]);
	free(s->trees);
	s->trees = NULL;
	fd_close(&s->pty);
	handover_close(&s->handover);
	ends_release(s);
}

/* As root the mounts are made here, with root's rights over layers; else inside. */
static int prepare_trees(struct setup *s, struct err *err)
{
	const struct cell_spec *spec = s->spec;
	const size_t count = setup_tree_count(spec);

	s->trees = calloc(count, sizeof(*s->trees));
	if (!s->trees)
		return err_sys(err, "cannot list the mounts");
	for (size_t i = 0; i < count; i++)
		s->trees[i] = -1;
	if (!owner_is_root(spec->owner))
		return 0;
	for (size_t i = 0; i < count - 1; i++) {
		s->trees[i] = i < spec->overlay_count
				      ? overlay_mount(spec->owner, &spec->overlays[i], err)
				      : bind_mount(&spec->binds[i - spec->overlay_count], err);
		if (s->trees[i] < 0)
			return -1;
	}
	return dev_outside(spec, &s->trees[count - 1], err);
}

static int prepare_filters(struct cell *cell, struct setup *s, struct err *err)
{
	const char *policy = s->spec->seccomp;
	const int folder = (int)(strrchr(policy, '/') - policy);
	char cache[4096], init[4096];

	if (s->missing & CELL_WALL_SECCOMP)
		return 0;
	if (path_join(cache, sizeof(cache), s->spec->state, "cache/seccomp", err) < 0)
		return -1;
	s->filter = owner_filter(s->spec->owner, policy, cache, err);
	if (!s->filter)
		return -1;
	if (s->spec->audit) {
		if (audit_open(s->filter, &cell->audit, err) < 0)
			return -1;
		s->audit = cell->audit;
	}
	/* an init that has to look for itself has to fork and to open */
	if (s->watch)
		return 0;
	(void)snprintf(init, sizeof(init), "%.*s/%s.yml", folder, policy,
		       s->audit ? "audit" : "init");
	s->init_filter = owner_filter(s->spec->owner, init, cache, err);
	return s->init_filter ? 0 : -1;
}

static int prepare_pipe(int *read_end, int *write_end, struct err *err)
{
	int ends[2];

	if (pipe_open(ends, err) < 0)
		return -1;
	*read_end = ends[0];
	*write_end = ends[1];
	return 0;
}

static int prepare_socket(int *ours, int *childs, struct err *err)
{
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		return err_sys(err, "cannot create a socket");
	*ours = ends[0];
	*childs = ends[1];
	return 0;
}

/* Where a cgroup counts processes and memory nobody else has to; nobody else could slow a disk. */
static bool counts_all(const struct cell *cell)
{
	struct cell_limits counted = cell->limits;

	counted.io = 0;
	return cgroup_covers(cell->cgroup, &counted);
}

static int prepare(struct cell *cell, struct setup *s, struct err *err)
{
	const struct cell_spec *spec = s->spec;
	const struct cell_limits limits = limits_with_init(&spec->limits);

	if (cgroup_open(spec->state, spec->name, &limits, &cell->cgroup, err) < 0)
		return err_wrap(err, "making the cgroup");
	s->missing = walls_missing(cell->cgroup, &cell->limits);
	s->have_cgroup = counts_all(cell);
	s->watch = !s->have_cgroup && (spec->limits.pids || spec->limits.memory);
	if (s->missing & spec->require)
		return walls_refuse(s->missing & spec->require, err);
	s->entry_count = cgroup_entries(cell->cgroup, s->entries, err);
	if (s->entry_count < 0 || prepare_filters(cell, s, err) < 0 ||
	    handover_open(&s->handover, err) < 0)
		return -1;
	if (prepare_socket(&cell->leash, &s->go, err) < 0 ||
	    prepare_pipe(&cell->news, &s->news, err) < 0)
		return -1;
	return prepare_pipe(&cell->status, &s->status, err);
}

/* ---- the clone ---- */

static int give_ids(struct cell *cell, const struct cell_owner *owner, struct err *err)
{
	if (!owner_is_root(owner))
		return 0; /* its own line each child may write itself */
	return ids_map(cell->pid, (struct id_pair){CELL_UID, cell_owner_uid(owner)},
		       (struct id_pair){CELL_UID, owner_gid(owner)}, false, err);
}

/* Of whose sockets the memory counts: its own, those of a network that it shares, nobody's of the caller's. */
static int keep_network(struct cell *cell, const struct cell_spec *spec, struct err *err)
{
	const struct network *shared = NULL;

	if (spec->network == CELL_NET_FULL)
		fd_close(&cell->ns.net);
	if (spec->network == CELL_NET_SHARED)
		shared = owner_network(spec->owner, err);
	if (!shared || shared->user < 0)
		return 0;
	cell->ns.above = fcntl(shared->user, F_DUPFD_CLOEXEC, 3);
	return cell->ns.above < 0 ? err_sys(err, "cannot keep the job's network") : 0;
}

/* While the child can still be looked at: its init cannot be later. */
static int keep_namespaces(struct cell *cell, const struct setup *s, struct err *err)
{
	const bool memory = s->watch && s->spec->limits.memory;

	cell->uid = cell_owner_uid(s->spec->owner);
	cell->gid = owner_gid(s->spec->owner);
	if (count_ns_open(cell->pid, !owner_is_root(s->spec->owner), memory, &cell->ns, err) < 0)
		return -1;
	if (memory && keep_network(cell, s->spec, err) < 0)
		return -1;
	cell->disk.order.ns = cell->memory.order.ns = cell->ns;
	cell->memory.max = memory ? s->spec->limits.memory : 0;
	return 0;
}

/* As birth(), with the namespaces of a cell. */
static pid_t birth_of_cell(struct cell *cell, const struct cell_spec *spec, bool *outside,
			   struct err *err)
{
	const uint64_t flags =
		CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS;
	const int cgroup = cgroup_clone_fd(cell->cgroup);
	const struct network *shared;

	if (spec->network != CELL_NET_SHARED)
		return birth(flags | (spec->network == CELL_NET_NONE ? CLONE_NEWNET : 0), cgroup,
			     &cell->pidfd, outside, err);
	shared = owner_network(spec->owner, err);
	return shared ? network_birth(shared, flags, cgroup, &cell->pidfd, outside, err) : -1;
}

static int bear(struct cell *cell, struct setup *s, struct err *err)
{
	bool outside;

	cell->pid = birth_of_cell(cell, s->spec, &outside, err);
	if (cell->pid == 0)
		setup_run(s);
	if (cell->pid < 0 || handover_keep(s->handover, err) < 0 ||
	    (cell->audit && audit_keep(cell->audit, err) < 0))
		return -1;
	if ((outside && cgroup_attach(cell->cgroup, cell->pid, err) < 0) ||
	    give_ids(cell, s->spec->owner, err) < 0)
		return -1;
	if (write_full(cell->leash, "g", 1) < 0)
		return err_sys(err, "the cell died before it began");
	ends_release(s);
	return 0;
}

/* ---- what the child has to say ---- */

static int wait_for_news(struct cell *cell, struct err *err)
{
	struct pollfd fd = {.fd = cell->news, .events = POLLIN};
	int n;

	do
		n = poll(&fd, 1, SETUP_MS);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return err_sys(err, "cannot wait for the cell");
	if (n == 0)
		return err_fail(err, ERR_SYSTEM, "the set-up took more than %d seconds",
				SETUP_MS / 1000);
	return 0;
}

/*
 * End of file alone would also be a child that was killed on the way; so the
 * word comes first, and then either the end of file of exec or an error.
 */
int news_judge(const char *text, size_t len, struct err *err)
{
	if (len && text[0] == NEWS_READY) {
		text++;
		len--;
		if (!len)
			return 0;
	}
	if (!len)
		return err_fail(err, ERR_SYSTEM, "the child was killed while it was set up");
	if (len != sizeof(*err))
		return err_fail(err, ERR_SYSTEM, "the child said what makes no sense");
	memcpy(err, text, sizeof(*err));
	/* a worker may have been taken over by the bytes it read: believe the words at most */
	err->text[sizeof(err->text) - 1] = '\0';
	if (err->kind <= ERR_NONE || err->kind >= ERR_KIND_COUNT)
		err->kind = ERR_SYSTEM;
	return -1;
}

static int hear_setup(struct cell *cell, struct err *err)
{
	char text[sizeof(struct err) + 2]; /* one more than there can be */
	size_t len = 0;

	for (;;) {
		ssize_t n;

		if (wait_for_news(cell, err) < 0)
			return -1;
		n = read(cell->news, text + len, sizeof(text) - len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return news_judge(text, len, err);
		len += (size_t)n;
	}
}

static struct cell *cell_new(const struct cell_spec *spec)
{
	struct cell *cell = calloc(1, sizeof(*cell));

	if (!cell)
		return NULL;
	*cell = (struct cell){.ns = COUNT_NO_NS,
			      .disk = DISK_NONE,
			      .memory = MEMORY_NONE,
			      .pidfd = -1,
			      .status = -1,
			      .news = -1,
			      .leash = -1,
			      .timer = -1,
			      .epoll = -1,
			      .pty = -1,
			      .pty_socket = -1,
			      .limits = spec->limits};
	(void)snprintf(cell->name, sizeof(cell->name), "%s", spec->name);
	return cell;
}

/* ---- the first half ---- */

/* What a cell has to know to be born; the texts are the cell's own. */
static int keep_early(struct cell *cell, const struct cell_spec *spec, struct err *err)
{
	cell->early = (struct cell_spec){
		.name = cell->name,
		.owner = spec->owner,
		.state = strdup(spec->state),
		.seccomp = strdup(spec->seccomp),
		.limits = spec->limits,
		.network = spec->network,
		.require = spec->require,
		.audit = spec->audit,
	};
	if (!cell->early.state || !cell->early.seccomp)
		return err_sys(err, "cannot make a cell");
	cell->setup = (struct setup){SETUP_NO_FDS, .spec = &cell->early};
	return 0;
}

static int born(const struct cell_spec *spec, struct cell **out, unsigned *missing, struct err *err)
{
	struct cell *cell = cell_new(spec);

	if (!cell)
		return err_sys(err, "cannot make a cell");
	if (keep_early(cell, spec, err) < 0 || prepare(cell, &cell->setup, err) < 0 ||
	    bear(cell, &cell->setup, err) < 0) {
		*missing = cell->setup.missing;
		cell_release(&cell);
		return -1;
	}
	*out = cell;
	return 0;
}

/* Alive, and what it was born with is what is asked for. A function's argument came later. */
static bool serves(const struct cell *cell, const struct cell_spec *spec)
{
	const struct cell_spec *e = &cell->early;
	struct pollfd end = {.fd = cell->pidfd, .events = POLLIN};

	return !spec->fn && e->audit == spec->audit && e->network == spec->network &&
	       strcmp(e->state, spec->state) == 0 && strcmp(e->seccomp, spec->seccomp) == 0 &&
	       e->limits.memory == spec->limits.memory && e->limits.pids == spec->limits.pids &&
	       e->limits.cpus_milli == spec->limits.cpus_milli && e->limits.io == spec->limits.io &&
	       poll(&end, 1, 0) == 0;
}

static int prepare_complete(const struct cell_spec *spec, struct err *err)
{
	struct cell **ahead = owner_ahead(spec->owner);
	unsigned missing;

	if (spec_check(spec, err) < 0)
		return -1;
	if (*ahead && serves(*ahead, spec))
		return 0;
	cell_release(ahead);
	return born(spec, ahead, &missing, err);
}

int cell_prepare(const struct cell_spec *spec, struct err *err)
{
	struct complete_spec complete;
	int r;

	if (!spec->owner)
		return 0; /* nobody would keep it */
	r = spec_complete(spec, &complete, err);
	if (r == 0)
		r = prepare_complete(&complete.spec, err);
	completed_release(&complete);
	return r < 0 ? err_wrap(err, "preparing a cell") : 0;
}

/* One that was made ahead, if it serves; it is taken once. */
static struct cell *take_ahead(const struct cell_spec *spec)
{
	struct cell **ahead = owner_ahead(spec->owner);
	struct cell *cell = *ahead;

	if (!cell || !serves(cell, spec))
		return NULL;
	*ahead = NULL;
	(void)snprintf(cell->name, sizeof(cell->name), "%s", spec->name);
	cell->limits = spec->limits;
	return cell;
}

/* ---- the second half ---- */

/* A child that is gone already has said why. */
static int give_spec(struct cell *cell, struct err *err)
{
	if (handover_give(&cell->setup, cell->leash, err) == 0)
		return 0;
	return err->sys == EPIPE || err->sys == ECONNRESET ? hear_setup(cell, err) : -1;
}

static int take_terminal(struct cell *cell, struct err *err)
{
	if (cell->pty_socket < 0)
		return 0;
	cell->pty = pty_receive(cell->pty_socket, err);
	fd_close(&cell->pty_socket);
	return cell->pty < 0 ? -1 : 0;
}

static int go_on(struct cell *cell, const struct cell_spec *spec, struct err *err)
{
	struct setup *s = &cell->setup;
	int r;

	if (s->missing & spec->require)
		return walls_refuse(s->missing & spec->require, err);
	s->spec = spec;
	pty_look_at(spec->pty_like, &s->pty_look);
	r = disk_begin(&cell->disk, spec, err) < 0 || keep_namespaces(cell, s, err) < 0 ||
			    prepare_trees(s, err) < 0 ||
			    (spec->pty && prepare_socket(&cell->pty_socket, &s->pty, err) < 0) ||
			    give_spec(cell, err) < 0
		    ? -1
		    : 0;
	setup_release(s);
	if (r < 0 || hear_setup(cell, err) < 0)
		return -1;
	fd_close(&cell->news);
	return take_terminal(cell, err) < 0 ? -1 : supervise_begin(cell, err);
}

/* ---- the public face ---- */

static int start_complete(const struct cell_spec *spec, struct cell **out, unsigned *missing,
			  struct err *err)
{
	unsigned lacks = 0;
	struct cell *cell;
	int r;

	if (spec_check(spec, err) < 0)
		return err_wrap(err, "cell");
	cell = take_ahead(spec);
	r = cell || born(spec, &cell, &lacks, err) == 0 ? go_on(cell, spec, err) : -1;
	lacks = cell ? cell->setup.missing : lacks;
	if (r < 0 && err->kind == ERR_SYSTEM && !(lacks & spec->require))
		lacks |= walls_needed_missing(spec->state, err);
	if (missing)
		*missing = lacks;
	if (r < 0) {
		cell_release(&cell);
		return err_wrap(err, "cell '%s'", spec->name);
	}
	*out = cell;
	return 0;
}

int cell_start(const struct cell_spec *spec, struct cell **out, unsigned *missing, struct err *err)
{
	struct complete_spec complete;
	int r = spec_complete(spec, &complete, err);

	r = r < 0 ? err_wrap(err, "cell") : start_complete(&complete.spec, out, missing, err);
	if (r == 0) {
		(*out)->own = complete.own;
		complete.own = NULL;
	}
	completed_release(&complete);
	return r;
}

static void kill_and_reap(struct cell *cell)
{
	if (cell->pidfd < 0 || cell->reaped)
		return;
	(void)syscall(SYS_pidfd_send_signal, cell->pidfd, SIGKILL, NULL, 0);
	while (waitid(P_PIDFD, (id_t)cell->pidfd, &(siginfo_t){0}, WEXITED | __WALL) < 0 &&
	       errno == EINTR)
		;
	cell->reaped = true;
}

void cell_release(struct cell **cell)
{
	if (!*cell)
		return;
	setup_release(&(*cell)->setup);
	kill_and_reap(*cell);
	cgroup_close(&(*cell)->cgroup);
	disk_end(&(*cell)->disk);
	memory_end(&(*cell)->memory);
	count_ns_close(&(*cell)->ns);
	audit_close(&(*cell)->audit);
	fd_close(&(*cell)->pidfd);
	fd_close(&(*cell)->status);
	fd_close(&(*cell)->news);
	fd_close(&(*cell)->leash);
	fd_close(&(*cell)->timer);
	fd_close(&(*cell)->epoll);
	fd_close(&(*cell)->pty);
	fd_close(&(*cell)->pty_socket);
	cell_owner_close(&(*cell)->own);
	free((char *)(*cell)->early.state);
	free((char *)(*cell)->early.seccomp);
	free(*cell);
	*cell = NULL;
}

void cell_audit(const struct cell *cell, struct cell_audit *out)
{
	*out = (struct cell_audit){0};
	if (cell->audit)
		audit_read(cell->audit->table, out);
}

/* The lock files of ids unlock themselves with their holder, and are used again. */
void cell_sweep(const char *state)
{
	char home[4096];
	struct err ignored;

	state = state_or_home(state, home, sizeof(home), &ignored);
	if (state)
		cgroup_sweep(state);
}
