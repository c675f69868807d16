#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stepcell/strbuf.h"

/* What an empty strbuf points at: never written, for cap is 0. */
char strbuf_empty[1];

void strbuf_release(struct strbuf *sb)
{
	if (sb->cap)
		free(sb->text);
	*sb = STRBUF(sb->max);
}

void strbuf_clear(struct strbuf *sb)
{
	sb->len = 0;
	sb->full = false;
	if (sb->cap)
		sb->text[0] = '\0';
}

char *strbuf_detach(struct strbuf *sb)
{
	char *text = sb->cap ? sb->text : NULL;

	*sb = STRBUF(sb->max);
	return text;
}

static void make_room(struct strbuf *sb, size_t extra)
{
	size_t cap = sb->cap ? sb->cap : 64;
	char *text;

	while (cap < sb->len + extra + 1)
		cap *= 2;
	if (cap == sb->cap)
		return;
	text = realloc(sb->cap ? sb->text : NULL, cap);
	if (!text) {
		(void)fputs("stepcell: error: out of memory\n", stderr);
		abort();
	}
	sb->text = text;
	sb->cap = cap;
	sb->text[sb->len] = '\0';
}

void strbuf_add(struct strbuf *sb, const void *bytes, size_t len)
{
	if (len > sb->max - sb->len) {
		len = sb->max - sb->len;
		sb->full = true;
	}
	if (!len)
		return;
	make_room(sb, len);
	memcpy(sb->text + sb->len, bytes, len);
	sb->len += len;
	sb->text[sb->len] = '\0';
}

void strbuf_adds(struct strbuf *sb, const char *text)
{
	strbuf_add(sb, text, strlen(text));
}

void strbuf_addc(struct strbuf *sb, char c)
{
	strbuf_add(sb, &c, 1);
}

void strbuf_vaddf(struct strbuf *sb, const char *fmt, va_list args)
{
	char small[512];
	va_list again;
	char *large;
	int n;

	va_copy(again, args);
	n = vsnprintf(small, sizeof(small), fmt, args);
	if (n >= 0 && (size_t)n < sizeof(small)) {
		strbuf_add(sb, small, (size_t)n);
	} else if (n >= 0 && (n = vasprintf(&large, fmt, again)) >= 0) {
		strbuf_add(sb, large, (size_t)n);
		free(large);
	}
	va_end(again);
}

void strbuf_addf(struct strbuf *sb, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	strbuf_vaddf(sb, fmt, args);
	va_end(args);
}

void strbuf_cut(struct strbuf *sb, size_t len)
{
	if (len < sb->len) {
		sb->len = len;
		sb->text[len] = '\0';
	}
}

void strbuf_skip(struct strbuf *sb, size_t n)
{
	if (n >= sb->len) {
		strbuf_cut(sb, 0);
		return;
	}
	memmove(sb->text, sb->text + n, sb->len - n + 1);
	sb->len -= n;
}
