/*
 * service: a server that runs beside the steps of a job, in a cell of its own, on
 * the loopback that all cells of the job share or, where need be, on one of its own.
 */
#pragma once

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>

#include "runner/container.h"
#include "runner/lines.h"
#include "runner/mask.h"

struct job_run;

/* ---- service_inside.c: the main process of its cell ---- */

/*
 * Starts the server, passes signals on to it, and asks after its health when it
 * is told to: one byte on the first descriptor, and one back on the second. It
 * ends as the server ends; 128 and more is the signal that killed it.
 */
struct service_inside {
	const char *const *argv, *const *env;
	const char *workdir;
	const char *const *health; /* NULL: never asked */
	uint64_t health_timeout_ms;
};
cell_fn service_inside;

/* To ask, quietly and with what the check says on the server's log. */
#define SERVICE_ASK      'q'
#define SERVICE_ASK_LOUD 'l'
#define SERVICE_WELL     'y'
#define SERVICE_ILL      'n'

/* ---- service.c ---- */

enum service_state { SERVICE_STARTING, SERVICE_READY, SERVICE_STOPPING, SERVICE_ENDED };

#define SERVICE_TAIL 20 /* lines of its log, shown when it fails */

struct service {
	struct job_run *job;
	struct container container;
	struct container_health health;
	struct image image;
	const char *dir;          /* of its layers */
	struct cell_owner *owner; /* of its own network; NULL: the job's */
	struct cell *forward;     /* leads there; NULL: nothing has to */
	struct cell *cell;
	enum service_state state;
	int log, log_file; /* read end of what it says; where it is kept */
	const char *log_path;
	struct lines lines;
	struct mask_tail tail;
	char *last[SERVICE_TAIL]; /* a ring of lines, masked */
	size_t line_count;
	int ask, answer; /* to its main process, and back */
	bool asked, last_try;
	const char *why; /* it did not become healthy */
	uint64_t started_ms;
	uint64_t next_ms;    /* when to ask */
	uint64_t pause_ms;   /* between two questions */
	uint64_t give_up_ms; /* when it is not well by then */
	uint64_t kill_ms;    /* when it has not stopped by then */
};

/* service_network.c: where services are found */
/* Once the images are known: do they share, and which ports and names lead to them? */
int service_networks_plan(struct job_run *job, struct container *list, struct err *err);
/* What that takes, before any of them starts. */
int service_networks_open(struct job_run *job, struct err *err);
struct cell_owner *service_owner(const struct service *s);
struct hosts service_hosts(const struct service *s); /* as the service itself finds them */

/* service_start.c: its root, its command, its log and its cell */
int service_start_cell(struct service *s, struct err *err);

/* service_log.c */
int service_log_open(struct service *s, struct err *err);
/* Take what is there, or as much as leaves others their turn; true when it has said more than it may. */
bool service_log_drain(struct service *s, bool all);
void service_log_close(struct service *s); /* again is fine */
void service_log_say(struct service *s, const char *text);

/* service.c: an event of the journal that is about it; journal_end() is the caller's */
void service_event(struct service *s, const char *type);

/* service.c: of a job */
/* What the job's services are; then `hosts` is complete. */
int services_read(struct job_run *job, struct err *err);
int services_start(struct job_run *job, struct err *err);
#define SERVICE_FDS 4
/* What is due of their logs, their health, and their ends; a job whose service failed has failed. */
void services_see(struct job_run *job, uint64_t now);
void services_keep(struct job_run *job); /* within their limits, and nothing more */
/* May steps run? When all are healthy, and when that does not matter any more. */
bool services_ready(const struct job_run *job);
/* Have all ended? They are told to, the first time. */
bool services_stopped(struct job_run *job);
void services_release(struct job_run *job); /* kills what runs */
/* For poll(): at most SERVICE_FDS for each; how many. And when the next question is due, or UINT64_MAX. */
size_t services_fds(const struct job_run *job, struct pollfd *out);
uint64_t services_due(const struct job_run *job);
const struct node *services_context(struct job_run *job);
