/* lines: a journal's text to events. */
#pragma once

#include "stepcell/record.h"

struct line_reader {
	journal_view *view;
	void *arg;
	const char *name; /* for messages */
	unsigned line;
	struct strbuf rest;
};

void line_reader_init(struct line_reader *r, const char *name, journal_view *view, void *arg);
void line_reader_release(struct line_reader *r);

/* The next bytes of the file: calls the view for each line that is complete. */
void line_reader_feed(struct line_reader *r, const char *bytes, size_t len);
