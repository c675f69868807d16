/* text: how names, times and sizes are written for a person. */
#pragma once

#include <stdint.h>

#include "stepcell/strbuf.h"

/* A name from a workflow or a step. NULL adds nothing. */
void text_escaped(const char *text, struct strbuf *out);

/* A line of a step's output: colours dropped, progress bars as they ended, the rest escaped. */
void text_of_log(const char *text, struct strbuf *out);

/* "0.3s", "42.0s", "2m03s", "1h02m" */
void text_of_seconds(double seconds, struct strbuf *out);

/* "812 B", "45.2 KiB", "212 MiB" */
void text_of_bytes(double bytes, struct strbuf *out);

/* How many columns a text takes, a character being one. */
unsigned text_columns(const char *text);
