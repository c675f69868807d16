/*
 * seccomp: which system calls a cell may make, as data.
 *
 * A policy (policies/seccomp/NAME.yml) is compiled by libseccomp once and kept
 * as the kernel's own instructions, named by the hash of all that went into it.
 */
#pragma once

#include <stddef.h>

#include "stepcell/err.h"

struct sock_filter;

struct seccomp_filter {
	struct sock_filter *code;
	size_t count;
};

/*
 * Read a policy and compile it, or take the result from `cache_dir`
 * (`STATE/cache/seccomp`, made where it is missing; NULL: no cache). A cached
 * file that is not ours or not whole is made again; a cache that cannot be
 * written only costs time.
 */
int seccomp_filter_load(const char *policy_path, const char *cache_dir, struct seccomp_filter *out,
			struct err *err);

/* Install it for the calling process, after no_new_privs. No memory is allocated. */
int seccomp_filter_install(const struct seccomp_filter *filter, struct err *err);

void seccomp_filter_release(struct seccomp_filter *filter);
