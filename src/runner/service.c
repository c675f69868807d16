/*
 * The services of a job: started before its first step, asked until they are
 * well, watched while the steps run, stopped after the last one. Nothing here
 * waits: the run's one loop comes by (services_see) as often as there is news.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runner/run.h"
#include "stepcell/fd.h"
#include "stepcell/parse.h"
#include "stepcell/util.h"

/* The first question comes at once; between two there is ever more time, up to what the workflow says. */
#define FIRST_PAUSE_MS 50
/* What `docker stop` gives a server to end in. */
#define STOP_MS 10000

/* ---- the journal ---- */

void service_event(struct service *s, const char *type)
{
	struct journal *j = s->job->run->journal;

	journal_begin(j, type);
	journal_text(j, "job", s->job->plan->id);
	journal_text(j, "service", s->container.name);
}

static void journal_started(struct service *s)
{
	struct journal *j = s->job->run->journal;

	service_event(s, "service-started");
	journal_text(j, "image", s->container.image);
	(void)journal_end(j, &s->job->run->fatal);
}

static void journal_ready(struct service *s)
{
	struct journal *j = s->job->run->journal;

	service_event(s, "service-ready");
	journal_number(j, "seconds", (double)(now_ms() - s->started_ms) / 1000);
	(void)journal_end(j, &s->job->run->fatal);
}

static const struct node *last_lines(struct service *s)
{
	struct arena *a = s->job->arena;
	struct node *list = node_list(a);
	size_t i = s->line_count > SERVICE_TAIL ? s->line_count - SERVICE_TAIL : 0;

	for (; i < s->line_count; i++)
		node_add(a, list, node_string(a, s->last[i % SERVICE_TAIL]));
	return list;
}

/* `why` NULL: as it should. */
static void journal_ended(struct service *s, const char *verdict, const char *why)
{
	struct journal *j = s->job->run->journal;

	service_event(s, "service-ended");
	journal_text(j, "verdict", verdict);
	journal_text(j, "why", why);
	journal_text(j, "log", s->log_path);
	if (why)
		journal_node(j, "tail", last_lines(s));
	(void)journal_end(j, &s->job->run->fatal);
}

/* When it has to be well: as late as Docker would still be waiting. */
static void make_times(struct service *s)
{
	const struct container_health *h = &s->health;

	s->started_ms = s->next_ms = now_ms();
	s->pause_ms = FIRST_PAUSE_MS;
	s->give_up_ms = s->started_ms + h->start_ms + h->retries * (h->interval_ms + h->timeout_ms);
}

static void become_ready(struct service *s)
{
	s->state = SERVICE_READY;
	if (s->health.argv)
		journal_ready(s);
}

static int start_one(struct service *s, struct err *err)
{
	if (service_start_cell(s, err) < 0)
		return -1;
	make_times(s);
	journal_started(s);
	if (!s->health.argv)
		become_ready(s);
	return 0;
}

/* ---- of a job ---- */

int services_read(struct job_run *job, struct err *err)
{
	struct scope_arg arg = {job, NULL};
	struct expr_scope scope = scope_make(&arg, context_job_level(job));
	struct container *list;
	size_t count;

	if (container_read_services(job->run, &scope, job->plan->job->services, true, &list, &count,
				    err) < 0)
		return -1;
	job->services = arena_array(job->arena, count, sizeof(*job->services));
	job->service_count = count;
	for (size_t i = 0; i < count; i++) {
		job->services[i] = (struct service){.job = job,
						    .container = list[i],
						    .image = {.lock = -1},
						    .log = -1,
						    .log_file = -1,
						    .ask = -1,
						    .answer = -1};
		if (container_image(job->run, list[i].image, &job->services[i].image, err) < 0)
			return err_wrap(err, "service '%s'", list[i].name);
	}
	return service_networks_plan(job, list, err);
}

int services_start(struct job_run *job, struct err *err)
{
	if (service_networks_open(job, err) < 0)
		return -1;
	for (size_t i = 0; i < job->service_count; i++) {
		struct service *s = &job->services[i];

		if (start_one(s, err) < 0)
			return err_wrap(err, "service '%s'", s->container.name);
	}
	return 0;
}

/* ---- its life ---- */

/* What is wrong with one service is wrong with the job; its steps see a failure from now on. */
static void fail_job(struct service *s, const char *why)
{
	struct job_run *job = s->job;

	if (job->status != RESULT_SUCCESS)
		return;
	job->status = RESULT_FAILURE;
	job->why = arena_printf(job->arena, "service '%s': %s", s->container.name, why);
}

static const char *explain(struct service *s, const struct cell_result *r)
{
	if (r->verdict == CELL_FAILED && r->exit_code > 128 && r->exit_code < 128 + NSIG)
		return arena_printf(s->job->arena, "killed by signal %d", r->exit_code - 128);
	if (r->verdict == CELL_FAILED)
		return arena_printf(s->job->arena, "exit code %d", r->exit_code);
	return cell_verdict_name(r->verdict);
}

/* Why its end is nobody's wish; NULL: it was told to end, or has done what it was for. */
static const char *why_ended(struct service *s, const struct cell_result *r)
{
	if (s->why || s->state == SERVICE_STOPPING)
		return s->why;
	if (r->verdict != CELL_PASSED)
		return explain(s, r);
	return s->state == SERVICE_STARTING ? "it ended before it was healthy" : NULL;
}

static void take_end(struct service *s)
{
	struct cell_result result = {0};
	const bool stopping = s->state == SERVICE_STOPPING;
	const char *why;
	struct err err = {0};

	if (cell_wait(s->cell, &result, &err) < 0)
		result.verdict = CELL_SETUP_FAILED;
	(void)service_log_drain(s, true);
	why = why_ended(s, &result);
	service_log_close(s);
	refused_write_service(s);
	cell_release(&s->cell);
	cell_release(&s->forward);
	fd_close(&s->ask);
	fd_close(&s->answer);
	s->state = SERVICE_ENDED;
	journal_ended(s,
		      s->why     ? "unhealthy"
		      : stopping ? "stopped"
				 : cell_verdict_name(result.verdict),
		      why);
	if (why)
		fail_job(s, why);
}

static void give_up(struct service *s)
{
	s->why = arena_printf(s->job->arena, "not healthy after %.0f seconds",
			      (double)(now_ms() - s->started_ms) / 1000);
	fail_job(s, s->why); /* before any step could begin */
	s->state = SERVICE_STOPPING;
	cell_kill(s->cell, CELL_CANCELLED);
}

static void take_answer(struct service *s)
{
	char word;

	if (!s->asked || read(s->answer, &word, 1) != 1)
		return;
	s->asked = false;
	if (s->state != SERVICE_STARTING)
		return;
	if (word == SERVICE_WELL)
		become_ready(s);
	else if (s->last_try)
		give_up(s);
	s->next_ms = now_ms() + s->pause_ms;
	if (s->next_ms > s->give_up_ms)
		s->next_ms = s->give_up_ms;
	s->pause_ms = s->pause_ms * 3 / 2 < s->health.interval_ms ? s->pause_ms * 3 / 2
								  : s->health.interval_ms;
}

/* The last question is asked aloud, so that the log says what is wrong. */
static void ask(struct service *s, uint64_t now)
{
	const char word = now >= s->give_up_ms ? SERVICE_ASK_LOUD : SERVICE_ASK;

	if (s->state != SERVICE_STARTING || s->asked || now < s->next_ms)
		return;
	s->last_try = word == SERVICE_ASK_LOUD;
	s->asked = true;
	(void)write_full(s->ask, &word, 1); /* of one that has just died: that is news of its own */
}

/* Who leads to it is ours, and ends with it; that it ends before means that it was made to. */
static void see_forward(struct service *s)
{
	struct err err = {0};
	bool ended = false;

	if (!s->forward || (cell_poll(s->forward, &ended, &err) == 0 && !ended))
		return;
	cell_release(&s->forward);
	if (s->state == SERVICE_STOPPING)
		return;
	s->why = "what led to its ports has ended";
	fail_job(s, s->why);
	s->state = SERVICE_STOPPING;
	cell_kill(s->cell, CELL_CANCELLED);
}

static void see(struct service *s, uint64_t now)
{
	struct err err = {0};
	bool ended = false;

	if (!s->cell)
		return;
	if (service_log_drain(s, false))
		cell_kill(s->cell, CELL_LOG_LIMIT);
	see_forward(s);
	take_answer(s);
	ask(s, now);
	if (s->state == SERVICE_STOPPING && s->kill_ms && now >= s->kill_ms)
		cell_kill(s->cell, CELL_CANCELLED);
	if (cell_poll(s->cell, &ended, &err) < 0) {
		cell_kill(s->cell, CELL_SETUP_FAILED);
		ended = true;
	}
	if (ended)
		take_end(s);
}

void services_keep(struct job_run *job)
{
	for (size_t i = 0; i < job->service_count; i++) {
		struct err ignored = {0};
		bool ended;

		if (job->services[i].cell)
			(void)cell_poll(job->services[i].cell, &ended, &ignored);
	}
}

void services_see(struct job_run *job, uint64_t now)
{
	for (size_t i = 0; i < job->service_count; i++)
		see(&job->services[i], now);
}

bool services_ready(const struct job_run *job)
{
	if (job->cancelled || job->status != RESULT_SUCCESS)
		return true;
	for (size_t i = 0; i < job->service_count; i++)
		if (job->services[i].state == SERVICE_STARTING)
			return false;
	return true;
}

/* ---- its end ---- */

static const struct {
	const char *name;
	int number;
} signal_names[] = {
	{"HUP", SIGHUP},   {"INT", SIGINT},   {"QUIT", SIGQUIT}, {"KILL", SIGKILL},
	{"USR1", SIGUSR1}, {"USR2", SIGUSR2}, {"TERM", SIGTERM}, {"WINCH", SIGWINCH},
};

static int stop_signal(const struct service *s)
{
	const char *text = s->container.stop_signal
				   ? s->container.stop_signal
				   : container_config_text(&s->image, "StopSignal");
	uint64_t number;

	if (!text)
		return SIGTERM;
	if (parse_u64(text, 1, 64, &number) == 0)
		return (int)number;
	if (strncmp(text, "SIG", 3) == 0)
		text += 3;
	if (strncmp(text, "RTMIN+", 6) == 0 && parse_u64(text + 6, 0, 30, &number) == 0)
		return SIGRTMIN + (int)number;
	for (size_t i = 0; i < COUNT(signal_names); i++)
		if (strcmp(signal_names[i].name, text) == 0)
			return signal_names[i].number;
	return SIGTERM;
}

static void stop(struct service *s)
{
	struct err ignored = {0};

	s->state = SERVICE_STOPPING;
	s->kill_ms = now_ms() + STOP_MS;
	if (s->job->cancelled || cell_signal(s->cell, stop_signal(s), &ignored) < 0)
		cell_kill(s->cell, CELL_CANCELLED);
}

bool services_stopped(struct job_run *job)
{
	bool stopped = true;

	for (size_t i = 0; i < job->service_count; i++) {
		struct service *s = &job->services[i];

		if (s->cell && s->state != SERVICE_STOPPING)
			stop(s);
		stopped &= s->cell == NULL;
	}
	return stopped;
}

void services_release(struct job_run *job)
{
	for (size_t i = 0; i < job->service_count; i++) {
		struct service *s = &job->services[i];

		cell_release(&s->cell);
		cell_release(&s->forward);
		cell_owner_close(&s->owner);
		service_log_close(s);
		fd_close(&s->log);
		fd_close(&s->ask);
		fd_close(&s->answer);
		image_release(&s->image);
		for (size_t j = 0; j < SERVICE_TAIL; j++) {
			free(s->last[j]);
			s->last[j] = NULL;
		}
	}
	job->service_count = 0;
}

/* ---- the loop's ---- */

size_t services_fds(const struct job_run *job, struct pollfd *out)
{
	size_t n = 0;

	for (size_t i = 0; i < job->service_count; i++) {
		const struct service *s = &job->services[i];

		if (!s->cell)
			continue;
		out[n++] = (struct pollfd){.fd = cell_fd(s->cell), .events = POLLIN};
		out[n++] = (struct pollfd){.fd = s->log, .events = POLLIN};
		out[n++] = (struct pollfd){.fd = s->answer, .events = POLLIN};
		if (s->forward)
			out[n++] = (struct pollfd){.fd = cell_fd(s->forward), .events = POLLIN};
	}
	return n;
}

uint64_t services_due(const struct job_run *job)
{
	uint64_t due = UINT64_MAX;

	for (size_t i = 0; i < job->service_count; i++) {
		const struct service *s = &job->services[i];

		if (s->state == SERVICE_STARTING && !s->asked && s->next_ms < due)
			due = s->next_ms;
	}
	return due;
}

/* ---- what expressions see of them ---- */

const struct node *services_context(struct job_run *job)
{
	struct arena *a = job->arena;
	struct node *all = node_map(a);

	for (size_t i = 0; i < job->service_count; i++) {
		const struct container *c = &job->services[i].container;
		struct node *one = node_map(a), *ports = node_map(a);

		for (size_t j = 0; j < c->port_count; j++)
			if (c->ports[j].text)
				node_set_text(a, ports, c->ports[j].text,
					      arena_printf(a, "%u", c->ports[j].outside));
		node_set_text(a, one, "id", c->name);
		node_set_text(a, one, "network", job->plan->id);
		node_set(a, one, "ports", ports);
		node_set(a, all, c->name, one);
	}
	return all;
}
