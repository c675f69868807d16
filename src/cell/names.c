#include "stepcell/cell.h"
#include "stepcell/util.h"

static const char *const verdict_names[] = {
	[CELL_PASSED] = "passed",
	[CELL_FAILED] = "failed",
	[CELL_SIGNALLED] = "signalled",
	[CELL_TIMEOUT] = "timeout",
	[CELL_OUT_OF_MEMORY] = "out-of-memory",
	[CELL_PIDS_LIMIT] = "pids-limit",
	[CELL_DISK_LIMIT] = "disk-limit",
	[CELL_LOG_LIMIT] = "log-limit",
	[CELL_CANCELLED] = "cancelled",
	[CELL_SETUP_FAILED] = "setup-failed",
};
static_assert(COUNT(verdict_names) == CELL_VERDICT_COUNT, "name every verdict");

const char *cell_verdict_name(enum cell_verdict verdict)
{
	return verdict_names[verdict];
}

static const char *const means_names[] = {
	[CELL_BY_NONE] = "none",     [CELL_BY_CGROUP] = "cgroup",   [CELL_BY_QUOTA] = "quota",
	[CELL_BY_RLIMIT] = "rlimit", [CELL_BY_SAMPLED] = "sampled",
};

const char *cell_means_name(enum cell_means means)
{
	return means_names[means];
}

static const char *const wall_names[] = {"userns", "seccomp", "landlock",
					 "cgroup", "timens",  "proc"};
static_assert(COUNT(wall_names) == CELL_WALL_COUNT, "name every wall");

const char *cell_wall_name(enum cell_wall wall)
{
	return wall_names[__builtin_ctz(wall)];
}
