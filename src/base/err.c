#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "stepcell/err.h"
#include "stepcell/util.h"

static_assert(sizeof(struct err) <= PIPE_BUF, "an error crosses a pipe in one write");

static const int exit_codes[] = {
	[ERR_NONE] = 0,   [ERR_USAGE] = 2,         [ERR_POLICY] = 3,
	[ERR_SYSTEM] = 4, [ERR_INTERRUPTED] = 130,
};
static_assert(COUNT(exit_codes) == ERR_KIND_COUNT, "give every err_kind its exit code");

/* In parentheses, for the analyser knows macros of these names (err.h). */
int(err_fail)(struct err *err, enum err_kind kind, const char *fmt, ...)
{
	va_list args;

	err->kind = kind;
	err->sys = 0;
	va_start(args, fmt);
	(void)vsnprintf(err->text, sizeof(err->text), fmt, args);
	va_end(args);
	return -1;
}

int(err_sys)(struct err *err, const char *fmt, ...)
{
	int sys = errno;
	va_list args;
	int n;

	err->kind = ERR_SYSTEM;
	err->sys = sys;
	va_start(args, fmt);
	n = vsnprintf(err->text, sizeof(err->text), fmt, args);
	va_end(args);
	if (n >= 0 && (size_t)n < sizeof(err->text))
		(void)snprintf(err->text + n, sizeof(err->text) - (size_t)n, ": %s", strerror(sys));
	errno = sys;
	return -1;
}

int(err_wrap)(struct err *err, const char *fmt, ...)
{
	char inner[sizeof(err->text)];
	va_list args;
	int n;

	memcpy(inner, err->text, sizeof(inner));
	va_start(args, fmt);
	n = vsnprintf(err->text, sizeof(err->text), fmt, args);
	va_end(args);
	if (n >= 0 && (size_t)n < sizeof(err->text))
		(void)snprintf(err->text + n, sizeof(err->text) - (size_t)n, ": %s", inner);
	return -1;
}

void err_clear(struct err *err)
{
	*err = (struct err){0};
}

int err_exit_code(const struct err *err)
{
	return err->kind < ERR_KIND_COUNT ? exit_codes[err->kind] : exit_codes[ERR_SYSTEM];
}
