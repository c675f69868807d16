#include "walls.h"

#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "landlock.h"
#include "probes.h"
#include "stepcell/util.h"

unsigned walls_missing(const struct cgroup *cgroup, const struct cell_limits *limits)
{
	unsigned missing = 0;

	if (prctl(PR_GET_SECCOMP, 0, 0, 0, 0) < 0)
		missing |= CELL_WALL_SECCOMP;
	if (landlock_abi() < 1)
		missing |= CELL_WALL_LANDLOCK;
	if (!cgroup_covers(cgroup, limits))
		missing |= CELL_WALL_CGROUP;
	if (access("/proc/self/ns/time", F_OK) < 0)
		missing |= CELL_WALL_TIMENS;
	return missing;
}

int walls_refuse(unsigned refused, struct err *err)
{
	char names[128] = "";

	for (unsigned i = 0; i < CELL_WALL_COUNT; i++) {
		size_t len = strlen(names);

		if (refused & (1U << i))
			(void)snprintf(names + len, sizeof(names) - len, "%s%s", len ? ", " : "",
				       cell_wall_name(1U << i));
	}
	return err_fail(err, ERR_SYSTEM,
			"this host lacks a wall that is required: %s ('stepcell doctor' says why)",
			names);
}

unsigned walls_needed_missing(const char *state, struct err *err)
{
	static const struct {
		enum cell_wall wall;
		probe_fn *probe;
	} needed[] = {{CELL_WALL_USERNS, probe_userns}, {CELL_WALL_PROC, probe_proc}};

	for (size_t i = 0; i < COUNT(needed); i++) {
		const char *name = cell_wall_name(needed[i].wall);
		struct cell_probe row = {.name = name, .state = CELL_UP};

		probe_run(needed[i].probe, state, &row);
		if (row.state == CELL_UP)
			continue;
		(void)err_fail(err, ERR_SYSTEM,
			       "this host gives no %s, which every cell needs: %s; mend: %s "
			       "('stepcell doctor' says more)",
			       name, row.why, row.mend);
		return needed[i].wall;
	}
	return 0;
}
