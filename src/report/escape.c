/* escape: a step's words are shown, and never obeyed. */
#include <string.h>

#include "report/text.h"
#include "stepcell/report.h"

void report_escape(const char *text, size_t len, struct strbuf *out)
{
	strbuf_add_visible(out, text, len);
}

void text_escaped(const char *text, struct strbuf *out)
{
	if (text)
		report_escape(text, strlen(text), out);
}

/* The length of a colour sequence, ESC [ 1;31 m, at `text`; 0 when it is none. */
static size_t colour_len(const char *text, size_t len)
{
	size_t i = 2;

	if (len < 3 || text[0] != '\x1b' || text[1] != '[')
		return 0;
	while (i < len && i < 40 && ((text[i] >= '0' && text[i] <= '9') || text[i] == ';'))
		i++;
	return i < len && text[i] == 'm' ? i + 1 : 0;
}

/* What a terminal would be left showing of a line that a progress bar wrote over and over. */
static const char *last_overwrite(const char *text, size_t *len)
{
	size_t end = *len, start;

	while (end && text[end - 1] == '\r')
		end--;
	for (start = end; start && text[start - 1] != '\r';)
		start--;
	*len = end - start;
	return text + start;
}

void text_of_log(const char *text, struct strbuf *out)
{
	size_t len = strlen(text), kept = 0;

	text = last_overwrite(text, &len);
	for (size_t i = 0; i < len;) {
		size_t n = colour_len(text + i, len - i);

		if (!n) {
			i++;
			continue;
		}
		report_escape(text + kept, i - kept, out);
		i += n;
		kept = i;
	}
	report_escape(text + kept, len - kept, out);
}
