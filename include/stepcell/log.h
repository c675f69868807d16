/* log: what the program says to its operator, on standard error, one line each. */
#pragma once

#include <stdbool.h>

#include "stepcell/err.h"

/* "stepcell: warning: ..." */
void log_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_note(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* "stepcell: error: ..."; called once, at the top. */
void log_error(const struct err *err);

/* Notes are dropped, warnings are not. */
void log_set_quiet(bool on);
