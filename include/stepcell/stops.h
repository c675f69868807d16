/* stops: job control must not stop a stepcell whose cells run on: nobody would hold them to their limits. */
#pragma once

#include <signal.h>
#include <stdbool.h>

/* Add the signals by which a terminal stops a job to those that are held back. */
void stops_add(sigset_t *set);

/* True, and told, when a signal that was held back is one of these. */
bool stops_told(unsigned number);
