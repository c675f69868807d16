/* stepcell exec: one command in one cell. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/exec.h"
#include "cli/relay.h"
#include "cli/terminal.h"
#include "stepcell/fd.h"
#include "stepcell/log.h"
#include "stepcell/runner.h"
#include "stepcell/stops.h"
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
	{'t', "tty", NULL, opt_flag, offsetof(struct exec_options, tty),
	 "a terminal of its own, shown on this one"},
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

/* By nohup(1). What is held back would be heard none the less. */
static bool is_ignored(int number)
{
	struct sigaction now;

	return sigaction(number, NULL, &now) == 0 && now.sa_handler == SIG_IGN;
}

static int open_signals(struct err *err)
{
	static const int heard[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGWINCH, SIGALRM};
	sigset_t set;
	int fd;

	(void)sigemptyset(&set);
	for (size_t i = 0; i < COUNT(heard); i++)
		if (heard[i] != SIGHUP || !is_ignored(SIGHUP))
			(void)sigaddset(&set, heard[i]);
	stops_add(&set);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return err_sys(err, "cannot hold back signals");
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return fd < 0 ? err_sys(err, "cannot wait for signals") : fd;
}

/* The command as it runs, and how we are connected to it. */
struct session {
	struct cell *cell;
	struct relay relay;
	struct terminal terminal;
	struct proxy *proxy; /* NULL: none */
	int signals;
	unsigned interrupts;
};

/* Of what a hang-up does not end, as a cancelled step has: nobody is left to send a second signal. */
#define HANG_UP_S 10

/* The first is the command's to act upon; the second means it. */
static void pass_signal(struct session *s)
{
	struct signalfd_siginfo info;
	struct err ignored = {0};

	if (read(s->signals, &info, sizeof(info)) != sizeof(info))
		return;
	if (info.ssi_signo == SIGWINCH)
		terminal_fit(&s->terminal, cell_pty(s->cell));
	else if (stops_told(info.ssi_signo))
		return;
	else if (s->interrupts++ || info.ssi_signo == SIGALRM)
		cell_kill(s->cell, CELL_CANCELLED);
	else
		(void)cell_signal(s->cell, (int)info.ssi_signo, &ignored);
	if (info.ssi_signo == SIGHUP)
		(void)alarm(HANG_UP_S);
}

static int follow(struct session *s, struct err *err)
{
	struct pollfd fds[RELAY_STREAMS + 3] = {0};
	bool ended = false;
	int wait_ms;

	while (!ended) {
		wait_ms = relay_want(&s->relay, fds);
		fds[RELAY_STREAMS] = (struct pollfd){.fd = cell_fd(s->cell), .events = POLLIN};
		fds[RELAY_STREAMS + 1] = (struct pollfd){.fd = s->signals, .events = POLLIN};
		fds[RELAY_STREAMS + 2] =
			(struct pollfd){.fd = s->proxy ? proxy_fd(s->proxy) : -1, .events = POLLIN};
		if (poll(fds, COUNT(fds), wait_ms) < 0 && errno != EINTR)
			return err_sys(err, "cannot wait for the cell");
		relay_move(&s->relay, fds);
		if (fds[RELAY_STREAMS + 1].revents)
			pass_signal(s);
		if (fds[RELAY_STREAMS + 2].revents)
			proxy_hear(s->proxy);
		if (cell_poll(s->cell, &ended, err) < 0)
			return -1;
	}
	relay_drain(&s->relay, s->signals);
	return 0;
}

static int start_on_pipes(struct exec *x, struct session *s, struct err *err)
{
	if (relay_open(&s->relay, x->options.json, err) < 0)
		return -1;
	x->spec.stdin_fd = s->relay.inside[0];
	x->spec.stdout_fd = s->relay.inside[1];
	x->spec.stderr_fd = s->relay.inside[2];
	if (cell_start(&x->spec, &s->cell, &x->missing, err) < 0)
		return -1;
	relay_started(&s->relay);
	return 0;
}

static int start_on_terminal(struct exec *x, struct session *s, struct err *err)
{
	x->spec.pty = true;
	x->spec.pty_like = s->terminal.fd;
	if (cell_start(&x->spec, &s->cell, &x->missing, err) < 0 ||
	    relay_open_terminal(&s->relay, cell_pty(s->cell), err) < 0)
		return -1;
	/* it may have changed since the cell was given its size */
	terminal_fit(&s->terminal, cell_pty(s->cell));
	return terminal_raw(&s->terminal, err);
}

static int start_and_follow(struct exec *x, struct session *s, struct cell_result *result,
			    struct err *err)
{
	/* before signals are held back: in the background it is here that we are stopped */
	if (x->options.tty && terminal_open(&s->terminal, err) < 0)
		return -1;
	s->signals = open_signals(err);
	if (s->signals < 0)
		return -1;
	if ((x->options.tty ? start_on_terminal : start_on_pipes)(x, s, err) < 0)
		return image_blame(x->image.name, err);
	if (follow(s, err) < 0)
		return -1;
	return cell_wait(s->cell, result, err);
}

static int run(struct exec *x, struct cell_result *result, struct err *err)
{
	struct session s = {.terminal = TERMINAL_NONE, .signals = -1};
	struct cell_audit audit;
	int r;

	s.proxy = x->proxy;
	relay_init(&s.relay);
	r = start_and_follow(x, &s, result, err);
	if (r == 0) {
		cell_audit(s.cell, &audit);
		runner_refused(x->arena, &audit, x->refused);
		if (x->proxy)
			runner_reached(x->arena, x->proxy, x->refused);
	}
	if (r == 0 && relay_lost(&s.relay)) {
		errno = relay_lost(&s.relay);
		r = err_sys(err, "cannot write what the command says");
	}
	terminal_close(&s.terminal);
	relay_close(&s.relay);
	cell_release(&s.cell);
	fd_close(&s.signals);
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

static int check(const struct exec *x, struct err *err)
{
	if (!*x->command)
		return err_fail(err, ERR_USAGE, "no command; 'stepcell exec --help' says how");
	if (x->options.tty && x->options.json)
		return err_fail(err, ERR_USAGE,
				"--tty and --json exclude each other: a terminal has one stream, "
				"and the line of JSON needs one of its own");
	return 0;
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
		r = check(&x, err) < 0 ? -1 : exec(&x);
	} else if (r > 0) {
		r = 0;
	}
	exec_release(&x);
	return r;
}
