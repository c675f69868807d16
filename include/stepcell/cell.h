/*
 * cell: run one command, sealed.
 *
 * A cell is user, pid, mount, net, ipc, uts, cgroup and time namespaces, a
 * root made of overlays, its own /proc, /dev and loopback, limits by cgroup
 * and rlimits, no capabilities, no_new_privs, Landlock and a seccomp
 * allow-list. Whatever a spec does not mention is off. The command runs as
 * uid and gid 1001, whoever calls.
 *
 * The calling process must have one thread: cells are born by clone3(). It
 * should ignore SIGPIPE. libstepcell(3) explains all of this at length.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "stepcell/err.h"

#pragma GCC visibility push(default) /* what libstepcell shows of itself */

#define CELL_UID 1001

/* ---- who the cells of one job are ---- */

/*
 * As root: a host id of the job's own, held by a lock file below `state`
 * while the owner is open, and a user namespace that maps it to CELL_UID.
 * As an ordinary user: the caller.
 *
 * `state` is the state home everywhere: an absolute path, a directory of the
 * caller's with mode 0700. NULL is the one of stepcell(1): STEPCELL_HOME, else
 * /var/lib/stepcell for root, else $XDG_DATA_HOME/stepcell or
 * ~/.local/share/stepcell, made where it is missing.
 */
struct cell_owner;
int cell_owner_open(const char *state, struct cell_owner **out, struct err *err);
void cell_owner_close(struct cell_owner **owner); /* NULL is fine */

/*
 * Are we root over the whole host, so that an owner opened now gets an id of its own?
 * uid 0 of a container is not: it has no ids to give away, or may not mount.
 */
bool cell_caller_is_root(void);

/*
 * A TCP socket, yours to close, that listens at an address of the loopback that the
 * owner's cells share (CELL_NET_SHARED): "127.0.0.1" or another of 127.0.0.0/8, or
 * "::1". Who accepts on it may be anywhere.
 */
int cell_owner_listen(struct cell_owner *owner, const char *address, uint16_t port, int *out,
		      struct err *err);

/* The host's uid (and gid) of the step: what an upper directory must belong to. */
uint32_t cell_owner_uid(const struct cell_owner *owner);

/* ---- what a cell is made of ---- */

/* A directory tree, read-only, by absolute path, on which there is no link. */
struct cell_layer {
	const char *path;
	bool foreign; /* never idmapped: host files keep their owners, and cannot be changed */
};

/*
 * An overlay mount. The first layer lies on top. One at "/" without layers is
 * the host's root: the host's /usr, read-only, and below "/" what its programs
 * need to be found, nothing else of the host.
 */
struct cell_overlay {
	const char *at; /* "/" first, then what lies below it; made as a directory where it is
			   missing */
	const struct cell_layer *layers;
	size_t layer_count;
	/*
	 * A directory that holds `data` and `work`, both made by cell_upper_make();
	 * NULL mounts read-only. What the cell writes stays in `data`, which may
	 * be a layer of a later cell of the same owner.
	 */
	const char *upper;
};

/* Make `path` with its data/ and work/, owned by the step; its parents must be 0700. */
int cell_upper_make(const struct cell_owner *owner, const char *path, struct err *err);

/* A file or directory of the host, by absolute path, nosuid and nodev. */
struct cell_bind {
	const char *from, *at;
	bool writable; /* default read-only */
};

/*
 * none: a loopback alone; full: the caller's, with its /etc/resolv.conf and /etc/hosts;
 * shared: a loopback alone, and the same for every cell of the owner that asks for it,
 * none of which can change it.
 */
enum cell_network { CELL_NET_NONE, CELL_NET_FULL, CELL_NET_SHARED };
enum cell_proc { CELL_PROC_PID, CELL_PROC_FULL };

/* The walls that can be missing on a host: bits, and names by cell_wall_name(). */
enum cell_wall {
	CELL_WALL_USERNS = 1 << 0,
	CELL_WALL_SECCOMP = 1 << 1,
	CELL_WALL_LANDLOCK = 1 << 2,
	CELL_WALL_CGROUP = 1 << 3,
	CELL_WALL_TIMENS = 1 << 4,
	CELL_WALL_PROC = 1 << 5,
};
#define CELL_WALL_COUNT 6
/* Without these there is no cell at all, whatever a spec requires. */
#define CELL_WALLS_NEEDED (CELL_WALL_USERNS | CELL_WALL_PROC)

const char *cell_wall_name(enum cell_wall wall); /* "userns", ... */

/* 0 is no limit. */
struct cell_limits {
	uint64_t memory;     /* bytes, swap included */
	uint64_t cpus_milli; /* 2000: two processors' worth of time */
	uint64_t io;         /* bytes a second read from each disk, and written to it */
	uint64_t pids;       /* processes and threads, init not among them */
	uint64_t disk;       /* bytes in the uppers, and in files without a name that are held */
	uint64_t files;      /* inodes made in the uppers */
	uint64_t open_files; /* per process */
	uint64_t wall_ms;    /* then the verdict is timeout */
};

/*
 * A function of this binary to run inside the cell instead of a program: same
 * walls, no exec. It must use only what `fds` gives it; its return value (0 to
 * 255) is the exit code. `arg` is the caller's memory, copied by fork; only the
 * caller's command line is not there (a worker has it).
 */
typedef int cell_fn(void *arg, const int *fds, size_t fd_count);

struct cell_spec {
	const char *name; /* names the cgroup and the host: [a-z0-9-], 1 to 63; NULL: "cell" */
	struct cell_owner *owner; /* NULL: one of the cell's own, which goes with it */
	const char *state;        /* the state home: caches, cgroup bookkeeping; NULL: stepcell's */

	const struct cell_overlay *overlays; /* none: the host's root, read-only */
	size_t overlay_count;
	const struct cell_bind *binds;
	size_t bind_count;

	const char *const
		*argv;          /* NULL-ended; argv[0] is looked up in env's PATH inside the cell */
	const char *const *env; /* NULL-ended NAME=VALUE, all of it; NULL: a PATH alone */
	const char *workdir;    /* inside; NULL: "/" */
	bool workdir_or_root;   /* "/" too where `workdir` is not there */
	cell_fn *fn;            /* instead of argv */
	void *fn_arg;

	int stdin_fd;             /* 0 or less: /dev/null */
	int stdout_fd, stderr_fd; /* 0 or less: /dev/null */
	const int *fds;           /* given as 3, 4, ...; all others are closed */
	size_t fd_count;

	struct cell_limits limits;
	enum cell_network network;
	enum cell_proc proc;
	const char *seccomp; /* a filter that ships, or a path; NULL: "default" */
	unsigned require;    /* cell_wall bits without which starting is an error (ERR_SYSTEM) */
	bool audit;          /* count what seccomp refuses: cell_audit() */
	bool pty;            /* a private terminal: /dev/tty, and stdio on it; see cell_pty() */
	int pty_like; /* a terminal whose size and settings it begins with; 0 or less: none */
};

/* ---- running it ---- */

enum cell_verdict {
	CELL_PASSED,
	CELL_FAILED,
	CELL_SIGNALLED,
	CELL_TIMEOUT,
	CELL_OUT_OF_MEMORY,
	CELL_PIDS_LIMIT,
	CELL_DISK_LIMIT,
	CELL_LOG_LIMIT,
	CELL_CANCELLED,
	CELL_SETUP_FAILED,
	CELL_VERDICT_COUNT
};
const char *cell_verdict_name(enum cell_verdict verdict); /* "passed", "out-of-memory", ... */

/* How a limit is enforced, for the reports. */
enum cell_means { CELL_BY_NONE, CELL_BY_CGROUP, CELL_BY_QUOTA, CELL_BY_RLIMIT, CELL_BY_SAMPLED };
const char *cell_means_name(enum cell_means means); /* "none", "cgroup", ... */

struct cell_usage {
	uint64_t wall_us, user_us, system_us;
	uint64_t peak_memory; /* bytes */
	uint64_t peak_pids;
	/*
	 * Block I/O: by cgroup v2; else what the kernel charged to init and the
	 * processes that were waited for, where writing means dirtying a page.
	 */
	uint64_t read_bytes, written_bytes;
};

struct cell_result {
	enum cell_verdict verdict;
	int exit_code;      /* where the main process exited, else -1 */
	int signal;         /* where it was killed, else 0 */
	unsigned survivors; /* processes that outlived it and were killed */
	bool pids_refused;  /* forks were refused, whatever the verdict */
	bool init_killed;   /* failed: the cell ended without a word from its init */
	struct cell_usage usage;
	struct {
		enum cell_means memory, cpus, io, pids, disk, files;
	} means;
};

struct cell; /* a started command */

/*
 * On success `*out` owns every process and kernel object it created, and the
 * command runs. The walls that are missing are in `*missing` (bits; may be
 * NULL), also when a required one is why it failed. On failure nothing is left
 * behind. A root that has a link or a file where a mount is to be is ERR_USAGE,
 * with ELOOP or ENOTDIR in `err->sys`.
 */
int cell_start(const struct cell_spec *spec, struct cell **out, unsigned *missing, struct err *err);

/*
 * Make the next cell of this owner as far as that goes without knowing what
 * runs in it: its cgroups, its namespaces and their settings. For the time that
 * another cell runs: the next cell_start() then has only its mounts to make. It
 * is taken by a spec with the same limits, network and seccomp policy, once,
 * and ended by cell_owner_close() if none comes; only a hint, errors included.
 */
int cell_prepare(const struct cell_spec *spec, struct err *err);

/*
 * A descriptor to poll for POLLIN: then call cell_poll(), which does what is
 * due (limits, samples, time) and says whether the cell has ended. A cell
 * whose owner does not poll is not limited in time.
 */
int cell_fd(const struct cell *cell);
int cell_poll(struct cell *cell, bool *ended, struct err *err);

/*
 * The master side of a cell's private terminal, -1 where none was asked for.
 * The caller moves the bytes: what a cell prints can carry any escape sequence.
 */
int cell_pty(const struct cell *cell);

/* Send a signal to the main process, through its init. */
int cell_signal(struct cell *cell, int number, struct err *err);

/*
 * Read a regular file of the cell, by its path inside, with the rights of the
 * step, before cell_wait(). ERR_USAGE when it is none or larger than `size`.
 */
int cell_read(const struct cell *cell, const char *path, void *buf, size_t size, size_t *len,
	      struct err *err);

/* Kill everything inside now; `why` becomes the verdict. */
void cell_kill(struct cell *cell, enum cell_verdict why);

/* Wait for the end; every process of the cell is dead when this returns. */
int cell_wait(struct cell *cell, struct cell_result *out, struct err *err);

/*
 * What the filter refused, kind by kind; after cell_wait(), of a cell with
 * `audit`. A call that killed is in the verdict, not here; what the kernel
 * refused for reasons of its own, a path or an address, is not seen.
 */
struct cell_refusal {
	char call[32];      /* "mount"; "call 1000" where it has no name */
	char arguments[64]; /* what a policy can judge: "family=17 type=3 protocol=0"; or empty */
	char answer[24];    /* "EPERM" */
	char program[16];   /* what the process calls itself: any bytes */
	uint64_t count;
};
#define CELL_REFUSALS 128
struct cell_audit {
	struct cell_refusal rows[CELL_REFUSALS]; /* in the order of their first time */
	size_t count;
	uint64_t others;   /* refusals of kinds for which there was no row left */
	uint64_t no_route; /* packets and connections for networks that the cell has not;
			      0 when it was killed, and but with CELL_NET_NONE */
};
void cell_audit(const struct cell *cell, struct cell_audit *out);

/* Kill what is left, remove the cgroup, free. NULL is fine. */
void cell_release(struct cell **cell);

/* Remove what a killed stepcell left below `state`: cgroups, id locks. Called once at start. */
void cell_sweep(const char *state);

/* ---- workers: code of ours over bytes of theirs ---- */

/*
 * Run `fn` in a process with nothing to lose: own user, mount, pid, net, ipc
 * and uts namespaces, an empty root that holds only `dirs` (at /0, /1, ...,
 * read-only unless writable, Landlocked to them), the descriptors in `fds`,
 * no capabilities, seccomp by policies/seccomp/worker.yml, limits. Files it
 * makes belong to the store's owner (the caller). The parent waits.
 *
 * With CELL_NET_FULL it has the caller's network, TCP and UDP by
 * policies/seccomp/fetch.yml, and sees the files by which the host finds other
 * hosts by name.
 *
 * `fn` explains a failure by writing a struct err to fds[fd_count], which is
 * added; that error is what cell_worker() returns.
 */
struct cell_work {
	const char *name;
	cell_fn *fn;
	void *arg;
	const struct cell_bind *dirs; /* `at` is ignored */
	size_t dir_count;
	const int *fds;
	size_t fd_count;
	struct cell_limits limits;
	enum cell_network network;
};
int cell_worker(const struct cell_work *work, struct err *err);

/*
 * The same for a caller that talks with its worker while it works: start it,
 * then end it, which waits, at most limits.wall_ms from there on.
 */
struct cell_worker;
int cell_worker_start(const struct cell_work *work, struct cell_worker **out, struct err *err);
int cell_worker_end(struct cell_worker **worker, struct err *err); /* clears the pointer */

/* ---- the host ---- */

enum cell_wall_state { CELL_UP, CELL_PARTIAL, CELL_DOWN };
struct cell_probe {
	const char *name; /* "userns", "overlay", "cgroup-memory", ... */
	enum cell_wall_state state;
	char why[256];  /* what is missing; when up, by what it stands (may be empty) */
	char mend[256]; /* the command or setting that mends it; empty when up */
};

/* Try each wall; returns how many rows were filled, at most `max`. */
size_t cell_doctor(const char *state, struct cell_probe *rows, size_t max);

/*
 * What gives a user cgroups with limits of their own, as commands for a shell
 * in `text`. With `apply`, as root, they are carried out, and `text` has what
 * is left to do: how to enter. Only the files by which processes and
 * controllers are arranged are given away; a directory's limits stay root's.
 */
int cell_delegate(const char *user, uint32_t uid, bool apply, char *text, size_t size,
		  struct err *err);

#pragma GCC visibility pop
