/*
 * seccomp: which system calls a cell may make, as data.
 *
 * A policy (policies/seccomp/NAME.yml) is compiled by libseccomp once and kept
 * as the kernel's own instructions, named by the hash of all that went into it.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "stepcell/err.h"

struct sock_filter;
struct seccomp_data;

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

/* Compile a policy for any machine that libseccomp knows (SCMP_ARCH_*), without a cache. */
int seccomp_filter_compile(const char *policy_path, uint32_t arch, struct seccomp_filter *out,
			   struct err *err);

/*
 * What the filter answers to a call (SECCOMP_RET_*), as the kernel would read
 * it; an instruction that no filter of ours has kills.
 */
uint32_t seccomp_filter_answer(const struct seccomp_filter *filter,
			       const struct seccomp_data *data);

/* Install it for the calling process, after no_new_privs. No memory is allocated. */
int seccomp_filter_install(const struct seccomp_filter *filter, struct err *err);

/* The same for one that asks (SECCOMP_RET_USER_NOTIF); returns its listener, close-on-exec. */
int seccomp_filter_install_asking(const struct seccomp_filter *filter, struct err *err);

void seccomp_filter_release(struct seccomp_filter *filter);
