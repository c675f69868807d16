#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "stepcell/log.h"
#include "stepcell/util.h"

static command_fn cmd_help;

static const struct {
	const char *name;
	command_fn *run;
	const char *help;
} commands[] = {
	{"help", cmd_help, "this list"},
	{"exec", cmd_exec, "run one command, sealed"},
	{"expr", cmd_expr, "evaluate an expression"},
	{"policy", cmd_policy, "what a job may do, reach, use and see"},
	{"runs", cmd_runs, "what was run, and what it said"},
	{"image", cmd_image, "build and list toolchain images"},
	{"action", cmd_action, "the actions that workflows may use"},
	{"cache", cmd_cache, "what runs have left for runs"},
	{"lint", cmd_lint, "find mistakes in workflow files"},
	{"run", cmd_run, "run workflows, every step in a cell of its own"},
	{"plan", cmd_plan, "say what would run, and why"},
	{"doctor", cmd_doctor, "say which walls stand on this host"},
};

static void print_usage(FILE *out)
{
	(void)fputs("usage: stepcell COMMAND [OPTION]...\n\ncommands:\n", out);
	for (size_t i = 0; i < COUNT(commands); i++)
		(void)fprintf(out, "  %-8s %s\n", commands[i].name, commands[i].help);
	(void)fputs("\n'stepcell COMMAND --help' lists a command's options\n", out);
}

static int cmd_help(int argc, char **argv, struct err *err)
{
	(void)argc, (void)argv, (void)err;
	print_usage(stdout);
	return 0;
}

static int dispatch(int argc, char **argv, struct err *err)
{
	if (strcmp(argv[0], "--help") == 0 || strcmp(argv[0], "-h") == 0)
		return cmd_help(argc, argv, err);
	for (size_t i = 0; i < COUNT(commands); i++)
		if (strcmp(argv[0], commands[i].name) == 0)
			return commands[i].run(argc, argv, err);
	return err_fail(err, ERR_USAGE, "unknown command '%s'; 'stepcell --help' lists them",
			argv[0]);
}

/* As `head` goes, or a terminal hangs up: nothing is lost then. */
static bool reader_is_gone(void)
{
	struct pollfd out = {.fd = STDOUT_FILENO, .events = POLLOUT};

	return poll(&out, 1, 0) > 0 && out.revents & (POLLERR | POLLHUP);
}

/* A list, a lock or an inventory of which the disk took half is no success. */
static int end_output(int code, struct err *err)
{
	const bool failed = ferror(stdout);

	if (fflush(stdout) == 0 && !failed)
		return code;
	return code || reader_is_gone() ? code : err_sys(err, "cannot write to standard output");
}

int main(int argc, char **argv)
{
	struct err err = {0};
	int code;

	/* a reader that goes away is an error of write(2), not the end of a run */
	(void)signal(SIGPIPE, SIG_IGN);
	if (argc < 2) {
		print_usage(stderr);
		return 2;
	}
	code = end_output(dispatch(argc - 1, argv + 1, &err), &err);
	if (code >= 0)
		return code;
	log_error(&err);
	return err_exit_code(&err);
}
