/* supervise: a running cell, as stepcell holds it. */
#pragma once

#include "audit.h"
#include "cgroup.h"
#include "disk.h"
#include "inside.h"
#include "memory.h"

struct cell {
	char name[64];
	struct setup setup;     /* until it runs */
	struct cell_spec early; /* what was known when it was born */
	pid_t pid; /* of init; a number for messages and cgroups: signals go by pidfd */
	int pidfd, status, news;
	int leash; /* the other end of `go`: closed, the cell knows that stepcell is gone */
	int timer, epoll;
	int pty, pty_socket;
	struct cell_owner *own; /* its owner where the spec named none, else NULL */
	struct cgroup *cgroup;
	struct cell_limits limits;
	struct count_ns ns; /* what is counted from, and read through */
	uint32_t uid, gid;  /* of the step, on the host */
	struct disk disk;
	struct memory memory;
	struct audit *audit; /* or NULL */

	uint64_t started, deadline; /* milliseconds; 0: none */
	uint64_t next_forks;
	uint64_t refused_since, refused_last;

	bool killed, reported, ended, reaped;
	enum cell_verdict why; /* of the kill */
	struct init_report report;
	struct cell_result result;
};

/* Begin to watch a cell whose command runs. */
int supervise_begin(struct cell *cell, struct err *err);
