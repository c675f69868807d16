#include "fds.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "stepcell/fd.h"

static int compare(const void *a, const void *b)
{
	int x = *(const int *)a, y = *(const int *)b;

	return (x > y) - (x < y);
}

static int close_from(unsigned first, unsigned last, struct err *err)
{
	if (first > last)
		return 0;
	return close_range(first, last, 0) < 0 ? err_sys(err, "cannot close descriptors") : 0;
}

int fds_close_others(int *keep, size_t count, struct err *err)
{
	unsigned next = 0;

	qsort(keep, count, sizeof(*keep), compare);
	for (size_t i = 0; i < count; i++) {
		if (keep[i] < 0 || (unsigned)keep[i] < next)
			continue;
		if (keep[i] > 0 && close_from(next, (unsigned)keep[i] - 1, err) < 0)
			return -1;
		next = (unsigned)keep[i] + 1;
	}
	return close_from(next, ~0U, err);
}

/* Out of the way first: a source may bear a number that is another's target. */
static int lift(int fd, size_t above, struct err *err)
{
	int up = fcntl(fd, F_DUPFD_CLOEXEC, (int)above);

	return up < 0 ? err_sys(err, "cannot move descriptor %d", fd) : up;
}

static int lift_all(const int *from, size_t count, int *const *also, size_t also_count, int *lifted,
		    struct err *err)
{
	for (size_t i = 0; i < count + also_count; i++) {
		const int fd = i < count ? from[i] : *also[i - count];

		lifted[i] = fd < 0 ? -1 : lift(fd, count + also_count, err);
		if (fd >= 0 && lifted[i] < 0)
			return -1;
	}
	return 0;
}

int fds_place(const int *from, size_t count, int *const *also, size_t also_count, struct err *err)
{
	auto_free int *lifted = calloc(count + also_count, sizeof(*lifted));
	size_t next = count;

	if (!lifted)
		return err_sys(err, "cannot move descriptors");
	if (lift_all(from, count, also, also_count, lifted, err) < 0)
		return -1;
	for (size_t i = 0; i < count; i++)
		if (dup2(lifted[i], (int)i) < 0)
			return err_sys(err, "cannot place descriptor %zu", i);
	for (size_t i = 0; i < also_count; i++) {
		if (*also[i] < 0)
			continue;
		if (dup3(lifted[count + i], (int)next, O_CLOEXEC) < 0)
			return err_sys(err, "cannot place descriptor %zu", next);
		*also[i] = (int)next++;
	}
	return close_from((unsigned)next, ~0U, err);
}

/* ---- through a socket ---- */

/* One byte with one descriptor. */
struct packet {
	char byte;
	struct iovec bytes;
	char control[CMSG_SPACE(sizeof(int))];
	struct msghdr message;
};

static void packet_make(struct packet *p)
{
	*p = (struct packet){.byte = 'p'};
	p->bytes = (struct iovec){.iov_base = &p->byte, .iov_len = 1};
	p->message = (struct msghdr){.msg_iov = &p->bytes,
				     .msg_iovlen = 1,
				     .msg_control = p->control,
				     .msg_controllen = sizeof(p->control)};
}

int fd_send(int socket, int fd, struct err *err)
{
	struct packet p;
	struct cmsghdr *head;

	packet_make(&p);
	head = CMSG_FIRSTHDR(&p.message);
	head->cmsg_level = SOL_SOCKET;
	head->cmsg_type = SCM_RIGHTS;
	head->cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(head), &fd, sizeof(fd));
	if (sendmsg(socket, &p.message, MSG_NOSIGNAL) != 1)
		return err_sys(err, "cannot hand over a descriptor");
	return 0;
}

int fd_receive(int socket, int flags, struct err *err)
{
	struct packet p;
	struct cmsghdr *head;
	int fd = -1;

	packet_make(&p);
	if (recvmsg(socket, &p.message, MSG_CMSG_CLOEXEC | flags) != 1)
		return err_sys(err, "cannot take a descriptor");
	head = CMSG_FIRSTHDR(&p.message);
	if (head && head->cmsg_type == SCM_RIGHTS && head->cmsg_len == CMSG_LEN(sizeof(fd)))
		memcpy(&fd, CMSG_DATA(head), sizeof(fd));
	return fd < 0 ? err_fail(err, ERR_SYSTEM, "no descriptor was handed over") : fd;
}

struct rlimit fds_limit_raise(void)
{
	struct rlimit before = {0}, raised;

	if (getrlimit(RLIMIT_NOFILE, &before) == 0) {
		raised = (struct rlimit){before.rlim_max, before.rlim_max};
		(void)setrlimit(RLIMIT_NOFILE, &raised);
	}
	return before;
}

void fds_limit_restore(const struct rlimit *before)
{
	if (before->rlim_max)
		(void)setrlimit(RLIMIT_NOFILE, before);
}
