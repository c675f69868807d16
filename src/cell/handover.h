/* handover: what a child hears of its spec, for it is born before it (cell.c). */
#pragma once

#include "inside.h"

struct handover;

/* Before the birth: memory that both will see, at one address. */
int handover_open(struct handover **out, struct err *err);
void handover_close(struct handover **h); /* NULL is fine */

/* After it: no other child may have it. What it wrote there would be this cell's orders. */
int handover_keep(struct handover *h, struct err *err);

/*
 * Copy `s->spec`, with the mounts and the terminal's socket of `s`, to where the
 * child sees it, and send it all descriptors of it through `socket`.
 */
int handover_give(const struct setup *s, int socket, struct err *err);
