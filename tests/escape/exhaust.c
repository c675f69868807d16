/*
 * Attacks that use things up. Each stops by itself at a bound that a machine
 * can bear, and what it made goes when it ends.
 */
#include "attack.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define MIB (1024UL * 1024)

/* ---- processes and threads ---- */

#define BOUND 400 /* processes or threads */

int attack_forks(int argc, char **argv)
{
	static pid_t children[BOUND];
	int n = 0, e = 0;

	(void)argc, (void)argv;
	for (; n < BOUND; n++) {
		children[n] = fork();
		if (children[n] == 0) {
			(void)alarm(20);
			(void)pause();
			_exit(0);
		}
		if (children[n] < 0) {
			e = errno;
			break;
		}
	}
	for (int i = 0; i < n; i++) {
		(void)kill(children[i], SIGKILL);
		(void)waitpid(children[i], NULL, 0);
	}
	if (n == BOUND)
		return open_way("%d processes", n);
	(void)held("%s after %d processes", error_name(e), n);
	/* a build that cannot fork fails: this is what the verdict goes by */
	return e == EAGAIN ? 3 : 1;
}

static void *linger(void *arg)
{
	(void)pthread_mutex_lock(arg);
	(void)pthread_mutex_unlock(arg);
	return NULL;
}

int attack_pthreads(int argc, char **argv)
{
	static pthread_t threads[BOUND];
	pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
	pthread_attr_t small;
	int n = 0, e = 0;

	(void)argc, (void)argv;
	(void)pthread_attr_init(&small);
	(void)pthread_attr_setstacksize(&small, 64 * 1024);
	(void)pthread_mutex_lock(&gate);
	while (n < BOUND && (e = pthread_create(&threads[n], &small, linger, &gate)) == 0)
		n++;
	(void)pthread_mutex_unlock(&gate);
	for (int i = 0; i < n; i++)
		(void)pthread_join(threads[i], NULL);
	if (n == BOUND)
		return open_way("%d threads", n);
	(void)held("%s after %d threads", error_name(e), n);
	return e == EAGAIN ? 3 : 1;
}

/* ---- memory: each kind takes `bytes`, or says how far it came ---- */

static size_t touch(char *p, size_t bytes)
{
	for (size_t i = 0; i < bytes; i += 4096)
		p[i] = (char)i;
	return bytes;
}

static size_t take_map(size_t bytes, int flags, int fd)
{
	char *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, flags, fd, 0);

	return p == MAP_FAILED ? 0 : touch(p, bytes);
}

static size_t take_anonymous(size_t bytes)
{
	return take_map(bytes, MAP_PRIVATE | MAP_ANONYMOUS, -1);
}

static size_t take_shared(size_t bytes)
{
	return take_map(bytes, MAP_SHARED | MAP_ANONYMOUS, -1);
}

static size_t fill(int fd, size_t bytes)
{
	static char block[64 * 1024];
	size_t done = 0;

	memset(block, 'x', sizeof(block));
	while (done < bytes) {
		const ssize_t n = write(fd, block, sizeof(block));

		if (n <= 0)
			break;
		done += (size_t)n;
	}
	return done;
}

static size_t take_memfd(size_t bytes)
{
	return fill(memfd_create("escape", 0), bytes);
}

static size_t take_file_in(const char *dir, size_t bytes)
{
	char path[64];

	(void)snprintf(path, sizeof(path), "%s/escape.XXXXXX", dir);

	const int fd = mkstemp(path);

	if (fd < 0)
		return 0;
	(void)unlink(path);
	return fill(fd, bytes);
}

static size_t take_shm_dir(size_t bytes)
{
	return take_file_in("/dev/shm", bytes);
}

static size_t take_sysv(size_t bytes)
{
	const int id = shmget(IPC_PRIVATE, bytes, 0600);
	char *p = id < 0 ? (void *)-1 : shmat(id, NULL, 0);

	if (id >= 0)
		(void)shmctl(id, IPC_RMID, NULL);
	return p == (void *)-1 ? 0 : touch(p, bytes);
}

static size_t take_locked(size_t bytes)
{
	char *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED || mlock(p, bytes) < 0)
		return 0;
	return bytes;
}

/* As many pairs as descriptors allow; `make` opens one, the second end is filled. */
static size_t take_queues(size_t bytes, int (*make)(int ends[2]))
{
	static char block[4096];
	size_t done = 0;
	int ends[2];

	while (done < bytes && make(ends) == 0) {
		(void)fcntl(ends[1], F_SETPIPE_SZ, 1024 * 1024);
		(void)fcntl(ends[1], F_SETFL, O_NONBLOCK);
		for (ssize_t n; (n = write(ends[1], block, sizeof(block))) > 0;)
			done += (size_t)n;
	}
	return done;
}

static size_t take_pipes(size_t bytes)
{
	return take_queues(bytes, pipe);
}

static int make_pair(int ends[2])
{
	return socketpair(AF_UNIX, SOCK_STREAM, 0, ends);
}

static size_t take_sockets(size_t bytes)
{
	return take_queues(bytes, make_pair);
}

static const struct {
	const char *name;
	size_t (*take)(size_t bytes);
} kinds[] = {
	{"anonymous", take_anonymous}, {"shared", take_shared},   {"memfd", take_memfd},
	{"dev-shm", take_shm_dir},     {"sysv", take_sysv},       {"locked", take_locked},
	{"pipes", take_pipes},         {"sockets", take_sockets},
};

/*
 * KIND WANTED-MIB LIMIT-MIB [SECONDS]: keeps what it got for so long, where a
 * limit is sampled. A cell that kills in the middle never comes to the last line.
 */
int attack_memory(int argc, char **argv)
{
	if (argc < 4)
		return cannot("which kind, how much, which limit?");

	const size_t wanted = (size_t)atoi(argv[2]) * MIB, limit = (size_t)atoi(argv[3]) * MIB;

	for (size_t i = 0; i < COUNT(kinds); i++)
		if (strcmp(argv[1], kinds[i].name) == 0) {
			const size_t got = kinds[i].take(wanted);

			if (argc > 4 && got > limit)
				(void)sleep((unsigned)atoi(argv[4]));
			return got > limit ? open_way("%zu MiB", got / MIB)
					   : held("stopped at %zu MiB", got / MIB);
		}
	return cannot("no such kind");
}
