/*
 * A worker: a copy of this process that runs one function over bytes of others,
 * with nothing to lose.
 *
 * It is pid 1 of its own namespaces, sees the directories it was given and
 * nothing else, and acts as the caller there, without a capability: as root too
 * its one id is mapped to the caller's, so that what it makes belongs to the
 * store's owner. The caller waits for it. Whatever it says is not trusted
 * beyond its words.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/sched.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "birth.h"
#include "inside.h"
#include "landlock.h"
#include "lookup.h"
#include "newmount.h"
#include "overlay.h"
#include "stepcell/fd.h"
#include "stepcell/home.h"
#include "stepcell/path.h"
#include "stepcell/util.h"

/* The directories are the spec's binds; they appear as /0, /1, ... */

static int map_caller(struct setup *s, struct err *err)
{
	(void)s;
	/* known before the clone: here it is an unmapped number already */
	return map_one_id(s->uid, s->gid, err);
}

static int empty_root(struct setup *s, struct err *err)
{
	static const struct fs_option options[] = {
		{"size", "64k"}, {"nr_inodes", "256"}, {"mode", "0755"}, {NULL, NULL}};

	s->root = fs_make("tmpfs", options,
			  MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC, err);
	if (s->root < 0)
		return -1;
	if (move_mount(s->root, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return err_sys(err, "cannot mount the root");
	return 0;
}

static int attach(struct setup *s, const struct cell_bind *bind, bool directory, struct err *err)
{
	auto_fd int tree = bind_mount(bind, err);
	auto_fd int point = -1;

	if (tree < 0 || tree_restrict(tree, MOUNT_ATTR_NOEXEC, err) < 0)
		return -1;
	point = point_open(s->root, bind->at, directory, true, err);
	return point < 0 ? -1 : point_attach(tree, point, bind->at, err);
}

static int attach_dirs(struct setup *s, struct err *err)
{
	for (size_t i = 0; i < s->spec->bind_count; i++) {
		struct cell_bind bind = s->spec->binds[i];
		char at[24];

		(void)snprintf(at, sizeof(at), "/%zu", i);
		bind.at = at;
		if (attach(s, &bind, true, err) < 0)
			return -1;
	}
	return 0;
}

static int attach_name_files(struct setup *s, struct err *err)
{
	struct lookup lookup;

	if (s->spec->network == CELL_NET_NONE)
		return 0;
	lookup_find(&lookup, LOOKUP_FILES);
	for (size_t i = 0; i < lookup.count; i++)
		if (attach(s, &lookup.binds[i], false, err) < 0)
			return -1;
	return 0;
}

/* The root itself holds nothing, and nothing is to be put there. */
static int freeze_root(struct setup *s, struct err *err)
{
	struct mount_attr frozen = {.attr_set = MOUNT_ATTR_RDONLY};

	if (mount_setattr(s->root, "", AT_EMPTY_PATH, &frozen, sizeof(frozen)) < 0)
		return err_sys(err, "cannot make the root read-only");
	return 0;
}

static int open_rules(const struct cell_spec *spec, struct landlock_rule *rules, size_t *count,
		      struct err *err)
{
	for (size_t i = 0; i < spec->bind_count; i++) {
		char at[24];
		unsigned write = spec->binds[i].writable ? LANDLOCK_WRITE | LANDLOCK_MAKE : 0;

		(void)snprintf(at, sizeof(at), "/%zu", i);
		rules[i] = (struct landlock_rule){
			.fd = open(at, O_PATH | O_DIRECTORY | O_CLOEXEC),
			.access = LANDLOCK_READ | write,
		};
		if (rules[i].fd < 0)
			return err_sys(err, "cannot open '%s'", at);
	}
	*count = spec->bind_count;
	if (spec->network == CELL_NET_NONE)
		return 0;
	rules[*count] = (struct landlock_rule){
		.fd = open("/etc", O_PATH | O_DIRECTORY | O_CLOEXEC),
		.access = LANDLOCK_READ,
	};
	*count += rules[*count].fd >= 0;
	return 0;
}

static int restrict_to_dirs(struct setup *s, struct err *err)
{
	auto_free struct landlock_rule *rules = calloc(s->spec->bind_count + 1, sizeof(*rules));
	size_t count = 0;

	if (s->missing & CELL_WALL_LANDLOCK)
		return 0;
	if (!rules)
		return err_sys(err, "cannot list the Landlock rules");
	/* the rules' descriptors go with place_fds() */
	if (open_rules(s->spec, rules, &count, err) < 0)
		return -1;
	return landlock_restrict(rules, count, err);
}

/* As for a cell (setup.c), with less to make; there is no init, for it has no children. */
static const struct setup_row rows[] = {
	{"closing descriptors", keep_own_fds},
	{"mapping the caller's id", map_caller},
	{"naming the host", own_names},
	{"making mounts private", mounts_make_private},
	{"mounting an empty root", empty_root},
	{"mounting its directories", attach_dirs},
	{"mounting the files of host names", attach_name_files},
	{"freezing its root", freeze_root},
	{"setting the namespaces' limits", own_sysctls},
	{"opening /dev/null", open_null},
	{"changing the root", mounts_pivot},
	{"proving that no user namespace can be made", own_no_userns},
	{"setting resource limits", limit_resources},
	{"making a session keyring", own_keyring},
	{"dropping capabilities", drop_capabilities},
	{"tying the worker to stepcell", die_with_stepcell},
	{"entering the Landlock domain", restrict_to_dirs},
	{"placing descriptors", place_fds},
	{"installing the seccomp filter", filter_calls},
	{"working", run_command},
};

/* ---- the caller's side ---- */

struct cell_worker {
	struct cell_spec spec;
	struct setup setup;
	struct seccomp_filter filter;
	int *fds; /* the caller's, and the pipe for a word about a failure */
	int news, leash, pidfd;
	pid_t pid;
	uint64_t wall_ms;
};

static void worker_release(struct cell_worker *w)
{
	if (w->pidfd >= 0) {
		(void)syscall(SYS_pidfd_send_signal, w->pidfd, SIGKILL, NULL, 0);
		(void)waitid(P_PIDFD, (id_t)w->pidfd, &(siginfo_t){0}, WEXITED | __WALL);
	}
	seccomp_filter_release(&w->filter);
	free(w->fds);
	fd_close(&w->news);
	fd_close(&w->leash);
	fd_close(&w->pidfd);
	fd_close(&w->setup.go);
	fd_close(&w->setup.news);
	free(w);
}

static int load_filter(struct cell_worker *w, struct err *err)
{
	const char *name = w->spec.network == CELL_NET_FULL ? "policies/seccomp/fetch.yml"
							    : "policies/seccomp/worker.yml";
	char data[PATH_MAX], policy[PATH_MAX], state[PATH_MAX], cache[PATH_MAX];

	if (data_home(data, sizeof(data), err) < 0 || state_home(state, sizeof(state), err) < 0 ||
	    path_join(policy, sizeof(policy), data, name, err) < 0 ||
	    path_join(cache, sizeof(cache), state, "cache/seccomp", err) < 0)
		return -1;
	return seccomp_filter_load(policy, cache, &w->filter, err);
}

static int open_pipes(struct cell_worker *w, struct err *err)
{
	int go[2], news[2];

	if (pipe_open(go, err) < 0)
		return -1;
	w->setup.go = go[0];
	w->leash = go[1];
	if (pipe_open(news, err) < 0)
		return -1;
	w->news = news[0];
	w->setup.news = news[1];
	return fd_nonblock(w->news, err);
}

static int worker_prepare(struct cell_worker *w, const struct cell_work *work, struct err *err)
{
	w->fds = calloc(work->fd_count + 1, sizeof(*w->fds));
	if (!w->fds)
		return err_sys(err, "cannot list the descriptors");
	w->spec = (struct cell_spec){.name = work->name,
				     .binds = work->dirs,
				     .bind_count = work->dir_count,
				     .fds = w->fds,
				     .fd_count = work->fd_count + 1,
				     .fn = work->fn,
				     .fn_arg = work->arg,
				     .limits = work->limits,
				     .network = work->network};
	if (open_pipes(w, err) < 0 || load_filter(w, err) < 0)
		return -1;
	if (work->fd_count)
		memcpy(w->fds, work->fds, work->fd_count * sizeof(*w->fds));
	w->fds[work->fd_count] = w->setup.news;
	w->setup.spec = &w->spec;
	w->setup.filter = &w->filter;
	w->setup.uid = geteuid();
	w->setup.gid = getegid();
	if (landlock_abi() < 1)
		w->setup.missing = CELL_WALL_LANDLOCK;
	return 0;
}

static int worker_bear(struct cell_worker *w, struct err *err)
{
	const uint64_t flags = CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWIPC |
			       CLONE_NEWUTS | CLONE_NEWCGROUP |
			       (w->spec.network == CELL_NET_NONE ? CLONE_NEWNET : 0);
	bool outside;

	w->pid = birth(flags, -1, &w->pidfd, &outside, err);
	if (w->pid == 0)
		setup_walk(&w->setup, rows, COUNT(rows));
	if (w->pid < 0)
		return -1;
	fd_close(&w->setup.news);
	fd_close(&w->setup.go);
	return 0;
}

static int worker_wait(struct cell_worker *w, uint64_t wall_ms, int *status, struct err *err)
{
	struct pollfd fd = {.fd = w->pidfd, .events = POLLIN};
	siginfo_t info = {0};
	int n;

	do /* an interrupt begins the time again: it ends the run soon enough */
		n = poll(&fd, 1, wall_ms && wall_ms < INT_MAX ? (int)wall_ms : -1);
	while (n < 0 && errno == EINTR);
	if (n == 0)
		return err_fail(err, ERR_SYSTEM, "took more than %llu ms",
				(unsigned long long)wall_ms);
	if (n < 0 || waitid(P_PIDFD, (id_t)w->pidfd, &info, WEXITED | __WALL) < 0)
		return err_sys(err, "cannot wait for it");
	fd_close(&w->pidfd);
	*status = info.si_status;
	if (info.si_code != CLD_EXITED)
		return err_fail(err, ERR_SYSTEM, "was killed by signal %d (%s)", info.si_status,
				strsignal(info.si_status));
	return 0;
}

static int worker_judge(struct cell_worker *w, int status, struct err *err)
{
	char text[sizeof(struct err) + 2]; /* one more than there can be */
	ssize_t n = read(w->news, text, sizeof(text));

	if (news_judge(text, n < 0 ? 0 : (size_t)n, err) < 0)
		return -1;
	return status ? err_fail(err, ERR_SYSTEM, "failed with %d, and did not say why", status)
		      : 0;
}

int cell_worker_start(const struct cell_work *work, struct cell_worker **out, struct err *err)
{
	struct cell_worker *w = calloc(1, sizeof(*w));

	if (!w)
		return err_sys(err, "cannot start worker '%s'", work->name);
	*w = (struct cell_worker){
		.setup = {SETUP_NO_FDS, .is_worker = true},
		.news = -1,
		.leash = -1,
		.pidfd = -1,
		.wall_ms = work->limits.wall_ms,
	};
	if (worker_prepare(w, work, err) < 0 || worker_bear(w, err) < 0) {
		worker_release(w);
		return err_wrap(err, "worker '%s'", work->name);
	}
	*out = w;
	return 0;
}

int cell_worker_end(struct cell_worker **worker, struct err *err)
{
	struct cell_worker *w = *worker;
	const char *name = w->spec.name;
	int status = 0, r;

	r = worker_wait(w, w->wall_ms, &status, err) < 0 || worker_judge(w, status, err) < 0 ? -1
											     : 0;
	worker_release(w);
	*worker = NULL;
	return r < 0 ? err_wrap(err, "worker '%s'", name) : 0;
}

int cell_worker(const struct cell_work *work, struct err *err)
{
	struct cell_worker *w;

	return cell_worker_start(work, &w, err) < 0 ? -1 : cell_worker_end(&w, err);
}
