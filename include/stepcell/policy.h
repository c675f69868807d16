/* policy: the operator's rules, and the answer to what a run asks for. Pure, but for policy_find(),
 * which reads a file. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "stepcell/decode.h"
#include "stepcell/diag.h"
#include "stepcell/node.h"

enum policy_checkout { POLICY_OVERLAY, POLICY_STRICT, POLICY_COPY };
enum policy_proc { POLICY_PROC_PID, POLICY_PROC_FULL };
enum policy_audit { POLICY_AUDIT_REFUSED, POLICY_AUDIT_ALLOWED };
enum policy_env_file { POLICY_ENV_GUARDED, POLICY_ENV_ANY };
enum policy_caches { POLICY_CACHES_NONE, POLICY_CACHES_GUEST, POLICY_CACHES_SHARED };
enum policy_network { POLICY_NET_NONE, POLICY_NET_PROXY, POLICY_NET_FULL };

struct policy_limits {
	/* Bytes or counts; 0 is no limit, which a file must ask for as `none`. */
	uint64_t memory, cpus_milli, io, pids, disk, files, open_files, log, artifacts, services;
	uint64_t step_ms, job_ms;
};

/* What may be asked for by name: nothing, anything, or a list. */
struct policy_names {
	bool all;
	struct texts names;
	struct place at; /* of the line that says so */
};

struct policy {
	const char *name;
	const char *path;
	enum policy_checkout checkout;
	enum policy_proc proc;
	enum policy_network network;
	struct texts network_allow;    /* host:port */
	struct texts network_internal; /* networks that those may lead to, though not public */
	struct place network_at;
	struct policy_names secrets, environments;
	struct policy_names images;  /* of containers and services: references, or "sha256:..." */
	struct policy_names volumes; /* of the host: "/path" to read, "/path:rw" to write too */
	struct policy_limits limits;
	const char *seccomp; /* the name of a file in policies/seccomp */
	enum policy_audit audit;
	struct place audit_at;
	enum policy_caches caches;     /* none; its own beside what trusted runs left; those */
	enum policy_env_file env_file; /* the names that a step may set for later steps */
	struct texts require;          /* names of walls */
};

/* Decode a policy file's text; NULL when `diags` got an error. */
struct policy *policy_load(struct arena *a, const char *path, const char *text, size_t len,
			   struct diags *diags);

/* The policy that `ref` names: one that ships ("default"), or the path of a file. NULL with `err`.
 */
const struct policy *policy_find(struct arena *a, const char *ref, struct err *err);

/* The policy as a file again, with every default spelled out. */
void policy_show(const struct policy *p, struct strbuf *out);

/* One limit by its name in a policy: "memory=64MiB", "step=2s". -1 with the names that exist. */
int policy_set_limit(struct policy_limits *limits, const char *text, struct err *err);

/* Which policy a run gets when none was named: "untrusted" or "default". */
const char *policy_choose(const char *event, bool fork, bool base_tree);

/*
 * May a job use this environment, this secret? 0, or -1 with ERR_POLICY naming
 * the line of the policy that refuses and what would grant it.
 */
int policy_allow_environment(const struct policy *p, const char *environment, struct err *err);
int policy_allow_secret(const struct policy *p, const char *secret, struct err *err);

/*
 * May a workflow run a container of this image, whose digest is 64 hex digits?
 * May a container have this place of the host? As above.
 */
int policy_allow_image(const struct policy *p, const char *ref, const char *hex, struct err *err);
int policy_allow_volume(const struct policy *p, const char *path, bool writable, struct err *err);

/* May what is refused be counted (--audit)? As above. */
int policy_allow_audit(const struct policy *p, struct err *err);
