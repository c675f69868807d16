/* cli: one row a command; the table is dispatcher and help. */
#pragma once

#include "stepcell/err.h"

/*
 * A command: argv[0] is its name. Returns the exit code, or -1 with `err` set
 * (main prints it and exits with err_exit_code()).
 */
typedef int command_fn(int argc, char **argv, struct err *err);

command_fn cmd_run, cmd_plan, cmd_exec, cmd_lint, cmd_expr, cmd_image, cmd_action, cmd_cache,
	cmd_policy, cmd_runs, cmd_doctor;
