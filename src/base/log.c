#include <stdarg.h>
#include <stdio.h>

#include "stepcell/log.h"

static bool quiet;

void log_set_quiet(bool on)
{
	quiet = on;
}

__attribute__((format(printf, 2, 0))) static void say(const char *level, const char *fmt,
						      va_list args)
{
	flockfile(stderr);
	(void)fprintf(stderr, "stepcell: %s: ", level);
	(void)vfprintf(stderr, fmt, args);
	(void)fputc('\n', stderr);
	funlockfile(stderr);
}

void log_warn(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	say("warning", fmt, args);
	va_end(args);
}

void log_note(const char *fmt, ...)
{
	va_list args;

	if (quiet)
		return;
	va_start(args, fmt);
	say("note", fmt, args);
	va_end(args);
}

void log_error(const struct err *err)
{
	(void)fprintf(stderr, "stepcell: error: %s\n", err->text);
}
