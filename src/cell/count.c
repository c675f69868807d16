#include "count.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "birth.h"
#include "fds.h"
#include "stepcell/fd.h"
#include "stepcell/util.h"

#define MAX_SECONDS 60

/* ---- where to look from ---- */

static int ns_open(pid_t pid, const char *name, int *out, struct err *err)
{
	char path[48];

	(void)snprintf(path, sizeof(path), "/proc/%d/ns/%s", (int)pid, name);
	*out = open(path, O_RDONLY | O_CLOEXEC);
	return *out < 0 ? err_sys(err, "cannot open the cell's %s namespace", name) : 0;
}

int count_ns_open(pid_t pid, bool as_user, bool all, struct count_ns *out, struct err *err)
{
	*out = COUNT_NO_NS;
	if ((as_user && ns_open(pid, "user", &out->user, err) < 0) ||
	    ns_open(pid, "mnt", &out->mount, err) < 0)
		return -1;
	if (all &&
	    (ns_open(pid, "net", &out->net, err) < 0 || ns_open(pid, "ipc", &out->ipc, err) < 0))
		return -1;
	return 0;
}

void count_ns_close(struct count_ns *ns)
{
	fd_close(&ns->user);
	fd_close(&ns->mount);
	fd_close(&ns->net);
	fd_close(&ns->ipc);
	fd_close(&ns->above);
}

static bool ns_enter(int fd, int type)
{
	return fd < 0 || setns(fd, type) == 0;
}

/* ---- the process that counts ---- */

bool count_is_over(const struct count_order *order, const struct count_use *use)
{
	return (order->max_bytes && use->bytes > order->max_bytes) ||
	       (order->max_inodes && use->inodes > order->max_inodes) || use->too_deep;
}

/* The uppers are the host's places, and processes the cell's: so one after the other. */
static void count_files(const struct count_order *order, struct count_use *use)
{
	auto_free int *dirs = calloc(order->upper_count, sizeof(*dirs));

	if (!dirs)
		_exit(1);
	for (size_t i = 0; i < order->upper_count; i++)
		dirs[i] = open(order->uppers[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (ns_enter(order->ns.mount, CLONE_NEWNS))
		count_held(order, use);
	else
		use->hidden++;
	count_uppers(order, dirs, use);
}

/*
 * Those of a network that belongs to nobody in the cell: it is entered from above,
 * and so before the cell's own namespaces are, from where there is no way back.
 */
static uint64_t count_shared_sockets(const struct count_order *order)
{
	if (!order->memory || order->ns.above < 0)
		return 0;
	if (!ns_enter(order->ns.above, CLONE_NEWUSER) || !ns_enter(order->ns.net, CLONE_NEWNET))
		_exit(1);
	return count_sockets();
}

static void count_memory(const struct count_order *order, struct count_use *use)
{
	if (!ns_enter(order->ns.ipc, CLONE_NEWIPC) || !ns_enter(order->ns.mount, CLONE_NEWNS))
		_exit(1);
	count_held(order, use);
	if (order->ns.above < 0 && order->ns.net >= 0 && ns_enter(order->ns.net, CLONE_NEWNET))
		use->memory += count_sockets();
}

static _Noreturn void count_all(const struct count_order *order, int out)
{
	int keep[] = {out,           order->ns.user, order->ns.mount,
		      order->ns.net, order->ns.ipc,  order->ns.above};
	struct count_use use = {0};
	struct err ignored = {0};
	uint64_t shared;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	(void)alarm(MAX_SECONDS);
	if (!order->urgent)
		(void)setpriority(PRIO_PROCESS, 0, 10);
	if (fds_close_others(keep, COUNT(keep), &ignored) < 0)
		_exit(1);
	shared = count_shared_sockets(order);
	if (!ns_enter(order->ns.user, CLONE_NEWUSER))
		_exit(1);
	if (order->memory)
		count_memory(order, &use);
	else
		count_files(order, &use);
	use.memory += shared;
	_exit(write_full(out, &use, sizeof(use)) < 0);
}

/* ---- the supervisor's side ---- */

int counter_start(struct counter *c, const struct count_order *order, uint64_t now, struct err *err)
{
	int ends[2];
	bool outside;
	pid_t pid;

	if (pipe_open(ends, err) < 0)
		return -1;
	pid = birth(0, -1, &c->pidfd, &outside, err);
	if (pid == 0)
		count_all(order, ends[1]);
	fd_close(&ends[1]);
	c->result = ends[0];
	c->begun = now;
	if (pid < 0)
		fd_close(&c->result);
	return pid < 0 ? -1 : 0;
}

void counter_stop(struct counter *c)
{
	fd_close(&c->result);
	if (c->pidfd < 0)
		return;
	(void)syscall(SYS_pidfd_send_signal, c->pidfd, SIGKILL, NULL, 0);
	while (waitid(P_PIDFD, (id_t)c->pidfd, &(siginfo_t){0}, WEXITED | __WALL) < 0 &&
	       errno == EINTR)
		;
	fd_close(&c->pidfd);
}

bool counter_take(struct counter *c, struct count_use *out)
{
	struct count_use use;
	const bool whole = read_full(c->result, &use, sizeof(use)) == 0;

	counter_stop(c);
	if (whole)
		*out = use;
	return whole;
}
