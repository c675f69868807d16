#include "cli/relay.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <termios.h>
#include <unistd.h>

#include "stepcell/fd.h"
#include "stepcell/log.h"
#include "stepcell/patient.h"
#include "stepcell/stops.h"

#define BACKGROUND_MS 200

static int hand_in(int fd, struct err *err)
{
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);

	/* a stream that was closed before we were started is /dev/null to the command */
	if (copy < 0 && errno == EBADF)
		return 0;
	return copy < 0 ? err_sys(err, "cannot hand in descriptor %d", fd) : copy;
}

/* With flags of its own: what the command sets there is not to last. -1 where that cannot be. */
static int open_anew(int fd, bool input)
{
	char path[32];
	int own;

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	/* without O_NONBLOCK it would wait for a reader, who may have gone */
	own = open(path, (input ? O_RDONLY : O_WRONLY) | O_NONBLOCK | O_CLOEXEC);
	if (own >= 0 && fcntl(own, F_SETFL, 0) < 0)
		fd_close(&own);
	return own;
}

/* While it takes nothing, the command's limits are to hold. */
static int hand_out(int fd, struct err *err)
{
	int copy = fd_patient(fd);

	if (copy < 0 && errno == EBADF)
		return 0;
	return copy < 0 ? err_sys(err, "cannot hand out descriptor %d", fd) : copy;
}

/*
 * A file that is handed in is the command's to change beyond its contents: as
 * an ordinary user it could make it set-id, and truncate what was there before.
 */
static bool is_harmless(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 &&
	       (S_ISFIFO(st.st_mode) ||
		(S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 3))); /* /dev/null */
}

static bool is_closed(int fd)
{
	return fcntl(fd, F_GETFD) < 0 && errno == EBADF;
}

static int open_stream(struct relay *r, int number, int outside, struct err *err)
{
	const bool input = number == 0;
	struct stream *s = &r->streams[number];
	int ends[2];

	if (is_closed(outside)) {
		r->inside[number] = 0; /* nothing is handed in: it is /dev/null to the command */
		return 0;
	}
	if (is_harmless(outside))
		r->inside[number] = open_anew(outside, input);
	if (r->inside[number] >= 0)
		return 0;
	if (pipe_open(ends, err) < 0)
		return -1;
	r->inside[number] = ends[input ? 0 : 1];
	s->from = input ? hand_in(outside, err) : ends[0];
	s->to = input ? ends[1] : hand_out(outside, err);
	if (s->from < 0 || s->to < 0)
		return -1;
	s->keys = input;
	/* our end of the pipe alone: the other end's flags would be the operator's shell's too */
	return fd_nonblock(input ? s->to : s->from, err);
}

void relay_init(struct relay *r)
{
	for (int i = 0; i < RELAY_STREAMS; i++) {
		r->inside[i] = -1;
		r->streams[i] = (struct stream){.from = -1, .to = -1};
	}
}

int relay_open(struct relay *r, bool talk, struct err *err)
{
	const int outside[RELAY_STREAMS] = {0, talk ? 2 : 1, 2};

	for (int i = 0; i < RELAY_STREAMS; i++)
		if (open_stream(r, i, outside[i], err) < 0)
			return -1;
	return 0;
}

static int own_end(int fd, struct err *err)
{
	int copy = fd == STDOUT_FILENO ? hand_out(fd, err) : hand_in(fd, err);

	if (copy != 0)
		return copy;
	copy = open("/dev/null", O_RDWR | O_CLOEXEC);
	return copy < 0 ? err_sys(err, "cannot open '/dev/null'") : copy;
}

/* Our own ends are not made non-blocking: their flags are the operator's shell's too. */
int relay_open_terminal(struct relay *r, int master, struct err *err)
{
	const int ends[][2] = {{STDIN_FILENO, master}, {master, STDOUT_FILENO}};

	for (int i = 0; i < 2; i++) {
		struct stream *s = &r->streams[i];

		s->from = own_end(ends[i][0], err);
		s->to = own_end(ends[i][1], err);
		if (s->from < 0 || s->to < 0)
			return -1;
	}
	r->streams[0].typed = r->streams[0].keys = true;
	return fd_nonblock(master, err);
}

void relay_started(struct relay *r)
{
	for (int i = 0; i < RELAY_STREAMS; i++)
		if (r->inside[i] > 0)
			fd_close(&r->inside[i]);
}

/* What is typed now is for another job, the operator's shell above all. */
static bool in_background(const struct stream *s)
{
	const pid_t front = s->keys && s->from >= 0 ? tcgetpgrp(s->from) : -1;

	return front >= 0 && front != getpgrp();
}

int relay_want(struct relay *r, struct pollfd *fds)
{
	int wait_ms = -1;

	for (int i = 0; i < RELAY_STREAMS; i++) {
		const struct stream *s = &r->streams[i];

		fds[i] = s->len ? (struct pollfd){.fd = s->to, .events = POLLOUT}
				: (struct pollfd){.fd = s->from, .events = POLLIN};
		if (!s->len && in_background(s)) {
			fds[i].fd = -1;
			wait_ms = BACKGROUND_MS;
		}
	}
	return wait_ms;
}

static void stream_end(struct stream *s)
{
	fd_close(&s->from);
	fd_close(&s->to);
	s->len = 0;
}

/*
 * Our input has ended: say so as a person would, by the terminal's character
 * for it. It ends a line that is under way, and only a second one the input.
 */
static bool type_end(struct stream *s)
{
	struct termios settings;
	unsigned char end;

	if (!s->typed || tcgetattr(s->to, &settings) < 0 || !(settings.c_lflag & ICANON))
		return false;
	end = settings.c_cc[VEOF];
	s->bytes[0] = s->bytes[1] = (char)end;
	s->len = s->midline ? 2 : 1;
	s->typed = false;
	fd_close(&s->from);
	return true;
}

static void note_written(struct stream *s, ssize_t n)
{
	if (n > 0)
		s->done += (size_t)n;
	else if (n < 0 && errno != EAGAIN && errno != EINTR)
		s->lost = errno;
}

static void stream_move(struct stream *s)
{
	ssize_t n;

	if (s->len) {
		n = write_now(s->to, s->bytes + s->done, s->len - s->done);
		note_written(s, n);
		if (s->done == s->len)
			s->len = s->done = 0;
	} else {
		n = read(s->from, s->bytes, sizeof(s->bytes));
		if (n > 0) {
			s->len = (size_t)n;
			s->midline = s->bytes[n - 1] != '\n';
		}
		if (n == 0 && type_end(s))
			return;
		/* since we looked */
		if (n < 0 && errno == EIO && in_background(s))
			return;
	}
	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		stream_end(s);
}

void relay_move(struct relay *r, const struct pollfd *fds)
{
	for (int i = 0; i < RELAY_STREAMS; i++)
		if (fds[i].fd >= 0 && fds[i].revents)
			stream_move(&r->streams[i]);
}

static bool told_to_end(int signals)
{
	struct signalfd_siginfo info;

	while (read(signals, &info, sizeof(info)) == sizeof(info))
		if (info.ssi_signo != SIGWINCH && !stops_told(info.ssi_signo))
			return true;
	return false;
}

/* Now there is time, and nobody left to limit; nor to pass a signal on to, so it is for us. */
static bool write_rest(struct stream *s, int signals)
{
	while (s->done < s->len) {
		struct pollfd ready[] = {{.fd = s->to, .events = POLLOUT},
					 {.fd = signals, .events = POLLIN}};
		ssize_t n;

		if (poll(ready, 2, -1) < 0 && errno != EINTR)
			return false;
		if (ready[1].revents && told_to_end(signals)) {
			log_warn("nobody took the rest of the output");
			return false;
		}
		n = write_now(s->to, s->bytes + s->done, s->len - s->done);
		note_written(s, n);
		if (s->lost)
			return false;
	}
	s->len = s->done = 0;
	return true;
}

/* Every process of the cell is dead: what is in the pipes is all there will be. */
void relay_drain(struct relay *r, int signals)
{
	for (int i = 1; i < RELAY_STREAMS; i++) {
		struct stream *s = &r->streams[i];

		while (s->from >= 0) {
			ssize_t n;

			if (!write_rest(s, signals)) {
				stream_end(s);
				break;
			}
			n = read(s->from, s->bytes, sizeof(s->bytes));
			if (n > 0)
				s->len = (size_t)n;
			else if (n == 0 || errno != EINTR)
				stream_end(s);
		}
	}
}

int relay_lost(const struct relay *r)
{
	for (int i = 1; i < RELAY_STREAMS; i++)
		if (r->streams[i].lost && !write_is_unread(r->streams[i].lost))
			return r->streams[i].lost;
	return 0;
}

void relay_close(struct relay *r)
{
	relay_started(r);
	for (int i = 0; i < RELAY_STREAMS; i++)
		stream_end(&r->streams[i]);
}
