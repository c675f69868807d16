/*
 * inside: what the files of the set-up share about one cell that is being born.
 *
 * The supervisor fills a struct setup, clones, and the child walks the table
 * in setup.c with its own copy of it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/types.h>
#include <termios.h>

#include "audit.h"
#include "cgroup.h"
#include "seccomp.h"
#include "stepcell/cell.h"
#include "stepcell/err.h"

struct handover;

/* How a terminal is set. */
struct pty_look {
	bool known;
	struct termios settings;
	struct winsize size;
};

struct setup {
	const struct cell_spec
		*spec; /* in the child: what is known at its birth, until it takes over the whole */
	struct handover *handover;   /* by which it does */
	unsigned missing;            /* cell_wall bits that this host lacks and nobody requires */
	bool have_cgroup;            /* one that covers the spec's limits */
	bool watch;                  /* no cgroup counts forks and memory: init has to look */
	int entries[CGROUP_ENTRIES]; /* where the child enters its v1 cgroups */
	int entry_count;
	const struct seccomp_filter *filter, *init_filter; /* the owner's, or NULL */
	struct audit *audit;                               /* the cell's, or NULL */
	/*
	 * Mounts made by root outside: the overlays', then the binds', then /dev.
	 * -1 where they are to be made inside, by an ordinary user.
	 */
	int *trees;
	int go; /* a socket: a byte when ids and cgroup are set, then the spec; its end: stepcell died */
	int news;   /* write end, gone at exec: a struct err, or NEWS_READY just before exec */
	int status; /* write end: init's struct init_report, and nobody else's */
	int pty;    /* a socket to hand the master of a private terminal through; -1: none */
	struct pty_look pty_look; /* what it begins with */
	int terminal;             /* in the child: the other side of it */
	int root;                 /* in the child: the root's mount */
	int proc;                 /* in the child: its /proc, where init has to look */
	int null;                 /* in the child: /dev/null, for where stdio leads nowhere */
	char *title;              /* in the child: stepcell's command line */
	size_t title_len;
	uint32_t uid, gid; /* of a worker: the caller's */
	bool is_worker; /* the last of the spec's fds is the pipe for an error, and not counted */
};

/* How many places `trees` has; the last is that of /dev. */
static inline size_t setup_tree_count(const struct cell_spec *spec)
{
	return spec->overlay_count + spec->bind_count + 1;
}

#define SETUP_NO_FDS                                                                               \
	.go = -1, .news = -1, .status = -1, .pty = -1, .terminal = -1, .root = -1, .proc = -1,     \
	.null = -1

/* Init is counted with the step by whoever counts, and gets a place of its own. */
#define INIT_TASKS 1
static inline struct cell_limits limits_with_init(const struct cell_limits *l)
{
	struct cell_limits limits = *l;

	limits.pids += limits.pids ? INIT_TASKS : 0;
	return limits;
}

/* What a child that reaches exec writes into `news`; anything longer is a struct err. */
#define NEWS_READY 'R'

/* One thing that is done between clone3() and the command. */
struct setup_row {
	const char *doing; /* "mounting the root", for the error */
	int (*run)(struct setup *s, struct err *err);
};

/* Walk a table whose last row does not return. */
_Noreturn void setup_walk(struct setup *s, const struct setup_row *table, size_t count);

/* A cell's table; the init and the main process both end in it. */
_Noreturn void setup_run(struct setup *s);

/* What a child said through `news`, all of it. 0 when it reached its command; else its error. */
int news_judge(const char *text, size_t len, struct err *err);

/* ---- what init says through `status` ---- */

enum init_word {
	INIT_ENDED = 1,     /* value: the processes that outlived the main one */
	INIT_FORKS_REFUSED, /* just now */
	INIT_MEMORY,        /* value: bytes in use by all of them */
};
struct init_report {
	uint32_t word;
	int32_t wait_status; /* ENDED: of the main process */
	uint64_t value;
};

/* Reap, forward signals, report, exit. `main_pid` is the only child. */
_Noreturn void init_run(const struct setup *s, pid_t main_pid);

/* ---- rows that cells and workers share ---- */

int keep_own_fds(struct setup *s, struct err *err);
int map_one_id(uint32_t uid, uint32_t gid, struct err *err);
int map_own_id(uint32_t uid, uint32_t gid, struct err *err); /* to itself */
int limit_resources(struct setup *s, struct err *err);
int own_keyring(struct setup *s, struct err *err);
int drop_capabilities(struct setup *s, struct err *err);
int die_with_stepcell(struct setup *s, struct err *err);
int open_null(struct setup *s, struct err *err);
int place_fds(struct setup *s, struct err *err);
int filter_calls(struct setup *s, struct err *err);
int run_command(struct setup *s, struct err *err);

/* ---- rows of the table that live in files of their own ---- */

/* mounts.c */
int mounts_make_private(struct setup *s, struct err *err);
int mounts_root(struct setup *s, struct err *err);
int mounts_overlays(struct setup *s, struct err *err);
int mounts_proc(struct setup *s, struct err *err);
int mounts_tmp(struct setup *s, struct err *err);
int mounts_binds(struct setup *s, struct err *err);
int mounts_pivot(struct setup *s, struct err *err);

/* handover.c */
int take_spec(struct setup *s, struct err *err);

/* dev.c; outside, by root. `*tree` stays -1 where this host lets nobody make a device. */
int dev_outside(const struct cell_spec *spec, int *tree, struct err *err);
int dev_make(struct setup *s, struct err *err);

/* pty.c */
int pty_make(struct setup *s, struct err *err);
int pty_control(struct setup *s, struct err *err);
int pty_receive(int socket, struct err *err);
void pty_look_at(int terminal, struct pty_look *out); /* in stepcell: a cell gets no hold of it */

/* own.c: the namespaces' own settings */
int setting_write(const char *path, const char *text, struct err *err);
int loopback_raise(struct err *err);
int own_time(struct setup *s, struct err *err);
int own_network(struct setup *s, struct err *err);
int own_names(struct setup *s, struct err *err);
int own_title(struct setup *s, struct err *err);
int own_title_back(struct setup *s, struct err *err);

/* No exec will take stepcell's environment, secrets and all, out of this copy of its memory. */
void own_environment_forget(void);
int own_sysctls(struct setup *s, struct err *err);
int own_no_userns(struct setup *s, struct err *err);

/* ---- small things they share ---- */

/*
 * Open the place `at` (absolute) below `root` to mount on; never through a
 * link, whoever planted it. Made when it is missing and `make` is set.
 */
int point_open(int root, const char *at, bool directory, bool make, struct err *err);

/* Attach a detached mount at an open place. */
int point_attach(int tree, int point, const char *at, struct err *err);
