/* A journal: any bytes, in any pieces, read and shown. */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "record/lines.h"
#include "stepcell/report.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static FILE *sink;
	struct report_terminal *t;
	struct line_reader r;
	size_t piece = size ? 1 + data[0] : 1;

	if (!sink)
		sink = fopen("/dev/null", "we");
	t = report_terminal_new(sink, false, true, false);
	line_reader_init(&r, "journal", report_terminal_event, t);
	for (size_t at = 0; at < size; at += piece)
		line_reader_feed(&r, (const char *)data + at,
				 size - at < piece ? size - at : piece);
	line_reader_release(&r);
	report_terminal_free(&t);
	return 0;
}
