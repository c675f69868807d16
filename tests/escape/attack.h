/*
 * attack: payloads that try to get out of a cell.
 *
 * Each prints one line and ends with 0 where the wall held ("held: EPERM"),
 * with 1 where it is open, with 77 where it cannot be tried. Run outside of a
 * cell it must find the way open: that is the positive control. None does harm
 * when it gets through: nothing is written to, no real signal is sent, what is
 * made is bounded and its own.
 */
#pragma once

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

typedef int attack_fn(int argc, char **argv);

/* kernel.c */
attack_fn attack_setid, attack_namespaces, attack_threads, attack_mount_api, attack_mount,
	attack_chroot, attack_remount, attack_mknod, attack_caps, attack_calls, attack_unknown,
	attack_io_uring, attack_foreign_abi, attack_families, attack_netlink, attack_terminal,
	attack_tty, attack_meddle;
/* files.c */
attack_fn attack_devices, attack_shared_node, attack_open_write, attack_open_read,
	attack_cgroup_mount, attack_cgroup, attack_processes, attack_connect, attack_poison;
/* reach.c */
attack_fn attack_programs, attack_reopen, attack_nap, attack_exec, attack_descriptors,
	attack_newcomers, attack_forge, attack_environment, attack_title, attack_core;
/* net.c */
attack_fn attack_egress, attack_spellings, attack_resolve, attack_abstract;
/* audit.c */
attack_fn attack_filters, attack_listener, attack_responder, attack_storm, attack_flood;
/* exhaust.c */
attack_fn attack_forks, attack_pthreads, attack_memory;
/* fill.c */
attack_fn attack_fill, attack_fill_thread, attack_names, attack_unmapped;
/* outlast.c */
attack_fn attack_fds, attack_under_way, attack_ptys, attack_priorities, attack_burn, attack_flush,
	attack_stubborn, attack_daemon, attack_outlive, attack_orphans, attack_answers, attack_dump,
	attack_share;

/* Print the line; the exit code. */
int held(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
int open_way(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
int cannot(const char *why);

/* The exit code of `fn` in a child; 128 and the signal that killed it. */
int in_child(int (*fn)(void *), void *arg);

const char *error_name(int error);

/* Seconds. */
double now(void);
