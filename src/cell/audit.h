/* audit: what a filter refuses, counted without changing what is answered. How: audit.c. */
#pragma once

#include <signal.h>
#include <stdint.h>

#include "seccomp.h"
#include "stepcell/cell.h"

struct seccomp_notif;

#define AUDIT_ARGS 3

/* One kind of refusal, as init counts it. */
struct audit_row {
	int32_t call;
	uint32_t answer;           /* an errno */
	uint32_t args[AUDIT_ARGS]; /* what the filter judges of them; else 0 */
	char program[16];
	uint64_t count;
};

struct audit_table {
	uint32_t count;
	uint64_t others;   /* refusals of kinds for which there was no row left */
	uint64_t no_route; /* what a network was tried for that the cell has not */
	struct audit_row rows[CELL_REFUSALS];
};

struct audit {
	const struct seccomp_filter *policy; /* the owner's: it says what to answer */
	struct seccomp_filter asking;        /* the same, but it asks where that one refuses */
	struct audit_table *table;           /* memory that init shares with stepcell */
	int to_init, from_main;              /* in the child: a socket's ends */
	int listener, signals;               /* in init */
};

/* ---- stepcell's part ---- */

/* `policy` must live as long. An error where it does not let the listener be handed over. */
int audit_open(const struct seccomp_filter *policy, struct audit **out, struct err *err);

/* Once the cell is born: no other child gets the table. */
int audit_keep(const struct audit *audit, struct err *err);

/* What was counted. The table is init's word, and is believed no further than its size. */
void audit_read(const struct audit_table *table, struct cell_audit *out);

void audit_close(struct audit **audit); /* NULL is fine */

/* ---- the child's part ---- */

/* Before the fork; after it each side drops the other's end. */
int audit_pair(struct audit *audit, struct err *err);

/* In the main process, instead of installing the policy: the listener goes to init. */
int audit_install(struct audit *audit, struct err *err);

/* In init: take the listener. `signals` are what audit_serve() returns for. */
int audit_listen(struct audit *audit, const sigset_t *signals, struct err *err);

/* In init: answer until a signal is pending or `ms` are over (-1: however long). */
void audit_serve(struct audit *audit, int proc, int ms);

/* In init, at the end: how often the network of this namespace had no route. */
uint64_t audit_routes(int proc);

/* ---- its parts, for those who test them ---- */

/* The number below `name` in the pair of lines that begin with `line`; 0 where there is none. */
uint64_t audit_column(const char *text, const char *line, const char *name);

/* Count one refusal, and say which errno answers it. */
uint32_t audit_note(struct audit_table *table, const struct seccomp_filter *policy,
		    const struct seccomp_notif *asked, const char *program);
