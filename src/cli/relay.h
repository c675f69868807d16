/*
 * relay: the command's three streams.
 *
 * A terminal, a file or a socket of the operator's is never handed into a cell:
 * what goes in and comes out goes through pipes. A pipe is handed in, opened
 * anew: the flags of the operator's own descriptor stay the operator's.
 */
#pragma once

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>

#include "stepcell/err.h"

struct stream {
	int from, to; /* of the relay; -1 both where there is none */
	bool typed;   /* into a terminal, where end of file is a character */
	bool keys;    /* from a terminal that may be another job's to read */
	bool midline;
	char bytes[4096];
	size_t len, done;
	int lost; /* errno of writing */
};

#define RELAY_STREAMS 3
struct relay {
	int inside[RELAY_STREAMS]; /* what the cell gets as 0, 1 and 2 */
	struct stream streams[RELAY_STREAMS];
};

/* The errno of an output that was not all written; 0: it was, or its reader has gone. */
int relay_lost(const struct relay *r);

void relay_init(struct relay *r); /* first of all: relay_close() is fine from then on */

/* With `talk` the command's standard output goes to our standard error. */
int relay_open(struct relay *r, bool talk, struct err *err);

/* The cell has its own copies: without this no stream would ever end. */
void relay_started(struct relay *r);

/* Instead of both: between our input and output and the master of a cell's own terminal. */
int relay_open_terminal(struct relay *r, int master, struct err *err);

/*
 * What to wait for: fills RELAY_STREAMS entries; then what to do about it. Returns how long to wait,
 * for poll(): in the background the terminal is not read, and nobody tells when that is over.
 */
int relay_want(struct relay *r, struct pollfd *fds);
void relay_move(struct relay *r, const struct pollfd *fds);

/* What the command printed and nobody has read yet; a signal from `signals` ends the waiting for who reads. */
void relay_drain(struct relay *r, int signals);

void relay_close(struct relay *r);
