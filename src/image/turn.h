/* turn: what several want at once is made by one; the others wait, and take it. Private. */
#pragma once

#include <stdbool.h>

#include "image/store.h"

/*
 * Held from turn_take() to turn_end() by one process; the kernel ends the turn
 * of a process that dies. A file remembers what the last one made, and goes
 * with the turn of one who made nothing.
 */
struct turn {
	int fd;
	int turns; /* the store's folder, and the turn's file in it */
	char name[DIGEST_HEX + 1];
	struct digest made; /* the image that the one before made */
	bool known;         /* there is such a one; it may be gone by now */
};

/* Wait for the turn of making `what` (any text). */
int turn_take(struct store *store, const char *what, struct turn *out, struct err *err);

/* Tell those who come later. A turn that cannot be written down costs them the work, no more. */
void turn_made(struct turn *turn, const struct digest *image);

void turn_end(struct turn *turn); /* fine with one that was never taken: fd -1 */
#define auto_turn __attribute__((cleanup(turn_end)))

/*
 * What the content of an open file is known by, without reading it: which file
 * it is, and when it was changed last. False for what is no file, or is not at
 * its beginning. Waits until a change yet to come could be told by its time.
 */
bool turn_of_file(int fd, struct strbuf *what);
