/*
 * sidehash: a hash that is made beside the work on the same bytes. Private.
 *
 * The thread is the process's own business: this runs in workers, which start
 * no process, and where no thread is to be had the hash is made on the spot.
 */
#pragma once

#include "stepcell/digest.h"

struct sidehash;

struct sidehash *sidehash_new(void);

/* Begin to add bytes, which must stay as they are until sidehash_wait(). */
void sidehash_add(struct sidehash *h, const void *bytes, size_t len);
void sidehash_wait(struct sidehash *h);

/* The result into `out`, which may be NULL; frees. NULL is fine. */
void sidehash_end(struct sidehash **h, struct digest *out);
