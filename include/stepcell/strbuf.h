/*
 * strbuf: a string that grows up to a maximum.
 *
 * `text` is never NULL and always terminated; `len` does not count the
 * terminator. What would pass `max` is cut and `full` is set and stays set, so
 * a writer may add freely and look once at the end.
 */
#pragma once

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

struct strbuf {
	char *text;
	size_t len, cap, max;
	bool full;
};

extern char strbuf_empty[];
#define STRBUF(maximum) ((struct strbuf){.text = strbuf_empty, .max = (maximum)})

void strbuf_release(struct strbuf *sb);
void strbuf_clear(struct strbuf *sb); /* empty and not full; keeps its memory */

/* The text, owned by the caller (free), or NULL when it is empty; the strbuf is empty again. */
char *strbuf_detach(struct strbuf *sb);

void strbuf_add(struct strbuf *sb, const void *bytes, size_t len);
void strbuf_adds(struct strbuf *sb, const char *text);
void strbuf_addc(struct strbuf *sb, char c);
void strbuf_addf(struct strbuf *sb, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void strbuf_vaddf(struct strbuf *sb, const char *fmt, va_list args)
	__attribute__((format(printf, 2, 0)));

/*
 * Text of unknown origin for a terminal: control characters (C0 but tab, DEL,
 * C1), bidirectional overrides and bytes that are no UTF-8 are written as
 * \n, \x1b, \u202e.
 */
void strbuf_add_visible(struct strbuf *sb, const char *text, size_t len);

/* Drop everything behind the first `len` bytes. */
void strbuf_cut(struct strbuf *sb, size_t len);

/* Drop the first `n` bytes. */
void strbuf_skip(struct strbuf *sb, size_t n);

#define auto_strbuf __attribute__((cleanup(strbuf_release)))
