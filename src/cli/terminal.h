/* terminal: the operator's, while a terminal of a cell's own is shown on it. */
#pragma once

#include <stdbool.h>
#include <termios.h>

#include "stepcell/err.h"

/* Does standard output want colours: is it a terminal, and NO_COLOR not set? */
bool terminal_colour(void);

struct terminal {
	int fd; /* -1: neither standard input nor output is one */
	bool raw;
	struct termios before;
};
#define TERMINAL_NONE ((struct terminal){.fd = -1})

/* Standard input's, or else standard output's; none is fine. A job in the background is stopped by it. */
int terminal_open(struct terminal *t, struct err *err);

/* Every key goes on as it is, Ctrl-C too. Only where keys come from it: standard input. */
int terminal_raw(struct terminal *t, struct err *err);

/* Give another one its size, which the programs there are told by SIGWINCH. */
void terminal_fit(const struct terminal *t, int other);

/* As it was. What was typed or answered meanwhile is thrown away: it was not meant for a shell. */
void terminal_close(struct terminal *t);
