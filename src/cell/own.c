/* own: settings of the cell's own namespaces, made before anybody else lives there. */
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "inside.h"
#include "stepcell/fd.h"
#include "stepcell/limits.h"
#include "stepcell/util.h"

int setting_write(const char *path, const char *text, struct err *err)
{
	auto_fd int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write_full(fd, text, strlen(text)) < 0)
		return err_sys(err, "cannot write '%s'", path);
	return 0;
}

/*
 * How long the host is up is none of the cell's business. Its clocks begin at a
 * day, not at zero: programs subtract minutes from them.
 */
#define UPTIME (24 * 60 * 60)

static int offset_line(char *out, size_t size, const char *name, clockid_t clock, struct err *err)
{
	struct timespec now;

	if (clock_gettime(clock, &now) < 0)
		return err_sys(err, "cannot read the %s clock", name);
	return snprintf(out, size, "%s %lld 0\n", name, (long long)(UPTIME - now.tv_sec));
}

int own_time(struct setup *s, struct err *err)
{
	char text[128];
	int a, b;

	if (s->missing & CELL_WALL_TIMENS)
		return 0;
	/* not by clone3: then we would be inside already, and offsets could not be set */
	if (unshare(CLONE_NEWTIME) < 0)
		return err_sys(err, "cannot make a time namespace");
	a = offset_line(text, sizeof(text), "monotonic", CLOCK_MONOTONIC, err);
	if (a < 0)
		return -1;
	b = offset_line(text + a, sizeof(text) - (size_t)a, "boottime", CLOCK_BOOTTIME, err);
	return b < 0 ? -1 : setting_write("/proc/self/timens_offsets", text, err);
}

int loopback_raise(struct err *err)
{
	struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
	auto_fd int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &request) < 0)
		return err_sys(err, "cannot raise the loopback interface");
	return 0;
}

/* A shared one was raised when it was made, and is not ours to change. */
int own_network(struct setup *s, struct err *err)
{
	return s->spec->network == CELL_NET_NONE ? loopback_raise(err) : 0;
}

int own_names(struct setup *s, struct err *err)
{
	static const char domain[] = "(none)";

	if (sethostname(s->spec->name, strlen(s->spec->name)) < 0 ||
	    setdomainname(domain, strlen(domain)) < 0)
		return err_sys(err, "cannot name the host");
	return 0;
}

static const char title[] = "stepcell-init";

/*
 * The kernel shows all bytes of the area, which tells how long the operator's
 * line was; unless the last one is no zero: then it takes the area for the start
 * of one string (setproctitle(3)), which may go on into the environment. So that
 * byte is set where our own string has ended before it, and nowhere else.
 */
static void title_put(char *area, size_t len)
{
	memset(area, 0, len);
	memcpy(area, title, len < sizeof(title) ? len - 1 : sizeof(title));
	if (len > sizeof(title))
		area[len - 1] = 1;
}

/*
 * Init is a copy of stepcell, and whoever is in the cell can read its command
 * line: the operator's, with all that he put there. The kernel shows the memory
 * where it began; ours is a copy. The main process, which may have its own
 * command from there, gets it back (own_title_back). The spec's texts are a copy already.
 * A function stays a copy of stepcell: it may start others, who would read it as well.
 */
int own_title(struct setup *s, struct err *err)
{
	auto_strbuf struct strbuf seen = STRBUF(2 * MIB); /* more than the kernel's ARG_MAX */
	char *start = program_invocation_name;
	auto_fd int fd = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return err_sys(err, "cannot open '/proc/self/cmdline'");
	if (read_capped(fd, &seen, err) < 0)
		return -1;
	if (!seen.len || memcmp(start, seen.text, seen.len) != 0)
		return err_fail(err, ERR_SYSTEM, "the command line is not where it was");
	title_put(start, seen.len);
	(void)prctl(PR_SET_NAME, title);
	s->title_len = seen.len;
	s->title = strbuf_detach(&seen);
	return 0;
}

int own_title_back(struct setup *s, struct err *err)
{
	(void)err;
	/* a worker's argument may lie there, and nobody else is in its cell */
	if (!s->spec->fn || s->is_worker)
		memcpy(program_invocation_name, s->title, s->title_len);
	return 0;
}

void own_environment_forget(void)
{
	for (char **variable = environ; variable && *variable; variable++)
		memset(*variable, 0, strlen(*variable));
	environ = NULL;
}

/* Through the host's /proc, which shows whoever opens it his own namespaces' values. */
static const struct {
	const char *path, *value;
} sysctls[] = {
	{"/proc/sys/user/max_user_namespaces", "0"}, /* no new capabilities over a kernel */
	{"/proc/sys/user/max_inotify_instances", "1024"},
	{"/proc/sys/user/max_inotify_watches", "262144"},
};

int own_sysctls(struct setup *s, struct err *err)
{
	/* no cgroup kills for the cell alone: it should be the first to die of a host without memory */
	if (s->watch && setting_write("/proc/self/oom_score_adj", "1000", err) < 0)
		return -1;
	for (size_t i = 0; i < COUNT(sysctls); i++)
		if (setting_write(sysctls[i].path, sysctls[i].value, err) < 0)
			return -1;
	return 0;
}

int own_no_userns(struct setup *s, struct err *err)
{
	(void)s;
	if (unshare(CLONE_NEWUSER) == 0)
		return err_fail(err, ERR_SYSTEM,
				"a user namespace could be made inside in spite of the limit");
	/* EPERM: the host refuses everybody but its root, before it looks at any limit */
	if (errno != ENOSPC && errno != EPERM)
		return err_sys(err, "unexpected answer to a new user namespace");
	return 0;
}
