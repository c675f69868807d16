#include "disk.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "stepcell/fd.h"
#include "stepcell/limits.h"

#define PERIOD_MS 1000
#define SHARE     20 /* of the time, that counting may take: one part in so many */

/* What a cell can do in a millisecond at most: copy that much, make so many files. */
#define BYTES_PER_MS  (2 * MIB)
#define INODES_PER_MS 200
#define MIN_TICK_MS   20

/* Nobody is to fill the disk to its end, whatever a limit says. */
#define RESERVE_MAX   GIB
#define RESERVE_SHARE 8 /* one part in so many of what was free */

static struct disk_free look_at_free(const struct disk *d)
{
	const char *upper = d->order.upper_count ? d->order.uppers[0] : NULL;
	struct statvfs st;

	if (!upper || statvfs(upper, &st) < 0)
		return d->last;
	return (struct disk_free){(uint64_t)st.f_bfree * st.f_frsize, st.f_ffree};
}

static uint64_t lost(uint64_t before, uint64_t now)
{
	return before > now ? before - now : 0;
}

static uint64_t left(uint64_t max, uint64_t used)
{
	return !max ? UINT64_MAX : max > used ? max - used : 0;
}

/* ---- beginning ---- */

static int list_uppers(struct count_order *order, const struct cell_spec *spec)
{
	order->uppers = calloc(spec->overlay_count, sizeof(*order->uppers));
	if (!order->uppers)
		return -1;
	for (size_t i = 0; i < spec->overlay_count; i++) {
		if (!spec->overlays[i].upper)
			continue;
		char *upper = strdup(spec->overlays[i].upper);

		if (!upper)
			return -1;
		order->uppers[order->upper_count++] = upper;
	}
	return 0;
}

/* A caller's file may have lost its name too: a here-document has none from the start. */
static int list_given(struct count_order *order, const struct cell_spec *spec)
{
	const int stdio[] = {spec->stdin_fd, spec->stdout_fd, spec->stderr_fd};
	const size_t count = 3 + spec->fd_count;

	order->given = calloc(count, sizeof(*order->given));
	if (!order->given)
		return -1;
	for (size_t i = 0; i < count; i++) {
		const int fd = i < 3 ? stdio[i] : spec->fds[i - 3];
		struct stat st;

		if (fd >= 0 && fstat(fd, &st) == 0)
			order->given[order->given_count++] =
				(struct count_file){st.st_dev, st.st_ino};
	}
	return 0;
}

int disk_begin(struct disk *d, const struct cell_spec *spec, struct err *err)
{
	*d = DISK_NONE;
	d->order.max_bytes = spec->limits.disk;
	d->order.max_inodes = spec->limits.files;
	if (!spec->limits.disk && !spec->limits.files)
		return 0;
	if (list_uppers(&d->order, spec) < 0 || list_given(&d->order, spec) < 0)
		return err_sys(err, "cannot list the uppers");
	d->start = d->last = look_at_free(d);
	return 0;
}

bool disk_is_limited(const struct disk *d)
{
	return d->order.upper_count > 0;
}

/* ---- when ---- */

/* Half of what is left to the cell has gone, and it may be all its own. */
static bool is_urgent(const struct disk *d)
{
	const struct disk_free now = look_at_free(d);

	return lost(d->last.bytes, now.bytes) > left(d->order.max_bytes, d->use.bytes) / 2 ||
	       lost(d->last.inodes, now.inodes) > left(d->order.max_inodes, d->use.inodes) / 2;
}

/* In half the time that the rest of the limit lasts, at the fastest. */
uint64_t disk_patience(const struct disk *d)
{
	const uint64_t bytes = left(d->order.max_bytes, d->use.bytes) / 2 / BYTES_PER_MS;
	const uint64_t inodes = left(d->order.max_inodes, d->use.inodes) / 2 / INODES_PER_MS;
	const uint64_t ms = bytes < inodes ? bytes : inodes;

	return ms < MIN_TICK_MS ? MIN_TICK_MS : ms > PERIOD_MS ? PERIOD_MS : ms;
}

int disk_count(struct disk *d, uint64_t now, struct err *err)
{
	const uint64_t wait = PERIOD_MS + SHARE * d->took;

	if (!d->order.upper_count || d->counter.pidfd >= 0)
		return 0;
	if (!d->next)
		d->next = now + PERIOD_MS;
	/* as long as it took is left to others, however urgent */
	d->order.urgent = now + wait >= d->next + d->took && is_urgent(d);
	if (now < d->next && !d->order.urgent)
		return 0;
	d->last = look_at_free(d);
	return counter_start(&d->counter, &d->order, now, err);
}

/* ---- what it says ---- */

/*
 * More has gone from the file system than may be the cell's, beyond what was
 * counted, and the cell keeps files where nobody can count them.
 */
static bool is_hiding(const struct disk *d, const struct disk_free *now)
{
	const uint64_t gone = lost(d->start.bytes, now->bytes);

	return d->hiding > 1 && d->order.max_bytes && gone > d->use.bytes &&
	       gone - d->use.bytes > d->order.max_bytes;
}

/* The file system is nearly full, and half or more of what has gone is the cell's, or may be. */
static bool is_filling(const struct disk *d, const struct disk_free *now)
{
	const uint64_t share = d->start.bytes / RESERVE_SHARE;
	const uint64_t reserve = share < RESERVE_MAX ? share : RESERVE_MAX;

	return d->order.max_bytes && now->bytes < reserve &&
	       (d->hiding > 1 || d->use.bytes > lost(d->start.bytes, now->bytes) / 2);
}

/* So much has gone from the file system as would be over a limit. */
static bool has_lost(const struct disk *d, const struct disk_free *now)
{
	return (d->order.max_bytes && lost(d->start.bytes, now->bytes) > d->order.max_bytes) ||
	       (d->order.max_inodes && lost(d->start.inodes, now->inodes) > d->order.max_inodes);
}

bool disk_is_over(struct disk *d, uint64_t now)
{
	const bool whole = counter_take(&d->counter, &d->use);
	const struct disk_free free = look_at_free(d);

	d->took = now > d->counter.begun ? now - d->counter.begun : 0;
	d->seen = d->counter.begun;
	d->next = now + PERIOD_MS + SHARE * d->took;
	/* one that cannot be counted has seen to that, if the disk has got so much fuller */
	if (!whole)
		return has_lost(d, &free);
	d->hiding = d->use.hidden || d->use.late ? d->hiding + 1 : 0;
	return count_is_over(&d->order, &d->use) || is_hiding(d, &free) || is_filling(d, &free);
}

bool disk_last_count(struct disk *d)
{
	struct err ignored = {0};

	/* one that is under way began too early */
	counter_stop(&d->counter);
	d->hiding = 0;
	return counter_start(&d->counter, &d->order, 0, &ignored) == 0 && disk_is_over(d, 0);
}

/* What has gone from the file system is not enough of a hint: others make room there meanwhile. */
bool disk_is_suspicious(const struct disk *d, uint64_t now)
{
	const uint64_t ms = now - d->seen;
	const struct disk_free free = look_at_free(d);

	return ms >= left(d->order.max_bytes, d->use.bytes) / BYTES_PER_MS ||
	       ms >= left(d->order.max_inodes, d->use.inodes) / INODES_PER_MS ||
	       (d->order.max_bytes && lost(d->start.bytes, free.bytes) > d->order.max_bytes / 2) ||
	       (d->order.max_inodes &&
		lost(d->start.inodes, free.inodes) > d->order.max_inodes / 2);
}

/* ---- the end ---- */

void disk_end(struct disk *d)
{
	counter_stop(&d->counter);
	for (size_t i = 0; i < d->order.upper_count; i++)
		free(d->order.uppers[i]);
	free(d->order.uppers);
	free(d->order.given);
	*d = DISK_NONE;
}
