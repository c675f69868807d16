#include "stepcell/json.h"

#include "stepcell/limits.h"
#include "stepcell/report.h"

void report_json_event(void *file, const struct node *event)
{
	auto_strbuf struct strbuf line = STRBUF(LIMIT_JOURNAL_LINE);

	json_write(&line, event);
	strbuf_addc(&line, '\n');
	(void)fwrite(line.text, 1, line.len, file);
	(void)fflush(file);
}
