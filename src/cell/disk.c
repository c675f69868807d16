#include "disk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "birth.h"
#include "fds.h"
#include "stepcell/fd.h"

#define PERIOD_MS   1000
#define SHARE       20  /* of the time, that counting may take: one part in so many */
#define MAX_DEPTH   256 /* one descriptor each; no honest tree comes near */
#define MAX_SECONDS 60

/* ---- the process that counts ---- */

struct walk {
	struct disk_use use;
	uint64_t max_bytes, max_inodes;
};

/* Enough is known. */
static bool is_over(const struct walk *w)
{
	return (w->max_bytes && w->use.bytes > w->max_bytes) ||
	       (w->max_inodes && w->use.inodes > w->max_inodes) || w->use.too_deep;
}

static void count_tree(struct walk *w, int dir, unsigned depth);

static void count_entry(struct walk *w, int dir, const char *name, unsigned depth)
{
	struct stat st;
	int sub;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return;
	w->use.inodes++;
	/* a file of many names is counted once in the end */
	w->use.bytes += (uint64_t)st.st_blocks * 512 / (S_ISDIR(st.st_mode) ? 1 : st.st_nlink);
	if (!S_ISDIR(st.st_mode))
		return;
	if (depth == MAX_DEPTH) {
		w->use.too_deep = 1;
		return;
	}
	sub = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (sub >= 0)
		count_tree(w, sub, depth + 1);
}

/* Takes `dir` over. */
static void count_tree(struct walk *w, int dir, unsigned depth)
{
	DIR *list = fdopendir(dir);

	if (!list) {
		fd_close(&dir);
		return;
	}
	for (const struct dirent *entry; !is_over(w) && (entry = readdir(list));)
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			count_entry(w, dir, entry->d_name, depth);
	closedir(list);
}

/*
 * A directory that the step has closed to itself is closed to an ordinary
 * user's stepcell too. The cell's user namespace is his: in it he may look.
 */
static _Noreturn void count_all(const struct disk *d, int out)
{
	struct walk w = {.max_bytes = d->max_bytes, .max_inodes = d->max_inodes};
	int keep[] = {out, d->userns};
	struct err ignored = {0};

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	(void)alarm(MAX_SECONDS);
	(void)setpriority(PRIO_PROCESS, 0, 10);
	if (fds_close_others(keep, 2, &ignored) < 0 ||
	    (d->userns >= 0 && setns(d->userns, CLONE_NEWUSER) < 0))
		_exit(1);
	for (size_t i = 0; i < d->count; i++) {
		int dir = open(d->uppers[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		if (dir >= 0)
			count_tree(&w, dir, 0);
	}
	_exit(write_full(out, &w.use, sizeof(w.use)) < 0);
}

/* ---- the supervisor's side ---- */

static uint64_t free_bytes(const struct disk *d)
{
	const char *upper = d->count ? d->uppers[0] : NULL;
	struct statvfs st;

	if (!upper || statvfs(upper, &st) < 0)
		return 0;
	return (uint64_t)st.f_bfree * st.f_frsize;
}

int disk_begin(struct disk *d, const struct cell_spec *spec, struct err *err)
{
	*d = (struct disk){.max_bytes = spec->limits.disk,
			   .max_inodes = spec->limits.files,
			   .userns = -1,
			   .result = -1,
			   .pidfd = -1};
	if (!d->max_bytes && !d->max_inodes)
		return 0;
	d->uppers = calloc(spec->overlay_count, sizeof(*d->uppers));
	if (!d->uppers)
		return err_sys(err, "cannot list the uppers");
	for (size_t i = 0; i < spec->overlay_count; i++) {
		if (!spec->overlays[i].upper)
			continue;
		char *upper = strdup(spec->overlays[i].upper);

		if (!upper)
			return err_sys(err, "cannot list the uppers");
		d->uppers[d->count++] = upper;
	}
	d->free_at_start = free_bytes(d);
	return 0;
}

bool disk_is_limited(const struct disk *d)
{
	return d->count > 0;
}

int disk_count(struct disk *d, uint64_t now, struct err *err)
{
	int ends[2];
	bool outside;
	pid_t pid;

	if (!d->count || d->pidfd >= 0 || now < d->next)
		return 0;
	if (pipe_open(ends, err) < 0)
		return -1;
	pid = birth(0, -1, &d->pidfd, &outside, err);
	if (pid == 0)
		count_all(d, ends[1]);
	fd_close(&ends[1]);
	d->result = ends[0];
	d->begun = now;
	return pid < 0 ? -1 : 0;
}

static void reap_counter(struct disk *d)
{
	if (d->pidfd < 0)
		return;
	(void)syscall(SYS_pidfd_send_signal, d->pidfd, SIGKILL, NULL, 0);
	while (waitid(P_PIDFD, (id_t)d->pidfd, &(siginfo_t){0}, WEXITED | __WALL) < 0 &&
	       errno == EINTR)
		;
	fd_close(&d->pidfd);
}

bool disk_is_over(struct disk *d, uint64_t now)
{
	struct walk w = {.max_bytes = d->max_bytes, .max_inodes = d->max_inodes};
	bool read_all = read_full(d->result, &w.use, sizeof(w.use)) == 0;

	fd_close(&d->result);
	reap_counter(d);
	d->next = now + PERIOD_MS + SHARE * (now - d->begun);
	/* a count that did not come to an end says nothing; the next one may */
	return read_all && is_over(&w);
}

bool disk_is_suspicious(const struct disk *d)
{
	const uint64_t now = d->max_bytes ? free_bytes(d) : 0;

	return d->max_bytes && now < d->free_at_start && d->free_at_start - now > d->max_bytes / 2;
}

void disk_end(struct disk *d)
{
	fd_close(&d->result);
	reap_counter(d);
	fd_close(&d->userns);
	for (size_t i = 0; i < d->count; i++)
		free(d->uppers[i]);
	free(d->uppers);
	*d = (struct disk){.userns = -1, .result = -1, .pidfd = -1};
}
