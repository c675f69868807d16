/* stepcell exec: one command in one cell. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/options.h"
#include "cli/relay.h"
#include "stepcell/arena.h"
#include "stepcell/cell.h"
#include "stepcell/fd.h"
#include "stepcell/home.h"
#include "stepcell/image.h"
#include "stepcell/json.h"
#include "stepcell/limits.h"
#include "stepcell/log.h"
#include "stepcell/path.h"
#include "stepcell/policy.h"
#include "stepcell/util.h"

/* What docker, env and timeout say when it was they who failed, not the command. */
#define EXIT_OURS 125

struct exec_options {
	const char *image, *policy, *checkout, *workdir;
	struct option_list limits, env;
	bool json;
};

static const struct option_row rows[] = {
	{0, "image", "REF", opt_text, offsetof(struct exec_options, image),
	 "the root: an image's name or digest, or \"host\" (the default)"},
	{0, "policy", "P", opt_text, offsetof(struct exec_options, policy),
	 "a policy's name or file (default)"},
	{0, "checkout", "DIR", opt_text, offsetof(struct exec_options, checkout),
	 "a directory to work in; what is written there stays in the cell"},
	{0, "limit", "K=V", opt_list, offsetof(struct exec_options, limits),
	 "a limit of the policy's, as memory=64MiB, pids=32, step=2s"},
	{0, "env", "K=V", opt_pair, offsetof(struct exec_options, env), "a variable"},
	{0, "workdir", "D", opt_text, offsetof(struct exec_options, workdir),
	 "where to start, inside"},
	{0, "json", NULL, opt_flag, offsetof(struct exec_options, json),
	 "end with one line of JSON; the command's output goes to standard error"},
};

static const struct option_usage usage = {
	.synopsis = "stepcell exec [OPTION]... [--] CMD...",
	.about = "Runs CMD sealed. Exits with its code, 128 and its signal, or 125 when stepcell "
		 "failed.",
	.rows = rows,
	.count = COUNT(rows),
	.rest = true,
};

/* One exec, from options to spec; all of it lives in the arena. */
struct exec {
	struct arena *arena;
	struct exec_options options;
	char **command;
	char state[PATH_MAX];
	char scratch[PATH_MAX]; /* our directory of uppers, "" while there is none */
	int scratch_lock;
	struct store *store;
	struct image image;
	struct policy policy;
	struct cell_owner *owner;
	struct cell_spec spec;
	unsigned missing;
};

/* ---- a directory for what is written ---- */

/* What an exec that was killed left behind: its lock is free. */
static void sweep_one(int dir, const char *name)
{
	auto_fd int old = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct err ignored = {0};

	if (old >= 0 && flock(old, LOCK_EX | LOCK_NB) == 0)
		(void)remove_tree(dir, name, &ignored);
}

static int sweep(int dir, struct err *err)
{
	int copy = fcntl(dir, F_DUPFD_CLOEXEC, 3);
	DIR *list = copy < 0 ? NULL : fdopendir(copy);

	if (!list)
		return err_sys(err, "cannot list a directory");
	for (const struct dirent *entry; (entry = readdir(list));)
		if (name_is_safe(entry->d_name))
			sweep_one(dir, entry->d_name);
	closedir(list);
	return 0;
}

static int make_scratch(struct exec *x, struct err *err)
{
	char parent[PATH_MAX];

	if (path_join(parent, sizeof(parent), x->state, "exec", err) < 0 ||
	    mkdir_all(parent, 0700, err) < 0 ||
	    path_join(x->scratch, sizeof(x->scratch), parent, "XXXXXX", err) < 0)
		return -1;

	/* held while we have no lock of our own yet, so that nobody sweeps ours away */
	auto_fd int dir = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (dir < 0 || flock(dir, LOCK_EX) < 0)
		return err_sys(err, "cannot lock '%s'", parent);
	if (sweep(dir, err) < 0)
		return err_wrap(err, "'%s'", parent);
	if (!mkdtemp(x->scratch))
		return err_sys(err, "cannot make a directory in '%s'", parent);
	x->scratch_lock = open(x->scratch, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (x->scratch_lock < 0 || flock(x->scratch_lock, LOCK_EX | LOCK_NB) < 0)
		return err_sys(err, "cannot lock '%s'", x->scratch);
	return 0;
}

static void drop_scratch(struct exec *x)
{
	struct err err = {0};

	if (x->scratch_lock < 0)
		return;
	if (remove_tree(AT_FDCWD, x->scratch, &err) < 0)
		log_warn("%s", err.text);
	fd_close(&x->scratch_lock);
}

static const char *make_upper(struct exec *x, size_t number, struct err *err)
{
	const char *path = arena_printf(x->arena, "%s/%zu", x->scratch, number);

	return cell_upper_make(x->owner, path, err) < 0 ? NULL : path;
}

/* ---- what it is made of ---- */

static struct cell_overlay *add_overlay(struct exec *x, struct cell_overlay *list)
{
	return &list[x->spec.overlay_count++];
}

static int use_image(struct exec *x, struct cell_overlay *list, struct err *err)
{
	const char *ref = x->options.image ? x->options.image : "host";

	if (image_find(x->store, x->arena, ref, &x->image, err) < 0)
		return -1;
	for (size_t i = 0; i < x->image.mount_count; i++) {
		const struct image_mount *mount = &x->image.mounts[i];
		struct cell_overlay *o = add_overlay(x, list);

		*o = (struct cell_overlay){.at = mount->at,
					   .layers = mount->layers,
					   .layer_count = mount->layer_count,
					   .upper = make_upper(x, i, err)};
		if (!o->upper)
			return -1;
	}
	return 0;
}

/* The checkout's .git may hold a token: for the cell it is not there at all. */
static int hide_git(const char *upper, struct err *err)
{
	char path[PATH_MAX];

	if (path_join(path, sizeof(path), upper, "data/.git", err) < 0)
		return -1;
	return mknod(path, S_IFCHR, makedev(0, 0)) < 0 ? err_sys(err, "cannot hide '.git'") : 0;
}

static const char *workspace_of(struct exec *x, const char *checkout)
{
	auto_strbuf struct strbuf name = STRBUF(256);

	name_make_safe(strrchr(checkout, '/') + 1, &name);
	return arena_printf(x->arena, "/home/runner/work/%s/%s", name.text, name.text);
}

static int use_checkout(struct exec *x, struct cell_overlay *list, struct err *err)
{
	char real[PATH_MAX];
	struct cell_layer *layer = arena_alloc(x->arena, sizeof(*layer));
	const bool strict = x->policy.checkout == POLICY_STRICT;
	struct cell_overlay *o;

	if (!x->options.checkout)
		return 0;
	if (!realpath(x->options.checkout, real))
		return err_sys(err, "checkout '%s'", x->options.checkout);
	layer->path = arena_strdup(x->arena, real);
	o = add_overlay(x, list);
	*o = (struct cell_overlay){
		.at = workspace_of(x, layer->path), .layers = layer, .layer_count = 1};
	x->spec.workdir = o->at;
	o->upper = make_upper(x, x->spec.overlay_count, err);
	if (!o->upper || hide_git(o->upper, err) < 0)
		return -1;
	if (strict) { /* the upper is a layer that hides, and nothing can be written */
		struct cell_layer *layers = arena_array(x->arena, 2, sizeof(*layers));

		layers[0].path = arena_printf(x->arena, "%s/data", o->upper);
		layers[1] = *layer;
		o->layers = layers;
		o->layer_count = 2;
		o->upper = NULL;
	}
	return 0;
}

static int use_mounts(struct exec *x, struct err *err)
{
	struct cell_overlay *list = arena_array(x->arena, 16, sizeof(*list));

	x->spec.overlays = list;
	x->spec.workdir = "/home/runner";
	if (make_scratch(x, err) < 0 || store_open(x->state, &x->store, err) < 0 ||
	    use_image(x, list, err) < 0 || use_checkout(x, list, err) < 0)
		return -1;
	if (x->options.workdir)
		x->spec.workdir = x->options.workdir;
	return 0;
}

/* Later ones win, as in a shell. */
static void set_variable(struct exec *x, const char **env, const char *pair)
{
	size_t name = strcspn(pair, "=") + 1;
	size_t i = 0;

	(void)x;
	while (env[i] && strncmp(env[i], pair, name) != 0)
		i++;
	env[i] = pair;
}

static void use_env(struct exec *x)
{
	const struct node *base = x->image.env;
	const size_t given = x->options.env.count, max = given + 3 + (base ? base->count : 0);
	const char **env = arena_array(x->arena, max, sizeof(*env));

	set_variable(x, env, "HOME=/home/runner");
	set_variable(x, env, "PATH=/usr/local/bin:/usr/bin:/bin");
	for (size_t i = 0; base && i < base->count; i++)
		set_variable(x, env,
			     arena_printf(x->arena, "%s=%s", base->pairs[i].key->text,
					  node_text(base->pairs[i].value)));
	for (size_t i = 0; i < given; i++)
		set_variable(x, env, x->options.env.list[i]);
	x->spec.env = env;
}

/* ---- what it may do ---- */

static int use_walls(struct exec *x, struct err *err)
{
	for (size_t i = 0; i < x->policy.require.count; i++) {
		const char *name = x->policy.require.list[i];
		unsigned bit = 0;

		for (unsigned wall = 0; wall < CELL_WALL_COUNT; wall++)
			if (strcmp(name, cell_wall_name(1U << wall)) == 0)
				bit = 1U << wall;
		if (!bit)
			return err_fail(err, ERR_USAGE, "policy '%s' requires an unknown wall '%s'",
					x->policy.name, name);
		x->spec.require |= bit;
	}
	return 0;
}

static struct cell_limits limits_of(const struct policy_limits *l)
{
	return (struct cell_limits){.memory = l->memory,
				    .cpus_milli = l->cpus_milli,
				    .pids = l->pids,
				    .disk = l->disk,
				    .files = l->files,
				    .open_files = l->open_files,
				    .wall_ms = l->step_ms};
}

static int use_policy(struct exec *x, struct err *err)
{
	const char *ref = x->options.policy ? x->options.policy : "default";
	const struct policy *found = policy_find(x->arena, ref, err);
	char data[PATH_MAX];

	if (!found || data_home(data, sizeof(data), err) < 0)
		return -1;
	x->policy = *found;
	for (size_t i = 0; i < x->options.limits.count; i++)
		if (policy_set_limit(&x->policy.limits, x->options.limits.list[i], err) < 0)
			return -1;
	if (x->policy.network == POLICY_NET_PROXY)
		return err_fail(
			err, ERR_POLICY,
			"policy '%s' lets a step reach named hosts, which exec cannot give; "
			"choose a policy with network none or full",
			x->policy.name);
	x->spec.limits = limits_of(&x->policy.limits);
	x->spec.network = x->policy.network == POLICY_NET_FULL ? CELL_NET_FULL : CELL_NET_NONE;
	x->spec.proc = x->policy.proc == POLICY_PROC_FULL ? CELL_PROC_FULL : CELL_PROC_PID;
	x->spec.seccomp =
		arena_printf(x->arena, "%s/policies/seccomp/%s.yml", data, x->policy.seccomp);
	return use_walls(x, err);
}

static int prepare(struct exec *x, struct err *err)
{
	x->spec.name = "exec";
	x->spec.argv = (const char *const *)x->command;
	x->spec.state = x->state;
	if (use_policy(x, err) < 0 || state_home(x->state, sizeof(x->state), err) < 0)
		return -1;
	cell_sweep(x->state);
	if (cell_owner_open(x->state, &x->owner, err) < 0)
		return -1;
	x->spec.owner = x->owner;
	if (use_mounts(x, err) < 0)
		return -1;
	use_env(x);
	return 0;
}

/* ---- running it ---- */

static int open_signals(struct err *err)
{
	static const int passed_on[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
	sigset_t set;
	int fd;

	(void)sigemptyset(&set);
	for (size_t i = 0; i < COUNT(passed_on); i++)
		(void)sigaddset(&set, passed_on[i]);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return err_sys(err, "cannot hold back signals");
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return fd < 0 ? err_sys(err, "cannot wait for signals") : fd;
}

/* The first is the command's to act upon; the second means it. */
static void pass_signal(struct cell *cell, int signals, unsigned *seen)
{
	struct signalfd_siginfo info;
	struct err ignored = {0};

	if (read(signals, &info, sizeof(info)) != sizeof(info))
		return;
	if ((*seen)++)
		cell_kill(cell, CELL_CANCELLED);
	else
		(void)cell_signal(cell, (int)info.ssi_signo, &ignored);
}

static int follow(struct cell *cell, struct relay *relay, int signals, struct err *err)
{
	struct pollfd fds[RELAY_STREAMS + 2] = {0};
	unsigned seen = 0;
	bool ended = false;

	while (!ended) {
		relay_want(relay, fds);
		fds[RELAY_STREAMS] = (struct pollfd){.fd = cell_fd(cell), .events = POLLIN};
		fds[RELAY_STREAMS + 1] = (struct pollfd){.fd = signals, .events = POLLIN};
		if (poll(fds, COUNT(fds), -1) < 0 && errno != EINTR)
			return err_sys(err, "cannot wait for the cell");
		relay_move(relay, fds);
		if (fds[RELAY_STREAMS + 1].revents)
			pass_signal(cell, signals, &seen);
		if (cell_poll(cell, &ended, err) < 0)
			return -1;
	}
	relay_drain(relay);
	return 0;
}

static int start_and_follow(struct exec *x, struct relay *relay, struct cell **cell,
			    struct cell_result *result, struct err *err)
{
	auto_fd int signals = open_signals(err);

	if (signals < 0 || relay_open(relay, x->options.json, err) < 0)
		return -1;
	x->spec.stdin_fd = relay->inside[0];
	x->spec.stdout_fd = relay->inside[1];
	x->spec.stderr_fd = relay->inside[2];
	if (cell_start(&x->spec, cell, &x->missing, err) < 0)
		return -1;
	relay_started(relay);
	if (follow(*cell, relay, signals, err) < 0)
		return -1;
	return cell_wait(*cell, result, err);
}

static int run(struct exec *x, struct cell_result *result, struct err *err)
{
	struct relay relay;
	struct cell *cell = NULL;
	int r = start_and_follow(x, &relay, &cell, result, err);

	relay_close(&relay);
	cell_release(&cell);
	return r;
}

/* ---- what is said about it ---- */

static void warn_missing(const struct exec *x)
{
	for (unsigned wall = 0; wall < CELL_WALL_COUNT; wall++)
		if (x->missing & (1U << wall))
			log_warn("this host gives no %s; 'stepcell doctor' says what mends it",
				 cell_wall_name(1U << wall));
}

static void note_verdict(const struct cell_result *r)
{
	if (r->init_killed)
		log_warn("the cell's init was killed");
	if (r->verdict > CELL_SIGNALLED)
		log_warn("%s", cell_verdict_name(r->verdict));
	if (r->pids_refused && r->verdict != CELL_PIDS_LIMIT)
		log_note("the command could not start some processes: it ran into its limit");
	if (r->survivors)
		log_note("%u process%s outlived the command and %s killed", r->survivors,
			 r->survivors == 1 ? "" : "es", r->survivors == 1 ? "was" : "were");
}

static const struct node *usage_node(struct arena *a, const struct cell_usage *u)
{
	const struct {
		const char *key;
		uint64_t value;
	} counts[] = {
		{"wall_us", u->wall_us},
		{"user_us", u->user_us},
		{"system_us", u->system_us},
		{"peak_memory", u->peak_memory},
		{"peak_pids", u->peak_pids},
		{"read_bytes", u->read_bytes},
		{"written_bytes", u->written_bytes},
	};
	struct node *map = node_map(a);

	for (size_t i = 0; i < COUNT(counts); i++)
		node_set(a, map, counts[i].key, node_number(a, (double)counts[i].value));
	return map;
}

static const struct node *means_node(struct arena *a, const struct cell_result *r)
{
	struct node *map = node_map(a);

	node_set_text(a, map, "memory", cell_means_name(r->means.memory));
	node_set_text(a, map, "cpus", cell_means_name(r->means.cpus));
	node_set_text(a, map, "pids", cell_means_name(r->means.pids));
	node_set_text(a, map, "disk", cell_means_name(r->means.disk));
	node_set_text(a, map, "files", cell_means_name(r->means.files));
	return map;
}

static const struct node *missing_node(struct arena *a, unsigned missing)
{
	struct node *list = node_list(a);

	for (unsigned wall = 0; wall < CELL_WALL_COUNT; wall++)
		if (missing & (1U << wall))
			node_add(a, list, node_string(a, cell_wall_name(1U << wall)));
	return list;
}

static void print_json(const struct exec *x, const struct cell_result *r, const struct err *err)
{
	auto_strbuf struct strbuf text = STRBUF(64 * KIB);
	struct arena *a = x->arena;
	struct node *map = node_map(a), *refused = node_list(a);

	if (r->pids_refused)
		node_add(a, refused, node_string(a, "processes"));
	node_set_text(a, map, "verdict", cell_verdict_name(r->verdict));
	node_set(a, map, "exit", r->exit_code < 0 ? node_null() : node_number(a, r->exit_code));
	node_set(a, map, "signal", r->signal ? node_number(a, r->signal) : node_null());
	node_set(a, map, "usage", usage_node(a, &r->usage));
	node_set(a, map, "refused", refused);
	node_set(a, map, "survivors", node_number(a, r->survivors));
	node_set(a, map, "means", means_node(a, r));
	node_set(a, map, "missing", missing_node(a, x->missing));
	if (err->kind)
		node_set_text(a, map, "error", err->text);
	json_write(&text, map);
	(void)puts(text.text);
}

/* A limit that was passed is no success, whatever the command made of it. */
static int exit_code_of(const struct cell_result *r)
{
	if (r->exit_code > 0 || r->verdict == CELL_PASSED)
		return r->exit_code;
	return 128 + (r->signal ? r->signal : SIGKILL);
}

static void release(struct exec *x)
{
	image_release(&x->image);
	store_close(&x->store);
	cell_owner_close(&x->owner);
	drop_scratch(x);
	option_list_release(&x->options.limits);
	option_list_release(&x->options.env);
}

static int exec(struct exec *x)
{
	struct cell_result result = {.verdict = CELL_SETUP_FAILED, .exit_code = -1};
	struct err err = {0};
	int code = EXIT_OURS;

	if (prepare(x, &err) == 0 && run(x, &result, &err) == 0) {
		warn_missing(x);
		note_verdict(&result);
		code = exit_code_of(&result);
	} else {
		log_error(&err);
	}
	if (x->options.json)
		print_json(x, &result, &err);
	return code;
}

int cmd_exec(int argc, char **argv, struct err *err)
{
	auto_arena struct arena *arena = arena_new();
	struct exec x = {.arena = arena, .scratch_lock = -1, .image = {.lock = -1}};
	int rest, r = options_decode(&usage, argc, argv, &x.options, &rest, err);

	if (r == 0) {
		x.command = argv + rest;
		if (*x.command)
			r = exec(&x);
		else
			r = err_fail(err, ERR_USAGE, "no command; 'stepcell exec --help' says how");
	} else if (r > 0) {
		r = 0;
	}
	release(&x);
	return r;
}
