/*
 * What the processes of a cell hold: files without a name, and memory.
 *
 * All of it is in the cell's own /proc, which shows its processes and nobody
 * else. A thread may have a table of descriptors of its own, so each is asked.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "count.h"
#include "stepcell/clock.h"
#include "stepcell/fd.h"
#include "stepcell/limits.h"
#include "stepcell/util.h"

#define SEEN_SLOTS (1U << 17)
#define SEEN_MAX   (SEEN_SLOTS / 4 * 3)
#define BUDGET_MS  1000 /* for all that they hold; a cell could make it last for minutes */
#define PIPE_PAGES 2    /* what each has, also of a user who has too many of them */

struct held {
	uint64_t end; /* of the budget, in milliseconds */
	const struct count_order *order;
	struct count_use *use;
	struct count_file *seen; /* by hash; an inode 0 is a free slot */
	unsigned seen_count;
	dev_t memfd_dev, shm_dev;
	int process; /* its directory in /proc */
	bool mapped; /* its memory has been looked at */
	uint64_t anonymous, shared, memfds, pipes;
};

/* ---- in time ---- */

static bool is_late(struct held *h)
{
	h->use->late |= now_ms() > h->end;
	return h->use->late;
}

/* ---- once each ---- */

/* False when it was there. In a table that is full everything is new: then too much is counted. */
static bool is_new(struct held *h, dev_t dev, ino_t ino)
{
	size_t slot = (size_t)((ino * 0x9e3779b97f4a7c15U + dev) >> 20) % SEEN_SLOTS;

	for (; h->seen[slot].ino; slot = (slot + 1) % SEEN_SLOTS)
		if (h->seen[slot].ino == ino && h->seen[slot].dev == dev)
			return false;
	if (h->seen_count < SEEN_MAX) {
		h->seen[slot] = (struct count_file){dev, ino};
		h->seen_count++;
	}
	return true;
}

/* ---- files and sockets ---- */

/* Found again neither in an upper nor by anybody else. */
static void add_file(struct held *h, const struct stat *st)
{
	if (st->st_nlink || st->st_dev == h->shm_dev || !is_new(h, st->st_dev, st->st_ino))
		return;
	if (st->st_dev == h->memfd_dev) {
		h->memfds += (uint64_t)st->st_blocks * 512;
		return;
	}
	h->use->inodes++;
	h->use->bytes += (uint64_t)st->st_blocks * 512;
}

/* How many descriptors wait in a socket's queue, which is not said of what they lead to. */
static void add_socket(struct held *h, int task, const char *fd)
{
	static const char key[] = "\nscm_fds: ";
	char path[300], text[1024];
	const char *found;
	ssize_t n;

	(void)snprintf(path, sizeof(path), "fdinfo/%s", fd);

	auto_fd int info = openat(task, path, O_RDONLY | O_CLOEXEC);

	n = info < 0 ? -1 : read(info, text, sizeof(text) - 1);
	if (n <= 0)
		return;
	text[n] = '\0';
	found = strstr(text, key);
	if (found && found[strlen(key)] != '0')
		h->use->hidden++;
}

static void look_at_fd(struct held *h, int task, const char *fd)
{
	struct stat st;
	char path[300];

	(void)snprintf(path, sizeof(path), "fd/%s", fd);
	if (fstatat(task, path, &st, 0) < 0)
		return;
	if (S_ISREG(st.st_mode))
		add_file(h, &st);
	else if (S_ISSOCK(st.st_mode) && is_new(h, st.st_dev, st.st_ino))
		add_socket(h, task, fd);
	else if (S_ISFIFO(st.st_mode) && is_new(h, st.st_dev, st.st_ino))
		h->pipes++;
}

/* ---- what is mapped ---- */

/* Its blocks, where we may follow the mapping; else it is a place that may hide any number. */
static void add_mapping(struct held *h, const char *range, dev_t dev, ino_t ino)
{
	char path[64];
	struct stat st;

	if (!ino || dev == h->memfd_dev || dev == h->shm_dev)
		return;
	(void)snprintf(path, sizeof(path), "map_files/%s", range);
	if (fstatat(h->process, path, &st, 0) == 0)
		add_file(h, &st);
	else if (is_new(h, dev, ino))
		h->use->hidden++;
}

/* "7f00-7f01 r--p 00000000 00:1f 1234   /tmp/x (deleted)" */
static void look_at_map(struct held *h, const char *line)
{
	static const char mark[] = " (deleted)\n";
	const size_t len = strlen(line);
	unsigned major, minor;
	char range[48];
	unsigned long ino;

	if (len < sizeof(mark) || strcmp(line + len - (sizeof(mark) - 1), mark) != 0)
		return;
	if (sscanf(line, "%47s %*s %*s %x:%x %lu", range, &major, &minor, &ino) == 4)
		add_mapping(h, range, makedev(major, minor), ino);
}

/* "Pss_Anon:    1234 kB" */
static void look_at_sum(struct held *h, const char *line)
{
	unsigned long kb;

	if (sscanf(line, "Pss_Anon: %lu kB", &kb) == 1)
		h->anonymous += kb * KIB;
	else if (sscanf(line, "Pss_Shmem: %lu kB", &kb) == 1)
		h->shared += kb * KIB;
}

/* False where there is nothing: a thread that has ended, in a process that has not. */
static bool each_line(struct held *h, int task, const char *file,
		      void (*look)(struct held *, const char *))
{
	const int fd = openat(task, file, O_RDONLY | O_CLOEXEC);
	FILE *text = fd < 0 ? NULL : fdopen(fd, "r");
	auto_free char *line = NULL;
	size_t size = 0;
	bool any = false;

	while (text && !is_late(h) && getline(&line, &size, text) > 0) {
		look(h, line);
		any = true;
	}
	if (text)
		(void)fclose(text);
	return any;
}

/* ---- processes ---- */

static int each_number(struct held *h, int at, const char *name,
		       void (*look)(struct held *, int, const char *))
{
	int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *list = fd < 0 ? NULL : fdopendir(fd);

	if (!list) {
		fd_close(&fd);
		return -1;
	}
	for (const struct dirent *entry; !is_late(h) && (entry = readdir(list));)
		if (entry->d_name[0] >= '0' && entry->d_name[0] <= '9')
			look(h, at, entry->d_name);
	closedir(list);
	return 0;
}

/* The kernel holds the file that a process runs, though nothing of it be mapped any more. */
static void look_at_program(struct held *h, int task)
{
	struct stat st;

	if (fstatat(task, "exe", &st, 0) == 0)
		add_file(h, &st);
	else if (errno == EACCES)
		h->use->hidden++;
}

static void look_at_task(struct held *h, int process, const char *tid)
{
	char path[300];

	(void)snprintf(path, sizeof(path), "task/%s", tid);

	auto_fd int task = openat(process, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (task < 0)
		return;
	/* a door that is shut may hide what it likes */
	if (each_number(h, task, "fd", look_at_fd) < 0 && errno == EACCES)
		h->use->hidden++;
	if (h->mapped)
		return;
	h->mapped = h->order->memory ? each_line(h, task, "smaps_rollup", look_at_sum)
				     : each_line(h, task, "maps", look_at_map);
	look_at_program(h, task);
}

static void look_at_process(struct held *h, int proc, const char *pid)
{
	auto_fd int process = openat(proc, pid, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	/* init is ours, and holds no file of the cell's */
	if (process < 0 || (!h->order->memory && strcmp(pid, "1") == 0))
		return;
	h->process = process;
	h->mapped = false;
	(void)each_number(h, process, "task", look_at_task);
}

/* ---- all of it ---- */

static dev_t dev_of(int fd)
{
	struct stat st;

	return fd >= 0 && fstat(fd, &st) == 0 ? st.st_dev : 0;
}

static uint64_t shm_dir_bytes(void)
{
	struct statvfs st;

	if (statvfs("/dev/shm", &st) < 0)
		return 0;
	return (uint64_t)(st.f_blocks - st.f_bfree) * st.f_frsize;
}

/* With segments that no process has mapped. */
static uint64_t sysv_bytes(void)
{
	struct shm_info info;

	if (shmctl(0, SHM_INFO, (struct shmid_ds *)&info) < 0)
		return 0;
	return (uint64_t)info.shm_rss * (uint64_t)sysconf(_SC_PAGESIZE);
}

/*
 * Shared memory is seen twice, as files and as what is mapped of them; which
 * of them are the same is not said. The larger sum is no more than there is.
 */
static uint64_t memory_sum(const struct held *h)
{
	const uint64_t files = h->memfds + shm_dir_bytes() + sysv_bytes();

	return h->anonymous + (files > h->shared ? files : h->shared) +
	       h->pipes * PIPE_PAGES * (uint64_t)sysconf(_SC_PAGESIZE);
}

void count_held(const struct count_order *order, struct count_use *use)
{
	auto_fd int proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	auto_fd int memfd = memfd_create("count", MFD_CLOEXEC);
	auto_fd int shm = open("/dev/shm", O_PATH | O_CLOEXEC);
	auto_free struct count_file *seen = calloc(SEEN_SLOTS, sizeof(*seen));
	struct held h = {.end = now_ms() + BUDGET_MS,
			 .order = order,
			 .use = use,
			 .seen = seen,
			 .memfd_dev = dev_of(memfd),
			 .shm_dev = dev_of(shm)};
	struct statfs fs;

	if (!seen || proc < 0 || fstatfs(proc, &fs) < 0 || fs.f_type != PROC_SUPER_MAGIC)
		_exit(1);
	for (size_t i = 0; i < order->given_count; i++)
		(void)is_new(&h, order->given[i].dev, order->given[i].ino);
	(void)each_number(&h, proc, ".", look_at_process);
	if (order->memory)
		use->memory = memory_sum(&h);
}
