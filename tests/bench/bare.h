/* bare: the kernel calls of a start alone, to measure against. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct sock_filter;

/* One hierarchy's directory, made for each start, and what is written into it. */
struct bare_cgroup {
	char dir[256];
	bool v2;
	struct {
		const char *file, *value;
	} settings[3];
};

struct bare {
	int userns; /* maps root's files to the step's id */
	const char *skeleton;
	char upper_root[256], upper_usr[256]; /* each with data and work, new for each start */
	struct sock_filter *filter;
	size_t filter_count;
	struct bare_cgroup cgroups[6];
	size_t cgroup_count;
};

void bare_run(const struct bare *b);
