/* input: files that the command line names. */
#pragma once

#include "stepcell/err.h"
#include "stepcell/strbuf.h"

/* All of it, at most out->max bytes; links are followed. A failure is ERR_USAGE. */
int input_read(const char *path, struct strbuf *out, struct err *err);
