/*
 * pty: a terminal of the cell's own.
 *
 * It is made in the cell's own devpts, so that ttyname() works inside and no
 * terminal of the host is in reach. Its master goes to stepcell through a
 * socket that is closed before anything foreign runs.
 */
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fds.h"
#include "inside.h"
#include "stepcell/fd.h"

int pty_receive(int socket, struct err *err)
{
	int fd = fd_receive(socket, MSG_DONTWAIT, err);

	return fd < 0 ? err_wrap(err, "the terminal") : fd;
}

void pty_look_at(int terminal, struct pty_look *out)
{
	out->known = terminal > 0 && tcgetattr(terminal, &out->settings) == 0 &&
		     ioctl(terminal, TIOCGWINSZ, &out->size) == 0;
}

static int dress(int terminal, const struct pty_look *look, struct err *err)
{
	if (!look->known)
		return 0;
	if (tcsetattr(terminal, TCSANOW, &look->settings) < 0 ||
	    ioctl(terminal, TIOCSWINSZ, &look->size) < 0)
		return err_sys(err, "cannot set the terminal");
	return 0;
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
	if (dress(s->terminal, &s->pty_look, err) < 0)
		return -1;
	const struct rlimit before = fds_limit_raise();
	const int r = fd_send(s->pty, master, err);

	fds_limit_restore(&before);
	if (r < 0)
		return err_wrap(err, "the terminal");
	fd_close(&s->pty);
	return 0;
}

int pty_control(struct setup *s, struct err *err)
{
	if (s->terminal >= 0 && ioctl(s->terminal, TIOCSCTTY, 0) < 0)
		return err_sys(err, "cannot take the terminal over");
	return 0;
}
