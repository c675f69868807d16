/* names: the words of a policy file, for reading and for showing one. */
#pragma once

#include "stepcell/policy.h"

/* Each ends in NULL. */
extern const char *const policy_checkout_names[];
extern const char *const policy_proc_names[];
extern const char *const policy_caches_names[];
extern const char *const policy_network_names[];
extern const char *const policy_audit_names[];
extern const char *const policy_env_file_names[];
extern const char *const policy_wall_names[];

/* A name that may become a file name: letters, digits, '-' and '_'. */
bool policy_name_ok(const char *name);

extern const struct policy_limits policy_limits_default;
extern const struct field policy_limit_fields[]; /* their offsets are in struct policy_limits */
extern const size_t policy_limit_count;

decode_fn policy_decode_limits;

/* One limit as a policy would have it: "64MiB", "30m", "none". */
void policy_limit_show(const struct policy_limits *limits, const struct field *row,
		       struct strbuf *out);

/* "none", "all" or "[a, b]". */
void policy_names_show(const struct policy_names *names, struct strbuf *out);
