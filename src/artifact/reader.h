/*
 * reader: the way back: bytes are hashed, expanded, hashed again and read as a
 * tar. Private.
 */
#pragma once

#include <archive.h>
#include <archive_entry.h>

#include "stepcell/artifact.h"

struct archive_reader;

/* `max_tar` bounds what may come out of the compression, whatever the entries say. */
int reader_open(int in, uint64_t max_tar, struct archive_reader **reader, struct err *err);

/* The next entry: 1, 0 at the end, -1. */
int reader_next(struct archive_reader *r, struct archive_entry **entry, struct err *err);

/* Up to `size` bytes of the entry: how many, 0 at its end, -1. */
ssize_t reader_data(struct archive_reader *r, void *bytes, size_t size, struct err *err);

/* Read what is left behind the last entry, and tell the hashes. */
int reader_finish(struct archive_reader *r, struct digest *tar, struct digest *blob,
		  struct err *err);
void reader_free(struct archive_reader **reader);
