#include "runner/lines.h"

#include <string.h>

#include "stepcell/limits.h"
#include "stepcell/utf8.h"

/* A whole line and one more character: then it is known that the line goes on. */
#define RAW_MAX (LIMIT_LOG_LINE + 4)

void lines_init(struct lines *l, uint64_t limit, line_fn *fn, void *arg)
{
	*l = (struct lines){
		.fn = fn,
		.arg = arg,
		.limit = limit,
		.raw = STRBUF(RAW_MAX),
		.clean = STRBUF(LIMIT_LOG_LINE),
	};
}

/*
 * What is kept of a byte can be more than a byte: U+FFFD for one that belongs to
 * no character has three, a control character of the journal's JSON six.
 */
static uint64_t growth(const struct strbuf *clean, size_t used)
{
	uint64_t more = clean->len > used ? clean->len - used : 0;

	for (size_t i = 0; i < clean->len; i++)
		if ((unsigned char)clean->text[i] < ' ' && clean->text[i] != '\t')
			more += strlen("\\u001b") - 1;
	return more;
}

static void emit_piece(struct lines *l, bool end)
{
	struct line line = {.continued = l->continued};
	size_t used;

	strbuf_clear(&l->clean);
	used = utf8_clean(l->raw.text, l->raw.len, LIMIT_LOG_LINE, end, &l->clean);
	strbuf_skip(&l->raw, used);
	l->taken += growth(&l->clean, used);
	line.text = l->clean.text;
	line.len = l->clean.len;
	line.continues = !end || l->raw.len > 0;
	l->continued = line.continues;
	l->fn(l->arg, &line);
}

/*
 * An empty line costs the journal and the log as much as one of many bytes: a
 * flood of them has to meet the limit as soon.
 */
#define LINE_COST 16

static void end_line(struct lines *l)
{
	l->taken += LINE_COST;
	do
		emit_piece(l, true);
	while (l->raw.len);
}

static void add(struct lines *l, const char *bytes, size_t len)
{
	while (len) {
		size_t room = RAW_MAX - l->raw.len;
		size_t n = len < room ? len : room;

		strbuf_add(&l->raw, bytes, n);
		bytes += n;
		len -= n;
		if (l->raw.len == RAW_MAX)
			emit_piece(l, false);
	}
}

static size_t span_to_newline(const char *bytes, size_t len)
{
	const char *lf = memchr(bytes, '\n', len);
	size_t span = lf ? (size_t)(lf - bytes) : len;
	const char *cr = memchr(bytes, '\r', span);

	return cr ? (size_t)(cr - bytes) : span;
}

static void split(struct lines *l, const char *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		size_t span;

		if (l->after_cr && bytes[i] == '\n') {
			l->after_cr = false;
			continue;
		}
		span = span_to_newline(bytes + i, len - i);
		add(l, bytes + i, span);
		i += span;
		l->after_cr = i < len && bytes[i] == '\r';
		if (i < len)
			end_line(l);
	}
}

bool lines_feed(struct lines *l, const char *bytes, size_t len)
{
	uint64_t left = l->taken < l->limit ? l->limit - l->taken : 0;
	bool whole = !l->limit || len <= left;

	if (!whole)
		len = (size_t)left;
	l->taken += len;
	split(l, bytes, len);
	return whole;
}

void lines_end(struct lines *l)
{
	if (l->raw.len || l->continued)
		end_line(l);
}

void lines_release(struct lines *l)
{
	strbuf_release(&l->raw);
	strbuf_release(&l->clean);
}
