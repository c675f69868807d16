/* take: an image that somebody else has just made of the same. Private. */
#pragma once

#include "image/turn.h"

/*
 * In one's turn: is what the one before made still there, with every file as it
 * was? Then only its name remains to be given. False: it is to be made anew.
 */
bool take_made(struct store *store, struct arena *a, const struct turn *turn, const char *again,
	       bool replace);
