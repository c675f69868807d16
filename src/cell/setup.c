/*
 * What happens between clone3() and execve().
 *
 * The child of clone3() walks the table below with its copy of the spec. Half
 * way it forks: it stays behind as the cell's init (pid 1, init.c), and its
 * child goes on and becomes the step. A row that fails ends the walk; its error
 * goes through a pipe to stepcell, which kills what there is. End of file on
 * that pipe after NEWS_READY means that execve() happened.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/keyctl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "caps.h"
#include "fds.h"
#include "inside.h"
#include "landlock.h"
#include "owner.h"
#include "rlimits.h"
#include "stepcell/fd.h"
#include "stepcell/path.h"
#include "stepcell/util.h"

/* Other cells' pipes are open here too: the end of one must never wait for another. */
int keep_own_fds(struct setup *s, struct err *err)
{
	const struct cell_spec *spec = s->spec;
	const size_t trees = s->trees ? setup_tree_count(spec) : 0;
	const int ours[] = {s->go,          s->news,         s->status,      s->pty,
			    spec->stdin_fd, spec->stdout_fd, spec->stderr_fd};
	const size_t count = COUNT(ours) + CGROUP_ENTRIES + trees + spec->fd_count;
	auto_free int *keep = calloc(count, sizeof(*keep));
	size_t n = COUNT(ours);

	if (!keep)
		return err_sys(err, "cannot list the descriptors");
	memcpy(keep, ours, sizeof(ours));
	for (int i = 0; i < s->entry_count; i++)
		keep[n++] = s->entries[i];
	for (size_t i = 0; i < trees; i++)
		keep[n++] = s->trees[i];
	for (size_t i = 0; i < spec->fd_count; i++)
		keep[n++] = spec->fds[i];
	return fds_close_others(keep, n, err);
}

/* Before anything else is done, and before a fork: whatever comes then is counted. */
static int enter_cgroups(struct setup *s, struct err *err)
{
	for (int i = 0; i < s->entry_count; i++) {
		if (write_full(s->entries[i], "0", 1) < 0)
			return err_sys(err, "cannot enter the cgroup");
		fd_close(&s->entries[i]);
	}
	s->entry_count = 0;
	return 0;
}

/* One line that maps the writer's own id: that the child may write itself. */
static int map_id(struct id_pair uid, struct id_pair gid, struct err *err)
{
	/* /proc/self belongs to root while stepcell cannot be dumped, and this is a copy of it */
	if (prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) < 0)
		return err_sys(err, "cannot open /proc/self to ourselves");
	return ids_map(0, uid, gid, true, err);
}

int map_one_id(uint32_t uid, uint32_t gid, struct err *err)
{
	return map_id((struct id_pair){CELL_UID, uid}, (struct id_pair){CELL_UID, gid}, err);
}

int map_own_id(uint32_t uid, uint32_t gid, struct err *err)
{
	return map_id((struct id_pair){uid, uid}, (struct id_pair){gid, gid}, err);
}

static int map_own_ids(struct setup *s, struct err *err)
{
	const struct cell_owner *owner = s->spec->owner;

	if (owner_is_root(owner))
		return 0; /* has been mapped to the job's id, from outside */
	return map_one_id(cell_owner_uid(owner), owner_gid(owner), err);
}

static int wait_for_go(struct setup *s, struct err *err)
{
	char byte;

	if (read_full(s->go, &byte, 1) < 0)
		return err_sys(err, "stepcell went away");
	return 0;
}

/* A member already: so "/" is what the cell's own /proc/self/cgroup shows. */
static int own_cgroup(struct setup *s, struct err *err)
{
	(void)s;
	return unshare(CLONE_NEWCGROUP) < 0 ? err_sys(err, "cannot make a cgroup namespace") : 0;
}

static int become_step(struct setup *s, struct err *err)
{
	if (!owner_is_root(s->spec->owner))
		return 0;
	if (setgroups(0, NULL) < 0 || setresgid(CELL_UID, CELL_UID, CELL_UID) < 0 ||
	    setresuid(CELL_UID, CELL_UID, CELL_UID) < 0)
		return err_sys(err, "cannot become uid %d", CELL_UID);
	/* that change closed /proc/self to us, and settings are still to be written there */
	if (prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) < 0)
		return err_sys(err, "cannot open /proc/self to ourselves");
	return 0;
}

int limit_resources(struct setup *s, struct err *err)
{
	const struct cell_limits limits = limits_with_init(&s->spec->limits);

	(void)umask(022);
	if (s->is_worker)
		return rlimits_apply(&s->spec->limits, RLIMITS_WORKER, err);
	return rlimits_apply(&limits, s->have_cgroup ? RLIMITS_CGROUP : RLIMITS_CELL, err);
}

int own_keyring(struct setup *s, struct err *err)
{
	(void)s;
	if (syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL) < 0 && errno != ENOSYS)
		return err_sys(err, "cannot make a session keyring");
	return 0;
}

int drop_capabilities(struct setup *s, struct err *err)
{
	(void)s;
	if (caps_drop_all(err) < 0 || caps_assert_none(err) < 0)
		return -1;
	return no_new_privs_set(err);
}

/*
 * Die with stepcell. The kernel forgets this order at each change of ids, so it
 * comes after the last; and it was given too late when stepcell is gone.
 */
int die_with_stepcell(struct setup *s, struct err *err)
{
	struct pollfd leash = {.fd = s->go};

	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return err_sys(err, "cannot tie the cell to stepcell");
	if (poll(&leash, 1, 0) < 0)
		return err_sys(err, "cannot see whether stepcell lives");
	if (leash.revents & POLLHUP)
		return err_fail(err, ERR_SYSTEM, "stepcell went away");
	return 0;
}

/* Init never returns from here; what follows in the table is the main process. */
static int fork_main(struct setup *s, struct err *err)
{
	pid_t pid;

	if (s->audit && audit_pair(s->audit, err) < 0)
		return -1;
	pid = fork();
	if (pid < 0)
		return err_sys(err, "cannot fork");
	if (pid > 0)
		init_run(s, pid);
	if (s->audit)
		fd_close(&s->audit->from_main);
	fd_close(&s->proc);
	return 0;
}

static int own_session(struct setup *s, struct err *err)
{
	sigset_t none;

	(void)s;
	for (int n = 1; n < NSIG; n++)
		(void)signal(n, SIG_DFL); /* an ignored signal would stay ignored across exec */
	(void)sigemptyset(&none);
	if (sigprocmask(SIG_SETMASK, &none, NULL) < 0 || setsid() < 0)
		return err_sys(err, "cannot make a session");
	return 0;
}

int open_null(struct setup *s, struct err *err)
{
	s->null = open("/dev/null", O_RDWR | O_CLOEXEC);
	return s->null < 0 ? err_sys(err, "cannot open '/dev/null'") : 0;
}

int place_fds(struct setup *s, struct err *err)
{
	const struct cell_spec *spec = s->spec;
	auto_free int *from = calloc(3 + spec->fd_count, sizeof(*from));
	const int stdio[] = {spec->stdin_fd, spec->stdout_fd, spec->stderr_fd};
	int *const also[] = {&s->news, s->audit ? &s->audit->to_init : NULL};

	if (!from)
		return err_sys(err, "cannot list the descriptors");
	for (size_t i = 0; i < 3; i++)
		from[i] = s->terminal >= 0 ? s->terminal : stdio[i] > 0 ? stdio[i] : s->null;
	if (spec->fd_count)
		memcpy(from + 3, spec->fds, spec->fd_count * sizeof(*from));
	return fds_place(from, 3 + spec->fd_count, also, s->audit ? 2 : 1, err);
}

struct rules {
	struct landlock_rule *list;
	size_t count;
};

static int add_rule(struct rules *rules, const char *at, unsigned access, struct err *err)
{
	int fd = open(at, O_PATH | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return err_sys(err, "cannot open '%s'", at);
	rules->list[rules->count++] = (struct landlock_rule){.fd = fd, .access = access};
	return 0;
}

/* What the cell made for itself. */
static const struct {
	const char *at;
	unsigned access;
} own_rules[] = {
	{"/proc", LANDLOCK_WRITE},
	{"/dev", LANDLOCK_WRITE | LANDLOCK_DEVICE},
	{"/dev/shm", LANDLOCK_WRITE | LANDLOCK_MAKE},
};

static int list_rules(const struct cell_spec *spec, struct rules *rules, struct err *err)
{
	const unsigned read = LANDLOCK_READ | LANDLOCK_EXECUTE;
	const unsigned write = LANDLOCK_WRITE | LANDLOCK_MAKE;

	for (size_t i = 0; i < COUNT(own_rules); i++)
		if (add_rule(rules, own_rules[i].at, own_rules[i].access, err) < 0)
			return -1;
	for (size_t i = 0; i < spec->overlay_count; i++) {
		const struct cell_overlay *o = &spec->overlays[i];

		if (add_rule(rules, o->at, o->upper ? read | write : read, err) < 0)
			return -1;
	}
	for (size_t i = 0; i < spec->bind_count; i++) {
		const struct cell_bind *bind = &spec->binds[i];

		if (add_rule(rules, bind->at, bind->writable ? read | write : read, err) < 0)
			return -1;
	}
	return 0;
}

/*
 * Whatever the mounts say: nothing outside this root, though a descriptor
 * should lead there; and writing only where the spec lets it.
 */
static int restrict_files(struct setup *s, struct err *err)
{
	const size_t max = COUNT(own_rules) + s->spec->overlay_count + s->spec->bind_count;
	auto_free struct landlock_rule *list = calloc(max, sizeof(*list));
	struct rules rules = {.list = list};
	int r;

	if (s->missing & CELL_WALL_LANDLOCK)
		return 0;
	if (!list)
		return err_sys(err, "cannot list the Landlock rules");
	r = list_rules(s->spec, &rules, err);
	if (r == 0)
		r = landlock_restrict(rules.list, rules.count, err);
	while (rules.count)
		fd_close(&rules.list[--rules.count].fd);
	return r;
}

/* Never through a magic link of /proc: a descriptor is no place to start in. */
static int enter_workdir(struct setup *s, struct err *err)
{
	const char *workdir = s->spec->workdir ? s->spec->workdir : "/";
	auto_fd int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	auto_fd int dir = -1;
	char path[4096];

	if (root < 0)
		return err_sys(err, "cannot open '/'");
	dir = open_in_root(root, workdir, O_PATH | O_DIRECTORY, 0, err);
	if (dir < 0 && s->spec->workdir_or_root && err->sys == ENOENT)
		dir = fcntl(root, F_DUPFD_CLOEXEC, 0);
	if (dir < 0)
		return -1;
	if (fchdir(dir) < 0)
		return err_sys(err, "cannot enter '%s'", workdir);
	if (syscall(SYS_getcwd, path, sizeof(path)) < 0 || path[0] != '/')
		return err_fail(err, ERR_USAGE, "the working directory '%s' is not in the root",
				workdir);
	return 0;
}

int filter_calls(struct setup *s, struct err *err)
{
	if (s->missing & CELL_WALL_SECCOMP)
		return 0;
	return s->audit ? audit_install(s->audit, err) : seccomp_filter_install(s->filter, err);
}

static int ready(const struct setup *s, struct err *err)
{
	const char word = NEWS_READY;

	return write_full(s->news, &word, 1) < 0 ? err_sys(err, "stepcell went away") : 0;
}

/* No exec will close what must not stay open, or make this copy of stepcell's memory go away. */
static _Noreturn void run_function(struct setup *s)
{
	const struct cell_spec *spec = s->spec;
	auto_free int *fds = calloc(spec->fd_count + 1, sizeof(*fds));

	fd_close(&s->news);
	own_environment_forget();
	for (size_t i = 0; fds && i < spec->fd_count; i++)
		fds[i] = 3 + (int)i;
	if (!fds)
		_exit(125);
	_exit(spec->fn(spec->fn_arg, fds, spec->fd_count - (s->is_worker ? 1 : 0)) & 0xff);
}

static const char *env_path(const char *const *env)
{
	for (; *env; env++)
		if (strncmp(*env, "PATH=", 5) == 0)
			return *env + 5;
	return "/usr/local/bin:/usr/bin:/bin";
}

/* execve() in each directory of PATH; what is found but refused is the better news. */
static void exec_along(const char *path, const struct cell_spec *spec)
{
	int refused = 0;
	char full[4096];

	for (size_t len; *path; path += len + (path[len] == ':')) {
		len = strcspn(path, ":");
		(void)snprintf(full, sizeof(full), "%.*s/%s", (int)len, len ? path : ".",
			       spec->argv[0]);
		(void)execve(full, (char *const *)spec->argv, (char *const *)spec->env);
		if (errno != ENOENT && errno != ENOTDIR && errno != ENAMETOOLONG)
			refused = errno;
	}
	errno = refused ? refused : ENOENT;
}

int run_command(struct setup *s, struct err *err)
{
	const struct cell_spec *spec = s->spec;

	if (ready(s, err) < 0)
		return -1;
	if (spec->fn)
		run_function(s);
	if (strchr(spec->argv[0], '/'))
		(void)execve(spec->argv[0], (char *const *)spec->argv, (char *const *)spec->env);
	else
		exec_along(env_path(spec->env), spec);
	(void)err_sys(err, "cannot run '%s'", spec->argv[0]);
	err->kind = ERR_USAGE; /* the spec's fault, not the host's */
	return -1;
}

/*
 * The order is the security argument:
 *
 *   descriptors of others go before anything can block, or their readers would
 *   wait for us;
 *   ids come before mounts, for what is made in them belongs to whoever makes it;
 *   the cgroup comes before its namespace, or the namespace would show the host's;
 *   what needs no spec comes before it is taken over: it can be done ahead;
 *   the clocks come after that, for they begin when the cell does;
 *   settings and /proc are made before the pivot: the kernel gives a new /proc
 *   only to those who see a whole one, and the settings are written through it;
 *   the limit on user namespaces is tried when it has been set;
 *   mounts come before capabilities, because pivot_root needs CAP_SYS_ADMIN;
 *   init is tied to stepcell after the last change of ids, which would undo it;
 *   the fork comes when nothing is left that both of them would have to give up;
 *   Landlock comes after all mounts, because it forbids them;
 *   seccomp comes last, because it denies what every earlier row uses.
 */
static const struct setup_row rows[] = {
	{"closing descriptors", keep_own_fds},
	{"entering the cgroups", enter_cgroups},
	{"mapping the ids", map_own_ids},
	{"waiting for stepcell", wait_for_go},
	{"entering the cgroup namespace", own_cgroup},
	{"taking the step's id", become_step},
	{"setting up the network", own_network},
	{"making mounts private", mounts_make_private},
	{"setting the namespaces' limits", own_sysctls},
	{"taking over the spec", take_spec},
	{"setting the clocks", own_time},
	{"naming the host", own_names},
	{"naming init", own_title},
	{"mounting the root", mounts_root},
	{"mounting overlays", mounts_overlays},
	{"mounting /proc", mounts_proc},
	{"making /dev", dev_make},
	{"making /tmp", mounts_tmp},
	{"mounting binds", mounts_binds},
	{"changing the root", mounts_pivot},
	{"making a terminal", pty_make},
	{"proving that no user namespace can be made", own_no_userns},
	{"setting resource limits", limit_resources},
	{"making a session keyring", own_keyring},
	{"dropping capabilities", drop_capabilities},
	{"tying the cell to stepcell", die_with_stepcell},
	{"forking the main process", fork_main},
	{"restoring the command line", own_title_back},
	{"making a session", own_session},
	{"taking the terminal", pty_control},
	{"opening /dev/null", open_null},
	{"placing descriptors", place_fds},
	{"entering the working directory", enter_workdir},
	{"entering the Landlock domain", restrict_files},
	{"installing the seccomp filter", filter_calls},
	{"starting the command", run_command},
};

_Noreturn void setup_run(struct setup *s)
{
	setup_walk(s, rows, COUNT(rows));
}
