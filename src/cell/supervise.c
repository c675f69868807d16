/*
 * Watching a cell: what ends it, and what is then said about it.
 *
 * A verdict rests on four things that nothing inside can touch: the pidfd, the
 * cgroup, the clock, and the pipe that only init holds.
 */
#include "supervise.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "stepcell/clock.h"
#include "stepcell/fd.h"
#include "stepcell/util.h"

#define TICK_MS       1000
#define RUSAGE_BLOCK  512         /* getrusage(2) counts in these */
#define FORK_MERCY_MS (10 * 1000) /* how long a step may run into its limit of processes */

/* ---- beginning ---- */

static int watch(struct cell *cell, int fd, struct err *err)
{
	struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};

	if (fd >= 0 && epoll_ctl(cell->epoll, EPOLL_CTL_ADD, fd, &event) < 0)
		return err_sys(err, "cannot watch the cell");
	return 0;
}

static uint64_t sooner(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* Something to look at every now and then, beside the end and the clock. */
static void arm(struct cell *cell, uint64_t now)
{
	uint64_t next = cell->deadline ? cell->deadline : UINT64_MAX;
	struct itimerspec when = {0};

	if (cell->limits.pids)
		next = sooner(next, cell->next_forks);
	if (disk_is_limited(&cell->disk))
		next = sooner(next, now + disk_patience(&cell->disk));
	if (cell->memory.max)
		next = sooner(next, now + TICK_MS);
	if (next == UINT64_MAX)
		return;
	when.it_value.tv_sec = (time_t)(next / 1000);
	when.it_value.tv_nsec = (long)(next % 1000) * 1000000;
	(void)timerfd_settime(cell->timer, TFD_TIMER_ABSTIME, &when, NULL);
}

int supervise_begin(struct cell *cell, struct err *err)
{
	cell->started = cell->disk.seen = now_ms();
	cell->next_forks = cell->started + TICK_MS;
	if (cell->limits.wall_ms)
		cell->deadline = cell->started + cell->limits.wall_ms;
	cell->epoll = epoll_create1(EPOLL_CLOEXEC);
	cell->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (cell->epoll < 0 || cell->timer < 0)
		return err_sys(err, "cannot watch the cell");
	if (fd_nonblock(cell->status, err) < 0 || watch(cell, cell->pidfd, err) < 0 ||
	    watch(cell, cell->status, err) < 0 || watch(cell, cell->timer, err) < 0 ||
	    watch(cell, cgroup_poll_fd(cell->cgroup), err) < 0)
		return -1;
	arm(cell, cell->started);
	return 0;
}

/* ---- what is due ---- */

/* A count that cannot be made now is made at the next tick. */
static void look_at_memory(struct cell *cell, uint64_t now, bool hint)
{
	struct err ignored = {0};
	const bool busy = cell->memory.counter.pidfd >= 0;

	if (memory_count(&cell->memory, now, hint, &ignored) == 0 && !busy &&
	    cell->memory.counter.pidfd >= 0)
		(void)watch(cell, cell->memory.counter.result, &ignored);
}

static void hear_memory(struct cell *cell, uint64_t now)
{
	const uint64_t used = memory_take(&cell->memory, now);
	uint64_t *peak = &cell->result.usage.peak_memory;

	*peak = used > *peak ? used : *peak;
	if (used > cell->memory.max)
		cell_kill(cell, CELL_OUT_OF_MEMORY);
}

static void hear_report(struct cell *cell, const struct init_report *report, uint64_t now)
{
	switch (report->word) {
	case INIT_ENDED:
		cell->report = *report;
		cell->reported = true;
		break;
	case INIT_FORKS_REFUSED:
		cell->refused_last = now;
		break;
	case INIT_MEMORY:
		if (report->value > cell->limits.memory)
			look_at_memory(cell, now, true);
		break;
	default:
		break;
	}
}

static void hear_init(struct cell *cell, uint64_t now)
{
	struct init_report report;
	ssize_t n;

	while ((n = read(cell->status, &report, sizeof(report))) == sizeof(report))
		hear_report(cell, &report, now);
	if (n == 0) /* closed: say no more that it can be read */
		(void)epoll_ctl(cell->epoll, EPOLL_CTL_DEL, cell->status, NULL);
}

/* Refused once is the step's own affair; refused for ten seconds is a bomb. */
static void look_at_forks(struct cell *cell, uint64_t now)
{
	if (now < cell->next_forks)
		return;
	cell->next_forks = now + TICK_MS;
	if (cgroup_pids_refused(cell->cgroup))
		cell->refused_last = now;
	if (!cell->refused_last)
		return;
	cell->result.pids_refused = true;
	if (now - cell->refused_last > 3 * TICK_MS)
		cell->refused_since = cell->refused_last = 0;
	else if (!cell->refused_since)
		cell->refused_since = now;
	else if (now - cell->refused_since >= FORK_MERCY_MS)
		cell_kill(cell, CELL_PIDS_LIMIT);
}

/* A count that cannot be made now is made at the next tick. */
static void look_at_disk(struct cell *cell, uint64_t now)
{
	struct err ignored = {0};
	const bool busy = cell->disk.counter.pidfd >= 0;

	if (disk_count(&cell->disk, now, &ignored) == 0 && !busy && cell->disk.counter.pidfd >= 0)
		(void)watch(cell, cell->disk.counter.result, &ignored);
}

static void hear_disk(struct cell *cell, uint64_t now)
{
	if (disk_is_over(&cell->disk, now))
		cell_kill(cell, CELL_DISK_LIMIT);
}

static void look_at_clock(struct cell *cell, uint64_t now)
{
	uint64_t expirations;

	if (read(cell->timer, &expirations, sizeof(expirations)) < 0)
		return;
	if (cell->deadline && now >= cell->deadline) {
		cell_kill(cell, CELL_TIMEOUT);
		cell->deadline = 0;
	}
	look_at_forks(cell, now);
	look_at_disk(cell, now);
	look_at_memory(cell, now, false);
	arm(cell, now);
}

static void look_at_cgroup(struct cell *cell)
{
	if (cgroup_oom(cell->cgroup))
		cell_kill(cell, CELL_OUT_OF_MEMORY);
}

int cell_fd(const struct cell *cell)
{
	return cell->epoll;
}

int cell_pty(const struct cell *cell)
{
	return cell->pty;
}

int cell_poll(struct cell *cell, bool *ended, struct err *err)
{
	struct epoll_event events[8];
	int n = epoll_wait(cell->epoll, events, COUNT(events), 0);
	uint64_t now = now_ms();

	if (n < 0 && errno != EINTR)
		return err_sys(err, "cannot watch the cell");
	for (int i = 0; i < n; i++) {
		int fd = events[i].data.fd;

		if (fd == cell->status)
			hear_init(cell, now);
		else if (fd == cell->timer)
			look_at_clock(cell, now);
		else if (fd == cell->pidfd)
			cell->ended = true;
		else if (fd == cell->disk.counter.result)
			hear_disk(cell, now);
		else if (fd == cell->memory.counter.result)
			hear_memory(cell, now);
		else
			look_at_cgroup(cell);
	}
	*ended = cell->ended;
	return 0;
}

int cell_signal(struct cell *cell, int number, struct err *err)
{
	if (syscall(SYS_pidfd_send_signal, cell->pidfd, number, NULL, 0) < 0 && errno != ESRCH)
		return err_sys(err, "cannot signal the cell");
	return 0;
}

/* Init's death is the death of its whole pid namespace. The first reason stays. */
void cell_kill(struct cell *cell, enum cell_verdict why)
{
	if (cell->killed || cell->ended)
		return;
	cell->killed = true;
	cell->why = why;
	(void)syscall(SYS_pidfd_send_signal, cell->pidfd, SIGKILL, NULL, 0);
}

/* ---- the end ---- */

static int wait_for_end(struct cell *cell, struct err *err)
{
	while (!cell->ended) {
		struct epoll_event event;
		bool ended;

		if (epoll_wait(cell->epoll, &event, 1, -1) < 0 && errno != EINTR)
			return err_sys(err, "cannot wait for the cell");
		if (cell_poll(cell, &ended, err) < 0)
			return -1;
	}
	return 0;
}

static uint64_t micros(struct timeval t)
{
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_usec;
}

/* The kernel's own account of init and all it waited for: what there is without a cgroup. */
static int reap_init(struct cell *cell, struct err *err)
{
	struct rusage usage;
	long r;

	do
		r = syscall(SYS_waitid, P_PIDFD, cell->pidfd, NULL, WEXITED | __WALL, &usage);
	while (r < 0 && errno == EINTR);
	if (r < 0)
		return err_sys(err, "cannot reap the cell");
	cell->reaped = true;
	cell->result.usage.user_us = micros(usage.ru_utime);
	cell->result.usage.system_us = micros(usage.ru_stime);
	cell->result.usage.read_bytes = (uint64_t)usage.ru_inblock * RUSAGE_BLOCK;
	cell->result.usage.written_bytes = (uint64_t)usage.ru_oublock * RUSAGE_BLOCK;
	if (cell->result.usage.peak_memory < (uint64_t)usage.ru_maxrss * 1024)
		cell->result.usage.peak_memory = (uint64_t)usage.ru_maxrss * 1024;
	return 0;
}

static void judge_status(struct cell_result *r, int status)
{
	if (WIFSIGNALED(status)) {
		r->verdict = CELL_SIGNALLED;
		r->signal = WTERMSIG(status);
		return;
	}
	r->exit_code = WEXITSTATUS(status);
	r->verdict = r->exit_code == 0 ? CELL_PASSED : CELL_FAILED;
}

/*
 * A step that was quicker than the count between its ticks. One that failed is
 * counted again in any case, one that passed when it can have written too much.
 */
static bool wrote_too_much(struct cell *cell, uint64_t now)
{
	if (cell->killed)
		return cell->why == CELL_DISK_LIMIT;
	if (!disk_is_limited(&cell->disk))
		return false;
	if (cell->result.verdict == CELL_PASSED && !disk_is_suspicious(&cell->disk, now))
		return false;
	return disk_last_count(&cell->disk);
}

/* The end that was ordered: of a cell whose step had not ended by itself a moment before. */
static bool was_in_time(const struct cell *cell)
{
	const bool by_limit = cell->why >= CELL_OUT_OF_MEMORY && cell->why <= CELL_LOG_LIMIT;

	/* what had failed just before may well have failed of the limit that was found passed */
	return cell->killed &&
	       (!cell->reported || (by_limit && cell->result.verdict != CELL_PASSED));
}

/* A limit explains a failure only where there is one: a step that copes has passed. */
static void judge(struct cell *cell, uint64_t now)
{
	struct cell_result *r = &cell->result;

	r->exit_code = -1;
	if (cell->reported) {
		judge_status(r, cell->report.wait_status);
		r->survivors = (unsigned)cell->report.value;
	} else {
		r->verdict = CELL_FAILED;
		r->init_killed = !cell->killed;
	}
	if (cgroup_oom(cell->cgroup))
		r->verdict = CELL_OUT_OF_MEMORY;
	else if (was_in_time(cell))
		r->verdict = cell->why;
	else if (r->verdict != CELL_PASSED && r->pids_refused)
		r->verdict = CELL_PIDS_LIMIT;
	else if ((r->signal == SIGXFSZ && cell->limits.disk) || wrote_too_much(cell, now))
		r->verdict = CELL_DISK_LIMIT;
}

static void fill_means(struct cell *cell)
{
	struct cell_result *r = &cell->result;

	if (cell->limits.memory)
		r->means.memory = CELL_BY_SAMPLED;
	if (cell->limits.pids)
		r->means.pids = CELL_BY_RLIMIT;
	if (disk_is_limited(&cell->disk)) {
		r->means.disk = cell->limits.disk ? CELL_BY_SAMPLED : CELL_BY_NONE;
		r->means.files = cell->limits.files ? CELL_BY_SAMPLED : CELL_BY_NONE;
	}
	cgroup_means(cell->cgroup, r);
}

int cell_wait(struct cell *cell, struct cell_result *out, struct err *err)
{
	uint64_t now;

	if (wait_for_end(cell, err) < 0 || reap_init(cell, err) < 0)
		return err_wrap(err, "cell '%s'", cell->name);
	now = now_ms();
	hear_init(cell, now);
	if (cgroup_pids_refused(cell->cgroup) || cell->refused_last)
		cell->result.pids_refused = true;
	judge(cell, now);
	fill_means(cell);
	/* or its mounts would live on */
	disk_end(&cell->disk);
	memory_end(&cell->memory);
	count_ns_close(&cell->ns);
	cell->result.usage.wall_us = (now - cell->started) * 1000;
	cgroup_usage(cell->cgroup, &cell->result.usage);
	if (cell->result.usage.peak_pids)
		cell->result.usage.peak_pids -= INIT_TASKS;
	*out = cell->result;
	return 0;
}
