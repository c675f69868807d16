/* unpack: an archive's bytes to files. Parses what strangers made: only in a worker. Private. */
#pragma once

#include "image/stream.h"
#include "image/writer.h"
#include "stepcell/err.h"

/* Read a tar (plain, gzip or zstd) from `fd` to its end, and beyond to the end of the file. */
int unpack(int fd, struct writer *w, struct err *err);

/* The same of a stream, as far as the tar's end mark: what comes then is the caller's to finish. */
int unpack_stream(struct stream *stream, struct writer *w, struct err *err);
