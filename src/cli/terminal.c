#include "cli/terminal.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "stepcell/fd.h"

bool terminal_colour(void)
{
	const char *no = getenv("NO_COLOR");

	return isatty(STDOUT_FILENO) && !(no && *no);
}

int terminal_open(struct terminal *t, struct err *err)
{
	const int from = isatty(STDIN_FILENO) ? STDIN_FILENO : STDOUT_FILENO;

	*t = TERMINAL_NONE;
	if (!isatty(from))
		return 0;
	t->fd = fcntl(from, F_DUPFD_CLOEXEC, 3);
	if (t->fd < 0 || tcgetattr(t->fd, &t->before) < 0)
		return err_sys(err, "cannot read the terminal's settings");
	/* changes nothing, but in the background it waits for the foreground as a change does */
	if (from == STDIN_FILENO && tcsetattr(t->fd, TCSADRAIN, &t->before) < 0)
		return err_sys(err, "cannot have the terminal");
	return 0;
}

int terminal_raw(struct terminal *t, struct err *err)
{
	struct termios raw = t->before;

	if (t->fd < 0 || !isatty(STDIN_FILENO))
		return 0;
	cfmakeraw(&raw);
	t->raw = true; /* a change that was made half is undone too */
	if (tcsetattr(t->fd, TCSADRAIN, &raw) < 0)
		return err_sys(err, "cannot change the terminal's settings");
	return 0;
}

void terminal_fit(const struct terminal *t, int other)
{
	struct winsize size;

	if (t->fd >= 0 && other >= 0 && ioctl(t->fd, TIOCGWINSZ, &size) == 0)
		(void)ioctl(other, TIOCSWINSZ, &size);
}

void terminal_close(struct terminal *t)
{
	if (t->raw)
		(void)tcsetattr(t->fd, TCSAFLUSH, &t->before);
	t->raw = false;
	fd_close(&t->fd);
}
