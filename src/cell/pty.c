/*
 * pty: a terminal of the cell's own.
 *
 * It is made in the cell's own devpts, so that ttyname() works inside and no
 * terminal of the host is in reach. Its master goes to stepcell through a
 * socket that is closed before anything foreign runs.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "inside.h"
#include "stepcell/fd.h"

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

static int send_fd(int socket, int fd, struct err *err)
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
		return err_sys(err, "cannot hand out the terminal");
	return 0;
}

int pty_receive(int socket, struct err *err)
{
	struct packet p;
	struct cmsghdr *head;
	int fd = -1;

	packet_make(&p);
	if (recvmsg(socket, &p.message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT) != 1)
		return err_sys(err, "cannot take the terminal");
	head = CMSG_FIRSTHDR(&p.message);
	if (head && head->cmsg_type == SCM_RIGHTS && head->cmsg_len == CMSG_LEN(sizeof(fd)))
		memcpy(&fd, CMSG_DATA(head), sizeof(fd));
	return fd < 0 ? err_fail(err, ERR_SYSTEM, "the cell gave no terminal") : fd;
}

int pty_make(struct setup *s, struct err *err)
{
	int unlocked = 0;

	if (s->pty < 0)
		return 0;

	auto_fd int master = open("/dev/pts/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);

	if (master < 0 || ioctl(master, TIOCSPTLCK, &unlocked) < 0)
		return err_sys(err, "cannot make a terminal");
	s->terminal = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (s->terminal < 0)
		return err_sys(err, "cannot open the terminal");
	if (send_fd(s->pty, master, err) < 0)
		return -1;
	fd_close(&s->pty);
	return 0;
}

int pty_control(struct setup *s, struct err *err)
{
	if (s->terminal >= 0 && ioctl(s->terminal, TIOCSCTTY, 0) < 0)
		return err_sys(err, "cannot take the terminal over");
	return 0;
}
