/*
 * Attacks on the disk: each writes so many MiB into the current directory in
 * one way, and keeps them where they can be counted by nobody, or hardly.
 * They are bounded, and what they wrote goes with them.
 */
#include "attack.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#define MIB   (1024UL * 1024)
#define CHUNK (8 * MIB) /* of one file: no single one is over the limit */

static int make_file(char name[32])
{
	static unsigned number;

	(void)snprintf(name, 32, "fill.%u.%u", (unsigned)getpid(), number++);
	return open(name, O_RDWR | O_CREAT | O_EXCL, 0600);
}

static size_t write_chunk(int fd)
{
	static char block[64 * 1024];
	size_t done = 0;

	memset(block, 'x', sizeof(block));
	while (fd >= 0 && done < CHUNK && write(fd, block, sizeof(block)) == sizeof(block))
		done += sizeof(block);
	return done;
}

/* ---- the ways: each writes a chunk, and returns how much that was ---- */

static size_t fill_named(void)
{
	char name[32];
	const int fd = make_file(name);
	const size_t done = write_chunk(fd);

	(void)close(fd);
	return done;
}

/* Its descriptor stays open. */
static int make_unlinked(void)
{
	char name[32];
	const int fd = make_file(name);

	(void)unlink(name);
	return fd;
}

static size_t fill_unlinked(void)
{
	return write_chunk(make_unlinked());
}

static size_t fill_tmpfile(void)
{
	return write_chunk(open(".", O_RDWR | O_TMPFILE, 0600));
}

static size_t fill_mapped(void)
{
	const int fd = make_unlinked();
	const size_t done = write_chunk(fd);
	const void *p = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);

	(void)close(fd);
	return p == MAP_FAILED ? 0 : done;
}

/* By memory, not by write(2). */
static size_t fill_shared(void)
{
	const int fd = make_unlinked();
	char *p = ftruncate(fd, CHUNK) < 0
			  ? MAP_FAILED
			  : mmap(NULL, CHUNK, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (p == MAP_FAILED)
		return 0;
	memset(p, 'x', CHUNK);
	return CHUNK;
}

static size_t fill_queued(void)
{
	static int ends[2] = {-1, -1};
	char control[CMSG_SPACE(sizeof(int))] = {0};
	char byte = 'x';
	struct iovec io = {&byte, 1};
	struct msghdr message = {.msg_iov = &io,
				 .msg_iovlen = 1,
				 .msg_control = control,
				 .msg_controllen = sizeof(control)};
	struct cmsghdr *head = CMSG_FIRSTHDR(&message);
	const int fd = make_unlinked();
	const size_t done = write_chunk(fd);

	if (ends[0] < 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, ends) < 0)
		return 0;
	*head = (struct cmsghdr){CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS};
	memcpy(CMSG_DATA(head), &fd, sizeof(fd));
	if (sendmsg(ends[0], &message, 0) < 0)
		return 0;
	(void)close(fd);
	return done;
}

static size_t fill_reserved(void)
{
	return fallocate(make_unlinked(), 0, 0, CHUNK) < 0 ? 0 : CHUNK;
}

/* What fallocate(2) does, by the ioctls of the kernel's linux/falloc.h, which are older. */
struct space {
	int16_t type, whence;
	int64_t start, len;
	int32_t system;
	uint32_t pid;
	int32_t pad[4];
};
#define RESERVE_SPACE _IOW('X', 42, struct space)
#define ZERO_SPACE    _IOW('X', 57, struct space)

static size_t fill_by_ioctl(void)
{
	struct space space = {.len = CHUNK};

	return ioctl(make_unlinked(), RESERVE_SPACE, &space) < 0 ? 0 : CHUNK;
}

static size_t fill_zeroed(void)
{
	struct space space = {.len = CHUNK};

	return ioctl(make_unlinked(), ZERO_SPACE, &space) < 0 ? 0 : CHUNK;
}

/* A block of its own for each file, which is empty. */
static size_t fill_xattrs(void)
{
	static char value[3500];
	size_t done = 0;
	char name[32];

	while (done < CHUNK) {
		const int fd = make_file(name);
		const int r = fsetxattr(fd, "user.fill", value, sizeof(value), 0);

		(void)close(fd);
		if (r < 0)
			break;
		done += 4096;
	}
	return done;
}

#ifdef __x86_64__
/* Run from a file that has lost its name, and with nothing of it mapped: the kernel holds it yet. */
int attack_unmapped(int argc, char **argv)
{
	extern char __executable_start[], _end[];
	/* munmap(rdi, rsi); for (;;) pause(); */
	static const unsigned char code[] = {0xb8,      SYS_munmap, 0, 0, 0,    0x0f, 0x05, 0xb8,
					     SYS_pause, 0,          0, 0, 0x0f, 0x05, 0xeb, 0xf7};
	const uintptr_t page = 4096, begin = (uintptr_t)__executable_start & ~(page - 1);
	void *copy = mmap(NULL, page, PROT_READ | PROT_WRITE | PROT_EXEC,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)argc;
	if (copy == MAP_FAILED || close_range(0, ~0U, 0) < 0)
		return 1;
	memcpy(copy, code, sizeof(code));
	if (unlink(argv[-1]) < 0)
		return 1;
	((void (*)(uintptr_t, uintptr_t))copy)(begin, (uintptr_t)_end - begin);
	return 1;
}
#else
int attack_unmapped(int argc, char **argv)
{
	(void)argc, (void)argv;
	return cannot("no machine code for this processor");
}
#endif

static size_t copy_program(int to)
{
	const int from = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	char block[4096];
	size_t done = 0;

	for (ssize_t n; (n = read(from, block, sizeof(block))) > 0;)
		done += write(to, block, (size_t)n) == n ? (size_t)n : 0;
	(void)close(from);
	(void)lseek(to, (off_t)done, SEEK_SET);
	return done;
}

static size_t fill_executed(void)
{
	char name[32];
	const int fd = make_file(name);
	const size_t done = copy_program(fd) + write_chunk(fd);
	pid_t pid;

	(void)fchmod(fd, 0700);
	(void)close(fd);
	pid = fork();
	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		(void)execl(name, name, "unmapped", NULL);
		_exit(1);
	}
	for (int i = 0; i < 1000 && access(name, F_OK) == 0; i++)
		(void)usleep(1000);
	return pid < 0 || access(name, F_OK) == 0 ? 0 : done;
}

static const struct {
	const char *name;
	size_t (*fill)(void);
} ways[] = {
	{"named", fill_named},       {"unlinked", fill_unlinked}, {"tmpfile", fill_tmpfile},
	{"mapped", fill_mapped},     {"shared", fill_shared},     {"queued", fill_queued},
	{"reserved", fill_reserved}, {"xattrs", fill_xattrs},     {"by-ioctl", fill_by_ioctl},
	{"zeroed", fill_zeroed},     {"executed", fill_executed},
};

static int report(size_t got, size_t limit, const char *pause)
{
	/* where counting takes a moment, it is given one */
	if (got > limit && pause)
		(void)sleep((unsigned)atoi(pause));
	return got > limit ? open_way("%zu MiB", got / MIB) : held("stopped at %zu MiB", got / MIB);
}

static size_t fill_all(const char *way, size_t wanted)
{
	size_t got = 0;

	for (size_t i = 0; i < COUNT(ways); i++)
		while (strcmp(way, ways[i].name) == 0 && got < wanted) {
			const size_t done = ways[i].fill();

			got += done;
			if (!done)
				break;
		}
	return got;
}

/* WAY WANTED-MIB LIMIT-MIB [SECONDS] */
int attack_fill(int argc, char **argv)
{
	if (argc < 4)
		return cannot("which way, how much, which limit?");
	return report(fill_all(argv[1], (size_t)atoi(argv[2]) * MIB), (size_t)atoi(argv[3]) * MIB,
		      argc > 4 ? argv[4] : NULL);
}

/* A thread whose descriptors are not those of its process. */
static void *fill_apart(void *arg)
{
	char **argv = arg;

	if (unshare(CLONE_FILES) < 0)
		return (void *)1;
	return (void *)(intptr_t)report(fill_all("unlinked", (size_t)atoi(argv[1]) * MIB),
					(size_t)atoi(argv[2]) * MIB, argv[3]);
}

/* WANTED-MIB LIMIT-MIB [SECONDS] */
int attack_fill_thread(int argc, char **argv)
{
	pthread_t thread;
	void *result = NULL;

	if (argc < 3 || pthread_create(&thread, NULL, fill_apart, argv) != 0)
		return cannot("how much, which limit?");
	(void)pthread_join(thread, &result);
	return (int)(intptr_t)result;
}

/* ---- names ---- */

static int make_name(const char *kind, const char *name)
{
	if (strcmp(kind, "directories") == 0)
		return mkdir(name, 0700);
	if (strcmp(kind, "links") == 0)
		return symlink("x", name);
	if (strcmp(kind, "hard-links") == 0)
		return link("names/first", name);
	return mknod(name, S_IFREG | 0600, 0);
}

/* KIND COUNT LIMIT [SECONDS] */
int attack_names(int argc, char **argv)
{
	char name[64];
	int made = 0;

	if (argc < 4)
		return cannot("which kind, how many, which limit?");
	if (mkdir("names", 0700) < 0 || mknod("names/first", S_IFREG | 0600, 0) < 0)
		return cannot("no directory for the names");
	for (; made < atoi(argv[2]); made++) {
		(void)snprintf(name, sizeof(name), "names/%d", made);
		if (make_name(argv[1], name) < 0)
			break;
	}
	if (argc > 4 && made > atoi(argv[3]))
		(void)sleep((unsigned)atoi(argv[4]));
	return made > atoi(argv[3]) ? open_way("%d %s", made, argv[1])
				    : held("%s after %d", error_name(errno), made);
}
