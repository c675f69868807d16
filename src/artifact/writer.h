/*
 * writer: a tar.zst with both of its hashes made on the way. Private.
 *
 * libarchive writes the tar without a filter into us; we hash those bytes and
 * hand them to a second writer, whose only entry they are, to compress; what
 * comes out of that is hashed and written.
 */
#pragma once

#include "stepcell/artifact.h"

struct archive_writer;

int writer_open(int out, int level, struct archive_writer **writer, struct err *err);

/* Begin a file of exactly `size` bytes, which writer_data() must then deliver. */
int writer_file(struct archive_writer *w, const char *name, bool executable, uint64_t size,
		uint64_t mtime, struct err *err);
int writer_data(struct archive_writer *w, const void *bytes, size_t len, struct err *err);

int writer_link(struct archive_writer *w, const char *name, const char *target, uint64_t mtime,
		struct err *err);

/* Write what is left and tell the hashes. */
int writer_finish(struct archive_writer *w, struct digest *tar, struct digest *blob,
		  struct err *err);
void writer_free(struct archive_writer **writer);
