#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/options.h"
#include "cli/patient.h"
#include "cli/select.h"
#include "stepcell/log.h"
#include "stepcell/report.h"
#include "stepcell/runner.h"
#include "stepcell/util.h"

struct options {
	struct select_options select;
	struct texts env;
	const char *at, *policy, *secret_file, *image, *out, *actions_lock, *images_lock;
	uint64_t parallel;
	bool offline, audit, json, quiet;
};

static const struct option_row rows[] = {
	SELECT_ROWS(struct options, select),
	{0, "at", "REF", opt_text, offsetof(struct options, at),
	 "take this commit; default: the tree as it stands"},
	{0, "policy", "NAME|FILE", opt_text, offsetof(struct options, policy),
	 "what the run may do; default: by the event"},
	{0, "secret-file", "FILE", opt_text, offsetof(struct options, secret_file),
	 "NAME=VALUE lines; the policy says which are given"},
	{0, "env", "NAME=VALUE", opt_pair, offsetof(struct options, env),
	 "a variable for every job; may be repeated"},
	{0, "image", "REF", opt_text, offsetof(struct options, image),
	 "the image of every job; 'host' needs none"},
	{0, "actions-lock", "FILE", opt_text, offsetof(struct options, actions_lock),
	 "which actions of the store are the right ones; default: actions.lock of the checkout"},
	{0, "images-lock", "FILE", opt_text, offsetof(struct options, images_lock),
	 "which images are the right ones; default: images.lock of the checkout"},
	{'o', "output", "DIR", opt_text, offsetof(struct options, out),
	 "copy the artifacts to DIR/JOB/NAME.tar.zst"},
	{0, "parallel", "N", opt_count, offsetof(struct options, parallel),
	 "jobs at once; default: one a processor"},
	{0, "offline", NULL, opt_flag, offsetof(struct options, offline), "fetch nothing"},
	{0, "audit", NULL, opt_flag, offsetof(struct options, audit),
	 "report which system calls were refused, and to whom"},
	{0, "json", NULL, opt_flag, offsetof(struct options, json),
	 "the journal, an event a line, as it happens"},
	{'q', "quiet", NULL, opt_flag, offsetof(struct options, quiet),
	 "failures and the summary alone"},
};

static const struct option_usage usage = {
	.synopsis = "stepcell run [OPTION]...",
	.about = "Run the workflows that an event starts, every step in a cell of its own.",
	.rows = rows,
	.count = COUNT(rows),
};

static struct run_options to_run(const struct options *o)
{
	return (struct run_options){
		.dir = o->select.dir,
		.workflow = o->select.workflow,
		.event = o->select.event,
		.event_file = o->select.event_file,
		.ref = o->select.ref,
		.at = o->at,
		.policy = o->policy,
		.secret_file = o->secret_file,
		.image = o->image,
		.out = o->out,
		.actions_lock = o->actions_lock,
		.images_lock = o->images_lock,
		.jobs = o->select.jobs,
		.inputs = o->select.inputs,
		.vars = o->select.vars,
		.env = o->env,
		.matrix = o->select.matrix,
		.files = o->select.files,
		.parallel = o->parallel,
		.offline = o->offline,
		.audit = o->audit,
		.json = o->json,
		.quiet = o->quiet,
	};
}

static void tick(void *terminal)
{
	report_terminal_tick(terminal);
}

static int run_shown(const struct options *o, struct err *err)
{
	const char *term = getenv("TERM"), *no_color = getenv("NO_COLOR");
	bool live = !o->json && isatty(STDOUT_FILENO) && term && strcmp(term, "dumb") != 0;
	bool colour = live && !(no_color && *no_color);
	struct run_options run = to_run(o);
	struct report_terminal *terminal;
	struct patient patient;
	struct run_view view;
	FILE *out;
	int code;

	log_set_quiet(o->quiet);
	out = patient_open(&patient, err);
	if (!out)
		return -1;
	if (o->json) {
		view = (struct run_view){report_json_event, NULL, out, &patient.keeper};
		code = runner_run(&run, &view, err);
		return patient_end(&patient, out, code, err);
	}
	terminal = report_terminal_new(out, live, colour, o->quiet);
	view = (struct run_view){report_terminal_event, live ? tick : NULL, terminal,
				 &patient.keeper};
	code = runner_run(&run, &view, err);
	report_terminal_free(&terminal);
	return patient_end(&patient, out, code, err);
}

int cmd_run(int argc, char **argv, struct err *err)
{
	struct options o = {0};
	int rest = 1, code;

	code = options_decode(&usage, argc, argv, &o, &rest, err);
	if (code == 0 && argv[rest])
		code = err_fail(err, ERR_USAGE, "unexpected '%s'; a workflow is given with -W",
				argv[rest]);
	else if (code == 0)
		code = run_shown(&o, err);
	else if (code == 1)
		code = 0;
	select_options_release(&o.select);
	option_list_release(&o.env);
	return code;
}
