#include <string.h>

#include "report/view.h"
#include "stepcell/limits.h"

static const char *text_of(const struct node *map, const char *key)
{
	const char *text = node_text(node_get(map, key));

	return text ? text : "?";
}

static void add_visible(struct strbuf *out, const char *text)
{
	strbuf_add_visible(out, text, strlen(text));
}

void report_refused(const struct node *refused, struct strbuf *out)
{
	const double count = event_number(refused, "count");

	add_visible(out, text_of(refused, "call"));
	if (node_get(refused, "arguments")) {
		strbuf_addc(out, '(');
		add_visible(out, text_of(refused, "arguments"));
		strbuf_addc(out, ')');
	}
	if (node_get(refused, "answer")) {
		strbuf_addc(out, ' ');
		add_visible(out, text_of(refused, "answer"));
	}
	strbuf_addf(out, ", %.0f time%s", count, count == 1 ? "" : "s");
	if (node_get(refused, "program")) {
		strbuf_adds(out, ", by ");
		add_visible(out, text_of(refused, "program"));
	}
}
