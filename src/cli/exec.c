/* stepcell exec: one command in one cell. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/exec.h"
#include "cli/relay.h"
#include "stepcell/fd.h"
#include "stepcell/log.h"
#include "stepcell/runner.h"
#include "stepcell/util.h"

/* What docker, env and timeout say when it was they who failed, not the command. */
#define EXIT_OURS 125

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
	{0, "audit", NULL, opt_flag, offsetof(struct exec_options, audit),
	 "report which system calls were refused, and to whom"},
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
	struct cell_audit audit;
	int r = start_and_follow(x, &relay, &cell, result, err);

	if (r == 0) {
		cell_audit(cell, &audit);
		runner_refused(x->arena, &audit, x->refused);
	}
	relay_close(&relay);
	cell_release(&cell);
	return r;
}

/* A limit that was passed is no success, whatever the command made of it. */
static int exit_code_of(const struct cell_result *r)
{
	if (r->exit_code > 0 || r->verdict == CELL_PASSED)
		return r->exit_code;
	return 128 + (r->signal ? r->signal : SIGKILL);
}

static int exec(struct exec *x)
{
	struct cell_result result = {.verdict = CELL_SETUP_FAILED, .exit_code = -1};
	struct err err = {0};
	int code = EXIT_OURS;

	if (exec_prepare(x, &err) == 0 && run(x, &result, &err) == 0) {
		exec_note_missing(x);
		exec_note_verdict(&result);
		exec_note_refused(x->refused);
		code = exit_code_of(&result);
	} else {
		log_error(&err);
	}
	if (x->options.json)
		exec_print_json(x, &result, &err);
	return code;
}

int cmd_exec(int argc, char **argv, struct err *err)
{
	auto_arena struct arena *arena = arena_new();
	struct exec x = {.arena = arena,
			 .scratch_lock = -1,
			 .image = {.lock = -1},
			 .refused = node_list(arena)};
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
	exec_release(&x);
	return r;
}
