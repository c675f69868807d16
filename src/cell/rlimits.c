#include "cell/rlimits.h"

#include <sys/resource.h>

#include "stepcell/limits.h"
#include "stepcell/util.h"

#define FEW 1024 /* who has no more than that is limited already */

struct row {
	int resource;
	const char *name;
	rlim_t value; /* RLIM_INFINITY: as the caller had it */
};

static rlim_t or_infinity(uint64_t limit)
{
	return limit ? (rlim_t)limit : RLIM_INFINITY;
}

static rlim_t lower(rlim_t a, rlim_t b)
{
	return a < b ? a : b;
}

/*
 * Of what the kernel counts by user, in all namespaces together, a cell gets no
 * more than a part: the rest is stepcell's, and the user's other cells'.
 */
static rlim_t quarters(int resource, unsigned count)
{
	struct rlimit now;

	if (getrlimit((__rlimit_resource_t)resource, &now) < 0 || now.rlim_max == RLIM_INFINITY ||
	    now.rlim_max < FEW)
		return RLIM_INFINITY;
	return now.rlim_max / 4 * count;
}

static int apply(const struct row *row, struct err *err)
{
	struct rlimit now;

	if (getrlimit((__rlimit_resource_t)row->resource, &now) < 0)
		return err_sys(err, "cannot read the limit %s", row->name);
	/* Raising needs a capability that the cell's parent may not have. */
	now.rlim_max = lower(now.rlim_max, row->value);
	now.rlim_cur = lower(now.rlim_cur, now.rlim_max);
	if (setrlimit((__rlimit_resource_t)row->resource, &now) < 0)
		return err_sys(err, "cannot lower the limit %s", row->name);
	return 0;
}

int rlimits_apply(const struct cell_limits *limits, enum rlimits_for whom, struct err *err)
{
	const struct row rows[] = {
		{RLIMIT_CORE, "core", 0},
		{RLIMIT_NICE, "nice", 0},
		{RLIMIT_RTPRIO, "rtprio", 0},
		{RLIMIT_NOFILE, "nofile",
		 lower(or_infinity(limits->open_files), quarters(RLIMIT_NOFILE, 3))},
		{RLIMIT_SIGPENDING, "sigpending", quarters(RLIMIT_SIGPENDING, 1)},
		{RLIMIT_FSIZE, "fsize", or_infinity(limits->disk)},
		{RLIMIT_MEMLOCK, "memlock", 8 * MIB},
		{RLIMIT_MSGQUEUE, "msgqueue", 800 * KIB},
		{RLIMIT_NPROC, "nproc",
		 whom == RLIMITS_CGROUP ? RLIM_INFINITY : or_infinity(limits->pids)},
		{RLIMIT_AS, "as",
		 whom == RLIMITS_WORKER && RLIMITS_ADDRESSES ? or_infinity(limits->memory)
							     : RLIM_INFINITY},
	};

	for (size_t i = 0; i < COUNT(rows); i++)
		if (apply(&rows[i], err) < 0)
			return -1;
	return 0;
}
