#include "cli/patient.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <unistd.h>

#include "stepcell/fd.h"
#include "stepcell/patient.h"

/* As often as the runner looks at disks that fill. */
#define KEEP_MS 20

static void wait_a_little(const struct patient *p, int fd)
{
	struct pollfd ready = {.fd = fd, .events = POLLOUT};

	if (poll(&ready, 1, KEEP_MS) <= 0 && p->keeper.keep)
		p->keeper.keep(p->keeper.arg);
}

/* Not more at once than a pipe takes that says it is ready, should ours be one that blocks. */
static ssize_t patient_write(void *cookie, const char *bytes, size_t len)
{
	struct patient *p = cookie;
	size_t done = 0;

	while (done < len) {
		const size_t left = len - done;
		struct pollfd ready = {.fd = p->fd, .events = POLLOUT};
		ssize_t n = -1;

		errno = EAGAIN;
		if (poll(&ready, 1, 0) > 0)
			n = write_now(p->fd, bytes + done, left < PIPE_BUF ? left : PIPE_BUF);
		if (n >= 0) {
			done += (size_t)n;
		} else if (errno == EAGAIN || errno == EINTR) {
			wait_a_little(p, ready.revents ? -1 : p->fd);
		} else {
			p->lost = errno;
			return 0;
		}
	}
	return (ssize_t)len;
}

static int patient_close(void *cookie)
{
	struct patient *p = cookie;

	fd_close(&p->fd);
	return 0;
}

FILE *patient_open(struct patient *p, struct err *err)
{
	static const cookie_io_functions_t functions = {.write = patient_write,
							.close = patient_close};
	FILE *out;

	*p = (struct patient){.fd = fd_patient(STDOUT_FILENO)};
	out = p->fd < 0 ? NULL : fopencookie(p, "w", functions);
	if (!out)
		(void)err_sys(err, "cannot write to standard output");
	return out;
}

int patient_end(struct patient *p, FILE *out, int code, struct err *err)
{
	(void)fclose(out);
	if (code || !p->lost || write_is_unread(p->lost))
		return code;
	errno = p->lost;
	return err_sys(err, "cannot write to standard output");
}
