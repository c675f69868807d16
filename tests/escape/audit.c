/* Attacks on an audit: on its answers, its responder, its listener and its counts. */
#include "attack.h"

#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#define BAD 1UL /* an address that is never mapped: no call of these can succeed */

static int mount_error(void)
{
	return syscall(SYS_mount, BAD, BAD, BAD, 0, 0) < 0 ? errno : 0;
}

/* ---- filters of the step's own ---- */

/* `answer` to mount, everything else allowed. */
static int add_filter(uint32_t answer, unsigned flags)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mount, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, answer),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	const struct sock_fprog program = {COUNT(code), code};

	(void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
}

/* Whatever a later filter says, it cannot turn a refusal into a call that is made. */
int attack_filters(int argc, char **argv)
{
	static const uint32_t answers[] = {SECCOMP_RET_ALLOW, SECCOMP_RET_LOG,
					   SECCOMP_RET_TRACE | 7};
	const int listener = add_filter(SECCOMP_RET_USER_NOTIF, SECCOMP_FILTER_FLAG_NEW_LISTENER);

	(void)argc, (void)argv;
	if (listener >= 0 || errno != EBUSY)
		return open_way("a second listener: %s", error_name(listener < 0 ? errno : 0));
	for (size_t i = 0; i < COUNT(answers); i++)
		if (add_filter(answers[i], 0) < 0 || mount_error() != EPERM)
			return open_way("under a filter that says %#x: %s", answers[i],
					error_name(mount_error()));
	return held("no second listener, and under %zu more filters EPERM", COUNT(answers));
}

/* ---- the listener ---- */

/* With an argument it makes one first, which is to be found. */
int attack_listener(int argc, char **argv)
{
	(void)argv;
	if (argc > 1)
		(void)add_filter(SECCOMP_RET_ALLOW, SECCOMP_FILTER_FLAG_NEW_LISTENER);
	for (int fd = 0; fd < 65536; fd++) {
		uint64_t id = 0;

		/* a listener knows no such question; nothing else knows the request */
		if (ioctl(fd, SECCOMP_IOCTL_NOTIF_ID_VALID, &id) < 0 && errno == ENOENT)
			return open_way("descriptor %d is a listener", fd);
	}
	return held("no descriptor is a listener");
}

/* ---- the responder ---- */

static bool is_init(void)
{
	char name[16] = "";
	const int fd = open("/proc/1/comm", O_RDONLY | O_CLOEXEC);
	const ssize_t n = fd < 0 ? -1 : read(fd, name, sizeof(name) - 1);

	return n > 0 && strncmp(name, "stepcell-init", 13) == 0;
}

/* Real signals, so only to what is a cell's own init beyond doubt. */
int attack_responder(int argc, char **argv)
{
	(void)argc, (void)argv;
	if (!is_init())
		return open_way("pid 1 is no init of a cell: %s", error_name(mount_error()));
	for (int n = 1; n < NSIG; n++)
		(void)kill(1, n);
	for (int i = 0; i < 100; i++)
		if (mount_error() != EPERM)
			return open_way("after the signals: %s", error_name(errno));
	return held("it takes no signal, and answers EPERM");
}

/* ---- signals while a call waits for its answer ---- */

static volatile sig_atomic_t alarms;

static void count_alarm(int number)
{
	(void)number;
	alarms++;
}

int attack_storm(int argc, char **argv)
{
	const struct sigaction on = {.sa_handler = count_alarm}; /* no SA_RESTART */
	const struct itimerval often = {{0, 50}, {0, 50}};
	unsigned answered = 0;

	(void)argc, (void)argv;
	(void)sigaction(SIGALRM, &on, NULL);
	(void)setitimer(ITIMER_REAL, &often, NULL);
	for (int i = 0; i < 2000000 && alarms < 2000; i++) {
		const int error = mount_error();

		if (error != EPERM && error != EINTR)
			return open_way("%s after %d alarms", error_name(error), (int)alarms);
		answered += error == EPERM;
	}
	return answered ? held("EPERM or EINTR") : open_way("never answered");
}

/* ---- a flood ---- */

static int refused_error(unsigned i)
{
	long r;

	switch (i % 4) {
	case 0:
		r = syscall(SYS_mount, BAD, BAD, BAD, 0, 0);
		return r < 0 && errno == EPERM ? 0 : 1;
	case 1:
		r = syscall(SYS_socket, 17 + i % 28, 3, i);
		return r < 0 && errno == EAFNOSUPPORT ? 0 : 1;
	case 2:
		r = syscall(SYS_personality, 0x1000000 | (i & 0xffff) << 4);
		return r < 0 && errno == EPERM ? 0 : 1;
	default:
		r = syscall(1000 + i % 64, i);
		return r < 0 && errno == ENOSYS ? 0 : 1;
	}
}

/* Calls under ever new names for so many seconds; how many, or -1 when one had another answer. */
static int flood(double seconds)
{
	const double end = now() + seconds;
	unsigned i = 0;

	while (now() < end && i < 200000) {
		char name[16];

		(void)snprintf(name, sizeof(name), "f%u", i);
		(void)prctl(PR_SET_NAME, name);
		if (refused_error(i) != 0)
			return -1;
		i++;
	}
	return (int)i;
}

int attack_flood(int argc, char **argv)
{
	const double seconds = argc > 1 ? atof(argv[1]) : 1;
	int ends[2], total = 0, count;

	if (pipe(ends) < 0)
		return cannot("no pipe");
	for (int i = 0; i < 4; i++)
		if (fork() == 0) {
			count = flood(seconds);
			_exit(write(ends[1], &count, sizeof(count)) == sizeof(count) ? 0 : 1);
		}
	(void)close(ends[1]);
	while (read(ends[0], &count, sizeof(count)) == sizeof(count)) {
		if (count < 0)
			return open_way("a call had another answer: %s", error_name(errno));
		total += count;
	}
	return held("%d refusals", total);
}
