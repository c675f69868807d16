/*
 * Who makes the namespaces, and who enters them to bear a cell, is a process of
 * our own for that moment: stepcell stays where it is. It shares stepcell's
 * table of descriptors, so what it opens is open here.
 */
#include "network.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "birth.h"
#include "inside.h"
#include "stepcell/fd.h"

/* What such a process leaves behind, in memory that both see. */
struct left {
	struct network network; /* made */
	int listener;           /* opened */
	pid_t pid;              /* born */
	int pidfd;
	bool outside, done;
	struct err err;
};

#define LEFT_NONE ((struct left){.network = NETWORK_NONE, .listener = -1, .pidfd = -1})

static struct left *left_new(struct err *err)
{
	struct left *left = mmap(NULL, sizeof(*left), PROT_READ | PROT_WRITE,
				 MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (left == MAP_FAILED) {
		(void)err_sys(err, "cannot share memory");
		return NULL;
	}
	*left = LEFT_NONE;
	return left;
}

/* Wait for the process; what it left is the caller's, or its error. */
static int left_take(struct left *shared, int pidfd, struct left *out, struct err *err)
{
	while (waitid(P_PIDFD, (id_t)pidfd, &(siginfo_t){0}, WEXITED | __WALL) < 0 &&
	       errno == EINTR)
		;
	fd_close(&pidfd);
	*out = *shared;
	(void)munmap(shared, sizeof(*shared));
	if (out->done)
		return 0;
	*err = out->err;
	return err->kind == ERR_NONE
		       ? err_fail(err, ERR_SYSTEM, "a helper was killed before it was done")
		       : -1;
}

/* What such a process does; what it leaves is in `left`, its error too. */
typedef int inside_fn(const void *arg, struct left *left);

static int run_aside(uint64_t flags, inside_fn *fn, const void *arg, struct left *out,
		     struct err *err)
{
	struct left *shared = left_new(err);
	bool outside;
	int pidfd;
	pid_t pid;

	if (!shared)
		return -1;
	pid = birth(CLONE_FILES | flags, -1, &pidfd, &outside, err);
	if (pid == 0) {
		shared->done = fn(arg, shared) == 0;
		_exit(0);
	}
	if (pid < 0) {
		(void)munmap(shared, sizeof(*shared));
		return -1;
	}
	return left_take(shared, pidfd, out, err);
}

/* ---- making it ---- */

static int open_namespaces(bool as_user, struct network *out, struct err *err)
{
	out->net = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	if (out->net >= 0 && as_user)
		out->user = open("/proc/self/ns/user", O_RDONLY | O_CLOEXEC);
	return out->net < 0 || (as_user && out->user < 0)
		       ? err_sys(err, "cannot open the job's network")
		       : 0;
}

/*
 * No port is privileged: who is in it is nobody outside, and servers in images
 * listen at theirs, whoever they are.
 */
struct maker {
	bool as_user;
	uid_t uid;
	gid_t gid;
};

static int make_inside(const void *arg, struct left *left)
{
	const struct maker *m = arg;
	struct err *err = &left->err;

	if (m->as_user && map_own_id(m->uid, m->gid, err) < 0)
		return -1;
	return loopback_raise(err) < 0 ||
			       setting_write("/proc/sys/net/ipv4/ip_unprivileged_port_start", "0",
					     err) < 0 ||
			       open_namespaces(m->as_user, &left->network, err) < 0
		       ? -1
		       : 0;
}

int network_make(bool as_user, struct network *out, struct err *err)
{
	const struct maker maker = {as_user, geteuid(), getegid()};
	struct left left = LEFT_NONE;

	if (run_aside(CLONE_NEWNET | (as_user ? CLONE_NEWUSER : 0), make_inside, &maker, &left,
		      err) < 0) {
		network_close(&left.network);
		return -1;
	}
	*out = left.network;
	return 0;
}

void network_close(struct network *n)
{
	fd_close(&n->user);
	fd_close(&n->net);
}

/* ---- entering it ---- */

static int enter(const struct network *n, struct err *err)
{
	if (n->user >= 0 && setns(n->user, CLONE_NEWUSER) < 0)
		return err_sys(err, "cannot enter the user namespace of the job's network");
	if (setns(n->net, CLONE_NEWNET) < 0)
		return err_sys(err, "cannot enter the job's network");
	return 0;
}

struct listening {
	const struct network *network;
	const char *address;
	uint16_t port;
};

union address {
	struct sockaddr any;
	struct sockaddr_in four;
	struct sockaddr_in6 six;
};

static socklen_t address_of(const struct listening *l, union address *out)
{
	*out = (union address){.six = {.sin6_family = AF_INET6, .sin6_port = htons(l->port)}};
	if (inet_pton(AF_INET6, l->address, &out->six.sin6_addr) == 1)
		return sizeof(out->six);
	*out = (union address){.four = {.sin_family = AF_INET, .sin_port = htons(l->port)}};
	return inet_pton(AF_INET, l->address, &out->four.sin_addr) == 1 ? sizeof(out->four) : 0;
}

static int listen_inside(const void *arg, struct left *left)
{
	const struct listening *l = arg;
	struct err *err = &left->err;
	union address at;
	const socklen_t len = address_of(l, &at);

	if (!len)
		return err_fail(err, ERR_USAGE, "'%s' is no address", l->address);
	if (enter(l->network, err) < 0)
		return -1;
	left->listener = socket(at.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (left->listener < 0 || bind(left->listener, &at.any, len) < 0 ||
	    listen(left->listener, SOMAXCONN) < 0)
		return err_sys(err, "cannot listen at %s, port %u, of the job's network",
			       l->address, l->port);
	return 0;
}

int network_listen(const struct network *n, const char *address, uint16_t port, int *out,
		   struct err *err)
{
	const struct listening listening = {n, address, port};
	struct left left = LEFT_NONE;

	if (run_aside(0, listen_inside, &listening, &left, err) < 0) {
		fd_close(&left.listener);
		return -1;
	}
	*out = left.listener;
	return 0;
}

/* The child is stepcell's, not the helper's: it is waited for, and dies, like any other. */
pid_t network_birth(const struct network *n, uint64_t flags, int cgroup, int *pidfd, bool *outside,
		    struct err *err)
{
	struct left *shared = left_new(err), left;
	int helper_fd;
	pid_t pid;

	if (!shared)
		return -1;
	pid = birth(CLONE_FILES, -1, &helper_fd, outside, err);
	if (pid == 0) {
		if (enter(n, &shared->err) < 0)
			_exit(0);
		pid = birth(flags | CLONE_PARENT, cgroup, &shared->pidfd, &shared->outside,
			    &shared->err);
		if (pid == 0) {
			(void)munmap(shared, sizeof(*shared));
			return 0;
		}
		shared->pid = pid;
		shared->done = pid > 0;
		_exit(0);
	}
	if (pid < 0) {
		(void)munmap(shared, sizeof(*shared));
		return -1;
	}
	if (left_take(shared, helper_fd, &left, err) < 0)
		return -1;
	*pidfd = left.pidfd;
	*outside = left.outside;
	return left.pid;
}
