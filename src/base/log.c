#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "stepcell/limits.h"
#include "stepcell/log.h"
#include "stepcell/strbuf.h"

static bool quiet;

void log_set_quiet(bool on)
{
	quiet = on;
}

/*
 * A message may quote a name that a stranger chose, so no byte of it reaches the
 * terminal as a command. Line breaks are ours: long messages have several lines.
 */
static void print(const char *level, const char *text)
{
	auto_strbuf struct strbuf out = STRBUF(64 * KIB);

	strbuf_addf(&out, "stepcell: %s: ", level);
	while (*text) {
		size_t len = strcspn(text, "\n");

		strbuf_add_visible(&out, text, len);
		text += len;
		if (*text && *++text)
			strbuf_addc(&out, '\n');
	}
	strbuf_addc(&out, '\n');
	(void)fwrite(out.text, 1, out.len, stderr);
}

__attribute__((format(printf, 2, 0))) static void say(const char *level, const char *fmt,
						      va_list args)
{
	auto_strbuf struct strbuf text = STRBUF(16 * KIB);

	strbuf_vaddf(&text, fmt, args);
	print(level, text.text);
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
	print("error", err->text);
}
